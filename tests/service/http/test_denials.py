"""Denied requests in the log."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from service.http.denials import Denials
from service.logs import JsonFormatter
from tests.service.http.conftest import House


def denials_of(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "footnote.auth"]


async def test_every_denied_request_is_logged_with_its_reason_and_without_its_secret(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    made_up = "fn_aaaaaaaa_" + "b" * 43
    for headers in (
        {"Authorization": ""},
        {"Authorization": f"Bearer {made_up}"},
        {"Authorization": "Bearer something-else-that-is-secret"},
        await house.client_as(role="editor"),
    ):
        await house.client.get("/v1/audit?limit=1", headers=headers)
    told = denials_of(caplog)
    assert [(record.__dict__["status"], record.__dict__["reason"]) for record in told] == [
        (401, "key-missing"),
        (401, "key-refused"),
        (401, "key-refused"),
        (403, "role-lacking"),
    ]
    keys = [record.__dict__["key"] for record in told]
    assert keys[:3] == [None, "fn_aaaaaaaa", None]
    assert keys[3] is not None
    for record in told:
        entry = json.loads(JsonFormatter().format(record))
        assert (entry["method"], entry["route"]) == ("GET", "/v1/audit")
        assert "b" * 43 not in json.dumps(entry)
        assert "that-is-secret" not in json.dumps(entry)


async def test_of_a_flood_the_first_are_logged_and_how_many_more_there_were(
    caplog: pytest.LogCaptureFixture,
) -> None:
    denials = Denials(window_s=0.05, most_lines=3)
    for _ in range(10):
        denials.note(method="GET", route="/v1/x", status=401, reason="key-missing", prefix=None, peer="::1")
    await asyncio.sleep(0.2)
    denials.note(method="GET", route="/v1/x", status=401, reason="key-missing", prefix=None, peer="::1")
    told = [record.getMessage() for record in denials_of(caplog)]
    assert len(told) == 5
    assert told[3] == "7 more requests were denied in 0.05 s"
