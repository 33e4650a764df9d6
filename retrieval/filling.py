"""Filling: give an index that does not answer searches the vectors that it lacks, from the stored chunks.

Files are not read. What the index holds already is not embedded again, so that filling may be interrupted at any
moment. Others publish and remove documents meanwhile: a text is embedded while nothing is held, and written only if its
chunk is still there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from psycopg.rows import DictRow

from retrieval.database import Connection, Database, query
from retrieval.errors import IndexMissingError
from retrieval.holdings import find_discrepancies
from retrieval.records import contextual_text
from retrieval.stores import Index, VectorStore

Progress = Callable[[int, int], None]
"""Is told how many chunks have their vectors, of how many."""

_IDS_AT_ONCE = 2_000
_BATCH = 256


class DocumentEmbedder(Protocol):
    """Embeds texts, in order, as unit rows: float32 of shape (len(texts), dimension)."""

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


async def fill_index(
    database: Database,
    store: VectorStore,
    index: Index,
    embedder: DocumentEmbedder,
    *,
    progress: Progress,
) -> int:
    """Embed the chunks that an index has no vector for, and write them; returns how many there were.

    What is published meanwhile is left for the next call. Raises `DatabaseUnavailableError`, `ModelError`,
    `IndexMissingError` where the index was dropped meanwhile, and what the store raises.
    """
    row = await database.fetch_one(query("indexes.extent"), {"collection_id": index.collection_id})
    assert row is not None, "a count returns a row"
    total, last = row["chunks"], row["last"]
    done = filled = after = 0
    while True:
        async with database.connection() as connection:
            # No further than the last there was: those who publish may be quicker than the embedder.
            chunk_ids = [i for i in await _chunk_ids(connection, index, after) if i <= last]
            lacking = await _lacking(connection, store, index, chunk_ids)
        if not chunk_ids:
            return filled
        done += len(chunk_ids) - len(lacking)
        for batch in _parts(lacking, _BATCH):
            async with database.connection() as connection:
                rows = await _texts(connection, index, batch)
            vectors = await _embed(embedder, rows)
            async with database.transaction() as connection:
                filled += await _write(connection, store, index, rows, vectors)
            done += len(batch)
            progress(done, max(done, total))
        after = chunk_ids[-1]


async def fill_rest(
    connection: Connection, store: VectorStore, index: Index, embedder: DocumentEmbedder, *, after: int
) -> int:
    """The same for chunks above the id `after`, within the caller's transaction, which holds back publishers."""
    filled = 0
    while chunk_ids := await _chunk_ids(connection, index, after):
        for batch in _parts(await _lacking(connection, store, index, chunk_ids), _BATCH):
            rows = await _texts(connection, index, batch)
            filled += await _write(connection, store, index, rows, await _embed(embedder, rows))
        after = chunk_ids[-1]
    return filled


async def align_index(database: Database, store: VectorStore, index: Index) -> None:
    """Bring what a store keeps outside of Postgres up to date: no vectors of chunks that are gone, readers as they are.

    In Postgres itself vectors go with their chunks, and readers are read where they are kept.
    """
    if store.kind == "pgvector":
        return
    async with database.snapshot() as connection:
        found = await find_discrepancies(database, connection, store, index, all_measured=False)
    async with database.transaction() as connection:
        await store.discard(index, sorted(found.strays), connection)
    for document_id in sorted({*found.readers.values()}):
        async with database.transaction() as connection:
            cursor = await connection.execute(
                query("reconciling.hold_documents"), {"document_ids": [document_id]}
            )
            if await cursor.fetchone() is None:
                continue  # somebody is at work on it, who tells the store himself
            cursor = await connection.execute(query("reconciling.readers"), {"document_id": document_id})
            row = await cursor.fetchone()
            await store.set_readers(index, document_id, [] if row is None else row["readers"])


async def _chunk_ids(connection: Connection, index: Index, after: int) -> list[int]:
    cursor = await connection.execute(
        query("indexes.chunk_ids_after"),
        {"collection_id": index.collection_id, "after": after, "limit": _IDS_AT_ONCE},
    )
    return [row["id"] for row in await cursor.fetchall()]


async def _lacking(
    connection: Connection, store: VectorStore, index: Index, chunk_ids: Sequence[int]
) -> list[int]:
    """Those of some chunks, in ascending order, of which the index has no vector."""
    held: set[int] = set()
    after = chunk_ids[0] - 1 if chunk_ids else 0
    while chunk_ids and after < chunk_ids[-1]:
        page = await store.holdings(
            index, after=after, limit=_IDS_AT_ONCE, measured=False, connection=connection
        )
        held.update(vector.chunk_id for vector in page)
        if len(page) < _IDS_AT_ONCE:
            break
        after = page[-1].chunk_id
    return [chunk_id for chunk_id in chunk_ids if chunk_id not in held]


async def _texts(connection: Connection, index: Index, chunk_ids: Sequence[int]) -> list[DictRow]:
    cursor = await connection.execute(
        query("reconciling.texts_to_embed"),
        {"collection_id": index.collection_id, "chunk_ids": list(chunk_ids)},
    )
    return await cursor.fetchall()


async def _embed(embedder: DocumentEmbedder, rows: Sequence[DictRow]) -> dict[int, NDArray[np.float32]]:
    if not rows:
        return {}
    vectors = await embedder.embed_documents(
        [contextual_text(row["title"], row["headings"], row["text"]) for row in rows]
    )
    return {row["id"]: vector for row, vector in zip(rows, vectors, strict=True)}


async def _write(
    connection: Connection,
    store: VectorStore,
    index: Index,
    rows: Sequence[DictRow],
    vectors: dict[int, NDArray[np.float32]],
) -> int:
    """Write vectors of chunks that are still there and that nobody else has written meanwhile; returns how many."""
    cursor = await connection.execute(query("indexes.hold_unanswering"), {"index_id": index.id})
    if await cursor.fetchone() is None:
        raise IndexMissingError(
            f"index {index.id}, which was being filled with vectors of {index.embedder}, was dropped or made active by "
            "somebody else meanwhile. The index that answers is as it was: run the same command again."
        )
    chunk_ids = {"chunk_ids": sorted(vectors)}
    if store.kind != "pgvector":
        # Who gives a document readers tells the store of them. Were that in between, the copy written here would be
        # narrower than Postgres.
        await connection.execute(query("indexes.hold_readers"), chunk_ids)
    cursor = await connection.execute(query("indexes.hold_chunks"), chunk_ids)
    alive = {row["id"]: row for row in await cursor.fetchall()}
    lacking = {*await _lacking(connection, store, index, sorted(alive))}
    written = [row["id"] for row in rows if row["id"] in lacking]  # a document's chunks beside one another
    for document_id, group in groupby(written, key=lambda chunk_id: alive[chunk_id]["document_id"]):
        of_document = list(group)
        await store.write(
            index,
            of_document,
            np.stack([vectors[chunk_id] for chunk_id in of_document]),
            document_id=document_id,
            readers=alive[of_document[0]]["readers"],
            connection=connection,
        )
    return len(written)


def _parts(ids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
