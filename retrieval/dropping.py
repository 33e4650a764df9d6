"""Dropping: giving up indexes that nobody needs any more, with their vectors, while searches go on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.errors import LockNotAvailable

from retrieval.database import Database, query
from retrieval.errors import (
    DatabaseUnavailableError,
    IndexBusyError,
    IndexMismatchError,
    StoreUnavailableError,
)
from retrieval.indexes import indexes_in_state, store_of
from retrieval.records import Collection
from retrieval.stores import Index, VectorStore

# A search that has chosen an index holds it from then on; this is for one that is about to.
_GRACE_S = 1.0
# To drop a table of vectors is to stop everybody for a moment: rather a few times briefly than once for long. Longer
# than Postgres takes to send an automatic vacuum away.
_LOCK_TIMEOUT = "1500ms"
_TRIES = 4
_PAUSE_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """Indexes that were dropped, and those that should have been and could not be."""

    dropped: tuple[Index, ...] = ()
    left: tuple[Index, ...] = ()

    def plus(self, other: Dropped) -> Dropped:
        return Dropped(dropped=(*self.dropped, *other.dropped), left=(*self.left, *other.left))


async def drop_index(database: Database, store: VectorStore, index: Index) -> None:
    """Give up an index that does not answer. The caller has the collection's indexes to itself.

    Searches that read it are waited for, and later ones do not find it. Raises `IndexBusyError` where it answers, or
    where the database is read for too long to drop a table, `IndexMismatchError` where its vectors are in a store that
    is not at hand, and what its store raises.
    """
    keeper = store_of(index, store)
    if keeper is None:
        raise IndexMismatchError(
            f"index {index.id} keeps its vectors in {index.store}; the configured store is {store.kind}. "
            f"To drop it, set store.kind (FOOTNOTE_STORE__KIND) to {index.store}."
        )
    await _hide(database, index)
    await asyncio.sleep(_GRACE_S)
    for attempt in range(_TRIES):
        await asyncio.sleep(_PAUSE_S if attempt else 0)
        if await _try_to_drop(database, keeper, index):
            return
    raise IndexBusyError(
        f"index {index.id} cannot be dropped now: somebody reads the database for long, as a backup or "
        f"`footnote doctor` does. Nothing answers from it any more. Try again later: footnote indexes drop {index.id}"
    )


async def _hide(database: Database, index: Index) -> None:
    """Let no search choose the index from now on. Until it is gone, `footnote reindex` may still take it up again."""
    async with database.transaction() as connection:
        cursor = await connection.execute(query("indexes.hold_unanswering"), {"index_id": index.id})
        if await cursor.fetchone() is None:
            raise IndexBusyError(
                f"index {index.id} answers searches, or is gone already. To drop one that answers, let another "
                "one do so first: footnote reindex, or footnote indexes activate."
            )
        await connection.execute(query("indexes.hide"), {"index_id": index.id})


async def _try_to_drop(database: Database, keeper: VectorStore, index: Index) -> bool:
    """False where others were in the way."""
    try:
        async with database.transaction() as connection:
            await connection.execute(query("indexes.be_brief"), {"timeout": _LOCK_TIMEOUT})
            await connection.execute(query("indexes.wait_for_searches"), {"index_id": index.id})
            await keeper.drop(index, connection)
            await connection.execute(query("indexes.delete"), {"index_id": index.id})
    except DatabaseUnavailableError as exc:
        if isinstance(exc.__cause__, LockNotAvailable):
            return False
        raise
    return True


async def drop_indexes(database: Database, store: VectorStore, indexes: Sequence[Index]) -> Dropped:
    """Give up several, as far as that can be done now; of those that are left, `footnote indexes list` tells."""
    dropped, left = [], []
    for index in indexes:
        try:
            await drop_index(database, store, index)
            dropped.append(index)
        except (IndexBusyError, IndexMismatchError, StoreUnavailableError):
            left.append(index)
    return Dropped(dropped=tuple(dropped), left=tuple(left))


async def drop_surplus(
    database: Database, store: VectorStore, collection: Collection, *, newest: Index | None, keep: int
) -> Dropped:
    """Give up retired indexes but the last `keep`, of which `newest` was retired last."""
    async with database.connection() as connection:
        retired = await indexes_in_state(connection, collection.id, "retired")
    retired.sort(key=lambda index: (newest is not None and index.id == newest.id, index.id), reverse=True)
    return await drop_indexes(database, store, retired[keep:])
