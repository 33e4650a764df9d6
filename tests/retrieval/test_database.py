"""The pool of connections: who is cancelled while waiting for one ends, in whatever moment that is; what is refused
says why."""

from __future__ import annotations

import asyncio

import pytest

from retrieval.database import Database
from retrieval.errors import ContentRejectedError


async def test_a_cancellation_is_heeded_in_any_moment_around_getting_a_connection(dsn: str) -> None:
    async with Database(dsn, max_connections=1) as database:
        for turns in range(16):
            await _cancel_while_waiting(database, turns)
            assert await database.fetch_one("SELECT 1 AS one") == {"one": 1}, (
                "the connection is there for others"
            )


async def _cancel_while_waiting(database: Database, turns: int) -> None:
    """`turns` of the event loop after the only connection has come back."""

    async def use(held: asyncio.Event, until: asyncio.Event) -> None:
        async with database.connection():
            held.set()
            await until.wait()

    held, released = asyncio.Event(), asyncio.Event()
    holding = asyncio.create_task(use(held, released))
    await held.wait()
    waiting = asyncio.create_task(use(asyncio.Event(), asyncio.Event()))
    await asyncio.sleep(0.02)
    released.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    waiting.cancel()
    try:
        ended, _ = await asyncio.wait([waiting], timeout=5)
        assert ended, f"cancelled {turns} turns after the connection came back, the task works on"
        assert waiting.cancelled()
        await holding
    finally:
        waiting.cancel()


@pytest.mark.parametrize(
    ("value", "reason"),
    [("a\0b", "cannot contain NUL"), ("nine", r"invalid input syntax for type integer.* \(SQLSTATE 22P02\)")],
)
async def test_what_driver_or_server_do_not_take_is_refused_with_their_reason(
    dsn: str, value: str, reason: str
) -> None:
    async with Database(dsn, max_connections=1) as database:
        with pytest.raises(ContentRejectedError, match=reason):
            await database.fetch_one("SELECT %(value)s::text::integer AS n", {"value": value})
