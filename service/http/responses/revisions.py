"""Revisions, and places in them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict

from retrieval.records import page_at
from service.http.responses.answers import DOCUMENT_ID
from service.http.responses.body import Body, moment
from service.http.responses.documents import ENTRY_EXAMPLE
from service.revisions import HeldRevision


class RevisionBody(Body):
    """A revision: the text of a document as its file was at one time.

    `current`: answers come from it. `superseded_at`: when they no longer did. `pages`: how many it has, null for a text
    without pages. `page` and `headings` are those of the place that was asked for, from 1 and outermost first; headings
    are known of current revisions alone.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "document": DOCUMENT_ID,
                    "collection": "default",
                    "path": "people/parental-leave.docx",
                    "title": "Parental leave",
                    "media_type": ENTRY_EXAMPLE["media_type"],
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
        "created_at": moment(revision.created_at),
        "superseded_at": moment(revision.superseded_at),
        "characters": revision.characters,
        "pages": revision.pages,
        "page": None if char_start is None else page_at(revision.page_starts, char_start),
        "headings": None if headings is None else [*headings],
    }
