"""What a search may look at, by Postgres in the caller's snapshot: the last word for stores that live elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from psycopg import sql

from retrieval.database import Connection, query
from retrieval.filters import Selection


async def visible_chunks(
    connection: Connection, collection_id: int, chunk_ids: Sequence[int], selection: Selection
) -> set[int]:
    """Those of some chunks that are current and that the selection holds."""
    cursor = await connection.execute(
        sql.SQL(query("search.visible")).format(condition=selection.condition()),
        {"collection_id": collection_id, "chunk_ids": list(chunk_ids), **selection.parameters()},
    )
    return {row["id"] for row in await cursor.fetchall()}


async def visible_documents(
    connection: Connection, collection_id: int, selection: Selection, *, most: int
) -> list[UUID] | None:
    """The documents that the selection holds, in no order; None where they are more than `most`."""
    cursor = await connection.execute(
        sql.SQL(query("search.documents")).format(condition=selection.condition()),
        {"collection_id": collection_id, "limit": most + 1, **selection.parameters()},
    )
    rows = await cursor.fetchall()
    return None if len(rows) > most else [row["id"] for row in rows]
