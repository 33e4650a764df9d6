"""Responses that show what the service holds and what was asked of it: shapes, and the models that describe them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from ingest.catalog import SourceState
from retrieval.records import page_at
from service.collections import HeldCollection
from service.entries import Chunk, Entry, EntryStatus
from service.http.responses import DOCUMENT_EXAMPLE
from service.revisions import HeldRevision
from service.usage import Feedback, Rating, UsageRow

ENTRY_EXAMPLE: dict[str, Any] = {
    **DOCUMENT_EXAMPLE,
    "status": "indexed",
    "reason": None,
    "retryable": None,
    "upload": True,
    "size_bytes": 48_211,
}
FAILED_EXAMPLE: dict[str, Any] = {
    **ENTRY_EXAMPLE,
    "path": "people/old-scan.pdf",
    "title": "",
    "media_type": "application/pdf",
    "revision": None,
    "chunks": 0,
    "metadata": {},
    "status": "failed",
    "reason": "it is encrypted, and its password is not known",
    "retryable": False,
}
_COLLECTION: dict[str, Any] = {
    "name": "default",
    "language": "english",
    "allow_outside": False,
    "documents": 130,
    "chunks": 2_911,
}
_SOURCE: dict[str, Any] = {
    "id": "b7c5c9f0-33a1-4f0e-8e43-2d9d0f2b1c55",
    "collection": "handbook",
    "kind": "folder",
    "location": "/srv/handbook",
    "include": [],
    "exclude": ["drafts/"],
    "readers": ["group:staff"],
    "metadata": {"team": "hr"},
    "schedule": "*/15 * * * *",
    "state": "idle",
    "documents": 130,
    "next_due": "2026-01-31T09:45:00+00:00",
    "last_started": "2026-01-31T09:30:00+00:00",
    "last_finished": "2026-01-31T09:30:02+00:00",
    "last_report": {"added": 1, "updated": 0, "removed": 0, "unchanged": 129, "skipped": [], "failed": []},
    "last_error": None,
}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _moment(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()


class EntryBody(_Body):
    """A document, with what became of its file.

    `status`: "indexed", answers come from it; "pending", a file was uploaded that is not taken in yet; "failed" and
    "skipped", its file could not be, or held nothing (`reason`; `retryable` where the same file may go in later);
    "removed", its file has gone. `revision` is what answers come from, also while a newer file is pending; null for
    nothing. `id` is null for a file of a folder that never became a document. `readers` is shown to editors alone.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [ENTRY_EXAMPLE, FAILED_EXAMPLE]})

    id: UUID | None
    collection: str
    path: str
    title: str
    media_type: str
    revision: int | None
    chunks: int
    metadata: dict[str, str]
    updated_at: datetime
    removed_at: datetime | None
    status: EntryStatus
    reason: str | None
    retryable: bool | None
    upload: bool
    size_bytes: int
    readers: list[str] | None = None


def entry_as_json(entry: Entry, *, with_readers: bool) -> dict[str, Any]:
    """An entry as a caller may see it: who else may read it is for editors alone to know."""
    shape = {
        "id": None if entry.id is None else str(entry.id),
        "collection": entry.collection,
        "path": entry.path,
        "title": entry.title,
        "media_type": entry.media_type,
        "revision": entry.revision,
        "chunks": entry.chunk_count,
        "metadata": dict(entry.metadata),
        "updated_at": _moment(entry.updated_at),
        "removed_at": _moment(entry.removed_at),
        "status": entry.status,
        "reason": entry.reason if entry.status in {"failed", "skipped"} else None,
        "retryable": entry.retryable if entry.status in {"failed", "skipped"} else None,
        "upload": entry.is_upload,
        "size_bytes": entry.size_bytes,
    }
    return {**shape, "readers": sorted(entry.readers)} if with_readers else shape


class EntriesBody(_Body):
    """A page of documents in the order of their paths; `next` is the cursor of the page after it, null at the end."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"documents": [ENTRY_EXAMPLE, FAILED_EXAMPLE], "next": None}]}
    )

    documents: list[EntryBody]
    next: str | None


class UploadedBody(_Body):
    """What was uploaded, in the order of the files. Each is followed at `GET /v1/documents/{id}`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "documents": [
                        {**ENTRY_EXAMPLE, "title": "", "revision": None, "chunks": 0, "status": "pending"}
                    ]
                }
            ]
        }
    )

    documents: list[EntryBody]


class ChunkBody(_Body):
    """A chunk: the revision's text from `char_start` to `char_end`. `headings` stand above it, outermost first;
    `number` counts from 0, `page` from 1."""

    number: int
    char_start: int
    char_end: int
    page: int | None
    headings: list[str]
    text: str
    tokens: int


class ChunksBody(_Body):
    """A page of a document's chunks, as its current revision was cut; `revision` is null where it has none."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "revision": 1,
                    "chunks": [
                        {
                            "number": 0,
                            "char_start": 0,
                            "char_end": 55,
                            "page": None,
                            "headings": ["Parental leave"],
                            "text": "Parents may take up to 24 weeks of paid parental leave.",
                            "tokens": 14,
                        }
                    ],
                    "next": None,
                }
            ]
        }
    )

    revision: int | None
    chunks: list[ChunkBody]
    next: str | None


def chunk_as_json(chunk: Chunk) -> dict[str, Any]:
    return {
        "number": chunk.number,
        "char_start": chunk.char_start,
        "char_end": chunk.char_end,
        "page": chunk.page,
        "headings": list(chunk.headings),
        "text": chunk.text,
        "tokens": chunk.token_count,
    }


class RevisionBody(_Body):
    """A revision: the text of a document as its file was at one time.

    `current`: answers come from it. `superseded_at`: when they no longer did. `pages`: how many it has, null for a text
    without pages. `page` and `headings` are those of the place that was asked for, from 1 and outermost first; headings
    are known of current revisions alone.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "document": DOCUMENT_EXAMPLE["id"],
                    "collection": "default",
                    "path": "people/parental-leave.docx",
                    "title": "Parental leave",
                    "media_type": DOCUMENT_EXAMPLE["media_type"],
                    "revision": 1,
                    "current": True,
                    "created_at": "2026-01-31T09:30:00+00:00",
                    "superseded_at": None,
                    "characters": 4_211,
                    "pages": None,
                    "page": None,
                    "headings": ["Parental leave", "How long"],
                }
            ]
        }
    )

    document: UUID
    collection: str
    path: str
    title: str
    media_type: str
    revision: int
    current: bool
    created_at: datetime
    superseded_at: datetime | None
    characters: int
    pages: int | None
    page: int | None
    headings: list[str] | None


def revision_as_json(
    revision: HeldRevision, *, char_start: int | None, headings: Sequence[str] | None
) -> dict[str, Any]:
    return {
        "document": str(revision.document_id),
        "collection": revision.collection,
        "path": revision.path,
        "title": revision.title,
        "media_type": revision.media_type,
        "revision": revision.number,
        "current": revision.is_current,
        "created_at": _moment(revision.created_at),
        "superseded_at": _moment(revision.superseded_at),
        "characters": revision.characters,
        "pages": revision.pages,
        "page": None if char_start is None else page_at(revision.page_starts, char_start),
        "headings": None if headings is None else [*headings],
    }


class CollectionBody(_Body):
    """A collection; `documents` and `chunks` count what the caller may read of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_COLLECTION]})

    name: str
    language: str
    allow_outside: bool
    documents: int
    chunks: int


def collection_as_json(collection: HeldCollection) -> dict[str, Any]:
    return {
        "name": collection.name,
        "language": collection.language,
        "allow_outside": collection.allow_outside,
        "documents": collection.documents,
        "chunks": collection.chunks,
    }


class CollectionsBody(_Body):
    """A page of collections in the order of their names."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"collections": [_COLLECTION], "next": None}]})

    collections: list[CollectionBody]
    next: str | None


class SourceBody(_Body):
    """A source with its last and its next run.

    `kind` is "uploads" for the folder of a collection's uploads. `state`: "running", it is being refreshed; "due", it
    is to be as soon as a worker is free; "idle". `last_report` is what the last run did, `last_error` why it did
    nothing.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_SOURCE]})

    id: UUID
    collection: str
    kind: Literal["folder", "uploads"]
    location: str
    include: list[str]
    exclude: list[str]
    readers: list[str]
    metadata: dict[str, str]
    schedule: str | None
    state: Literal["running", "due", "idle"]
    documents: int
    next_due: datetime | None
    last_started: datetime | None
    last_finished: datetime | None
    last_report: dict[str, Any] | None
    last_error: str | None


def source_as_json(state: SourceState, *, now: datetime) -> dict[str, Any]:
    source = state.source
    is_due = state.next_due is not None and state.next_due <= now
    return {
        "id": str(source.id),
        "collection": state.collection,
        "kind": "folder" if state.upload_layer is None else "uploads",
        "location": source.location,
        "include": list(source.include),
        "exclude": list(source.exclude),
        "readers": list(source.readers),
        "metadata": dict(source.metadata),
        "schedule": source.schedule,
        "state": "running" if state.running else "due" if is_due else "idle",
        "documents": state.documents,
        "next_due": _moment(state.next_due),
        "last_started": _moment(state.last_started),
        "last_finished": _moment(state.last_finished),
        "last_report": state.last_report,
        "last_error": state.last_error,
    }


class SourcesBody(_Body):
    """A page of sources, by collection and location."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"sources": [_SOURCE], "next": None}]})

    sources: list[SourceBody]
    next: str | None


class WantedBody(_Body):
    """A source is due: a worker refreshes it as soon as one is free."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": _SOURCE["id"], "state": "due"}]})

    id: UUID
    state: Literal["due"]


class FeedbackBody(_Body):
    """What was kept of what you think of an answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "answer": "6f0f7c0e-0e0e-4d55-9f3e-6f0b6a1f7f5d",
                    "rating": "up",
                    "comment": "",
                    "created_at": "2026-01-31T09:30:00+00:00",
                }
            ]
        }
    )

    answer: UUID
    rating: Rating
    comment: str
    created_at: datetime


def feedback_as_json(feedback: Feedback) -> dict[str, Any]:
    return {
        "answer": str(feedback.answer_id),
        "rating": feedback.rating,
        "comment": feedback.comment,
        "created_at": _moment(feedback.created_at),
    }


_USAGE: dict[str, Any] = {
    "day": "2026-01-31",
    "key": "d3d9446c-6f0e-4d6a-9d5e-0f5a3f3f8f10",
    "name": "intranet",
    "model": "my-model",
    "requests": 118,
    "prompt_tokens": 310_442,
    "completion_tokens": 17_205,
    "money": 0.62,
}


class UsageRowBody(_Body):
    """What the answers of a day (UTC) cost, of one key and one model. `name` is the key's; null for other callers."""

    day: date
    key: UUID
    name: str | None
    model: str
    requests: int
    prompt_tokens: int
    completion_tokens: int
    money: float


class UsagesBody(_Body):
    """A page of usage, newest day first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"usage": [_USAGE], "next": None}]})

    usage: list[UsageRowBody]
    next: str | None


def usage_as_json(row: UsageRow) -> dict[str, Any]:
    return row.as_json()
