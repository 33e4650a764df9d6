"""Switching: which of a collection's indexes answers.

Searches go on throughout: a switch is one transaction, and a search sees what was before it or what is after it. The
index that answered before is kept as it was, for processes that still have its embedder and for going back to it.
"""

from __future__ import annotations

from dataclasses import dataclass

from retrieval.database import Connection, Database, query
from retrieval.embedders import EmbedderIdentity
from retrieval.errors import IndexBusyError, IndexMismatchError, InvalidRequestError
from retrieval.filling import DocumentEmbedder, Progress, align_index, fill_index, fill_rest
from retrieval.indexes import IndexState, active_index, find_index, indexes_to_oneself
from retrieval.records import Collection
from retrieval.stores import Index, VectorStore

# Publishers hardly notice that they wait until so many chunks are embedded.
_FEW = 256
_MOST_ROUNDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Activated:
    """What `activate_index` did.

    former: what answered before; None where the index answered already. filled: how many chunks had no vector yet.
    """

    index: Index
    former: Index | None
    filled: int


async def activate_index(
    database: Database,
    store: VectorStore,
    index_id: int,
    *,
    identity: EmbedderIdentity,
    embedder: DocumentEmbedder,
    progress: Progress,
) -> Activated:
    """Let a former index answer again, after it was given what was published since.

    Nothing is done where it answers already. Raises `NotFoundError`, `InvalidRequestError` for one that was never
    finished, `IndexMismatchError` where `identity` or `store` are not the index's, `IndexBusyError`, and what
    `fill_index` raises; until the switch the other index goes on answering.
    """
    collection = (await find_index(database, index_id)).collection
    async with indexes_to_oneself(database, collection):
        record = await find_index(database, index_id)
        index = record.index
        if record.state == "active":
            return Activated(index=index, former=None, filled=0)
        if record.state == "building":
            raise InvalidRequestError(
                f"index {index_id} is not finished. Go on with it by the command that began it: "
                f"footnote reindex --collection {collection.name}"
            )
        _check_fit(index, identity, store)
        filled = await catch_up(database, store, index, embedder, progress=progress)
        await store.optimize(index, database, wait=True)
        former = await switch_index(database, store, collection, index, embedder, before="retired")
        return Activated(index=index, former=former, filled=filled)


def _check_fit(index: Index, identity: EmbedderIdentity, store: VectorStore) -> None:
    if index.store != store.kind:
        raise IndexMismatchError(
            f"index {index.id} keeps its vectors in {index.store}; the configured store is {store.kind}. "
            f"Set store.kind (FOOTNOTE_STORE__KIND) to {index.store}, and try again."
        )
    if index.embedder_hash != identity.digest():
        raise IndexMismatchError(
            f"index {index.id} was built with {index.embedder}; the embedder here is {identity}, which cannot give it "
            "what was published since. Set embedder.kind and embedder.model (FOOTNOTE_EMBEDDER__KIND, "
            "FOOTNOTE_EMBEDDER__MODEL) to the former embedder, or name it for this command alone: "
            f"footnote indexes activate {index.id} --embedder KIND --model NAME"
        )


async def catch_up(
    database: Database, store: VectorStore, index: Index, embedder: DocumentEmbedder, *, progress: Progress
) -> int:
    """Give an index what was published and removed since it was filled, until that is little; returns how many chunks
    were embedded. Raises what `fill_index` raises."""
    await align_index(database, store, index)
    filled = 0
    for _ in range(_MOST_ROUNDS):
        added = await fill_index(database, store, index, embedder, progress=progress)
        filled += added
        if added <= _FEW:
            break
    return filled


async def switch_index(
    database: Database,
    store: VectorStore,
    collection: Collection,
    new: Index,
    embedder: DocumentEmbedder,
    *,
    before: IndexState,
) -> Index | None:
    """Let `new`, which is in the state `before` and all but full, answer from now on; returns what answered till now.

    The caller has the indexes to itself. Publishers wait while what was published in the last moments is embedded;
    those that still write to the former index then find it replaced. Raises `IndexBusyError`, and what `fill_index`
    raises.
    """
    async with database.connection() as connection:
        old = await active_index(connection, collection.id)
    await catch_up(database, store, new, embedder, progress=_untold)
    seen = 0 if old is None else await _settled_chunks(database, old)
    await fill_index(database, store, new, embedder, progress=_untold)
    async with database.transaction() as connection:
        await connection.execute(query("indexes.hold_collection"), {"collection_id": collection.id})
        if old is not None:
            await connection.execute(query("reconciling.wait_for_publishers"), {"index_id": old.id})
            await _set_state(connection, old, "active", "retired")
        elif await active_index(connection, collection.id) is not None:
            raise _changed(new)  # made by the first ingest into the collection
        await fill_rest(connection, store, new, embedder, after=seen)
        await _set_state(connection, new, before, "active")
    return old


def _untold(done: int, total: int) -> None:
    """What little is left is no progress to tell of."""


async def _settled_chunks(database: Database, active: Index) -> int:
    """A chunk id up to which every chunk is there for all to see, or never will be.

    Ids are given out to publishers that hold the active index, and those that held it then have ended.
    """
    row = await database.fetch_one(query("indexes.last_chunk"))
    assert row is not None, "a function returns a row"
    async with database.transaction() as connection:
        await connection.execute(query("reconciling.wait_for_publishers"), {"index_id": active.id})
    return int(row["id"])


async def _set_state(connection: Connection, index: Index, before: IndexState, state: IndexState) -> None:
    cursor = await connection.execute(
        query("indexes.set_state"), {"index_id": index.id, "before": before, "state": state}
    )
    if await cursor.fetchone() is None:
        raise _changed(index)


def _changed(index: Index) -> IndexBusyError:
    return IndexBusyError(
        f"somebody else changed the indexes while the switch to or from index {index.id} was being made. Nothing was "
        "switched. Look at them with `footnote indexes list`, and run the same command again."
    )
