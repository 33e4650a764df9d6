"""Removing: the one way by which content leaves the index.

remove_document   the file has gone: nothing answers from it any more; its texts stay for the retention time
erase_document    everything about it goes at once, texts included
purge_revisions   texts whose retention has ended
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from uuid import UUID

from retrieval.database import Connection, Database, query
from retrieval.errors import ConfigurationError, IndexMissingError, NotFoundError, StoreUnavailableError
from retrieval.indexes import indexes_beside
from retrieval.stores import Index, VectorStore

logger = logging.getLogger(__name__)


async def remove_document(
    database: Database,
    store: VectorStore,
    index: Index,
    document_id: UUID,
    *,
    revision: int | None = None,
    path: str | None = None,
) -> bool:
    """Take a document out of every answer; False where there was nothing to take.

    `revision`, `path`: only if these are still its own; what another run has published or moved since stays.
    """
    async with database.transaction() as connection:
        cursor = await connection.execute(
            query("removing.lock_document"), {"document_id": document_id, "revision": revision, "path": path}
        )
        if await cursor.fetchone() is None:
            return False
        indexes = await indexes_beside(connection, store, index)
        removed = list((await stored_chunks(connection, document_id)).values())
        await delete_chunks(connection, removed)
        await connection.execute(query("removing.supersede_revision"), {"document_id": document_id})
        await connection.execute(query("removing.mark_removed"), {"document_id": document_id})
    await forget_vectors(store, indexes, removed)
    return True


async def erase_document(database: Database, store: VectorStore, index: Index, document_id: UUID) -> None:
    """Erase a document with all that was ever kept of it; only its id is remembered, and who could read it.

    Raises `NotFoundError`.
    """
    async with database.transaction() as connection:
        cursor = await connection.execute(
            query("removing.lock_any_document"),
            {"document_id": document_id, "collection_id": index.collection_id},
        )
        if await cursor.fetchone() is None:
            raise NotFoundError(f"there is no document {document_id}.")
        indexes = await indexes_beside(connection, store, index)
        removed = list((await stored_chunks(connection, document_id)).values())
        await delete_chunks(connection, removed)
        await connection.execute(query("removing.erase_document"), {"document_id": document_id})
    await forget_vectors(store, indexes, removed)


async def erase_unindexed(database: Database, collection_id: int, document_id: UUID) -> None:
    """As `erase_document`, of a collection that has no index yet: there are no chunks to take out.

    Raises `NotFoundError`.
    """
    async with database.transaction() as connection:
        cursor = await connection.execute(
            query("removing.lock_any_document"), {"document_id": document_id, "collection_id": collection_id}
        )
        if await cursor.fetchone() is None:
            raise NotFoundError(f"there is no document {document_id}.")
        await connection.execute(query("removing.erase_document"), {"document_id": document_id})


async def purge_revisions(database: Database, *, retention_days: int) -> int:
    """Delete texts of revisions that were superseded more than `retention_days` ago; returns how many.

    A removed document goes with the last of its texts.
    """
    async with database.transaction() as connection:
        cursor = await connection.execute(
            query("removing.purge_revisions"), {"retention_days": retention_days}
        )
        await connection.execute(query("removing.purge_documents"))
        return cursor.rowcount


async def stored_chunks(connection: Connection, document_id: UUID) -> dict[bytes, int]:
    """Ids of a document's chunks by the hash of their text."""
    cursor = await connection.execute(query("removing.stored_chunks"), {"document_id": document_id})
    return {bytes(row["text_hash"]): row["id"] for row in await cursor.fetchall()}


async def delete_chunks(connection: Connection, chunk_ids: Sequence[int]) -> None:
    """Delete chunks; their places, their words and their vectors in Postgres go with them.

    Where a merger is making a segment of some of them, it is waited for.
    """
    if chunk_ids:
        await connection.execute(query("removing.hold_fresh"), {"chunk_ids": list(chunk_ids)})
        await connection.execute(query("removing.remember_terms"), {"chunk_ids": list(chunk_ids)})
        await connection.execute(query("removing.delete_chunks"), {"chunk_ids": list(chunk_ids)})


async def forget_vectors(store: VectorStore, indexes: Sequence[Index], chunk_ids: Sequence[int]) -> None:
    """Drop vectors of chunks whose end is committed from all of a collection's indexes that `indexes_beside` has named.

    Where the store does not let us they stay, unseen.
    """
    for index in indexes if chunk_ids else ():
        try:
            await store.forget(index, chunk_ids)
        except (StoreUnavailableError, IndexMissingError, ConfigurationError) as exc:
            # What was committed holds: search drops what Postgres does not know. Only space is lost.
            logger.warning(
                "%d vectors of removed chunks were left behind in index %d; `footnote doctor --repair` drops them (%s)",
                len(chunk_ids),
                index.id,
                exc,
            )
