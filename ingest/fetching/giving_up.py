"""Giving up: a host that fails again and again is left alone, instead of every file's time limit being waited out."""

from __future__ import annotations

import threading

from ingest.errors import FileUnreadableError

_TRIES = 25


class Endurance:
    """Counts failures in a row, over threads."""

    def __init__(self, tries: int = _TRIES) -> None:
        self._tries = tries
        self._failures = 0
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Raises `FileUnreadableError` where there have been too many."""
        if self._failures >= self._tries:
            raise FileUnreadableError(
                f"it was not asked for, after {self._tries} requests in a row had failed"
            )

    def failed(self) -> None:
        """One more request has failed."""
        with self._lock:
            self._failures += 1

    def worked(self) -> None:
        """A request has worked: the next failure is the first again."""
        with self._lock:
            self._failures = 0
