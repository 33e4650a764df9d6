"""Reading sources from async code, in threads that nobody waits for once the reader has been cancelled.

A program that ends waits for asyncio's own threads, however long a server or a disk takes to answer.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """As `asyncio.to_thread`. Cancelled, it leaves the call alone, which then must not do more than read."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: T) -> None:
        if not done.done():
            done.set_result(result)

    def fail(error: BaseException) -> None:
        if not done.done():
            done.set_exception(error)

    def work() -> None:
        with suppress(RuntimeError):  # the loop is closed, and nobody wants to know any more
            try:
                result = context.run(call, *args, **kwargs)
            except BaseException as exc:  # noqa: BLE001  nothing is swallowed: it is raised where the caller waits
                loop.call_soon_threadsafe(fail, exc)
            else:
                loop.call_soon_threadsafe(settle, result)

    threading.Thread(target=work, name="reading a source", daemon=True).start()
    return await done
