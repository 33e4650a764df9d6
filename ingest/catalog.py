"""The catalog: which sources there are, and what the last run knew of their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from ingest.sources import SourceKind, SourceSpec
from retrieval.database import Database, query
from retrieval.errors import NotFoundError
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

    @property
    def spec(self) -> SourceSpec:
        return SourceSpec(
            kind=self.kind, location=Path(self.location), include=self.include, exclude=self.exclude
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownDocument:
    """What the last run knew of a file that is in the index."""

    id: UUID
    path: str
    size_bytes: int
    mtime_ns: int
    content_hash: bytes
    recipe: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A file that could not be ingested, and why."""

    collection: str
    location: str
    path: str
    error: str
    retryable: bool
    failed_at: datetime
    attempts: int


async def ensure_source(
    database: Database,
    collection: Collection,
    location: Path,
    *,
    default_readers: Sequence[str],
    include: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
    readers: Sequence[str] | None = None,
) -> SourceRecord:
    """The source at an absolute path, made where it does not exist. None keeps what was set before."""
    row = await database.fetch_one(
        query("catalog.ensure_source"),
        {
            "collection_id": collection.id,
            "kind": "folder",
            "location": str(location),
            "include": None if include is None else list(include),
            "exclude": None if exclude is None else list(exclude),
            "readers": None if readers is None else list(readers),
            "default_readers": list(default_readers),
        },
    )
    assert row is not None, "an upsert returns its row"
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
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """A source with its last and its next run."""

    source: SourceRecord
    collection: str
    documents: int
    next_due: datetime | None
    running: bool
    last_started: datetime | None
    last_finished: datetime | None
    last_report: Mapping[str, Any] | None
    last_error: str | None


async def list_sources(database: Database, *, collection: str | None = None) -> list[SourceState]:
    """All sources, or those of one collection, in (collection, location) order."""
    return [
        SourceState(
            source=source_record(row),
            collection=row["collection"],
            documents=row["documents"],
            next_due=row["next_due"],
            running=row["running"],
            last_started=row["last_started"],
            last_finished=row["last_finished"],
            last_report=row["last_report"],
            last_error=row["last_error"],
        )
        for row in await database.fetch_all(query("catalog.sources"), {"collection": collection})
    ]


async def find_source(database: Database, source_id: UUID) -> SourceState:
    """The source of that id. Raises `NotFoundError`."""
    for state in await list_sources(database):
        if state.source.id == source_id:
            return state
    raise NotFoundError(f"there is no source {source_id}. `footnote sources list` shows them all.")


async def set_schedule(
    database: Database, source_id: UUID, *, schedule: str | None, next_due: datetime | None
) -> None:
    """Say when a source is refreshed by itself, and when first."""
    await database.execute(
        query("catalog.set_schedule"), {"source_id": source_id, "schedule": schedule, "next_due": next_due}
    )


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
        )
        for row in rows
    }


async def touch_document(database: Database, document_id: UUID, *, size_bytes: int, mtime_ns: int) -> None:
    """Note that a file was written again with the same content."""
    await database.execute(
        query("catalog.touch_document"),
        {"document_id": document_id, "size_bytes": size_bytes, "mtime_ns": mtime_ns},
    )


async def set_readers(database: Database, source: SourceRecord) -> list[UUID]:
    """Give a source's documents the readers of their source; returns those for which that was a change."""
    rows = await database.fetch_all(
        query("catalog.set_readers"), {"source_id": source.id, "readers": list(source.readers)}
    )
    return [row["id"] for row in rows]


async def record_failure(
    database: Database,
    source_id: UUID,
    *,
    path: str,
    error: str,
    retryable: bool,
    size_bytes: int,
    mtime_ns: int,
) -> None:
    """Remember a file that could not be ingested."""
    await database.execute(
        query("catalog.record_failure"),
        {
            "source_id": source_id,
            "path": path,
            "error": error,
            "retryable": retryable,
            "size_bytes": size_bytes,
            "mtime_ns": mtime_ns,
        },
    )


async def keep_failures(database: Database, source_id: UUID, paths: Sequence[str], *, below: str) -> None:
    """Forget a source's failures at and below `below`, other than those of `paths`."""
    await database.execute(
        query("catalog.keep_failures"), {"source_id": source_id, "paths": list(paths), "below": below}
    )


async def list_failures(database: Database, *, limit: int = 100) -> list[Failure]:
    """Files that could not be ingested, newest first."""
    return [Failure(**row) for row in await database.fetch_all(query("catalog.failures"), {"limit": limit})]


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
