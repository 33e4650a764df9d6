from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from ingest.patience import Patience
from retrieval.errors import (
    ContentRejectedError,
    DatabaseUnavailableError,
    FootnoteError,
    ModelUnavailableError,
    StoreUnavailableError,
)


class Flaky:
    """Fails so often, then succeeds."""

    def __init__(self, error: FootnoteError, *, times: int) -> None:
        self.calls = 0
        self._error = error
        self._times = times

    async def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self._times:
            raise self._error
        return self.calls


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def patience(pauses: list[float]) -> Callable[[float], Patience]:
    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    return lambda total_s: Patience(total_s=total_s, first_s=0.5, longest_s=2.0, sleep=sleep)


@pytest.mark.parametrize("error", [DatabaseUnavailableError, StoreUnavailableError, ModelUnavailableError])
async def test_an_outage_is_waited_out_with_growing_pauses(
    error: type[FootnoteError], patience: Callable[[float], Patience], pauses: list[float]
) -> None:
    call = Flaky(error("away"), times=6)
    assert await patience(60).wait_out(call) == 7
    assert len(pauses) == 6
    assert all(0 <= pause <= bound for pause, bound in zip(pauses, (0.5, 1, 2, 2, 2, 2), strict=True))


async def test_patience_ends_with_the_last_error(patience: Callable[[float], Patience]) -> None:
    with pytest.raises(DatabaseUnavailableError, match="away"):
        await patience(0).wait_out(Flaky(DatabaseUnavailableError("away"), times=9))


async def test_what_does_not_pass_by_itself_is_not_tried_again(
    patience: Callable[[float], Patience],
) -> None:
    call = Flaky(ContentRejectedError("too long"), times=1)
    with pytest.raises(ContentRejectedError):
        await patience(60).wait_out(call)
    assert call.calls == 1


async def test_patience_begins_with_the_first_failure_however_long_the_work_before_it_took(
    patience: Callable[[float], Patience],
) -> None:
    class Slow(Flaky):
        async def __call__(self) -> int:
            await asyncio.sleep(0.2)  # a large file, parsed and embedded before the database is asked
            return await super().__call__()

    assert await patience(0.15).wait_out(Slow(DatabaseUnavailableError("away"), times=1)) == 2
