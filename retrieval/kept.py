"""What is kept in memory to be had again: the last used, within a limit of bytes and of age."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFigures:
    """How often something was looked for and was there, and how much is kept. `shared`: it was just being made."""

    hits: int
    misses: int
    shared: int
    entries: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry(Generic[V]):
    value: V
    size_bytes: int
    until: float


class Kept(Generic[K, V]):
    """Values by key. What was used longest ago goes first; nothing is given out after `max_age_s`, used or not."""

    def __init__(
        self, *, max_bytes: int, max_age_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._clock = clock
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()
        self._size_bytes = 0
        self._look_at = 0.0
        self.hits = self.misses = self.shared = 0

    def get(self, key: K) -> V | None:
        """The value, now the last to go; None where there is none, or it is too old."""
        self._drop_old()
        entry = self._entries.get(key)
        if entry is None or entry.until <= self._clock():
            self.misses += 1
            return None
        self.hits += 1
        self._entries.move_to_end(key)
        return entry.value

    def put(self, key: K, value: V, *, size_bytes: int) -> None:
        """Keep a value that takes so many bytes; one larger than all that may be kept is not."""
        self._drop_old()
        self._drop(key)
        if size_bytes > self._max_bytes:
            return
        self._entries[key] = _Entry(value=value, size_bytes=size_bytes, until=self._clock() + self._max_age_s)
        self._size_bytes += size_bytes
        while self._size_bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def figures(self) -> KeptFigures:
        self._drop_old()
        return KeptFigures(
            hits=self.hits,
            misses=self.misses,
            shared=self.shared,
            entries=len(self._entries),
            size_bytes=self._size_bytes,
        )

    def _drop(self, key: K) -> None:
        if (entry := self._entries.pop(key, None)) is not None:
            self._size_bytes -= entry.size_bytes

    def _drop_old(self) -> None:
        """Forget what is too old, also what nobody asks for; a tenth of the age at most passes between two looks."""
        now = self._clock()
        if now >= self._look_at:
            self._look_at = now + self._max_age_s / 10
            for key in [key for key, entry in self._entries.items() if entry.until <= now]:
                self._drop(key)
