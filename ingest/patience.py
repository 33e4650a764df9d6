"""Patience: what failed because something was away for a while is tried again, with growing and random pauses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    wait_random_exponential,
)

from retrieval.errors import DatabaseUnavailableError, ModelUnavailableError, StoreUnavailableError

logger = logging.getLogger(__name__)

T = TypeVar("T")

OUTAGES = (DatabaseUnavailableError, StoreUnavailableError, ModelUnavailableError)
"""Errors that concern every file alike and may pass by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How an outage is waited out.

    total_s: how long a call is tried again, from its first failure on; 0 for never.
    first_s, longest_s: bounds of the pauses; each is random below a bound that doubles, so that many callers do not
    come back at the same moment.
    sleep: how to wait.
    """

    total_s: float = 60.0
    first_s: float = 0.5
    longest_s: float = 8.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def wait_out(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call until it succeeds, fails for another reason, or patience ends; then its last error is raised.

        `call` has to be one that can be repeated after it failed half-way.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(OUTAGES),
            stop=_longer_than(self.total_s),
            wait=wait_random_exponential(multiplier=self.first_s, max=self.longest_s),
            sleep=self.sleep,
            before_sleep=_tell,
            reraise=True,
        )

        async def attempt() -> T:
            return await call()

        return await retrying(attempt)


def _longer_than(total_s: float) -> Callable[[RetryCallState], bool]:
    """Whether so much time has passed since the first failure; what the call did before that may have taken longer."""
    began: float | None = None

    def is_over(state: RetryCallState) -> bool:
        nonlocal began
        assert state.outcome_timestamp is not None, "a call that is tried again has failed"
        began = state.outcome_timestamp if began is None else began
        return state.outcome_timestamp - began >= total_s

    return is_over


def _tell(state: RetryCallState) -> None:
    assert state.outcome is not None, "a call that is tried again has failed"
    pause = state.upcoming_sleep
    logger.warning(
        "waiting %.1f s (try %d failed: %s)", pause, state.attempt_number, state.outcome.exception()
    )
