"""Documents as their readers see them: what is in the index, what is on its way into it, and what did not get there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from retrieval.collections import find_collection
from retrieval.database import Connection, Database, query
from retrieval.documents import check_not_erased, seen_by
from retrieval.errors import InvalidRequestError, NotFoundError
from retrieval.filters import Filters, Selection, escape_like
from retrieval.indexes import active_index
from retrieval.metadata import check_metadata, is_plain
from retrieval.readers import set_own_readers, take_from_copy
from retrieval.records import Scope, page_at
from retrieval.stores import VectorStore

EntryStatus = Literal["indexed", "pending", "failed", "skipped", "removed"]
"""indexed: answers come from it as its file is. pending: a file was uploaded that is not taken in yet. failed: its file
could not be taken in. skipped: there is nothing in its file to take in. removed: its file has gone."""

_NIL = UUID(int=0)
MAX_WORDS_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A document, or a file that did not become one (`id` None). `revision`: what answers come from, also while a newer
    file is pending or has failed; None for nothing. `sort_id` is where a list goes on."""

    sort_id: UUID
    id: UUID | None
    collection: str
    path: str
    title: str
    media_type: str
    revision: int | None
    readers: tuple[str, ...]
    metadata: Mapping[str, str]
    chunk_count: int
    updated_at: datetime
    removed_at: datetime | None
    status: EntryStatus
    reason: str | None
    retryable: bool | None
    is_upload: bool
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A chunk at its place in the current revision; `number` counts from 0."""

    number: int
    char_start: int
    char_end: int
    page: int | None
    headings: tuple[str, ...]
    text: str
    token_count: int


async def list_entries(
    database: Database,
    collection: str,
    *,
    scope: Scope,
    status: EntryStatus | Literal["any"] | None = None,
    paths: Sequence[str] = (),
    media_types: Sequence[str] = (),
    words: str = "",
    after: tuple[str, UUID] = ("", _NIL),
    limit: int,
) -> list[Entry]:
    """Up to `limit` entries of a collection that the scope may see, in (path, sort_id) order after `after`.

    status: without it, all documents that answers come from. paths, media_types: as in `Filters`, whose errors it
    raises. words: every one has to be in the path or the title; case does not count.
    """
    narrowed = Selection(
        scope=scope, filters=Filters(paths=tuple(paths), media_types=tuple(media_types))
    ).parameters()
    rows = await database.fetch_all(
        query("entries.list"),
        {
            "collection": collection,
            **seen_by(scope),
            "status": None if status == "any" else status,
            "only_current": status is None,
            "path_patterns": narrowed.get("path_patterns"),
            "media_type_patterns": narrowed.get("media_type_patterns"),
            "word_patterns": _word_patterns(words),
            "after_path": after[0],
            "after_id": after[1],
            "limit": limit,
        },
    )
    return [_entry(row) for row in rows]


def _word_patterns(words: str) -> list[str] | None:
    """Patterns of LIKE for words that may stand anywhere. Raises `InvalidRequestError`."""
    if not is_plain(words):
        raise InvalidRequestError("the words to look for hold a control character or half of a character.")
    patterns = [f"%{escape_like(word)}%" for word in words.lower().split()]
    return patterns or None


async def find_entry(database: Database, document_id: UUID, *, scope: Scope) -> Entry:
    """The document of that id. Raises `NotFoundError`, the same for one that the scope may not see, and `ErasedError`
    for one that it could see and that was erased."""
    row = await database.fetch_one(query("entries.find"), {"document_id": document_id, **seen_by(scope)})
    if row is None:
        await check_not_erased(database, document_id, scope)
        raise NotFoundError(f"there is no document {document_id}.")
    return _entry(row)


async def list_chunks(
    database: Database, document_id: UUID, *, scope: Scope, after: int, limit: int
) -> tuple[int | None, list[Chunk]]:
    """The current revision of a document, None where it has none, and up to `limit` of its chunks after number `after`.
    Raises as `find_entry`."""
    await find_entry(database, document_id, scope=scope)
    async with database.snapshot() as connection:
        cursor = await connection.execute(
            query("entries.page_starts"), {"document_id": document_id, **seen_by(scope)}
        )
        revision = await cursor.fetchone()
        if revision is None:
            return None, []
        cursor = await connection.execute(
            query("entries.chunks"), {"document_id": document_id, "after": after, "limit": limit}
        )
        rows = await cursor.fetchall()
    return revision["revision"], [_chunk(row, revision["page_starts"]) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Describing:
    """Says of single documents what goes before what is said of their sources."""

    database: Database
    store: VectorStore

    async def describe(
        self,
        entry: Entry,
        *,
        scope: Scope,
        readers: Sequence[str] | None,
        metadata: Mapping[str, str] | None,
        check: Callable[[Entry], None],
    ) -> None:
        """Change a document's readers or metadata, at once; None keeps them. `check` is called with the document as it
        is when nobody else can change it any more, and raises where that is not to be changed."""
        check_metadata(metadata or {})
        assert entry.id is not None, "what is described is a document"
        collection = await find_collection(self.database, entry.collection)
        former: tuple[str, ...] | None = None
        async with self.database.transaction() as connection:
            await connection.execute(query("entries.hold"), {"document_id": entry.id})
            check(await _find(connection, entry.id, scope))
            index = await active_index(connection, collection.id)
            if readers is not None and index is not None:
                former = await set_own_readers(
                    connection, self.store, index, entry.id, readers, readers=readers
                )
            elif readers is not None:
                await connection.execute(
                    query("readers.set_own"),
                    {"document_id": entry.id, "own": list(readers), "readers": list(readers)},
                )
            if metadata is not None:
                await connection.execute(
                    query("entries.describe"), {"document_id": entry.id, "metadata": Jsonb(dict(metadata))}
                )
        if former is not None and index is not None and readers is not None:
            await take_from_copy(self.database, self.store, index, entry.id, former=former, readers=readers)


async def _find(connection: Connection, document_id: UUID, scope: Scope) -> Entry:
    cursor = await connection.execute(query("entries.find"), {"document_id": document_id, **seen_by(scope)})
    row = await cursor.fetchone()
    if row is None:
        raise NotFoundError(f"there is no document {document_id}.")
    return _entry(row)


def _entry(row: DictRow) -> Entry:
    return Entry(**{**row, "readers": tuple(row["readers"])})


def _chunk(row: DictRow, page_starts: Sequence[int]) -> Chunk:
    return Chunk(
        number=row["ordinal"],
        char_start=row["char_start"],
        char_end=row["char_end"],
        page=page_at(page_starts, row["char_start"]),
        headings=tuple(row["headings"]),
        text=row["text"],
        token_count=row["token_count"],
    )
