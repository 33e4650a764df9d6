"""Kinds of problems: which status, name and title an error has over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

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
    ModelUnavailableError,
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
from service.http.crowd import OverloadedError
from service.http.cursors import CursorError
from service.http.refusals import (
    ChangedMeanwhileError,
    CrossOriginError,
    FormBrokenError,
    FormTooLargeError,
    KeyMissingError,
    KeyRefusedError,
    LinkRefusedError,
    NotAFormError,
    RoleLackingError,
    SameKeyOtherRequestError,
    SlowSenderError,
    StillAtWorkError,
)
from service.jobs import JobConflictError, JobGoneError, TooManyJobsError
from service.limits import LimitReachedError
from service.metering import AnswerTimeoutError
from service.pictures import NoPictureError
from service.signing_keys import IssuerUnavailableError
from service.tokens import TokenRefusedError
from service.uploads import NoRoomError, WrongFileError

_RETRY = MappingProxyType({"Retry-After": "5"})


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
        ModelUnavailableError: Kind(
            status=503, name="model-unavailable", title="A model's server is away", headers=_RETRY
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
FAULT = Kind(
    status=500,
    name="fault",
    title="Something went wrong inside",
    detail="the service met a fault of its own. The service's log has its cause under this request's id.",
)
NOT_VALID = Kind(status=422, name="not-valid", title="The request does not have the right shape")
NOT_JSON = Kind(status=400, name="not-json", title="The body is not JSON")
NO_SUCH_ROUTE = Kind(status=404, name="no-such-route", title="There is nothing at this address")
WRONG_METHOD = Kind(status=405, name="wrong-method", title="The address does not take this method")
TOO_SLOW = Kind(status=408, name="too-slow", title="The body came too slowly")
TOO_LARGE = Kind(status=413, name="too-large", title="The body is too large")
NOT_SENT_AS_JSON = Kind(
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
