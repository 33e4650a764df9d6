"""What an index holds, without ids and without times of its own: two that were made from one folder are equal."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from retrieval.database import Connection, Database
from retrieval.listings import LISTING_CHECKS, check_listing


@dataclass(frozen=True, slots=True, kw_only=True)
class DumpedChunk:
    """A chunk at its place. `terms`: its forward list, by word and class of frequency; `vector`: bit for bit."""

    char_start: int
    char_end: int
    headings: tuple[str, ...]
    text: str
    text_hash: bytes
    token_count: int
    length: int
    word_count: int
    terms: str
    vector: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DumpedDocument:
    """A document as it is answered from, and all that decides whether the next run looks at its file again."""

    media_type: str
    title: str
    text: str
    page_starts: tuple[int, ...]
    line_boxes: bytes
    content_hash: bytes
    size_bytes: int
    mtime_ns: int
    recipe: str
    readers: tuple[str, ...]
    chunks: tuple[DumpedChunk, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DumpedFailure:
    """What is remembered of a file that was not taken in. How often it was tried depends on what happened before."""

    outcome: str
    error: str
    retryable: bool
    size_bytes: int
    mtime_ns: int
    recipe: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexDump:
    """What a collection holds, by path."""

    documents: dict[str, DumpedDocument]
    failures: dict[str, DumpedFailure]


async def dump_index(database: Database, collection: str = "default") -> IndexDump:
    """Everything that a collection of one source answers from. Checks that nothing else is left in it."""
    async with database.snapshot() as connection:
        cursor = await connection.execute("SELECT id FROM collections WHERE name = %s", (collection,))
        [row] = await cursor.fetchall()
        chunks = await _chunks(connection, row["id"])
        documents = await _documents(connection, row["id"], chunks)
        failures = await _failures(connection, row["id"])
        await _check_nothing_is_left_over(connection, row["id"], chunks)
    return IndexDump(documents=documents, failures=failures)


async def _documents(
    connection: Connection, collection_id: int, chunks: dict[Any, list[DumpedChunk]]
) -> dict[str, DumpedDocument]:
    cursor = await connection.execute(
        "SELECT d.id, d.path, d.media_type, r.title, r.text, r.page_starts, r.line_boxes, d.content_hash, d.size_bytes,"
        " d.mtime_ns, d.recipe, d.readers, r.content_hash AS hash_of_text"
        " FROM documents AS d LEFT JOIN revisions AS r"
        " ON r.document_id = d.id AND r.revision = d.current_revision AND r.superseded_at IS NULL"
        " WHERE d.collection_id = %s AND d.current_revision IS NOT NULL ORDER BY d.path",
        (collection_id,),
    )
    documents: dict[str, DumpedDocument] = {}
    for row in await cursor.fetchall():
        assert row["path"] not in documents, "one document a path"
        assert row["content_hash"] == row["hash_of_text"], "the text is of the content that is noted"
        held = tuple(chunks.get(row["id"], ()))
        assert all(row["text"][chunk.char_start : chunk.char_end] == chunk.text for chunk in held)
        documents[row["path"]] = DumpedDocument(
            media_type=row["media_type"],
            title=row["title"],
            text=row["text"],
            page_starts=tuple(row["page_starts"]),
            line_boxes=bytes(row["line_boxes"]),
            content_hash=bytes(row["content_hash"]),
            size_bytes=row["size_bytes"],
            mtime_ns=row["mtime_ns"],
            recipe=row["recipe"],
            readers=tuple(row["readers"]),
            chunks=held,
        )
    return documents


async def _chunks(connection: Connection, collection_id: int) -> dict[Any, list[DumpedChunk]]:
    """Chunks at their places, in order, by document."""
    statement = sql.SQL(
        "SELECT p.document_id, p.char_start, p.char_end, c.headings, c.text, c.text_hash, c.token_count,"
        " t.length, t.word_count, t.terms::text AS terms, v.embedding::text AS vector"
        " FROM chunk_places AS p JOIN chunks AS c ON c.id = p.chunk_id AND c.document_id = p.document_id"
        " LEFT JOIN chunk_terms AS t ON t.chunk_id = c.id AND t.document_id = c.document_id"
        "   AND t.collection_id = c.collection_id"
        " LEFT JOIN {vectors} AS v ON v.chunk_id = c.id"
        " WHERE c.collection_id = %s ORDER BY p.document_id, p.ordinal"
    ).format(vectors=await _vectors(connection, collection_id))
    cursor = await connection.execute(statement, (collection_id,))
    chunks: defaultdict[Any, list[DumpedChunk]] = defaultdict(list)
    for row in await cursor.fetchall():
        assert row["vector"] is not None, "every chunk has a vector"
        assert row["terms"] is not None, "every chunk has a forward list"
        chunks[row["document_id"]].append(
            DumpedChunk(
                char_start=row["char_start"],
                char_end=row["char_end"],
                headings=tuple(row["headings"]),
                text=row["text"],
                text_hash=bytes(row["text_hash"]),
                token_count=row["token_count"],
                length=row["length"],
                word_count=row["word_count"],
                terms=row["terms"],
                vector=row["vector"],
            )
        )
    return chunks


async def _vectors(connection: Connection, collection_id: int) -> sql.Identifier:
    cursor = await connection.execute(
        "SELECT id FROM indexes WHERE collection_id = %s AND state = 'active'", (collection_id,)
    )
    [row] = await cursor.fetchall()
    return sql.Identifier(f"vectors_{row['id']}")


async def _failures(connection: Connection, collection_id: int) -> dict[str, DumpedFailure]:
    cursor = await connection.execute(
        "SELECT f.path, f.outcome, f.error, f.retryable, f.size_bytes, f.mtime_ns, f.recipe"
        " FROM ingest_failures AS f JOIN sources AS s ON s.id = f.source_id WHERE s.collection_id = %s ORDER BY f.path",
        (collection_id,),
    )
    return {row.pop("path"): DumpedFailure(**row) for row in await cursor.fetchall()}


async def _check_nothing_is_left_over(
    connection: Connection, collection_id: int, chunks: dict[Any, list[DumpedChunk]]
) -> None:
    statement = sql.SQL(
        "SELECT (SELECT count(*) FROM chunks WHERE collection_id = %(id)s) AS chunks,"
        " (SELECT count(*) FROM {vectors}) AS vectors,"
        " (SELECT count(*) FROM chunk_terms WHERE collection_id = %(id)s) AS forward_lists,"
        " (SELECT count(*) FROM chunk_places AS p JOIN documents AS d ON d.id = p.document_id"
        "  WHERE d.collection_id = %(id)s) AS places"
    ).format(vectors=await _vectors(connection, collection_id))
    cursor = await connection.execute(statement, {"id": collection_id})
    counts = await cursor.fetchone()
    held = {(document, chunk.text_hash) for document, of in chunks.items() for chunk in of}
    assert counts == {
        "chunks": len(held),
        "vectors": len(held),
        "forward_lists": len(held),
        "places": sum(map(len, chunks.values())),
    }
    # How segments are cut depends on what happened before; that each chunk is in one of them, or fresh, does not.
    for kind in LISTING_CHECKS:
        assert await check_listing(connection, kind, collection_id, examples=3) == (0, ()), kind
