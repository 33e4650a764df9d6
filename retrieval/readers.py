"""Who may read a document. Postgres says so; a store that lives elsewhere keeps a copy, to look at less than all.

The copy may name more readers than Postgres does, never fewer: Postgres drops what is found for a reader too many, and
nobody would find what is hidden from a reader too few. So the copy gets new readers before Postgres has them and loses
former ones after, each time with the document held. What fails in between leaves it too wide, which nobody sees.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from retrieval.database import Connection, Database, query
from retrieval.errors import (
    ConfigurationError,
    DatabaseUnavailableError,
    IndexMissingError,
    StoreUnavailableError,
)
from retrieval.indexes import indexes_beside
from retrieval.stores import Index, VectorStore

logger = logging.getLogger(__name__)


async def set_readers(
    database: Database, store: VectorStore, index: Index, document_id: UUID, readers: Sequence[str]
) -> None:
    """Say who may read a document; a document that is not there any more is let be.

    Raises `DatabaseUnavailableError`, and what the store raises; then nothing has changed.
    """
    async with database.transaction() as connection:
        held = await _hold(connection, document_id)
        if held is None:
            return
        await add_to_copy(connection, store, index, document_id, former=held.readers, readers=readers)
        await connection.execute(query("readers.set"), {"document_id": document_id, "readers": list(readers)})
    await take_from_copy(database, store, index, document_id, former=held.readers, readers=readers)


async def grant_readers(
    database: Database,
    store: VectorStore,
    index: Index,
    document_id: UUID,
    readers: Sequence[str],
    *,
    own: Sequence[str] | None,
) -> None:
    """As `set_readers`, unless somebody has said of the document meanwhile what is not `own`: that goes before."""
    async with database.transaction() as connection:
        held = await _hold(connection, document_id)
        if held is None or held.own != (None if own is None else tuple(own)):
            return
        await add_to_copy(connection, store, index, document_id, former=held.readers, readers=readers)
        await connection.execute(query("readers.set"), {"document_id": document_id, "readers": list(readers)})
    await take_from_copy(database, store, index, document_id, former=held.readers, readers=readers)


async def set_own_readers(
    connection: Connection,
    store: VectorStore,
    index: Index,
    document_id: UUID,
    own: Sequence[str],
    *,
    readers: Sequence[str],
) -> tuple[str, ...] | None:
    """Say of one document who may read it, whatever its source says, in the caller's transaction.

    `readers`: who may read it from now on, where that has to be less until its new revision is there. Returns the
    former ones, for `take_from_copy` after the commit; None where the document is not there.
    """
    held = await _hold(connection, document_id)
    if held is None:
        return None
    await add_to_copy(connection, store, index, document_id, former=held.readers, readers=readers)
    await connection.execute(
        query("readers.set_own"),
        {"document_id": document_id, "own": list(own), "readers": list(readers)},
    )
    return held.readers


async def add_to_copy(
    connection: Connection,
    store: VectorStore,
    index: Index,
    document_id: UUID,
    *,
    former: Iterable[str],
    readers: Iterable[str],
) -> None:
    """Let the store's copy name the new readers beside the former ones, before the caller's transaction, which holds
    the document, makes them its readers."""
    if not {*readers} <= {*former}:
        await _tell(connection, store, index, document_id, {*former, *readers})


async def take_from_copy(
    database: Database,
    store: VectorStore,
    index: Index,
    document_id: UUID,
    *,
    former: Iterable[str],
    readers: Iterable[str],
) -> None:
    """Let the store's copy name the readers alone, after they were committed. Where that fails, the copy stays too
    wide, which `footnote doctor` finds and mends: what was committed holds and is not reported as failed."""
    if {*former} <= {*readers}:
        return
    try:
        async with database.transaction() as connection:
            # As they are by now: another one may have set them since.
            current = await _hold(connection, document_id)
            if current is not None:
                await _tell(connection, store, index, document_id, current.readers)
    except (StoreUnavailableError, IndexMissingError, ConfigurationError, DatabaseUnavailableError) as exc:
        logger.warning(
            "index %d still has former readers in its copy for document %s, which shows them nothing; "
            "`footnote doctor --repair` takes them out (%s)",
            index.id,
            document_id,
            exc,
        )


async def _tell(
    connection: Connection, store: VectorStore, index: Index, document_id: UUID, readers: Iterable[str]
) -> None:
    """In former and coming indexes, too, if only they are there."""
    for one in await indexes_beside(connection, store, index):
        try:
            await store.set_readers(one, document_id, sorted(readers))
        except IndexMissingError:
            if one.id == index.id:
                raise


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    readers: tuple[str, ...]
    own: tuple[str, ...] | None


async def _hold(connection: Connection, document_id: UUID) -> _Held | None:
    """Hold a document until the end of the transaction; its readers, or None where it is not there."""
    cursor = await connection.execute(query("readers.hold"), {"document_id": document_id})
    row = await cursor.fetchone()
    if row is None:
        return None
    own = None if row["own_readers"] is None else tuple(row["own_readers"])
    return _Held(readers=tuple(row["readers"]), own=own)
