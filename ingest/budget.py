"""A budget of bytes: bounds how much memory the files at work may take together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class ByteBudget:
    """Hands out bytes, first come first served. Whoever asks for more than there is gets all of it, alone."""

    def __init__(self, total_bytes: int) -> None:
        self._total = total_bytes
        self._free = total_bytes
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def spend(self, size_bytes: int) -> AsyncIterator[None]:
        """Hold `size_bytes` for the time of the block."""
        share = min(size_bytes, self._total)
        if self._waiting or share > self._free:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append((share, turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._give_back(share)
                raise
        else:
            self._free -= share
        try:
            yield
        finally:
            self._give_back(share)

    def _give_back(self, share: int) -> None:
        self._free += share
        while self._waiting:
            next_share, turn = self._waiting[0]
            if turn.cancelled():
                self._waiting.popleft()
            elif next_share <= self._free:
                self._waiting.popleft()
                self._free -= next_share
                turn.set_result(None)
            else:
                return
