"""Waiting with a limit that holds, also for work that cannot be stopped at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Patience:
    """Waits for work no longer than it is told, and owns what has to be left behind until it has ended.

    `asyncio.timeout` waits until the work has taken note of its cancellation. A query to a server that has stopped
    answering takes ten seconds for that, since psycopg first asks the same server to cancel it.
    """

    def __init__(self) -> None:
        self._left_behind: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*self._left_behind, return_exceptions=True)

    async def wait_for(self, work: Coroutine[Any, Any, T], *, timeout_s: float) -> T:
        """What `work` returns or raises. Raises `TimeoutError` after `timeout_s`, on the dot."""
        task = asyncio.create_task(work)
        try:
            done, _ = await asyncio.wait({task}, timeout=timeout_s)
        except asyncio.CancelledError:
            self._leave(task)
            raise
        if not done:
            self._leave(task)
            raise TimeoutError
        return task.result()

    def _leave(self, task: asyncio.Task[Any]) -> None:
        task.cancel()
        self._left_behind.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._left_behind.discard(task)
        if not task.cancelled():
            task.exception()  # nobody waits for it any more
