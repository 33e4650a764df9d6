"""Every error response is a problem, and tells no more than it should."""

from __future__ import annotations

import logging

import httpx
import pytest
from fastapi import Request

from generation.errors import GenerationError, LLMError, LLMTimeoutError
from ingest.errors import FileUnreadableError, IngestError
from retrieval.errors import (
    ConfigurationError,
    DatabaseUnavailableError,
    ExtraMissingError,
    FootnoteError,
    IndexMismatchError,
    ModelError,
    SchemaOutdatedError,
    WeightsError,
)
from service.http.problem_kinds import kind_of
from tests.service.http.conftest import House, unopened_app


def _subclasses(cls: type[FootnoteError]) -> set[type[FootnoteError]]:
    return {cls}.union(*(_subclasses(below) for below in cls.__subclasses__()))


def test_every_error_of_ours_has_a_kind_of_problem() -> None:
    errors = [cls.__new__(cls) for cls in _subclasses(FootnoteError)]
    assert all(400 <= kind_of(error).status < 600 for error in errors)
    assert kind_of(FileUnreadableError("x")).status == 503


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (IndexMismatchError("index 'kb' was built with another embedder. Run `footnote reindex`."), 500),
        (ConfigurationError("database.dsn is missing."), 500),
        (ModelError("the model failed"), 500),
        (DatabaseUnavailableError("the database ('kb' at /secret/socket) cannot be reached"), 503),
        (LLMTimeoutError("it took too long"), 504),
        (SchemaOutdatedError("older than this release"), 500),
        (WeightsError("cannot be had"), 500),
        (ExtraMissingError("gpu", "It"), 500),
        (GenerationError("x"), 500),
        (LLMError("x"), 502),
        (IngestError("x"), 500),
        (RuntimeError("the cat sat on /secret/mat"), 500),
    ],
)
async def test_an_error_inside_is_a_problem_that_names_no_place(
    error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    app = unopened_app()

    @app.get("/broken")
    async def broken(request: Request) -> None:
        raise error

    transport = httpx.ASGITransport(app=app)  # it raises what the app lets through: nothing may come through
    async with httpx.AsyncClient(transport=transport, base_url="http://footnote") as client:
        response = await client.get("/broken", headers={"X-Request-ID": "abc-1"})
    problem = response.json()
    assert response.status_code == problem["status"] == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["X-Request-ID"] == problem["request_id"] == "abc-1"
    assert problem["instance"] == "/broken"
    assert set(problem) == {"type", "title", "status", "detail", "instance", "request_id", "trace_id"}
    assert "secret" not in response.text
    assert ("Retry-After" in response.headers) == (status in (503, 504))
    assert [record.levelno for record in caplog.records if record.name == "footnote.problems"] == (
        [] if isinstance(error, RuntimeError) else [logging.ERROR]
    )


async def test_a_fault_is_logged_with_its_traceback_and_told_without_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = unopened_app()

    @app.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError("a detail")

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://footnote"
    ) as client:
        response = await client.get("/broken")
    assert response.json()["type"] == "urn:footnote:problem:fault"
    assert "a detail" not in response.text
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


async def test_an_unknown_address_or_method_is_a_problem(house: House) -> None:
    for method, path, status, told in (
        ("GET", "/nowhere", 404, "/openapi.json"),
        ("GET", "/v1/documents/", 404, "/openapi.json"),
        ("GET", "/%0d%0a%00\N{PILE OF POO}" + "x" * 5000, 404, "/openapi.json"),
        ("GET", "/v1/ask", 405, "this address does not take GET, but POST."),
        ("DELETE", "/health/live", 405, "this address does not take DELETE, but GET."),
        ("HEAD", "/v1/documents", 405, ""),
        ("BREW", "/v1/ask", 405, ""),
    ):
        response = await house.client.request(method, path)
        assert response.status_code == status, (method, path)
        assert response.headers["content-type"] == "application/problem+json"
        assert "X-Request-ID" in response.headers
        assert told in response.text
        assert len(response.text) < 700
        assert ("Allow" in response.headers) == (status == 405)


async def test_a_body_that_cannot_be_read_says_why(house: House) -> None:
    for content, content_type, status, told in (
        (b'{"question": ', "application/json", 400, "the body is not JSON: Expecting value at character 13."),
        (b'{"question": "\xff"}', "application/json", 400, "not JSON in UTF-8"),
        (b"[" * 100_000, "application/json", 400, "nested too deeply"),
        (b'{"question": "x", "k": ' + b"9" * 5000 + b"}", "application/json", 400, "not JSON"),
        (b'{"question": "x", "k": NaN}', "application/json", 422, "k: input should be a valid integer"),
        (b'{"question": "x", "collection": "\\ud800"}', "application/json", 422, "collection: "),
        (b"", "application/json", 422, "body: a JSON object is required"),
        (b'{"question": "x"}', "text/plain", 415, "Content-Type: application/json"),
        (b'{"question": "x"}', "application/x-www-form-urlencoded", 415, "Content-Type: application/json"),
        (b'{"question": "x"}', "", 415, "Content-Type: application/json"),
        (b"{" + b" " * 1024 * 1024 + b"}", "application/json", 413, "larger than the 1,048,576 bytes"),
    ):
        headers = {"Content-Type": content_type} if content_type else {}
        response = await house.client.post("/v1/ask", content=content, headers=headers)
        assert response.status_code == status, content[:40]
        assert response.headers["content-type"] == "application/problem+json"
        assert told in response.json()["detail"]


async def test_what_was_sent_is_not_repeated_in_a_problem(house: House) -> None:
    response = await house.client.post(
        "/v1/ask", json={"question": ["where is the treasure"], "k": "treasure"}
    )
    assert response.status_code == 422
    assert "treasure" not in response.text


async def test_a_request_id_that_is_no_plain_word_is_replaced(house: House) -> None:
    for sent in ("", "x" * 65, "a b", "a\\n", "ünlaut", "<script>"):
        response = await house.client.get("/health/live", headers=[(b"X-Request-ID", sent.encode("latin-1"))])
        assert response.headers["X-Request-ID"] != sent
        assert len(response.headers["X-Request-ID"]) == 32
