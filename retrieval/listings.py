"""Whether lexical search finds every chunk by its words, and no other: forward lists, fresh chunks and segments.

Every chunk has a forward list and is either fresh or a member of one segment. Members that have gone are counted out
(`removed_terms`), and nothing else is. A segment's lists are the words of its members. What is compared here takes SQL
alone; whether a forward list is that of the chunk's text, `exactness.py` tells.
"""

from __future__ import annotations

from typing import LiteralString

from psycopg import sql

from retrieval.database import Connection, query

# Each names chunks.
CHUNK_CHECKS: tuple[LiteralString, ...] = (
    "words_missing",
    "words_misfiled",
    "words_miscounted",
    "fresh_wrong",
    "chunk_unlisted",
    "chunk_listed_twice",
    "removed_missing",
    "removed_extra",
    "postings_wrong",
)

# Each names segments.
SEGMENT_CHECKS: tuple[LiteralString, ...] = ("postings_unsorted", "segment_wrong")

LISTING_CHECKS = (*CHUNK_CHECKS, *SEGMENT_CHECKS)

_OF_CHUNKS = """
SELECT coalesce(d.path || ' (chunk ' || f.chunk_id || ')', 'chunk ' || f.chunk_id) AS example, count(*) OVER () AS total
FROM ({check}
) AS f LEFT JOIN chunks AS c ON c.id = f.chunk_id LEFT JOIN documents AS d ON d.id = c.document_id
ORDER BY f.chunk_id LIMIT %(examples)s
"""
_OF_SEGMENTS = """
SELECT 'segment ' || f.segment_id AS example, count(*) OVER () AS total
FROM ({check}
) AS f ORDER BY f.segment_id LIMIT %(examples)s
"""


async def allow_memory(connection: Connection) -> None:
    """Let the checks of this transaction count by chunk in memory."""
    await connection.execute(query("listings.much_memory"))


async def check_listing(
    connection: Connection, kind: LiteralString, collection_id: int, *, examples: int
) -> tuple[int, tuple[str, ...]]:
    """How much a check finds, and a few examples of it."""
    statement = _OF_CHUNKS if kind in CHUNK_CHECKS else _OF_SEGMENTS
    cursor = await connection.execute(
        sql.SQL(statement).format(check=sql.SQL(query(f"listings.{kind}"))),
        {"collection_id": collection_id, "examples": examples, "given_up": None},
    )
    rows = await cursor.fetchall()
    return (rows[0]["total"] if rows else 0), tuple(row["example"] for row in rows)


async def found_chunks(
    connection: Connection, kind: LiteralString, collection_id: int, *, given_up: int | None = None
) -> list[int]:
    """All chunks that a check finds, in order; for `chunk_unlisted` as if one of the segments were given up."""
    cursor = await connection.execute(
        query(f"listings.{kind}"), {"collection_id": collection_id, "given_up": given_up}
    )
    return sorted({row["chunk_id"] for row in await cursor.fetchall()})


async def wrong_segments(connection: Connection, collection_id: int) -> list[int]:
    """The segments that have to be given up for a collection to be listed right, in order."""
    wrong: set[int] = set()
    for kind in ("postings_wrong", *SEGMENT_CHECKS):
        cursor = await connection.execute(query(f"listings.{kind}"), {"collection_id": collection_id})
        wrong |= {row["segment_id"] for row in await cursor.fetchall()}
    cursor = await connection.execute(
        query("listings.wrong_segments"),
        {
            "collection_id": collection_id,
            "not_counted_out": await found_chunks(connection, "removed_missing", collection_id),
            "listed_twice": await found_chunks(connection, "chunk_listed_twice", collection_id),
        },
    )
    return sorted(wrong | {row["segment_id"] for row in await cursor.fetchall()})
