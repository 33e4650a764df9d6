"""How much a server is asked at once: what it refuses or is too slow for is halved, and grows again slowly."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import ModelError
from retrieval.model_servers.refusals import TooMuchError, TooSlowError

Item = TypeVar("Item")
Rows = NDArray[np.float32]

_GROWS_AFTER = 10
"""Full batches that were taken before one more quarter is tried."""


class AdaptiveBatches:
    """Splits what is asked, for many threads at once. `largest` is where it begins, and never exceeded."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._lock = threading.Lock()
        self._size = largest
        self._taken = 0

    @property
    def size(self) -> int:
        """How many items go into the next request."""
        return self._size

    def run(
        self,
        items: Sequence[Item],
        ask: Callable[[Sequence[Item]], Rows],
        *,
        describe: Callable[[Item], str],
        patient: bool = True,
    ) -> list[Rows]:
        """What `ask` gives for each batch of the items, in their order.

        describe: an item in words, without its content. patient: whether a batch that took too long is halved and asked
        again; otherwise only the next call has smaller ones. Raises `ModelError` for an item that is refused alone, and
        what else `ask` raises.
        """
        rows: list[Rows] = []
        start = 0
        before = self._size
        while start < len(items):
            batch = items[start : start + self._size]
            try:
                rows.append(ask(batch))
            except TooSlowError:
                self._shrink(len(batch))
                if len(batch) == 1 or not patient:
                    raise
            except TooMuchError as exc:
                if len(batch) == 1:
                    # It was this item, not the number of them: the others need not suffer.
                    self._restore(before)
                    raise ModelError(
                        f"{exc} Number {start + 1} of {len(items)} was refused alone: {describe(batch[0])}."
                    ) from None
                self._shrink(len(batch))
            else:
                start += len(batch)
                self._succeed(len(batch))
        return rows

    def _shrink(self, failed: int) -> None:
        with self._lock:
            self._size = max(1, min(self._size, failed // 2))
            self._taken = 0

    def _restore(self, size: int) -> None:
        with self._lock:
            self._size = max(self._size, size)

    def _succeed(self, number: int) -> None:
        with self._lock:
            if number < self._size or self._size == self._largest:
                return
            self._taken += 1
            if self._taken >= _GROWS_AFTER:
                self._size = min(self._largest, self._size + max(1, self._size // 4))
                self._taken = 0
