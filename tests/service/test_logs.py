"""Log lines: one JSON object each, with the request they belong to."""

from __future__ import annotations

import json
import logging
import sys

from service.logs import JsonFormatter


def _record(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("footnote.requests", logging.INFO, __file__, 1, message, arguments, None)


def test_a_line_is_one_json_object_with_what_the_record_carries() -> None:
    record = _record("%s\nof two lines", "a message")
    record.request_id, record.route, record.status = "abc-1", "/v1/ask", 200
    line = JsonFormatter().format(record)
    entry = json.loads(line)
    assert "\n" not in line
    assert entry.pop("time").endswith("+00:00")
    assert entry == {
        "level": "info",
        "logger": "footnote.requests",
        "message": "a message\nof two lines",
        "request_id": "abc-1",
        "route": "/v1/ask",
        "status": 200,
    }


def test_a_traceback_stays_within_its_line() -> None:
    record = _record("it failed")
    try:
        raise ZeroDivisionError("a detail")
    except ZeroDivisionError:
        record.exc_info = sys.exc_info()
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert "ZeroDivisionError: a detail" in json.loads(line)["traceback"]
    assert json.loads(line)["request_id"] == "-"
