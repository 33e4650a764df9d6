"""HNSW graphs over tables of half-precision vectors: when one pays, how it is built, how a search walks it.

A graph finds nearly all of the nearest vectors while it looks at a few thousand of them, whatever their number (Malkov
and Yashunin, Efficient and Robust Approximate Nearest Neighbor Search Using Hierarchical Navigable Small World Graphs,
2016). Where few may be looked at, comparing each is exact and no slower.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from psycopg import sql

from retrieval.database import Connection, Database
from retrieval.stores import Index

# Up to so many vectors are compared one by one: about 20 ms, and exact.
EXACT_BELOW = 20_000
# However few are wanted, so many are looked for, and twice as many vectors kept in view: recall grows with both.
LEAST_FOUND = 200

# pgvector's limit for halfvec.
_LONGEST_IN_GRAPH = 4_000
# What a vector takes in a graph beside itself: 2 * m links on the ground floor, those above, and what goes with it.
_LINKS_BYTES = 1_300
# What a build asks for at most by itself; a server whose own `maintenance_work_mem` is more gives that.
_MOST_BUILD_MEGABYTES = 4_096
# How often to look whether another process has built a graph that is waited for.
_POLL_S = 1.0
_MOST_IN_VIEW = 1_000
# Above so many vectors more are kept in view, as their number to the power of .2: recall falls as a graph grows.
_VIEW_GROWS_FROM = 100_000

_WALK = """
SELECT set_config('hnsw.ef_search', %(breadth)s, true), set_config('hnsw.iterative_scan', 'relaxed_order', true),
       set_config('hnsw.max_scan_tuples', '100000', true), set_config('hnsw.scan_mem_multiplier', '8', true),
       set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true),
       set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)
FROM pg_index WHERE indexrelid = to_regclass(%(graph)s) AND indisvalid
"""
"""Where there is a graph, of which a row tells, it is walked as far as it takes to find enough that may be looked at,
and nothing else is planned."""

END_WALK = """
SELECT set_config('enable_seqscan', 'on', true), set_config('enable_sort', 'on', true),
       set_config('enable_hashjoin', 'on', true), set_config('enable_mergejoin', 'on', true)
"""
"""What `begin_walk` ruled out may be planned again."""


def _name(index: Index) -> str:
    return f"vectors_{index.id}_hnsw"


async def begin_walk(index: Index, connection: Connection, *, found: int, visible: int) -> bool:
    """Set the connection's transaction up for a walk that is to find so many; False where the index has no graph.

    `visible`: how many vectors may be looked at.
    """
    growth = max(visible / _VIEW_GROWS_FROM, 1.0) ** 0.2
    breadth = min(int(2 * found * growth), _MOST_IN_VIEW)
    cursor = await connection.execute(_WALK, {"graph": _name(index), "breadth": str(breadth)})
    return await cursor.fetchone() is not None


async def build_where_it_pays(index: Index, table: sql.Identifier, database: Database, *, wait: bool) -> bool:
    """Build the graph once its table, which exists, is large enough; True where this call has built it.

    A build that was interrupted is begun anew. Where another process is at it, nothing is done, unless to `wait`: a
    client that was killed may have left a server process behind that builds on to the end.
    """
    if index.dimension > _LONGEST_IN_GRAPH:
        return False
    async with database.connection() as connection:
        if await _exists(index, connection) or not await _is_large(table, connection):
            return False
        key = {"key": index.id}
        while not await _try_to_hold(connection, key):
            if not wait:
                return False
            await asyncio.sleep(_POLL_S)
        try:
            return await _build(index, table, connection)
        finally:
            if not connection.closed:
                await connection.execute("SELECT pg_advisory_unlock(314159265, %(key)s)", key)


async def _exists(index: Index, connection: Connection) -> bool:
    cursor = await connection.execute(
        "SELECT FROM pg_index WHERE indexrelid = to_regclass(%(name)s) AND indisvalid", {"name": _name(index)}
    )
    return await cursor.fetchone() is not None


async def _is_large(table: sql.Identifier, connection: Connection) -> bool:
    cursor = await connection.execute(
        sql.SQL("SELECT FROM {table} OFFSET %(least)s LIMIT 1").format(table=table), {"least": EXACT_BELOW}
    )
    return await cursor.fetchone() is not None


async def _try_to_hold(connection: Connection, key: Mapping[str, int]) -> bool:
    cursor = await connection.execute("SELECT pg_try_advisory_lock(314159265, %(key)s) AS held", key)
    row = await cursor.fetchone()
    return row is not None and bool(row["held"])


async def _build(index: Index, table: sql.Identifier, connection: Connection) -> bool:
    if await _exists(index, connection):
        return False  # made while the lock was waited for
    cursor = await connection.execute(sql.SQL("SELECT count(*) AS n FROM {table}").format(table=table))
    row = await cursor.fetchone()
    count = 0 if row is None else int(row["n"])
    graph = sql.Identifier(_name(index))
    # One that was not finished is of no use and costs every publisher.
    await connection.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {graph}").format(graph=graph))
    # A graph that outgrows this memory is built many times slower.
    megabytes = min(64 + count * (2 * index.dimension + _LINKS_BYTES) // 2**20, _MOST_BUILD_MEGABYTES)
    await raise_build_memory(connection, megabytes)
    try:
        await connection.execute(
            sql.SQL(
                "CREATE INDEX CONCURRENTLY {graph} ON {table} USING hnsw (embedding halfvec_ip_ops)"
            ).format(graph=graph, table=table)
        )
    finally:
        if not connection.closed:
            await connection.execute("RESET maintenance_work_mem")
    return True


async def raise_build_memory(connection: Connection, megabytes: int) -> None:
    """Have what this connection builds take so much memory, or what it may take already where that is more."""
    await connection.execute(
        "SELECT set_config('maintenance_work_mem', %(kilobytes)s::text || 'kB', false) FROM pg_settings"
        " WHERE name = 'maintenance_work_mem' AND setting::bigint < %(kilobytes)s",
        {"kilobytes": megabytes * 1024},
    )
