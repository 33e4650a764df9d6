"""Pictures of pages: of the file that a revision was made from, where it still lies where it lay and is the same.

Footnote keeps texts, not files: of a file that has changed, moved or gone there is no picture any more.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ingest.errors import IngestError, ParseError
from ingest.parsers import ParserPolicy
from ingest.parsers.page_pictures import PageOrder, Picture
from ingest.parsing import ParserPool
from ingest.sources.folder import FolderSource
from retrieval.errors import FootnoteError
from service.revisions import HeldRevision

DEFAULT_WIDTH = 1200
_AT_ONCE = 2
_PATIENCE_S = 15.0
_TIME_LIMIT_S = 10.0
_MEMORY_BYTES = 1024**3
_MEDIA_TYPE = "application/pdf"


class NoPictureError(FootnoteError):
    """There is no picture of that page, and the message says why."""


class PicturesBusyError(FootnoteError):
    """Others are having pages drawn, as many as may."""

    retryable = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Draws pages, a few at a time."""

    pool: ParserPool
    turns: asyncio.Semaphore
    max_file_bytes: int

    async def draw(self, revision: HeldRevision, order: PageOrder) -> Picture:
        """A page of the file that a revision was made from. Raises `NoPictureError`, `PicturesBusyError`, and
        `ParsersUnavailableError`."""
        if revision.media_type != _MEDIA_TYPE:
            raise NoPictureError("only pages of PDF files are shown as pictures.")
        if revision.source_kind != "folder":
            raise NoPictureError("the file lies on another machine; pictures are made of files of this one.")
        if order.page > (revision.pages or 0):
            raise NoPictureError(f"the revision has no page {order.page}.")
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self.turns.acquire()
        except TimeoutError as exc:
            raise PicturesBusyError(
                f"{_AT_ONCE} pages are being drawn and others wait. Ask again in a moment."
            ) from exc
        try:
            content = await asyncio.to_thread(_original, revision, self.max_file_bytes)
            return await self.pool.draw(content, order, file_name=Path(revision.path).name)
        except ParseError as exc:
            raise NoPictureError(f"the page cannot be shown as a picture: {exc}.") from exc
        finally:
            self.turns.release()


@asynccontextmanager
async def open_pictures(policy: ParserPolicy, *, max_file_bytes: int) -> AsyncIterator[Pictures]:
    """What draws pages, in processes of its own, which are started by the first that is wanted."""
    async with ParserPool(
        policy, workers=_AT_ONCE, time_limit_s=_TIME_LIMIT_S, memory_limit_bytes=_MEMORY_BYTES
    ) as pool:
        yield Pictures(pool=pool, turns=asyncio.Semaphore(_AT_ONCE), max_file_bytes=max_file_bytes)


def _original(revision: HeldRevision, max_bytes: int) -> bytes:
    """The file, if its content is still what the revision was made from."""
    location = Path(revision.location)
    source = FolderSource(location)
    try:
        below = "" if location.is_file() else revision.path
        [found] = source.discover(below=below).files
        content = source.fetch(found, max_bytes=max_bytes)
    except (IngestError, ValueError) as exc:
        raise NoPictureError("the file is not where it was, or cannot be read there.") from exc
    if hashlib.sha256(content).digest() != revision.content_hash:
        raise NoPictureError("the file has changed since this revision was made from it.")
    return content
