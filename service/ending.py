"""Ending a task for certain.

Once is not always enough: where Python 3.11's `asyncio.wait_for` is cancelled in the moment in which what it waits for
comes about, it returns that and forgets the cancellation. `Database` makes up for it; libraries that wait so on
their own account, as the queue's does, do not. A task that goes round for ever would then never end, and whoever awaits
it neither.
"""

from __future__ import annotations

import asyncio

_AGAIN_AFTER_S = 0.5


async def end_task(task: asyncio.Task[None]) -> None:
    """Cancel a task until it has ended. What it raises is not told: it was to end."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_AGAIN_AFTER_S)
    await asyncio.gather(task, return_exceptions=True)
