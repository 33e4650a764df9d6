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
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from generation.errors import (
    LLMError,
    LLMRejectedError,
    LLMResponseError,
    LLMTimeoutError,
    LLMUnavailableError,
    OutsideNotAllowedError,
)
from retrieval.errors import (
    ConfigurationError,
    DatabaseUnavailableError,
    ErasedError,
    FootnoteError,
    IndexMismatchError,
    InvalidRequestError,
    ModelError,
    NotFoundError,
    QueryTimeoutError,
)
from service.answering_jobs import JobInterruptedError, OwnerGoneError
from service.collections import AlreadyThereError, StillInUseError
from service.http.broadcast import (
    AnswerStoppedError,
    AnswerTooLongError,
    ServiceStoppingError,
    TooManyAnswersError,
)
from service.http.chat_errors import chat_error, chat_status, speaks_openai
from service.http.crowd import OverloadedError
from service.http.cursors import CursorError
from service.http.refusals import (
    ChangedMeanwhileError,
    FormBrokenError,
    FormTooLargeError,
    NotAFormError,
    SameKeyOtherRequestError,
    SlowSenderError,
    StillAtWorkError,
)
from service.jobs import JobConflictError, JobGoneError, TooManyJobsError
from service.limits import LimitReachedError
from service.logs import REQUEST_ID
from service.metering import AnswerTimeoutError
from service.observing import current_trace_id
from service.pictures import NoPictureError
from service.signing_keys import IssuerUnavailableError
from service.tokens import TokenRefusedError
from service.uploads import NoRoomError, WrongFileError

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
_RETRY = MappingProxyType({"Retry-After": "5"})


class KeyMissingError(FootnoteError):
    """A request came without a key."""


class KeyRefusedError(FootnoteError):
    """A request came with a key that is not in force."""


class RoleLackingError(FootnoteError):
    """A caller is known, but their role does not allow what they ask for."""


class LinkRefusedError(FootnoteError):
    """The secret of a one-time link is wrong, was used, or came too late or from elsewhere."""


class CrossOriginError(FootnoteError):
    """A request with a session's cookie does not come from a page of the service's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of problem. `detail` is said in place of an error's own message where that may name hosts or paths."""

    status: int
    name: str
    title: str
    detail: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


_KINDS: Mapping[type[FootnoteError], Kind] = MappingProxyType(
    {
        CursorError: Kind(status=400, name="broken-cursor", title="The cursor is broken"),
        KeyMissingError: Kind(
            status=401,
            name="key-missing",
            title="A key is needed",
            headers={"WWW-Authenticate": 'Bearer realm="footnote"'},
        ),
        KeyRefusedError: Kind(
            status=401,
            name="key-refused",
            title="The key is not in force",
            headers={"WWW-Authenticate": 'Bearer realm="footnote", error="invalid_token"'},
        ),
        TokenRefusedError: Kind(
            status=401,
            name="token-refused",
            title="The token is not accepted",
            headers={"WWW-Authenticate": 'Bearer realm="footnote", error="invalid_token"'},
        ),
        LinkRefusedError: Kind(
            status=401,
            name="link-refused",
            title="The link is not accepted",
            headers={"WWW-Authenticate": 'Bearer realm="footnote"'},
        ),
        CrossOriginError: Kind(
            status=403, name="cross-origin", title="The request does not come from a page of this service"
        ),
        IssuerUnavailableError: Kind(
            status=503, name="issuer-unavailable", title="The tokens' issuer is away", headers=_RETRY
        ),
        RoleLackingError: Kind(status=403, name="role-lacking", title="The role does not allow it"),
        OutsideNotAllowedError: Kind(
            status=403, name="outside-not-allowed", title="The passages may not leave the house"
        ),
        NotFoundError: Kind(status=404, name="not-found", title="There is no such thing"),
        NoPictureError: Kind(status=404, name="no-picture", title="There is no picture of the page"),
        ErasedError: Kind(status=410, name="erased", title="The document was deleted"),
        AnswerStoppedError: Kind(status=409, name="answer-stopped", title="The answer was stopped"),
        AlreadyThereError: Kind(status=409, name="already-there", title="There is one already"),
        StillInUseError: Kind(status=409, name="still-in-use", title="It is still in use"),
        StillAtWorkError: Kind(
            status=409, name="still-at-work", title="The same request is still at work", headers=_RETRY
        ),
        ChangedMeanwhileError: Kind(
            status=412, name="changed-meanwhile", title="It has changed in the meantime"
        ),
        FormBrokenError: Kind(status=400, name="broken-form", title="The body is not a form"),
        SlowSenderError: Kind(status=408, name="too-slow", title="The body came too slowly"),
        FormTooLargeError: Kind(status=413, name="too-large", title="The body is too large"),
        NotAFormError: Kind(status=415, name="not-a-form", title="The body was not sent as a form"),
        WrongFileError: Kind(status=415, name="wrong-file", title="The file could not be taken in"),
        SameKeyOtherRequestError: Kind(
            status=422, name="idempotency-key-reused", title="The Idempotency-Key belongs to another request"
        ),
        NoRoomError: Kind(status=507, name="no-room", title="There is no room for it", headers=_RETRY),
        JobConflictError: Kind(
            status=422, name="idempotency-key-reused", title="The Idempotency-Key belongs to another request"
        ),
        JobGoneError: Kind(status=410, name="job-gone", title="What the job held is gone"),
        TooManyJobsError: Kind(
            status=429, name="too-many-jobs", title="Too many jobs are open", headers=_RETRY
        ),
        OwnerGoneError: Kind(status=403, name="owner-gone", title="The key is no longer in force"),
        JobInterruptedError: Kind(
            status=500, name="job-interrupted", title="The job was interrupted again and again"
        ),
        InvalidRequestError: Kind(status=422, name="invalid-request", title="The request cannot be met"),
        ConfigurationError: Kind(
            status=500, name="misconfigured", title="The service is not configured rightly"
        ),
        IndexMismatchError: Kind(
            status=500, name="index-mismatch", title="The index does not fit the configured embedder"
        ),
        AnswerTooLongError: Kind(
            status=500, name="answer-too-long", title="The answer is too long to be streamed"
        ),
        LLMError: Kind(status=502, name="llm-failed", title="The language model failed"),
        LLMRejectedError: Kind(
            status=502, name="llm-rejected", title="The language model refused the request"
        ),
        LLMResponseError: Kind(
            status=502, name="llm-response", title="The language model gave something that is not an answer"
        ),
        LLMUnavailableError: Kind(
            status=502, name="llm-unavailable", title="The language model is away", headers=_RETRY
        ),
        LLMTimeoutError: Kind(
            status=504, name="llm-timeout", title="The language model took too long", headers=_RETRY
        ),
        LimitReachedError: Kind(status=429, name="limit-reached", title="A limit of the key is reached"),
        OverloadedError: Kind(
            status=503,
            name="overloaded",
            title="The service has taken on as much as it can",
            headers=MappingProxyType({"Retry-After": "1"}),
        ),
        QueryTimeoutError: Kind(
            status=504, name="search-timeout", title="The search took too long", headers=_RETRY
        ),
        AnswerTimeoutError: Kind(
            status=504, name="answer-timeout", title="The answer took too long", headers=_RETRY
        ),
        ServiceStoppingError: Kind(
            status=503, name="stopping", title="The service is stopping", headers=_RETRY
        ),
        TooManyAnswersError: Kind(
            status=503, name="too-many-answers", title="Too many answers are being told", headers=_RETRY
        ),
        DatabaseUnavailableError: Kind(
            status=503,
            name="database-unavailable",
            title="The database is away",
            detail="the database cannot be reached or could not do its work. Nothing that was reported as done is "
            "lost; try again in a few seconds.",
            headers=_RETRY,
        ),
    }
)
_BUSY = Kind(status=503, name="unavailable", title="The service cannot answer now", headers=_RETRY)
_FAULT = Kind(
    status=500,
    name="fault",
    title="Something went wrong inside",
    detail="the service met a fault of its own. The service's log has its cause under this request's id.",
)
_NOT_VALID = Kind(status=422, name="not-valid", title="The request does not have the right shape")
_NOT_JSON = Kind(status=400, name="not-json", title="The body is not JSON")
_NO_SUCH_ROUTE = Kind(status=404, name="no-such-route", title="There is nothing at this address")
_WRONG_METHOD = Kind(status=405, name="wrong-method", title="The address does not take this method")
_TOO_LARGE = Kind(status=413, name="too-large", title="The body is too large")
_NOT_SENT_AS_JSON = Kind(
    status=415,
    name="not-sent-as-json",
    title="The body was not sent as JSON",
    detail="send the body as JSON with the header Content-Type: application/json.",
)


def kind_of(error: FootnoteError) -> Kind:
    """The kind of problem that an error is."""
    for cls in type(error).__mro__:
        if cls in _KINDS:
            return _KINDS[cls]
    if error.retryable:
        return _BUSY
    return Kind(status=500, name="failed", title="It could not be done")


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
    return _shape(_FAULT, _FAULT.detail or "", path=path)


def problem_of_job(error: Exception, path: str) -> dict[str, Any]:
    """What the owner of a job is told of why it failed."""
    return problem_in_stream(error, path=path)


def fault(request: Request) -> Response:
    """What a caller is told of an exception that nobody foresaw: nothing but where to look."""
    return problem(request, _FAULT, _FAULT.detail or "")


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
                _NOT_JSON,
                f"the body is not JSON: {error['ctx']['error']} at character {where}.",
            )
        if tuple(error["loc"]) == ("body",) and not _sent_as_json(request):
            return problem(request, _NOT_SENT_AS_JSON, _NOT_SENT_AS_JSON.detail or "")
    errors = [_wrong_field(error) for error in found[:_MOST_ERRORS]]
    detail = "; ".join(f"{error['field'] or error['in']}: {error['message']}" for error in errors)
    more = f"; and {len(found) - _MOST_ERRORS:,} more" if len(found) > _MOST_ERRORS else ""
    return problem(request, _NOT_VALID, f"{detail}{more}.", errors=errors)


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
            kind, detail = _NOT_JSON, "the body is not JSON in UTF-8, or it is nested too deeply."
        case 404:
            kind, detail = (
                _NO_SUCH_ROUTE,
                "there is nothing at this address. /openapi.json lists what there is.",
            )
        case 405:
            allowed = (exc.headers or {}).get("Allow", "another method")
            kind, detail = _WRONG_METHOD, f"this address does not take {request.method}, but {allowed}."
        case 413:
            kind, detail = _TOO_LARGE, exc.detail
        case status:
            kind = Kind(status=status, name=f"http-{status}", title=HTTPStatus(status).phrase)
            detail = exc.detail
    return problem(request, kind, detail, headers=exc.headers)
