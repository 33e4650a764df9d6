"""Who may read a document. Postgres says so; a store that lives elsewhere keeps a copy, to look at less than all.

The copy may name more readers than Postgres does, never fewer: Postgres drops what is found for a reader too many, and
nobody would find what is hidden from a reader too few. So the copy gets new readers before Postgres has them and loses
former ones after, each time with the document held. What fails in between leaves it too wide, which nobody sees.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
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
        former = await _hold(connection, document_id)
        if former is None:
            return
        await add_to_copy(connection, store, index, document_id, former=former, readers=readers)
        await connection.execute(query("readers.set"), {"document_id": document_id, "readers": list(readers)})
    await take_from_copy(database, store, index, document_id, former=former, readers=readers)


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
                await _tell(connection, store, index, document_id, current)
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


async def _hold(connection: Connection, document_id: UUID) -> list[str] | None:
    """Hold a document until the end of the transaction; its readers, or None where it is not there."""
    cursor = await connection.execute(query("readers.hold"), {"document_id": document_id})
    row = await cursor.fetchone()
    return None if row is None else row["readers"]
