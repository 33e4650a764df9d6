from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from ingest.budget import ByteBudget


@given(sizes=st.lists(st.integers(0, 30), max_size=30), total=st.integers(1, 20))
def test_no_more_than_the_budget_is_spent_at_once_and_all_get_their_turn(
    sizes: list[int], total: int
) -> None:
    spent = most = done = 0

    async def work(budget: ByteBudget, size: int) -> None:
        nonlocal spent, most, done
        async with budget.spend(size):
            spent += min(size, total)
            most = max(most, spent)
            await asyncio.sleep(0)
            spent -= min(size, total)
        done += 1

    async def run() -> None:
        budget = ByteBudget(total)
        await asyncio.gather(*(work(budget, size) for size in sizes))

    asyncio.run(run())
    assert most <= total
    assert done == len(sizes)


async def test_whoever_is_cancelled_while_waiting_takes_nothing() -> None:
    budget = ByteBudget(10)
    async with budget.spend(10):
        waiting = [asyncio.create_task(_hold(budget, size)) for size in (8, 2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.gather(waiting[0], return_exceptions=True)
    await asyncio.wait_for(waiting[1], 1)
    async with asyncio.timeout(1), budget.spend(10):
        pass


async def _hold(budget: ByteBudget, size: int) -> None:
    async with budget.spend(size):
        await asyncio.sleep(0)
