"""Indexes: which embedder a collection's vectors were made with, and where they are kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Literal

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from retrieval.database import Connection, Database, query
from retrieval.embedders import EmbedderIdentity
from retrieval.errors import IndexBusyError, IndexMismatchError, NotFoundError
from retrieval.records import Collection
from retrieval.stores import Index, StoreSpec, VectorStore, load_store

IndexState = Literal["building", "active", "retired"]
"""building: `footnote reindex` fills it, or was interrupted. active: published to and searched; a collection has one.
retired: was active; answers whoever has its embedder, lacks what was published since, and can be made active again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRecord:
    """An index as `footnote indexes list` shows it. `size_bytes`: what it takes in Postgres; None where that is not."""

    index: Index
    collection: Collection
    state: IndexState
    created_at: datetime
    size_bytes: int | None


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


async def index_for_search(
    connection: Connection, collection: Collection, identity: EmbedderIdentity, store: VectorStore
) -> Index | None:
    """The index for a search by this embedder and store: the active one, else the newest retired one that fits.

    So a process that still has the former embedder goes on answering after `footnote reindex`. Nobody drops the index
    until the transaction ends. None before the collection's first ingest. Raises `IndexMismatchError`.
    """
    cursor = await connection.execute(
        query("indexes.for_search"),
        {"collection_id": collection.id, "embedder_hash": identity.digest(), "store": store.kind},
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    index = replace(_index(row), is_former=not row["is_active"])
    return check_index(index, collection.name, identity, store)


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


async def index_records(
    database: Database, *, collection: Collection | None = None, index_id: int | None = None
) -> list[IndexRecord]:
    """All indexes, by collection and age; those of one collection, or the one of that id."""
    rows = await database.fetch_all(
        query("indexes.records"),
        {"collection_id": None if collection is None else collection.id, "index_id": index_id},
    )
    return [
        IndexRecord(
            index=_index(row),
            collection=Collection(
                id=row["collection_id"],
                name=row["name"],
                language=row["language"],
                allow_outside=row["allow_outside"],
            ),
            state=row["state"],
            created_at=row["created_at"],
            size_bytes=row["size_bytes"],
        )
        for row in rows
    ]


async def find_index(database: Database, index_id: int) -> IndexRecord:
    """The index of that id. Raises `NotFoundError`."""
    # What no integer column can hold is not asked for.
    records = await index_records(database, index_id=index_id) if 0 < index_id < 2**31 else []
    if not records:
        raise NotFoundError(f"there is no index {index_id}. Those that there are: footnote indexes list.")
    return records[0]


async def indexes_beside(connection: Connection, store: VectorStore, index: Index) -> list[Index]:
    """The collection's indexes of which what happens to a chunk has to be told to the store: `index`, and all others
    that the store keeps, whatever their state. In Postgres vectors follow their chunks, and nothing has to be told."""
    if store.kind == "pgvector":
        return []
    cursor = await connection.execute(
        query("indexes.in_store"), {"collection_id": index.collection_id, "store": index.store}
    )
    return [_index(row) for row in await cursor.fetchall()]


def store_of(index: Index, store: VectorStore) -> VectorStore | None:
    """The store that keeps an index: the configured one, or Postgres, which is always at hand; else None."""
    if index.store == store.kind:
        return store
    return load_store(StoreSpec()) if index.store == "pgvector" else None


@asynccontextmanager
async def indexes_to_oneself(database: Database, collection: Collection) -> AsyncIterator[None]:
    """Keep others from building, switching and dropping a collection's indexes. Searches and publishers go on.

    Raises `IndexBusyError` where somebody else is at it. Whoever dies lets go.
    """
    key = {"collection_id": collection.id}
    async with database.connection() as connection:
        cursor = await connection.execute(query("indexes.try_to_hold_indexes"), key)
        row = await cursor.fetchone()
        if row is None or not row["held"]:
            raise IndexBusyError(
                f"another `footnote reindex` or `footnote indexes` is at work on the indexes of '{collection.name}'. "
                "Run the same command again when it has ended."
            )
        try:
            yield
        finally:
            if not connection.closed:
                await connection.execute(query("indexes.let_go_of_indexes"), key)


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
