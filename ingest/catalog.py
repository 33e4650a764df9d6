"""The catalog: which sources there are, and what the last run knew of their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from ingest.sources import SourceKind, SourceSpec
from retrieval.database import Database, query
from retrieval.errors import NotFoundError
from retrieval.metadata import check_metadata
from retrieval.records import Collection


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRecord:
    """A source as it is registered."""

    id: UUID
    collection_id: int
    kind: SourceKind
    location: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    readers: tuple[str, ...]
    schedule: str | None
    # The file system on which the folder lay when it last held files.
    device: int | None = None
    # What is said of all its documents, for searches to be narrowed down by.
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def spec(self) -> SourceSpec:
        """What to open, but for how other machines are spoken to."""
        return SourceSpec(kind=self.kind, location=self.location, include=self.include, exclude=self.exclude)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownDocument:
    """What the last run knew of a file that is in the index."""

    id: UUID
    path: str
    size_bytes: int
    mtime_ns: int
    content_hash: bytes
    recipe: str
    revision: int = 1


async def ensure_source(
    database: Database,
    collection: Collection,
    location: Path | str,
    *,
    kind: SourceKind = "folder",
    default_readers: Sequence[str],
    include: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    readers: Sequence[str] | None = None,
    metadata: Mapping[str, str] | None = None,
    taking_over: Sequence[tuple[UUID, str]] = (),
) -> SourceRecord:
    """The source at an absolute path or an address, made where it does not exist. None keeps what was set before.

    `taking_over`: sources inside of it that end here, each with what goes before the paths of its documents, which
    become this source's. Raises `InvalidRequestError` for metadata that are none.
    """
    check_metadata(metadata or {})
    async with database.transaction() as connection:
        cursor = await connection.execute(
            query("catalog.ensure_source"),
            {
                "collection_id": collection.id,
                "kind": kind,
                "location": str(location),
                "include": None if include is None else list(include),
                "exclude": None if exclude is None else list(exclude),
                "readers": None if readers is None else list(readers),
                "default_readers": list(default_readers),
                "metadata": None if metadata is None else Jsonb(dict(metadata)),
            },
        )
        row = await cursor.fetchone()
        assert row is not None, "an upsert returns its row"
        for inner, below in taking_over:
            parameters = {"source_id": inner, "by": row["id"], "below": below}
            await connection.execute(query("catalog.adopt_documents"), parameters)
            await connection.execute(query("catalog.remove_source"), {"source_id": inner})
    return source_record(row)


def source_record(row: Mapping[str, Any]) -> SourceRecord:
    """A source from a row that has at least its columns."""
    return SourceRecord(
        id=row["id"],
        collection_id=row["collection_id"],
        kind=row["kind"],
        location=row["location"],
        include=tuple(row["include"]),
        exclude=tuple(row["exclude"]),
        readers=tuple(row["readers"]),
        schedule=row["schedule"],
        device=row["device"],
        metadata=row["metadata"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """A source with its last and its next run.

    notify_url: where its runs are told. upload_layer: which folder of its collection's uploads it is; None for other
        folders. progress: how far the run is that is going on, as `service.progress` notes it; None where none is, or
        nothing is known of it yet.
    """

    source: SourceRecord
    collection: str
    documents: int
    next_due: datetime | None
    running: bool
    last_started: datetime | None
    last_finished: datetime | None
    last_report: Mapping[str, Any] | None
    last_error: str | None
    notify_url: str | None = None
    upload_layer: int | None = None
    progress: Mapping[str, Any] | None = None


async def list_sources(database: Database, *, collection: str | None = None) -> list[SourceState]:
    """All sources, or those of one collection, in (collection, location) order."""
    parameters = {"collection": collection, "source_id": None}
    return [_source_state(row) for row in await database.fetch_all(query("catalog.sources"), parameters)]


def _source_state(row: Mapping[str, Any]) -> SourceState:
    return SourceState(
        source=source_record(row),
        collection=row["collection"],
        documents=row["documents"],
        next_due=row["next_due"],
        running=row["running"],
        last_started=row["last_started"],
        last_finished=row["last_finished"],
        last_report=row["last_report"],
        last_error=row["last_error"],
        notify_url=row["notify_url"],
        upload_layer=row["upload_layer"],
        progress=row["progress"],
    )


async def find_source(database: Database, source_id: UUID) -> SourceState:
    """The source of that id. Raises `NotFoundError`."""
    row = await database.fetch_one(query("catalog.sources"), {"collection": None, "source_id": source_id})
    if row is not None:
        return _source_state(row)
    raise NotFoundError(f"there is no source {source_id}. `footnote sources list` shows them all.")


async def set_schedule(
    database: Database, source_id: UUID, *, schedule: str | None, next_due: datetime | None
) -> None:
    """Say when a source is refreshed by itself, and when first."""
    await database.execute(
        query("catalog.set_schedule"), {"source_id": source_id, "schedule": schedule, "next_due": next_due}
    )


async def want_refresh(database: Database, source_id: UUID) -> None:
    """Have a source refreshed as soon as a worker is free, also one that is being refreshed now: once more, then."""
    await database.execute(query("schedule.mark_due"), {"source_id": source_id})


async def remove_source(database: Database, source_id: UUID) -> None:
    """Forget a source. Its documents have to be taken out of the index before."""
    await database.execute(query("catalog.remove_source"), {"source_id": source_id})


async def known_documents(database: Database, source_id: UUID) -> dict[str, KnownDocument]:
    """The current documents of a source by path."""
    rows = await database.fetch_all(query("catalog.known_documents"), {"source_id": source_id})
    return {
        row["path"]: KnownDocument(
            id=row["id"],
            path=row["path"],
            size_bytes=row["size_bytes"],
            mtime_ns=row["mtime_ns"],
            content_hash=bytes(row["content_hash"]),
            recipe=row["recipe"],
            revision=row["revision"],
        )
        for row in rows
    }


async def touch_document(
    database: Database, document: KnownDocument, *, size_bytes: int, mtime_ns: int
) -> None:
    """Note that a file was written again with the same content."""
    await database.execute(
        query("catalog.touch_document"),
        {
            "document_id": document.id,
            "content_hash": document.content_hash,
            "size_bytes": size_bytes,
            "mtime_ns": mtime_ns,
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherReaders:
    """A document whose readers are not those that it should have. `own`: what was said of it alone, None for nothing;
    `source`: what its source says by now."""

    id: UUID
    readers: tuple[str, ...]
    own: tuple[str, ...] | None
    source: tuple[str, ...]
    is_removed: bool

    @property
    def wanted(self) -> tuple[str, ...]:
        """What was said of it alone, or else what its source says."""
        return self.source if self.own is None else self.own


async def documents_with_other_readers(database: Database, source_id: UUID) -> list[OtherReaders]:
    """The documents of a source whose readers are neither their own nor the source's, removed ones too."""
    rows = await database.fetch_all(query("catalog.documents_with_other_readers"), {"source_id": source_id})
    return [
        OtherReaders(
            id=row["id"],
            readers=tuple(row["readers"]),
            own=None if row["own_readers"] is None else tuple(row["own_readers"]),
            source=tuple(row["source_readers"]),
            is_removed=row["is_removed"],
        )
        for row in rows
    ]


async def documents_with_other_metadata(database: Database, source_id: UUID) -> list[UUID]:
    """The documents of a source whose metadata are neither their own nor the source's."""
    rows = await database.fetch_all(query("catalog.documents_with_other_metadata"), {"source_id": source_id})
    return [row["id"] for row in rows]


async def set_metadata(database: Database, document_ids: Sequence[UUID]) -> None:
    """Say of documents what their source says, for searches to be narrowed down by; neither texts nor vectors are
    touched."""
    await database.execute(query("catalog.set_metadata"), {"document_ids": list(document_ids)})


async def note_device(database: Database, source_id: UUID, device: int) -> None:
    """Note the file system on which a source's folder lies."""
    await database.execute(query("catalog.note_device"), {"source_id": source_id, "device": device})


async def start_run(database: Database, source_id: UUID) -> None:
    """Note that a run over a source has begun."""
    await database.execute(query("catalog.start_run"), {"source_id": source_id})


async def finish_run(
    database: Database, source_id: UUID, *, report: Mapping[str, Any] | None, error: str | None
) -> None:
    """Note how a run over a source ended."""
    await database.execute(
        query("catalog.finish_run"),
        {"source_id": source_id, "report": None if report is None else Jsonb(report), "error": error},
    )
