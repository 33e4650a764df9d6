"""Reindexing: build an index anew from the stored chunks, beside the one that answers, and let it answer instead.

    begin, or take up again → fill → optimize → catch up → (approve) → switch → drop what is older than the former one

Files are not read again. Searches go on with the former index until the switch, and may go on with it after that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from retrieval.database import Database
from retrieval.dropping import Dropped, drop_indexes, drop_surplus
from retrieval.embedders import EmbedderIdentity
from retrieval.filling import DocumentEmbedder, Progress, fill_index
from retrieval.indexes import active_index, create_index, indexes_in_state, indexes_to_oneself
from retrieval.records import Collection
from retrieval.stores import Index, VectorStore
from retrieval.switching import catch_up, switch_index

Approval = Callable[[Index, Index | None], Awaitable[bool]]
"""Whether the first index, which is finished, may answer instead of the second, which does now."""

KEPT = 1
"""How many former indexes are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What `rebuild_index` did.

    switched: False where `index` was not approved; it is kept, and the next call has nothing left to embed.
    former: what answered before; None where nothing did, or still does. filled: how many chunks were embedded.
    dropped: older indexes that have gone, and those that should have.
    """

    index: Index
    former: Index | None
    switched: bool
    filled: int
    dropped: Dropped


async def approve_any(new: Index, former: Index | None) -> bool:
    """Approve whatever was built."""
    return True


async def rebuild_index(
    database: Database,
    store: VectorStore,
    collection: Collection,
    identity: EmbedderIdentity,
    embedder: DocumentEmbedder,
    *,
    progress: Progress,
    approve: Approval = approve_any,
    keep: int = KEPT,
) -> Rebuilt:
    """Build the collection's index for `identity` in `store` and make it the active one, if `approve` agrees.

    A build that was interrupted is taken up again. The `keep` last former indexes stay. Raises `IndexBusyError` where
    somebody else is at work on the indexes, `DatabaseUnavailableError`, `ModelError`, `IndexMissingError`, and what the
    store and `approve` raise; until the switch the former index stays the active one.
    """
    async with indexes_to_oneself(database, collection):
        new, dropped = await _index_to_build(database, store, collection, identity)
        filled = await fill_index(database, store, new, embedder, progress=progress)
        # Before the switch, so that searches are as quick after it.
        await store.optimize(new, database, wait=True)
        filled += await catch_up(database, store, new, embedder, progress=progress)
        async with database.connection() as connection:
            active = await active_index(connection, collection.id)
        if not await approve(new, active):
            return Rebuilt(index=new, former=None, switched=False, filled=filled, dropped=dropped)
        former = await switch_index(database, store, collection, new, embedder, before="building")
        surplus = await drop_surplus(database, store, collection, newest=former, keep=keep)
        return Rebuilt(index=new, former=former, switched=True, filled=filled, dropped=dropped.plus(surplus))


async def _index_to_build(
    database: Database, store: VectorStore, collection: Collection, identity: EmbedderIdentity
) -> tuple[Index, Dropped]:
    """The index of an interrupted build for this embedder and store, or a new one; what other builds began goes."""
    async with database.connection() as connection:
        begun = await indexes_in_state(connection, collection.id, "building")
    fitting = [i for i in begun if (i.embedder_hash, i.store) == (identity.digest(), store.kind)]
    # The last of them: one that could not be dropped is older.
    new = fitting[-1] if fitting else None
    dropped = await drop_indexes(database, store, [index for index in begun if index is not new])
    if new is None:
        async with database.transaction() as connection:
            new = await create_index(connection, collection, identity, store, state="building")
    return new, dropped
