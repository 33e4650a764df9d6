"""Indexes: which embedder a collection's vectors were made with, and where they are kept."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from retrieval.database import Connection, Database, query
from retrieval.embedders import EmbedderIdentity
from retrieval.errors import IndexMismatchError
from retrieval.records import Collection
from retrieval.stores import Index, VectorStore

IndexState = Literal["building", "active", "retired"]


def _index(row: DictRow) -> Index:
    identity = EmbedderIdentity(**row["embedder"])
    return Index(
        id=row["id"],
        collection_id=row["collection_id"],
        store=row["store"],
        embedder_hash=row["embedder_hash"],
        embedder=str(identity),
        dimension=row["dimension"],
    )


async def active_index(connection: Connection, collection_id: int) -> Index | None:
    """The index that searches of a collection use, or None before its first ingest."""
    cursor = await connection.execute(query("indexes.active"), {"collection_id": collection_id})
    row = await cursor.fetchone()
    return None if row is None else _index(row)


def check_index(index: Index, collection: str, identity: EmbedderIdentity, store: VectorStore) -> Index:
    """Return `index`, or raise `IndexMismatchError` where it was made by another embedder or lives in another store."""
    if index.embedder_hash != identity.digest():
        raise IndexMismatchError(
            f"index '{collection}' was built with {index.embedder}; the configured embedder is {identity}. "
            "Their vectors do not compare. Configure the former embedder again, or build the index anew: "
            f"footnote reindex --collection {collection}"
        )
    if index.store != store.kind:
        raise IndexMismatchError(
            f"index '{collection}' keeps its vectors in {index.store}; the configured store is {store.kind}. "
            f"Configure the former store again, or build the index anew: footnote reindex --collection {collection}"
        )
    return index


async def create_index(
    connection: Connection,
    collection: Collection,
    identity: EmbedderIdentity,
    store: VectorStore,
    *,
    state: IndexState,
) -> Index:
    """Register an index and make room for its vectors."""
    cursor = await connection.execute(
        query("indexes.insert"),
        {
            "collection_id": collection.id,
            "store": store.kind,
            "embedder": Jsonb(asdict(identity)),
            "embedder_hash": identity.digest(),
            "dimension": identity.dimension,
            "state": state,
        },
    )
    row = await cursor.fetchone()
    assert row is not None, "an insert returns its row"
    await store.create(_index(row), connection)
    return _index(row)


async def indexes_in_state(connection: Connection, collection_id: int, state: IndexState) -> list[Index]:
    """A collection's indexes in a state, oldest first."""
    cursor = await connection.execute(
        query("indexes.in_state"), {"collection_id": collection_id, "state": state}
    )
    return [_index(row) for row in await cursor.fetchall()]


async def ensure_index(
    database: Database, collection: Collection, identity: EmbedderIdentity, store: VectorStore
) -> Index:
    """The collection's active index, made where it has none. Raises `IndexMismatchError`, and what its store raises."""
    async with database.transaction() as connection:
        await connection.execute(query("indexes.hold_collection"), {"collection_id": collection.id})
        index = await active_index(connection, collection.id)
        if index is None:
            # Only now: an index whose vectors a store has lost must not be taken for one that has none yet.
            return await create_index(connection, collection, identity, store, state="active")
        return check_index(index, collection.name, identity, store)
