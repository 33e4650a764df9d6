"""The ledger of a run: what became of each file is counted, told, remembered, and what is no longer there taken out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal
from uuid import UUID

from ingest.catalog import KnownDocument, SourceRecord
from ingest.engines import Done
from ingest.errors import FileTooLargeError, NoTextError, ParseError, ParserStoppedError
from ingest.failures import TRIES_WHEN_STOPPED, KnownFailure, keep_failures, record_failure
from ingest.parsers.text import plainly
from ingest.patience import Patience
from ingest.pipeline import Indexed, Pipeline
from ingest.plan import RefreshPlan
from ingest.reports import Failed, Fate, Progress, RefreshReport
from ingest.sources import FoundFile, Skipped
from retrieval.errors import ContentRejectedError, FootnoteError, ModelStoppedError
from retrieval.removing import remove_document
from retrieval.segments import SegmentPolicy, merge_segments


@dataclass(slots=True, kw_only=True)
class Ledger:
    """What a run has done so far. Every step can be repeated after it failed half-way, so that an outage is waited out.

    moved: documents that were moved in this run; they count as renamed, whatever else is done for them.
    """

    pipeline: Pipeline
    record: SourceRecord
    progress: Progress
    patience: Patience
    segments: SegmentPolicy
    report: RefreshReport = field(default_factory=RefreshReport)
    moved: frozenset[UUID] = frozenset()
    # Paths whose failures, or whose having nothing to take in, are to be remembered.
    _remembered: set[str] = field(default_factory=set)
    # Documents whose files are not, or may not be, as the index has them.
    _outdated: set[UUID] = field(default_factory=set)
    # Chunks published since segments were last looked at.
    _unmerged: int = 0

    async def open(self, plan: RefreshPlan) -> None:
        """Begin with what the plan knows already."""
        for part in plan.unlisted:
            await self._remember(part.path, part.error, retryable=True, found=None)
        self._outdated = {document.id for document in (*plan.removed, *(known for _, known in plan.changed))}
        self.report = RefreshReport(
            unchanged=len(plan.unchanged),
            skipped=[*plan.skipped, *plan.barren],
            failed=[*plan.unlisted, *plan.failing],
        )
        self._remembered = {failed.path for failed in self.report.failed} | {
            entry.path for entry in plan.barren
        }

    @property
    def outdated(self) -> Collection[UUID]:
        """Documents whose files are not, or may not be, as the index has them."""
        return self._outdated

    async def settle(self, done: Done) -> None:
        """Note down what became of a file (`ingest.engines.Settle`)."""
        found, known = done.work.found, done.work.known
        fate: Fate
        chunks = 0
        match done.result:
            case Indexed(outcome=outcome, chunks=chunks):
                fate = outcome
                if known is not None:
                    self._outdated.discard(known.id)
            case NoTextError() as error:
                fate = await self._skip(found, known, error)
            case FootnoteError() as error:
                fate = "failed"
                failure = await self._fail(found, error)
                if known is not None and isinstance(error, _LASTING) and not failure.retryable:
                    # Its content cannot be read, and what was indexed of it is no longer there.
                    await self.remove(known)
        self._count(fate, chunks, known)
        self.progress.finished(found.path, fate, chunks)
        await self._merge_now_and_then(chunks)

    async def remove(self, document: KnownDocument) -> None:
        """Take a document out, unless another run has changed or moved it meanwhile."""
        pipeline = self.pipeline
        removed = await self.patience.wait_out(
            lambda: remove_document(
                pipeline.database,
                pipeline.store,
                pipeline.index,
                document.id,
                revision=document.revision,
                path=document.path,
            )
        )
        # Not `+= await`, which would forget what other files at work have added meanwhile.
        self.report.removed += removed

    async def close(self, *, below: str) -> None:
        """Forget the failures at and below a path that are none any more."""
        await self.patience.wait_out(
            lambda: keep_failures(self.pipeline.database, self.record.id, self._remembered, below=below)
        )

    async def _merge_now_and_then(self, chunks: int) -> None:
        """Keep searching quick during a long run, too."""
        self._unmerged += chunks
        if self._unmerged >= self.segments.fresh:
            self._unmerged = 0
            database, collection_id = self.pipeline.database, self.pipeline.index.collection_id
            await self.patience.wait_out(lambda: merge_segments(database, collection_id, self.segments))

    def _count(self, fate: Fate, chunks: int, known: KnownDocument | None) -> None:
        is_moved = known is not None and known.id in self.moved
        match fate:
            case "added":
                self.report.added += 1
            case "updated" if not is_moved:
                self.report.updated += 1
            case "unchanged" if not is_moved:
                self.report.unchanged += 1
            case "failed" | "skipped" if is_moved:
                self.report.renamed -= 1  # a file has one fate
        self.report.chunks += chunks

    async def _skip(self, found: FoundFile, known: KnownDocument | None, why: NoTextError) -> Fate:
        """There is nothing in a file to take in; what was indexed of it is no longer there."""
        reason = _reason(found, why)
        self.report.skipped.append(Skipped(path=found.path, reason=reason))
        await self._remember(found.path, reason, retryable=False, found=found, outcome="skipped")
        if known is not None:
            await self.remove(known)
        return "skipped"

    async def _fail(self, found: FoundFile, error: FootnoteError) -> KnownFailure:
        """Report a file that could not be ingested, and remember it."""
        failure = await self._remember(
            found.path,
            _reason(found, error),
            retryable=error.retryable,
            found=found,
            # Which limits a file met is not part of its recipe: one that was too large is looked at again.
            by_recipe=not isinstance(error, FileTooLargeError),
            give_up_after=TRIES_WHEN_STOPPED if isinstance(error, _STOPPED) else None,
        )
        self.report.failed.append(Failed(path=found.path, error=failure.error, retryable=failure.retryable))
        return failure

    async def _remember(
        self,
        path: str,
        reason: str,
        *,
        retryable: bool,
        found: FoundFile | None,
        outcome: Literal["failed", "skipped"] = "failed",
        by_recipe: bool = True,
        give_up_after: int | None = None,
    ) -> KnownFailure:
        failure = KnownFailure(
            path=path,
            outcome=outcome,
            error=reason,
            retryable=retryable,
            size_bytes=0 if found is None else found.size_bytes,
            mtime_ns=0 if found is None else found.mtime_ns,
            recipe="" if found is None or not by_recipe else (self.pipeline.recipe(path) or ""),
        )
        self._remembered.add(path)
        return await self.patience.wait_out(
            lambda: record_failure(
                self.pipeline.database, self.record.id, failure, give_up_after=give_up_after
            )
        )


_LASTING = (ParseError, FileTooLargeError, ContentRejectedError)
"""Errors of a file's content, which is no longer what was indexed."""
_STOPPED = (ParserStoppedError, ModelStoppedError)
"""Errors of which the file may be the reason, or the machine."""


def _reason(found: FoundFile, error: FootnoteError) -> str:
    """What an error says, without the file's name, which stands beside the reason wherever it is shown. It may quote
    the file, in which there may be what Postgres does not take, or what a terminal obeys."""
    return plainly(str(error).removeprefix(PurePosixPath(found.path).name).lstrip(": "))
