"""Publishing: the one road by which content enters the index (`removing.py` is the way out).

A revision is published in one transaction: its text goes in, chunks are exchanged with their words and vectors, the
document's pointer moves. Readers see the old revision or the new one, never half, never both. A chunk whose text did
not change keeps its row and its vector.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from retrieval.database import Connection, Database, query
from retrieval.errors import FootnoteError, IndexMismatchError
from retrieval.indexes import indexes_beside
from retrieval.readers import add_to_copy, take_from_copy
from retrieval.records import ChunkDraft
from retrieval.removing import delete_chunks, forget_vectors
from retrieval.stores import Index, VectorStore

# A statement's parameters have to fit into memory several times over, on both sides.
_CHUNKS_A_STATEMENT = 2_000


class DocumentChangedError(FootnoteError):
    """Another run or upload changed the same document in between; prepare it again."""

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
    line_boxes: bytes = b""
    chunks: tuple[ChunkDraft, ...]
    text_hashes: tuple[bytes, ...]
    content_hash: bytes
    size_bytes: int
    mtime_ns: int
    recipe: str
    readers: tuple[str, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)


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
    rows = await database.fetch_all(
        query("publishing.known_chunks"), {"source_id": draft.source_id, "path": draft.path}
    )
    known = {bytes(row["text_hash"]) for row in rows}
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
        held, stored = await _hold(connection, index, draft)
        await _check_upload(connection, draft, held)
        document_id: UUID = held["id"]
        draft = _with_own(draft, held)
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
        former: list[str] = held["readers"]
        await add_to_copy(connection, store, index, document_id, former=former, readers=draft.readers)
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
        if stored:  # places are never without their chunks
            await connection.execute(query("publishing.clear_places"), {"document_id": document_id})
        kept = set(draft.text_hashes)
        indexes = await indexes_beside(connection, store, index)
        removed = [chunk_id for text_hash, chunk_id in stored.items() if text_hash not in kept]
        await delete_chunks(connection, removed)
        revision = await _publish_revision(connection, index, document_id, draft, {**stored, **added})
    await forget_vectors(store, indexes, removed)
    await take_from_copy(database, store, index, document_id, former=former, readers=draft.readers)
    return Published(
        document_id=document_id,
        is_new=True,
        revision=revision,
        chunk_count=len(draft.chunks),
        removed_chunks=tuple(removed),
    )


async def _hold(
    connection: Connection, index: Index, draft: RevisionDraft
) -> tuple[DictRow, Mapping[bytes, int]]:
    """Hold the document's row, and keep the index from being exchanged while vectors are written to it.

    Returns the row and the ids of the chunks that the document has, by the hash of their text.
    """
    async with connection.pipeline():  # three statements, one way there and back
        active = await connection.execute(query("indexes.hold_active"), {"index_id": index.id})
        held = await connection.execute(query("publishing.lock_document"), _document_parameters(draft, index))
        # By its path: its id is not known yet. A statement of its own, it sees what was there when the row was held.
        stored = await connection.execute(
            query("publishing.stored_chunks"), {"source_id": draft.source_id, "path": draft.path}
        )
        is_active = await active.fetchone() is not None
        row = await held.fetchone()
        chunks = await stored.fetchall()
    if not is_active:
        raise IndexMismatchError(
            f"the index that this run writes to (built with {index.embedder}) has been replaced by "
            "`footnote reindex`. Nothing is lost: run the same command again."
        )
    assert row is not None, "publishing.lock_document returns a row"
    return row, {bytes(chunk["text_hash"]): chunk["id"] for chunk in chunks}


async def _check_upload(connection: Connection, draft: RevisionDraft, held: DictRow) -> None:
    """Refuse new content of which it is not known who may read it: an upload that ended between its file and its word.

    Content that was published before is nothing new, whatever has become of its file's time.
    """
    if bytes(held["content_hash"]) == draft.content_hash:
        return
    cursor = await connection.execute(
        query("publishing.other_upload"),
        {
            "source_id": draft.source_id,
            "path": draft.path,
            "size_bytes": draft.size_bytes,
            "mtime_ns": draft.mtime_ns,
        },
    )
    if await cursor.fetchone() is not None:
        raise DocumentChangedError(
            f"'{draft.path}' is not the file that was uploaded last: it is being uploaded again, or an upload was "
            "broken off. Upload it again if this stays."
        )


def _with_own(draft: RevisionDraft, held: DictRow) -> RevisionDraft:
    """The draft with what was said of its document alone, which goes before what is said of its source."""
    readers, metadata = held["own_readers"], held["own_metadata"]
    return replace(
        draft,
        readers=draft.readers if readers is None else tuple(readers),
        metadata=draft.metadata if metadata is None else metadata,
    )


def _document_parameters(draft: RevisionDraft, index: Index) -> dict[str, Any]:
    return {
        "collection_id": index.collection_id,
        "source_id": draft.source_id,
        "path": draft.path,
        "media_type": draft.media_type,
        "readers": list(draft.readers),
        "metadata": Jsonb(dict(draft.metadata)),
        "content_hash": draft.content_hash,
        "size_bytes": draft.size_bytes,
        "mtime_ns": draft.mtime_ns,
        "recipe": draft.recipe,
    }


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
    added: dict[bytes, int] = {}
    for start in range(0, len(rows), _CHUNKS_A_STATEMENT):
        cursor = await connection.execute(
            query("publishing.insert_chunks"),
            {
                "collection_id": index.collection_id,
                "document_id": document_id,
                "chunks": Jsonb(rows[start : start + _CHUNKS_A_STATEMENT]),
            },
        )
        added |= {bytes(row["text_hash"]): row["id"] for row in await cursor.fetchall()}
    return added


async def _publish_revision(
    connection: Connection,
    index: Index,
    document_id: UUID,
    draft: RevisionDraft,
    chunk_ids: Mapping[bytes, int],
) -> int:
    """Insert the revision with its places and move the document's pointer to it; returns its number."""
    cursor = await connection.execute(
        query("publishing.publish_revision"),
        {
            **_document_parameters(draft, index),
            "document_id": document_id,
            "title": draft.title,
            "text": draft.text,
            "page_starts": list(draft.page_starts),
            "line_boxes": draft.line_boxes,
            "chunk_ids": [chunk_ids[text_hash] for text_hash in draft.text_hashes],
            "char_starts": [chunk.char_start for chunk in draft.chunks],
            "char_ends": [chunk.char_end for chunk in draft.chunks],
        },
    )
    row = await cursor.fetchone()
    assert row is not None, "the document is held"
    revision: int = row["revision"]
    return revision
