"""How much a model has done, and for how long it was at work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """seconds: in which at least one job ran; time in which nothing was there to do is not in them."""

    items: int = 0
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return self.items / self.seconds if self.seconds else 0.0


class Throughput:
    """Counts the items of jobs, which may overlap. For one thread: that of the event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._running = 0
        self._since = 0.0
        self._items = 0
        self._seconds = 0.0

    @contextmanager
    def job(self, items: int) -> Iterator[None]:
        """To be held while a job of so many items runs; they count where it does not fail."""
        if self._running == 0:
            self._since = self._clock()
        self._running += 1
        try:
            yield
            self._items += items
        finally:
            self._running -= 1
            if self._running == 0:
                self._seconds += self._clock() - self._since

    def done(self) -> Done:
        """What was done so far, the time of jobs that still run included."""
        running_s = self._clock() - self._since if self._running else 0.0
        return Done(items=self._items, seconds=self._seconds + running_s)
