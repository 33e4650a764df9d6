"""How much one process takes on at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from retrieval.errors import FootnoteError


class OverloadedError(FootnoteError):
    """The process has taken on as much as it may at a time."""

    retryable = True


class Crowd:
    """The requests that are worked on or wait in this process; at most so many, so that none waits without end."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._inside = 0

    @property
    def inside(self) -> int:
        return self._inside

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Be one of them. Raises `OverloadedError`."""
        if self._inside >= self._most:
            raise OverloadedError(
                f"{self._most:,} requests are being answered or wait, which is as many as one process takes on. Ask "
                "again in a moment."
            )
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
