"""What a corpus takes on disk, by what it is for, in bytes a chunk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import sql

from retrieval.database import Database
from retrieval.stores import Index

_TABLES = {
    "text": ("revisions", "chunks", "chunk_places"),
    "lexical, forward lists": ("chunk_terms",),
    "lexical, inverted lists": ("segments", "segment_terms", "fresh_terms", "removed_terms"),
    "documents": ("documents",),
}


async def measure_sizes(database: Database, index: Index, chunks: int) -> dict[str, Any]:
    """Bytes a chunk, indexes and what is stored out of line included; after a vacuum."""
    sizes = {name: sum([await _total(database, table) for table in of]) for name, of in _TABLES.items()}
    table = f"vectors_{index.id}"
    graph = await _relation(database, f"{table}_hnsw")
    sizes |= {"vectors": await _total(database, table) - graph, "vectors, graph": graph}
    lexical = sum(size for name, size in sizes.items() if name.startswith("lexical"))
    return {**_per_chunk(sizes, chunks), "lexical": round(lexical / chunks), "words": await _words(database)}


def _per_chunk(sizes: Mapping[str, int], chunks: int) -> dict[str, int]:
    return {name: round(size / chunks) for name, size in sizes.items()}


async def _total(database: Database, table: str) -> int:
    return await _size(database, "pg_total_relation_size", table)


async def _relation(database: Database, name: str) -> int:
    return await _size(database, "pg_relation_size", name)


async def _size(database: Database, function: str, name: str) -> int:
    """0 where there is no such table."""
    async with database.connection() as connection:
        cursor = await connection.execute(
            sql.SQL("SELECT coalesce({}(to_regclass(%(name)s)), 0) AS bytes").format(
                sql.Identifier(function)
            ),
            {"name": name},
        )
        row = await cursor.fetchone()
    return 0 if row is None else int(row["bytes"])


async def _words(database: Database) -> dict[str, float]:
    """Of a chunk on average: lexemes in a row, and different ones; and how many the collection has in all."""
    row = await database.fetch_one(
        "SELECT avg(length)::float8 AS length, avg(word_count)::float8 AS different,"
        " (SELECT count(DISTINCT lexeme) FROM segment_terms) AS vocabulary FROM chunk_terms"
    )
    assert row is not None, "an aggregate returns a row"
    return {name: round(float(value), 1) for name, value in row.items()}
