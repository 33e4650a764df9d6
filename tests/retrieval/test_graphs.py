"""Graphs: what their building may take."""

from __future__ import annotations

import pytest

from retrieval.database import Database
from retrieval.stores.graphs import raise_build_memory


@pytest.mark.parametrize(("own", "allowed"), [("64MB", "512MB"), ("2GB", "2GB")])
async def test_a_build_gets_what_it_needs_and_never_less_than_the_server_gives(
    dsn: str, own: str, allowed: str
) -> None:
    async with Database(dsn) as database, database.connection() as connection:
        await connection.execute("SELECT set_config('maintenance_work_mem', %s, false)", (own,))
        await raise_build_memory(connection, 512)
        cursor = await connection.execute("SHOW maintenance_work_mem")
        assert await cursor.fetchone() == {"maintenance_work_mem": allowed}
