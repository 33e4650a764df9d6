"""Problems: the one shape of error responses (RFC 9457, `application/problem+json`).

    {"type", "title", "status", "detail", "instance", "request_id", "errors": [{"in", "field", "message"}],
     "limit": {"name", "limit", "used", "retry_after_s"}}

Where clients of OpenAI's API call, they have the shape of theirs instead (`service.http.chat_errors`).

`type` is what programs tell problems apart by; `errors` is there for requests of the wrong shape alone, `limit` where
one is reached.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from retrieval.errors import (
    FootnoteError,
    ModelError,
)
from service.http.chat_errors import chat_error, chat_status, speaks_openai
from service.http.problem_kinds import (
    FAULT,
    NO_SUCH_ROUTE,
    NOT_JSON,
    NOT_SENT_AS_JSON,
    NOT_VALID,
    TOO_LARGE,
    TOO_SLOW,
    WRONG_METHOD,
    Kind,
    kind_of,
)
from service.limits import LimitReachedError
from service.logs import REQUEST_ID
from service.observing import current_trace_id

logger = logging.getLogger("footnote.problems")

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:footnote:problem:"
_LONGEST_INSTANCE = 200
_LONGEST_FIELD = 100
_MOST_ERRORS = 20
# In words of the API's: pydantic has ones of Python's.
_MESSAGES = MappingProxyType(
    {
        "extra_forbidden": "there is no such field",
        "missing": "it is required",
        "dict_type": "a JSON object is required",
        "model_type": "a JSON object is required",
        "model_attributes_type": "a JSON object is required",
        "string_unicode": "it holds half of a character",
        "date_from_datetime_parsing": "give a day, as in 2026-01-31",
        "date_parsing": "give a day, as in 2026-01-31",
    }
)


def problem(
    request: Request,
    kind: Kind,
    detail: str,
    *,
    errors: Sequence[Mapping[str, str]] = (),
    members: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The response that tells of a problem, in the shape that the address's clients read; `members` is what programs
    are told beside its words."""
    request.state.problem = kind.name  # for whoever logs that the request was denied
    path = request.scope["path"]
    if speaks_openai(path):
        param = errors[0]["field"] if errors else None
        return JSONResponse(
            chat_error(status=kind.status, name=kind.name, message=detail, param=param or None),
            status_code=chat_status(kind.status),
            headers={**kind.headers, **(headers or {})},
        )
    content = _shape(kind, detail, path=path) | dict(members or {})
    if errors:
        content["errors"] = list(errors)
    return JSONResponse(
        content, status_code=kind.status, headers={**kind.headers, **(headers or {})}, media_type=MEDIA_TYPE
    )


def _shape(kind: Kind, detail: str, *, path: str) -> dict[str, Any]:
    return {
        "type": _TYPE + kind.name,
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "instance": quote(path)[:_LONGEST_INSTANCE],
        "request_id": REQUEST_ID.get(),
        "trace_id": current_trace_id(),
    }


def problem_in_stream(error: Exception, *, path: str) -> dict[str, Any]:
    """The body that tells of a problem where the response has begun: what goes wrong in the middle of an answer."""
    if isinstance(error, FootnoteError):
        kind = kind_of(error)
        _log(error, kind)
        return _shape(kind, kind.detail or str(error), path=path) | _members(error)
    logger.error("a fault that nobody foresaw, in the middle of an answer", exc_info=error)
    return _shape(FAULT, FAULT.detail or "", path=path)


def problem_of_job(error: Exception, path: str) -> dict[str, Any]:
    """What the owner of a job is told of why it failed."""
    return problem_in_stream(error, path=path)


def fault(request: Request) -> Response:
    """What a caller is told of an exception that nobody foresaw: nothing but where to look."""
    return problem(request, FAULT, FAULT.detail or "")


def install_problems(app: FastAPI) -> None:
    """Make every error of the app's routes, foreseen or the framework's own, a problem."""
    app.add_exception_handler(FootnoteError, _on_footnote_error)
    app.add_exception_handler(RequestValidationError, _on_wrong_shape)
    app.add_exception_handler(HTTPException, _on_http_exception)


async def _on_footnote_error(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, FootnoteError)
    kind = kind_of(exc)
    _log(exc, kind)
    headers = {"Retry-After": str(exc.retry_after_s)} if isinstance(exc, LimitReachedError) else None
    return problem(request, kind, kind.detail or str(exc), members=_members(exc), headers=headers)


def _members(error: FootnoteError) -> dict[str, Any]:
    """What is told of an error beside its words."""
    return {"limit": error.as_json()} if isinstance(error, LimitReachedError) else {}


def _log(error: FootnoteError, kind: Kind) -> None:
    if kind.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        # A model's failure has a cause that only its traceback tells; the others say all in their message.
        logger.error(
            "%s: %s", type(error).__name__, error, exc_info=error if isinstance(error, ModelError) else None
        )


async def _on_wrong_shape(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RequestValidationError)
    found = exc.errors()
    for error in found:
        if error["type"] == "json_invalid":
            where = error["loc"][-1]
            return problem(
                request,
                NOT_JSON,
                f"the body is not JSON: {error['ctx']['error']} at character {where}.",
            )
        if tuple(error["loc"]) == ("body",) and not _sent_as_json(request):
            return problem(request, NOT_SENT_AS_JSON, NOT_SENT_AS_JSON.detail or "")
    errors = [_wrong_field(error) for error in found[:_MOST_ERRORS]]
    detail = "; ".join(f"{error['field'] or error['in']}: {error['message']}" for error in errors)
    more = f"; and {len(found) - _MOST_ERRORS:,} more" if len(found) > _MOST_ERRORS else ""
    return problem(request, NOT_VALID, f"{detail}{more}.", errors=errors)


def _sent_as_json(request: Request) -> bool:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type == "application/json" or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )


def _wrong_field(error: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with which field. What was sent is never repeated: it may be a question."""
    place, *names = (str(part) for part in error["loc"])
    message = _MESSAGES.get(error["type"], str(error["msg"]))
    if error["type"] == "missing" and not names:
        message = "a JSON object is required"
    # A name that was sent may be of any length, and hold what no JSON can be made of again.
    field_name = ".".join(names).encode("utf-8", "backslashreplace").decode()[:_LONGEST_FIELD]
    return {"in": place, "field": field_name, "message": message[:1].lower() + message[1:]}


async def _on_http_exception(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    match exc.status_code:
        case 400:  # FastAPI's own, for every body that it fails to read but for plain errors of syntax
            kind, detail = NOT_JSON, "the body is not JSON in UTF-8, or it is nested too deeply."
        case 404:
            kind, detail = (
                NO_SUCH_ROUTE,
                "there is nothing at this address. /openapi.json lists what there is.",
            )
        case 405:
            allowed = (exc.headers or {}).get("Allow", "another method")
            kind, detail = WRONG_METHOD, f"this address does not take {request.method}, but {allowed}."
        case 408:
            kind, detail = TOO_SLOW, exc.detail
        case 413:
            kind, detail = TOO_LARGE, exc.detail
        case status:
            kind = Kind(status=status, name=f"http-{status}", title=HTTPStatus(status).phrase)
            detail = exc.detail
    return problem(request, kind, detail, headers=exc.headers)
