"""A value that is made anew at most every so often, however many ask for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Makes a value when asked, and gives the same one to everybody for `max_age_s`.

    One task makes it while the others wait for it, so that no number of callers can load what it is made from.
    """

    def __init__(
        self,
        make: Callable[[], Awaitable[T]],
        *,
        max_age_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make = make
        self._max_age_s = max_age_s
        self._clock = clock
        self._lock = asyncio.Lock()
        self._made: tuple[float, T] | None = None

    async def get(self) -> T:
        """The value, at most `max_age_s` old. What making it raises is raised, and not kept."""
        async with self._lock:
            if self._made is not None and self._clock() - self._made[0] < self._max_age_s:
                return self._made[1]
            value = await self._make()
            self._made = (self._clock(), value)
            return value
