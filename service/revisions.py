"""Revisions as whoever follows a citation looks at them: what they are, what stands above a place, and where it is on
its page."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from ingest.parsers.page_pictures import Box
from ingest.sources import SourceKind
from retrieval.database import Database, query
from retrieval.documents import check_not_erased, seen_by
from retrieval.errors import NotFoundError
from retrieval.line_boxes import LineBox, unpack_line_boxes
from retrieval.records import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRevision:
    """A revision without its text. `number` counts from 1.

    characters: how long its text is. content_hash: of the file that it was made from, which lay at `path` below
    `location`, or in a folder's place was `location` itself. line_boxes: as `retrieval.line_boxes` packs them.
    """

    document_id: UUID
    collection: str
    path: str
    media_type: str
    title: str
    number: int
    is_current: bool
    created_at: datetime
    superseded_at: datetime | None
    characters: int
    page_starts: tuple[int, ...]
    line_boxes: bytes = field(repr=False)
    content_hash: bytes = field(repr=False)
    source_kind: SourceKind
    location: str

    @property
    def pages(self) -> int | None:
        """How many pages it has; None for a text without pages."""
        return len(self.page_starts) or None

    def boxes(self, *, page: int, char_start: int, char_end: int) -> tuple[Box, ...]:
        """Where a span of its text stands on a page, a box a line."""
        lines = unpack_line_boxes(self.line_boxes, char_start=char_start, char_end=char_end)
        return tuple(_part(line, char_start, char_end) for line in lines if line.page == page)


async def find_held_revision(
    database: Database, document_id: UUID, number: int, *, scope: Scope
) -> HeldRevision:
    """A revision that the scope may read. Raises as `retrieval.documents.find_revision`."""
    row = await database.fetch_one(
        query("revisions.find"), {"document_id": document_id, "revision": number, **seen_by(scope)}
    )
    if row is None:
        await check_not_erased(database, document_id, scope)
        raise NotFoundError(
            f"there is no revision {number} of document {document_id}, or its text is no longer kept."
        )
    return HeldRevision(
        **{
            **row,
            "page_starts": tuple(row["page_starts"]),
            "line_boxes": bytes(row["line_boxes"]),
            "content_hash": bytes(row["content_hash"]),
        }
    )


async def headings_at(database: Database, revision: HeldRevision, char_start: int) -> tuple[str, ...] | None:
    """The headings above a place, outermost first; None for a former revision, whose chunks are not kept."""
    row = await database.fetch_one(
        query("revisions.headings_at"),
        {"document_id": revision.document_id, "revision": revision.number, "char_start": char_start},
    )
    return None if row is None else tuple(row["headings"])


def _part(line: LineBox, char_start: int, char_end: int) -> Box:
    """The part of a line that a span takes, as if its characters were of one width; all of a line that runs upwards."""
    characters = line.char_end - line.char_start
    if line.bottom - line.top > line.right - line.left:
        return (line.left, line.top, line.right, line.bottom)
    width = (line.right - line.left) / max(characters, 1)
    return (
        line.left + width * max(char_start - line.char_start, 0),
        line.top,
        line.left + width * min(char_end - line.char_start, characters),
        line.bottom,
    )
