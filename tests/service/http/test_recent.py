"""A recent value: made once for everybody, anew when it is old."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from service.http.recent import Recent


@dataclass
class _Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def _counting() -> tuple[Callable[[], int], Recent[int], _Clock]:
    made = 0
    clock = _Clock()

    async def make() -> int:
        nonlocal made
        await asyncio.sleep(0)
        made += 1
        return made

    return lambda: made, Recent(make, max_age_s=5, clock=clock), clock


async def test_many_who_ask_at_once_make_it_once() -> None:
    made, recent, _ = _counting()
    assert await asyncio.gather(*(recent.get() for _ in range(50))) == [1] * 50
    assert made() == 1


async def test_it_is_made_anew_when_it_is_old() -> None:
    made, recent, clock = _counting()
    await recent.get()
    clock.now = 4.9
    assert await recent.get() == 1
    clock.now = 5.0
    assert await recent.get() == 2
    assert made() == 2


async def test_a_failure_is_raised_and_not_kept() -> None:
    outcomes: Iterator[Exception | int] = iter([ValueError("away"), 7])

    async def make() -> int:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    recent = Recent(make, max_age_s=5)
    with pytest.raises(ValueError, match="away"):
        await recent.get()
    assert await recent.get() == 7
