"""Mending: make documents, revisions, places, chunks, vectors and words agree again, while others publish.

Every step is a small transaction that first holds the documents concerned, as publishing does, then looks again, then
mends. Documents on which somebody is at work are passed over: their publisher exchanges all of it anyway. What cannot
be put right from what is stored (a text that is not the chunks' text) is marked, so that the next refresh makes the
document anew from its file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import groupby
from typing import Any, LiteralString
from uuid import UUID

import numpy as np
from psycopg import sql

from retrieval.database import Connection, Database, query
from retrieval.embedders import EmbedderIdentity
from retrieval.exactness import document_batches, inspect_documents
from retrieval.filling import DocumentEmbedder
from retrieval.holdings import find_discrepancies
from retrieval.indexes import active_index, indexes_beside
from retrieval.reconciling import DOCUMENT_CHECKS
from retrieval.records import Collection, contextual_text
from retrieval.relisting import recount, relist
from retrieval.removing import delete_chunks, forget_vectors
from retrieval.stores import Index, VectorStore

_DOCUMENTS_AT_ONCE = 200
_CHUNKS_AT_ONCE = 2_000
_EMBEDDED_AT_ONCE = 256

_OF_TEXTS = frozenset({"place_wrong", "place_gap", "chunk_altered", "words_wrong", "pages_wrong"})
_OF_VECTORS = frozenset({"vector_missing", "vector_without_chunk", "vector_wrong", "vector_readers_wrong"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mender:
    """Mends one collection's index.

    identity: the embedder's; an index that another one made gets none of its vectors.
    """

    database: Database
    store: VectorStore
    collection: Collection
    embedder: DocumentEmbedder
    identity: EmbedderIdentity

    async def mend(self, kinds: AbstractSet[str], *, deep: bool) -> None:
        """Mend what was found, by the kinds of `reconciling.Finding`; `deep`: what a deep check found.

        Raises `DatabaseUnavailableError`, `StoreUnavailableError`, `ModelError`; what was mended until then stays so.
        """
        found = frozenset(kinds)
        async with self.database.snapshot() as connection:
            index = await active_index(connection, self.collection.id)
        if not found.isdisjoint(DOCUMENT_CHECKS):
            await self._mend_documents(index)
        if found & _OF_TEXTS:
            await self._mend_texts(index, words=deep)
        if found:
            # Whatever was found: what the others deleted may not have been listed right.
            await relist(self.database, self.collection.id)
        if index is not None and index.store == self.store.kind and found & {*_OF_VECTORS, *_OF_TEXTS}:
            await self._mend_vectors(index, all_measured=deep)

    async def _mend_documents(self, index: Index | None) -> None:
        after: UUID | None = None
        while ids := await self._damaged_after(after):
            async with self.database.transaction() as connection:
                removed = await _put_right(connection, await _hold(connection, ids))
            await self._forget(index, removed)
            after = ids[-1]

    async def _damaged_after(self, after: UUID | None) -> list[UUID]:
        checks = [
            sql.SQL("SELECT document_id FROM ({}\n) AS found").format(sql.SQL(query(f"reconciling.{kind}")))
            for kind in DOCUMENT_CHECKS
        ]
        statement = sql.SQL(
            "SELECT document_id FROM ({}) AS damaged WHERE %(after)s::uuid IS NULL OR document_id > %(after)s"
            " ORDER BY document_id LIMIT %(limit)s"
        ).format(sql.SQL(" UNION ").join(checks))
        async with self.database.connection() as connection:
            cursor = await connection.execute(
                statement,
                {"collection_id": self.collection.id, "after": after, "limit": _DOCUMENTS_AT_ONCE},
            )
            return [row["document_id"] for row in await cursor.fetchall()]

    async def _mend_texts(self, index: Index | None, *, words: bool) -> None:
        async with self.database.snapshot() as connection:
            damaged = [
                inspected.document_id
                async for batch in document_batches(connection, self.collection.id)
                for inspected in await inspect_documents(connection, batch, words=words)
            ]
        for document_id in damaged:
            async with self.database.transaction() as connection:
                removed = await _mend_text(connection, document_id, words=words)
            await self._forget(index, removed)

    async def _mend_vectors(self, index: Index, *, all_measured: bool) -> None:
        async with self.database.snapshot() as connection:
            found = await find_discrepancies(
                self.database, connection, self.store, index, all_measured=all_measured
            )
        for ids in _parts(sorted(found.strays), _CHUNKS_AT_ONCE):
            async with self.database.transaction() as connection:
                wanted = await _ids(
                    connection,
                    "reconciling.chunks_of_collection",
                    collection_id=self.collection.id,
                    chunk_ids=ids,
                )
                await self.store.discard(index, sorted({*ids} - {*wanted}), connection)
        if index.embedder_hash == self.identity.digest():
            for ids in _parts(sorted(found.missing | found.wrong), _EMBEDDED_AT_ONCE):
                await self._embed_again(index, ids)
        for document_id in sorted({*found.readers.values()}):
            async with self.database.transaction() as connection:
                for held in await _hold(connection, [document_id]):
                    await self.store.set_readers(index, held, await _readers(connection, held))

    async def _embed_again(self, index: Index, chunk_ids: Sequence[int]) -> None:
        parameters = {"collection_id": self.collection.id, "chunk_ids": list(chunk_ids)}
        texts = await self.database.fetch_all(query("reconciling.texts_to_embed"), parameters)
        embedded = await self.embedder.embed_documents(
            [contextual_text(row["title"], row["headings"], row["text"]) for row in texts]
        )
        vectors = {row["id"]: vector for row, vector in zip(texts, embedded, strict=True)}
        async with self.database.transaction() as connection:
            if not await _ids(connection, "indexes.hold_active", index_id=index.id):
                return  # replaced by `footnote reindex`, which embeds every chunk
            held = {*await _hold(connection, [row["document_id"] for row in texts])}
            # Read again, now that nobody can change them. A chunk's text never changes, but it may have gone.
            cursor = await connection.execute(query("reconciling.texts_to_embed"), parameters)
            rows = [row for row in await cursor.fetchall() if row["document_id"] in held]
            await self.store.discard(index, [row["id"] for row in rows], connection)
            for document_id, group in groupby(rows, key=lambda row: row["document_id"]):
                chunks = list(group)
                await self.store.write(
                    index,
                    [row["id"] for row in chunks],
                    np.stack([vectors[row["id"]] for row in chunks]),
                    document_id=document_id,
                    readers=chunks[0]["readers"],
                    connection=connection,
                )

    async def _forget(self, index: Index | None, chunk_ids: Sequence[int]) -> None:
        if index is not None and index.store == self.store.kind and chunk_ids:
            async with self.database.connection() as connection:
                indexes = await indexes_beside(connection, self.store, index)
            await forget_vectors(self.store, indexes, chunk_ids)


async def mend_strays(database: Database, kinds: AbstractSet[str]) -> None:
    """Delete what belongs to no collection at all, by the kinds of `reconciling.check_strays`."""
    if "chunk_without_document" in kinds:
        rows = await database.fetch_all(query("reconciling.chunk_without_document"))
        for ids in _parts([row["chunk_id"] for row in rows], _CHUNKS_AT_ONCE):
            async with database.transaction() as connection:
                await delete_chunks(connection, ids)
    if "revision_without_document" in kinds:
        await database.execute(query("reconciling.delete_orphaned_revisions"))
    if "place_without_document" in kinds:
        await database.execute(query("reconciling.delete_orphaned_places"))
    if "words_without_chunk" in kinds:
        await database.execute(query("reconciling.delete_orphaned_words"))
    if "segment_without_collection" in kinds:
        await database.execute(query("reconciling.delete_orphaned_segments"))
    if "table_without_index" in kinds:
        async with database.transaction() as connection:
            cursor = await connection.execute(query("reconciling.table_without_index"))
            for row in await cursor.fetchall():
                await connection.execute(
                    sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(row["example"]))
                )


async def _put_right(connection: Connection, document_ids: Sequence[UUID]) -> list[int]:
    """Mend what SQL can mend of documents that are held; returns the chunks that were deleted."""
    ids = {"document_ids": list(document_ids)}
    await connection.execute(query("reconciling.give_up_lost_revisions"), ids)
    await connection.execute(query("reconciling.restore_current_revisions"), ids)
    await connection.execute(query("reconciling.supersede_other_revisions"), ids)
    cursor = await connection.execute(query("reconciling.stray_chunks"), ids)
    strays = await cursor.fetchall()
    await delete_chunks(connection, [row["id"] for row in strays])
    cursor = await connection.execute(query("reconciling.delete_stray_places"), ids)
    poorer = {row["document_id"] for row in await cursor.fetchall()}
    poorer |= {row["document_id"] for row in strays if row["is_missed"]}
    poorer |= {*await _ids(connection, "reconciling.documents_without_places", **ids)}
    await connection.execute(query("reconciling.make_anew"), {"document_ids": list(poorer)})
    return [row["id"] for row in strays]


async def _mend_text(connection: Connection, document_id: UUID, *, words: bool) -> list[int]:
    """Mend a document whose text and chunks do not agree; returns the chunks that were deleted.

    A chunk that is not where it should be goes at once: an answer made from it would cite what is not there.
    """
    held = await _hold(connection, [document_id])
    inspection = await inspect_documents(connection, held, words=words)
    if not inspection:
        return []
    inspected = inspection[0]
    if inspected.other_words:
        await recount(connection, inspected.other_words, inspected.contexts)
    doomed = sorted({*inspected.misplaced, *inspected.altered})
    await delete_chunks(connection, doomed)
    if doomed or inspected.has_gap or inspected.has_bad_pages:
        await connection.execute(query("reconciling.make_anew"), {"document_ids": held})
    return doomed


async def _hold(connection: Connection, document_ids: Sequence[UUID]) -> list[UUID]:
    """Those of some documents that nobody else is at work on, held until the end of the transaction."""
    return await _ids(connection, "reconciling.hold_documents", document_ids=list({*document_ids}))


async def _readers(connection: Connection, document_id: UUID) -> list[str]:
    cursor = await connection.execute(query("reconciling.readers"), {"document_id": document_id})
    row = await cursor.fetchone()
    return [] if row is None else list(row["readers"])


async def _ids(connection: Connection, name: LiteralString, **parameters: object) -> list[Any]:
    cursor = await connection.execute(query(name), parameters)
    return [row["id"] for row in await cursor.fetchall()]


def _parts(ids: Sequence[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(ids), size):
        yield [*ids[start : start + size]]
