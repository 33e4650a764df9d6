"""Documents, with what became of their files, and their chunks."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict

from service.entries import Chunk, Entry, EntryStatus
from service.http.responses.answers import DOCUMENT_ID
from service.http.responses.body import Body, moment

ENTRY_EXAMPLE: dict[str, Any] = {
    "id": DOCUMENT_ID,
    "collection": "default",
    "path": "people/parental-leave.docx",
    "title": "Parental leave",
    "media_type": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "revision": 1,
    "chunks": 7,
    "metadata": {"team": "hr"},
    "updated_at": "2026-01-31T09:30:00+00:00",
    "removed_at": None,
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


class EntryBody(Body):
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
        "updated_at": moment(entry.updated_at),
        "removed_at": moment(entry.removed_at),
        "status": entry.status,
        "reason": entry.reason if entry.status in {"failed", "skipped"} else None,
        "retryable": entry.retryable if entry.status in {"failed", "skipped"} else None,
        "upload": entry.is_upload,
        "size_bytes": entry.size_bytes,
    }
    return {**shape, "readers": sorted(entry.readers)} if with_readers else shape


class EntriesBody(Body):
    """A page of documents in the order of their paths; `next` is the cursor of the page after it, null at the end."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"documents": [ENTRY_EXAMPLE, FAILED_EXAMPLE], "next": None}]}
    )

    documents: list[EntryBody]
    next: str | None


class UploadedBody(Body):
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


class ChunkBody(Body):
    """A chunk: the revision's text from `char_start` to `char_end`. `headings` stand above it, outermost first;
    `number` counts from 0, `page` from 1."""

    number: int
    char_start: int
    char_end: int
    page: int | None
    headings: list[str]
    text: str
    tokens: int


class ChunksBody(Body):
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
