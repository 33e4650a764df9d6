"""Reindexing: build an index anew from the stored chunks, beside the one that answers, and switch in one transaction.

Files are not read again. Searches go on with the old index until the switch. A rebuild that was interrupted goes on
where it ended, because what the new index holds already is not embedded again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from psycopg.rows import DictRow

from retrieval.database import Connection, Database, query
from retrieval.embedders import EmbedderIdentity
from retrieval.errors import IndexMissingError
from retrieval.indexes import active_index, create_index, indexes_in_state
from retrieval.records import Collection, contextual_text
from retrieval.stores import Index, VectorStore

_BATCH = 256


class DocumentEmbedder(Protocol):
    """Embeds texts, in order, as unit rows: float32 of shape (len(texts), dimension)."""

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


async def rebuild_index(
    database: Database,
    store: VectorStore,
    collection: Collection,
    identity: EmbedderIdentity,
    embedder: DocumentEmbedder,
    *,
    progress: Callable[[int, int], None],
) -> Index:
    """Build the collection's index for `identity` in `store` and make it the active one.

    `progress` is told how many chunks are done, of how many. Raises `DatabaseUnavailableError`, `ModelError`,
    `IndexMissingError` where the new index was dropped meanwhile, and what the store raises; until the switch the old
    index stays the active one.
    """
    new = await _index_to_build(database, store, collection, identity)
    row = await database.fetch_one(query("indexes.count_chunks"), {"collection_id": collection.id})
    total = 0 if row is None else int(row["chunks"])
    done = after = 0
    while True:
        async with database.transaction() as connection:
            await _hold_building(connection, new)
            rows = await _chunks_after(connection, collection, after)
            if not rows:
                break
            await _write_missing(connection, store, new, rows, embedder)
        after = rows[-1]["id"]
        done += len(rows)
        progress(done, max(done, total))
    await _switch(database, store, collection, new, embedder)
    return new


async def _index_to_build(
    database: Database, store: VectorStore, collection: Collection, identity: EmbedderIdentity
) -> Index:
    """The index of an interrupted rebuild, or a new one; what earlier rebuilds left behind is dropped."""
    async with database.transaction() as connection:
        await connection.execute(query("indexes.hold_collection"), {"collection_id": collection.id})
        begun: Index | None = None
        building = await indexes_in_state(connection, collection.id, "building")
        for index in [*building, *await indexes_in_state(connection, collection.id, "retired")]:
            if index.store != store.kind:
                continue
            if index in building and index.embedder_hash == identity.digest():
                begun = index
            else:
                await store.drop(index, connection)
                await connection.execute(query("indexes.delete"), {"index_id": index.id})
        return begun or await create_index(connection, collection, identity, store, state="building")


async def _hold_building(connection: Connection, index: Index) -> None:
    """Say that somebody is building the index: `footnote doctor --repair` drops those that nobody is at work on."""
    cursor = await connection.execute(query("indexes.hold_building"), {"index_id": index.id})
    if await cursor.fetchone() is None:
        raise IndexMissingError(
            f"the index that was being built with {index.embedder} was dropped by another `footnote reindex` or by "
            "`footnote doctor --repair`. The former index still answers: run the same command again."
        )


async def _chunks_after(connection: Connection, collection: Collection, after: int) -> list[DictRow]:
    cursor = await connection.execute(
        query("indexes.chunks_after"), {"collection_id": collection.id, "after": after, "limit": _BATCH}
    )
    return await cursor.fetchall()


async def _write_missing(
    connection: Connection,
    store: VectorStore,
    index: Index,
    rows: Sequence[DictRow],
    embedder: DocumentEmbedder,
) -> None:
    """Embed and write the chunks that the index does not hold yet."""
    probe = np.zeros(index.dimension, dtype=np.float32)
    probe[0] = 1.0
    held = await store.cosines(index, probe, [row["id"] for row in rows], connection=connection)
    missing = sorted((row for row in rows if row["id"] not in held), key=lambda row: str(row["document_id"]))
    if not missing:
        return
    vectors = await embedder.embed_documents(
        [contextual_text(row["title"], row["headings"], row["text"]) for row in missing]
    )
    # A refresh may have deleted some of them while the others were being embedded.
    cursor = await connection.execute(
        query("indexes.hold_chunks"), {"chunk_ids": [row["id"] for row in missing]}
    )
    alive = {row["id"] for row in await cursor.fetchall()}
    pairs = [(row, vector) for row, vector in zip(missing, vectors, strict=True) if row["id"] in alive]
    for document_id, group in groupby(pairs, key=lambda pair: pair[0]["document_id"]):
        chunks = list(group)
        await store.write(
            index,
            [row["id"] for row, _ in chunks],
            np.stack([vector for _, vector in chunks]),
            document_id=document_id,
            readers=chunks[0][0]["readers"],
            connection=connection,
        )


async def _switch(
    database: Database,
    store: VectorStore,
    collection: Collection,
    new: Index,
    embedder: DocumentEmbedder,
) -> None:
    """Retire the old index, take in what was published meanwhile, and make the new one active: all at once.

    Retiring waits for publishers at work on the old index and holds back later ones, who then find it replaced. Its
    vectors stay until the next rebuild, for searches that have just begun.
    """
    async with database.transaction() as connection:
        old = await active_index(connection, collection.id)
        if old is not None:
            await _set_state(connection, old, "retired")
        await _hold_building(connection, new)
        after = 0
        while rows := await _chunks_after(connection, collection, after):
            await _write_missing(connection, store, new, rows, embedder)
            after = rows[-1]["id"]
        await _set_state(connection, new, "active")


async def _set_state(connection: Connection, index: Index, state: str) -> None:
    await connection.execute(query("indexes.set_state"), {"index_id": index.id, "state": state})
