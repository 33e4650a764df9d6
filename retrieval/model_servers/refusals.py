"""What an HTTP status of a model's server means, in words that repeat none of the server's own.

What concerns every text alike (no way to the server, a wrong key, another model behind the name) is a
`ModelUnavailableError`, so that a run which ingests waits, and ends, rather than let file after file fail.
"""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime

from retrieval.errors import ModelError, ModelUnavailableError
from retrieval.model_servers.spec import ServerSpec

_TOO_MUCH = re.compile(
    r"batch|too (large|long|many|big)|exceed|(context|input|sequence) (length|size)|tokens? per request"
    r"|max(imum)?[ _](number|length|input|client|tokens)|at most \d",
    re.IGNORECASE,
)


class PassingError(ModelUnavailableError):
    """What may pass within seconds; `retry_after_s` is what the server said to that, and `is_busy` that it works."""

    def __init__(self, message: str, retry_after_s: float | None = None, *, is_busy: bool = False) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.is_busy = is_busy


class TooSlowError(ModelUnavailableError):
    """A request took longer than it may."""


class TooMuchError(ModelError):
    """The server does not take as much at once, or not so long a text."""


class RequestRefusedError(ModelError):
    """The server refused this request, and would do so again."""


def refusal(spec: ServerSpec, status: int, *, complaint: str, retry_after: str | None) -> ModelError:
    """The error for a status outside 200 to 299.

    complaint: the server's own words, which are looked into and never repeated. retry_after: its header of that name.
    """
    server = spec.shown
    if status == 413 or (status in (400, 422) and _TOO_MUCH.search(complaint)):
        return TooMuchError(f"{server} does not take as much at once (status {status}).")
    if status == 429:
        return PassingError(
            f"{server} is too busy, or its limits are reached (status 429). Try again later, or lower "
            f"{spec.setting('requests_at_once')}.",
            seconds_to_wait(retry_after, now=time.time()),
            is_busy=True,
        )
    if status in (408, 424, 425) or status >= 500:
        return PassingError(
            f"{server} is not able to answer now (status {status}). Try again later; its own log says why.",
            seconds_to_wait(retry_after, now=time.time()),
        )
    if status < 400:
        return ModelUnavailableError(
            f"{server} redirects to another address (status {status}), which is not followed: texts and keys go only "
            f"where they were configured to go. Set {spec.setting('base_url')} to the final address."
        )
    if status in (401, 402, 403):
        return ModelUnavailableError(
            f"{server} refused the key, or what it stands for is used up (status {status}). Check "
            f"{spec.setting('api_key')}."
        )
    if status in (404, 405):
        return ModelUnavailableError(
            f"{server} does not exist: the server knows no such model, or the address is not that of its interface "
            f"(status {status}). Check {spec.setting('model')} and {spec.setting('base_url')}."
        )
    return RequestRefusedError(f"{server} refused the request (status {status}). Its own log says why.")


def seconds_to_wait(retry_after: str | None, *, now: float) -> float | None:
    """What a header Retry-After says, in seconds from `now` (since the epoch); None where it says nothing."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None
