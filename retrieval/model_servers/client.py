"""One request to a model's server: JSON there and back, within bounds of time and size, tried again where that helps.

Texts and keys go to the configured address and nowhere else: redirects are not followed, and a server inside is not
reached through a proxy of the environment. Errors are raised `from None` where the server's words or the request would
come along: they may hold texts or the key.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_any,
    stop_before_delay,
    wait_random,
    wait_random_exponential,
)

from retrieval.errors import ModelError, ModelUnavailableError
from retrieval.model_servers.refusals import PassingError, TooSlowError, refusal
from retrieval.model_servers.spec import ServerSpec

logger = logging.getLogger(__name__)

_ATTEMPTS = 5
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 8.0
_CONNECT_TIMEOUT_S = 5.0
_COMPLAINT_BYTES = 64 * 1024
"""Of a refusal no more is read."""


class ModelServer:
    """A server that is asked from many threads. Raises `ConfigurationError` for an address or key that is none."""

    def __init__(self, spec: ServerSpec) -> None:
        self.spec = spec
        self.name = spec.shown
        self.disruptions = 0
        """How often something went wrong on the way that may mean that the server was started anew."""
        self._closing = threading.Event()
        limits = httpx2.Limits(
            max_connections=spec.requests_at_once, max_keepalive_connections=spec.requests_at_once
        )
        transport = httpx2.HTTPTransport(limits=limits) if spec.location == "inside" else None
        self._client = httpx2.Client(
            headers=spec.headers() | {"Accept-Encoding": "identity"},
            limits=limits,
            transport=transport,
            follow_redirects=False,
        )

    def ask(
        self,
        path: str,
        body: Mapping[str, object],
        *,
        most_bytes: int,
        patience_s: float,
        timeout_s: float | None = None,
    ) -> Any:
        """The answer to a POST, read as JSON.

        most_bytes: the largest answer. patience_s: how long it is tried again, at most, where something passing fails.
        timeout_s: of one try, where that is less than the server has as a rule.
        Raises `TooMuchError`, `TooSlowError`, `RequestRefusedError`, `ModelUnavailableError`.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(PassingError),
            stop=stop_any(stop_after_attempt(_ATTEMPTS), stop_before_delay(patience_s)),
            wait=_pause,
            sleep=self._sleep,
            before_sleep=_tell,
            reraise=True,
        )
        limit_s = min(self.spec.timeout_s, timeout_s or self.spec.timeout_s)
        url = f"{self.spec.url}{path}"
        return retrying(self._attempt, url, body, most_bytes, limit_s)

    def look(self, url: str, *, most_bytes: int, timeout_s: float) -> Any | None:
        """What a GET of an address of the server's gives, read as JSON; None where it gives nothing of the kind.

        Tried once. Raises `ModelUnavailableError` where the server cannot be asked.
        """
        with self._answer("GET", url, None, timeout_s) as (response, ends_at):
            content = self._read(response, most_bytes, ends_at) if response.is_success else b""
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            return None

    def close(self) -> None:
        """Let go of all connections; whoever waits or asks then gets a `ModelError`."""
        self._closing.set()
        self._client.close()

    def _attempt(self, url: str, body: Mapping[str, object], most_bytes: int, limit_s: float) -> Any:
        with self._answer("POST", url, body, limit_s) as (response, ends_at):
            if not response.is_success:
                complaint = self._read(response, _COMPLAINT_BYTES, ends_at, cut=True)
                raise refusal(
                    self.spec,
                    response.status_code,
                    complaint=complaint.decode(errors="replace"),
                    retry_after=response.headers.get("Retry-After"),
                )
            content = self._read(response, most_bytes, ends_at)
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise self.unreadable("something that is not JSON") from None

    @contextmanager
    def _answer(
        self, method: str, url: str, body: Mapping[str, object] | None, limit_s: float
    ) -> Iterator[tuple[httpx2.Response, float]]:
        """A response whose body is still to be read, and until when; what goes wrong meanwhile is one of our errors."""
        self._check_open()
        ends_at = time.monotonic() + limit_s
        # Whoever asks beside the threads that are meant to waits for a connection as long as others may keep it.
        timeout = httpx2.Timeout(limit_s, connect=min(_CONNECT_TIMEOUT_S, limit_s), pool=10 * limit_s)
        with (
            self._explained(limit_s),
            self._client.stream(method, url, json=body, timeout=timeout) as response,
        ):
            yield response, ends_at

    def _read(self, response: httpx2.Response, most: int, ends_at: float, *, cut: bool = False) -> bytes:
        """The body. Of a longer one the beginning where it may be `cut`."""
        content = bytearray()
        for part in response.iter_bytes():
            content += part
            if len(content) > most:
                if cut:
                    return bytes(content[:most])
                raise self.unreadable(f"more than the {most:,} bytes that an answer can have")
            if time.monotonic() > ends_at:
                raise httpx2.ReadTimeout("the whole answer took too long")
        return bytes(content)

    def unreadable(self, what: str) -> ModelUnavailableError:
        """The error for an answer that is none. `what` the server sent, in words of ours."""
        return ModelUnavailableError(
            f"{self.name} sent {what}. Check that {self.spec.setting('base_url')} is the address of such an interface, "
            f"and {self.spec.setting('model')} a model of this kind."
        )

    def _sleep(self, seconds: float) -> None:
        self._closing.wait(seconds)

    def _check_open(self) -> None:
        if self._closing.is_set():
            raise ModelError(f"the model {self.spec.model} has been closed")

    @contextmanager
    def _explained(self, limit_s: float) -> Iterator[None]:
        """Turn what the transport raises into ours."""
        try:
            yield
        except PassingError as exc:
            self.disruptions += not exc.is_busy
            raise
        except httpx2.ConnectTimeout as exc:
            raise self._away("cannot be reached", exc) from None
        except httpx2.TimeoutException:
            self.disruptions += 1
            raise TooSlowError(
                f"{self.name} took longer than {limit_s:g} s. Try again, or raise {self.spec.setting('timeout_s')}."
            ) from None
        except httpx2.ConnectError as exc:
            raise self._away("cannot be reached", exc) from None
        except httpx2.HTTPError as exc:
            raise self._away("broke the connection off, or does not speak HTTP", exc) from None
        except RuntimeError:
            self._check_open()  # what the client raises once it is closed
            raise

    def _away(self, what: str, error: httpx2.HTTPError) -> ModelError:
        self._check_open()
        self.disruptions += 1
        return PassingError(
            f"{self.name} {what} ({type(error).__name__}). Is the server running, and is "
            f"{self.spec.setting('base_url')} right?"
        )


_back_off = wait_random_exponential(multiplier=_FIRST_PAUSE_S, max=_LONGEST_PAUSE_S)
_jitter = wait_random(0, _FIRST_PAUSE_S)


def _pause(state: RetryCallState) -> float:
    """What the server asked for and a little more, so that many do not come back at the same moment; else a random
    pause below a bound that doubles."""
    error = None if state.outcome is None else state.outcome.exception()
    asked = error.retry_after_s if isinstance(error, PassingError) else None
    return _back_off(state) if asked is None else asked + _jitter(state)


def _tell(state: RetryCallState) -> None:
    assert state.outcome is not None, "a call that is tried again has failed"
    logger.info(
        "asking again in %.1f s (try %d failed: %s)",
        state.upcoming_sleep,
        state.attempt_number,
        state.outcome.exception(),
    )
