"""A statement of a search that takes too long is ended in Postgres, and its connection is as good as before."""

from __future__ import annotations

import asyncio
import time

import pytest

from retrieval.database import Database
from retrieval.errors import QueryTimeoutError


async def test_a_slow_statement_is_ended_by_postgres_and_leaves_nothing_behind(dsn: str) -> None:
    async with Database(dsn, max_connections=1, connect_timeout_s=60) as database:
        started = time.monotonic()
        with pytest.raises(QueryTimeoutError, match=r"longer than the 0\.3 s"):
            async with database.snapshot(timeout_s=0.3) as connection:
                await connection.execute("SELECT pg_sleep(30)")
        assert time.monotonic() - started < 20
        row = await database.fetch_one("SELECT current_setting('statement_timeout') AS limit")
        assert row == {"limit": "0"}
        async with database.snapshot() as connection:
            await connection.execute("SELECT pg_sleep(0.4)")


async def test_whoever_leaves_has_the_statement_cancelled(dsn: str) -> None:
    async with (
        Database(dsn, max_connections=1, connect_timeout_s=60) as database,
        Database(dsn, max_connections=1, connect_timeout_s=60) as watching,
    ):

        async def wait() -> None:
            async with database.snapshot(timeout_s=60) as connection:
                await connection.execute("SELECT pg_sleep(50)")

        async def asleep() -> int:
            row = await watching.fetch_one(
                "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() "
                "AND query LIKE '%pg_sleep(50)%' AND state = 'active' AND pid <> pg_backend_pid()"
            )
            assert row is not None
            return int(row["n"])

        waiting = asyncio.create_task(wait())
        async with asyncio.timeout(60):
            while not await asleep():  # noqa: ASYNC110  # another process knows it
                await asyncio.sleep(0.05)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            while await asleep():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
