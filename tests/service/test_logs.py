"""Log lines: one JSON object each, with the request they belong to."""

from __future__ import annotations

import json
import logging
import subprocess
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
        "trace_id": "-",
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


def test_addresses_of_other_servers_with_what_may_be_secret_in_them_are_not_logged() -> None:
    program = (
        "import httpx2; from service.logs import configure_logging; configure_logging('plain')\n"
        "transport = httpx2.MockTransport(lambda request: httpx2.Response(200))\n"
        "httpx2.Client(transport=transport).get('http://ann:hunter2@127.0.0.1/v1?key=hunter2')"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert "hunter2" not in done.stderr
