"""Publishing: the one road by which content enters and leaves the index.

A revision is published in one transaction: its text goes in, chunks, vectors and postings are exchanged, the document's
pointer moves. Readers see the old revision or the new one, never half, never both. A chunk whose text did not change
keeps its row and its vector.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from retrieval.database import Connection, Database, query
from retrieval.errors import FootnoteError, IndexMismatchError
from retrieval.records import ChunkDraft
from retrieval.stores import Index, VectorStore


class DocumentChangedError(FootnoteError):
    """Another run published the same document in between; prepare it again."""

    retryable = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionDraft:
    """A document's new content, parsed and cut, ready to be embedded and published.

    `text_hashes[i]` is the sha256 of what is embedded of `chunks[i]`: title, headings and text.
    """

    source_id: UUID
    path: str
    media_type: str
    title: str
    text: str
    page_starts: tuple[int, ...]
    chunks: tuple[ChunkDraft, ...]
    text_hashes: tuple[bytes, ...]
    content_hash: bytes
    size_bytes: int
    mtime_ns: int
    recipe: str
    readers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What publishing did. `is_new` is False where another run had just published the same content."""

    document_id: UUID
    is_new: bool
    revision: int
    chunk_count: int
    removed_chunks: tuple[int, ...]


def hash_text(embedding_text: str) -> bytes:
    """sha256 of what is embedded: the identity of a chunk within its document."""
    return hashlib.sha256(embedding_text.encode()).digest()


async def texts_to_embed(database: Database, draft: RevisionDraft) -> dict[bytes, str]:
    """The texts of a draft that the index has no vector for yet, by their hash, in the order of the document."""
    row = await database.fetch_one(
        query("publishing.find_document"), {"source_id": draft.source_id, "path": draft.path}
    )
    known: set[bytes] = set()
    if row is not None:
        rows = await database.fetch_all(query("publishing.known_chunks"), {"document_id": row["id"]})
        known = {bytes(r["text_hash"]) for r in rows}
    return {
        text_hash: chunk.embedding_text(draft.title)
        for text_hash, chunk in zip(draft.text_hashes, draft.chunks, strict=True)
        if text_hash not in known
    }


async def publish(
    database: Database,
    store: VectorStore,
    index: Index,
    draft: RevisionDraft,
    vectors: Mapping[bytes, NDArray[np.float32]],
) -> Published:
    """Publish a draft. `vectors` has a unit vector of shape (dimension,) for every hash of `texts_to_embed`.

    Raises `DocumentChangedError` where another run changed the document in between, `DatabaseUnavailableError`.
    """
    async with database.transaction() as connection:
        await _hold_index(connection, index)
        parameters = _document_parameters(draft, index)
        held = await _one(connection, "publishing.lock_document", parameters)
        document_id: UUID = held["id"]
        if held["current_revision"] and (bytes(held["content_hash"]), held["recipe"]) == (
            draft.content_hash,
            draft.recipe,
        ):
            # Another run has just published this very content.
            return Published(
                document_id=document_id,
                is_new=False,
                revision=held["current_revision"],
                chunk_count=len(draft.chunks),
                removed_chunks=(),
            )
        stored = await _stored_chunks(connection, document_id)
        added = await _insert_chunks(connection, index, document_id, draft, stored, vectors)
        if added:
            ids = list(added.values())
            await store.write(
                index,
                ids,
                np.stack([vectors[text_hash] for text_hash in added]),
                document_id=document_id,
                readers=draft.readers,
                connection=connection,
            )
            await connection.execute(query("publishing.insert_postings"), {"chunk_ids": ids})
        await _exchange_places(connection, document_id, draft, {**stored, **added})
        kept = set(draft.text_hashes)
        removed = [chunk_id for text_hash, chunk_id in stored.items() if text_hash not in kept]
        await _delete_chunks(connection, removed)
        await connection.execute(query("publishing.supersede_revision"), {"document_id": document_id})
        inserted = await _one(
            connection,
            "publishing.insert_revision",
            {
                "document_id": document_id,
                "title": draft.title,
                "text": draft.text,
                "page_starts": list(draft.page_starts),
                "content_hash": draft.content_hash,
            },
        )
        revision: int = inserted["revision"]
        await connection.execute(
            query("publishing.point_document"),
            {**parameters, "document_id": document_id, "revision": revision},
        )
    await store.forget(index, removed)
    if set(held["readers"]) != set(draft.readers):
        await store.set_readers(index, document_id, draft.readers)
    return Published(
        document_id=document_id,
        is_new=True,
        revision=revision,
        chunk_count=len(draft.chunks),
        removed_chunks=tuple(removed),
    )


async def remove_document(database: Database, store: VectorStore, index: Index, document_id: UUID) -> None:
    """Take a document out of every answer. Its revisions' texts stay for the retention time."""
    async with database.transaction() as connection:
        await connection.execute(query("publishing.lock_for_removal"), {"document_id": document_id})
        removed = list((await _stored_chunks(connection, document_id)).values())
        await _delete_chunks(connection, removed)
        await connection.execute(query("publishing.supersede_revision"), {"document_id": document_id})
        await connection.execute(query("publishing.mark_removed"), {"document_id": document_id})
    await store.forget(index, removed)


async def purge_revisions(database: Database, *, retention_days: int) -> int:
    """Delete texts of revisions that were superseded more than `retention_days` ago; returns how many.

    A removed document goes with the last of its texts.
    """
    async with database.transaction() as connection:
        cursor = await connection.execute(
            query("publishing.purge_revisions"), {"retention_days": retention_days}
        )
        await connection.execute(query("publishing.purge_documents"))
        return cursor.rowcount


async def _hold_index(connection: Connection, index: Index) -> None:
    """Keep the index from being exchanged while vectors are written to it."""
    cursor = await connection.execute(query("indexes.hold_active"), {"index_id": index.id})
    if await cursor.fetchone() is None:
        raise IndexMismatchError(
            f"the index that this run writes to (built with {index.embedder}) has been replaced by "
            "`footnote reindex`. Nothing is lost: run the same command again."
        )


def _document_parameters(draft: RevisionDraft, index: Index) -> dict[str, Any]:
    return {
        "collection_id": index.collection_id,
        "source_id": draft.source_id,
        "path": draft.path,
        "media_type": draft.media_type,
        "readers": list(draft.readers),
        "content_hash": draft.content_hash,
        "size_bytes": draft.size_bytes,
        "mtime_ns": draft.mtime_ns,
        "recipe": draft.recipe,
    }


async def _stored_chunks(connection: Connection, document_id: UUID) -> dict[bytes, int]:
    cursor = await connection.execute(query("publishing.stored_chunks"), {"document_id": document_id})
    return {bytes(row["text_hash"]): row["id"] for row in await cursor.fetchall()}


async def _insert_chunks(
    connection: Connection,
    index: Index,
    document_id: UUID,
    draft: RevisionDraft,
    stored: Mapping[bytes, int],
    vectors: Mapping[bytes, NDArray[np.float32]],
) -> dict[bytes, int]:
    new = {h: c for h, c in zip(draft.text_hashes, draft.chunks, strict=True) if h not in stored}
    if not new:
        return {}
    if not new.keys() <= vectors.keys():
        raise DocumentChangedError(
            f"'{draft.path}' was changed by another run at the same time; it is tried again."
        )
    rows = [
        {
            "text_hash": text_hash.hex(),
            "headings": chunk.headings,
            "text": chunk.text,
            "token_count": chunk.token_count,
            "contextual": chunk.embedding_text(draft.title),
        }
        for text_hash, chunk in new.items()
    ]
    cursor = await connection.execute(
        query("publishing.insert_chunks"),
        {"collection_id": index.collection_id, "document_id": document_id, "chunks": Jsonb(rows)},
    )
    return {bytes(row["text_hash"]): row["id"] for row in await cursor.fetchall()}


async def _exchange_places(
    connection: Connection, document_id: UUID, draft: RevisionDraft, chunk_ids: Mapping[bytes, int]
) -> None:
    await connection.execute(query("publishing.clear_places"), {"document_id": document_id})
    await connection.execute(
        query("publishing.insert_places"),
        {
            "document_id": document_id,
            "chunk_ids": [chunk_ids[text_hash] for text_hash in draft.text_hashes],
            "char_starts": [chunk.char_start for chunk in draft.chunks],
            "char_ends": [chunk.char_end for chunk in draft.chunks],
        },
    )


async def _delete_chunks(connection: Connection, chunk_ids: Sequence[int]) -> None:
    if chunk_ids:
        await connection.execute(query("publishing.delete_postings"), {"chunk_ids": list(chunk_ids)})
        await connection.execute(query("publishing.delete_chunks"), {"chunk_ids": list(chunk_ids)})


async def _one(connection: Connection, name: LiteralString, parameters: Mapping[str, Any]) -> DictRow:
    cursor = await connection.execute(query(name), parameters)
    row = await cursor.fetchone()
    assert row is not None, f"{name} returns a row"
    return row
