"""Patience has an end, even with work that does not stop when it is told to."""

from __future__ import annotations

import asyncio
import time

import pytest

from service.http.patience import Patience


async def _stubborn(ended: asyncio.Event) -> None:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(0.3)
        ended.set()
        raise


async def test_it_returns_or_raises_what_the_work_does() -> None:
    async def work(value: int) -> int:
        return 10 // value

    async with Patience() as patience:
        assert await patience.wait_for(work(5), timeout_s=1) == 2
        with pytest.raises(ZeroDivisionError):
            await patience.wait_for(work(0), timeout_s=1)


@pytest.mark.pace
async def test_work_that_does_not_stop_at_once_is_left_behind_and_awaited_at_the_end() -> None:
    ended = asyncio.Event()
    async with Patience() as patience:
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            await patience.wait_for(_stubborn(ended), timeout_s=0.05)
        assert time.monotonic() - started < 0.25
        assert not ended.is_set()
    assert ended.is_set()


async def test_work_ends_with_the_task_that_waits_for_it() -> None:
    ended = asyncio.Event()
    async with Patience() as patience:
        waiting = asyncio.create_task(patience.wait_for(_stubborn(ended), timeout_s=60))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert ended.is_set()
