"""Denied requests in the log: each with its route, its reason and how its key began; of a flood, how many."""

from __future__ import annotations

import asyncio
import logging

logger = logging.getLogger("footnote.auth")

_WINDOW_S = 10.0
_MOST_LINES = 20


class Denials:
    """Writes a line for a denied request, so many in ten seconds; how many more there were is said afterwards."""

    def __init__(self, *, window_s: float = _WINDOW_S, most_lines: int = _MOST_LINES) -> None:
        self._window_s = window_s
        self._most_lines = most_lines
        self._lines = 0
        self._untold = 0
        self._timer: asyncio.TimerHandle | None = None

    def note(
        self, *, method: str, route: str, status: int, reason: str, prefix: str | None, peer: str
    ) -> None:
        """`prefix`: how the key began that came with it, which need not be one that there is."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._window_s, self._end_window)
        if self._lines >= self._most_lines:
            self._untold += 1
            return
        self._lines += 1
        logger.warning(
            "denied: %s %s %d %s key %s from %s",
            method,
            route,
            status,
            reason,
            prefix or "none",
            peer,
            extra={
                "method": method,
                "route": route,
                "status": status,
                "reason": reason,
                "key": prefix,
                "peer": peer,
            },
        )

    def _end_window(self) -> None:
        self._timer = None
        self._lines = 0
        if self._untold:
            logger.warning("%d more requests were denied in %g s", self._untold, self._window_s)
            self._untold = 0
