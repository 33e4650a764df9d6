"""Refresh: make the index equal to a source.

list what is there → compare with what is known → take out what is gone → follow what was renamed
→ take in what is new or changed
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Literal
from uuid import UUID

from ingest.budget import ByteBudget
from ingest.catalog import (
    KnownDocument,
    SourceRecord,
    documents_with_other_metadata,
    finish_run,
    known_documents,
    set_metadata,
    start_run,
)
from ingest.errors import (
    FileReplacedError,
    FileTooLargeError,
    FileUnreadableError,
    NoTextError,
    ParseError,
    ParserStoppedError,
)
from ingest.failures import TRIES_WHEN_STOPPED, KnownFailure, keep_failures, known_failures, record_failure
from ingest.granting import grant
from ingest.moves import find_moves, move_documents
from ingest.patience import OUTAGES, Patience
from ingest.pipeline import Pipeline
from ingest.plan import Move, Recipe, RefreshPlan, WhyNot, plan_refresh
from ingest.reports import Failed, Fate, Progress, RefreshReport
from ingest.sources import FoundFile, Skipped, Source
from ingest.vanishing import check_mounted, check_removals
from retrieval.database import Database
from retrieval.errors import ContentRejectedError, FootnoteError, ModelError
from retrieval.publishing import DocumentChangedError
from retrieval.removing import remove_document
from retrieval.segments import SegmentPolicy, merge_segments
from retrieval.upkeep import keep_up

# A file may be written to between listing and reading; one that is so again and again is left to the next run.
_ATTEMPTS = 3
_DOCUMENTS_A_STATEMENT = 1_000
# What a file is reckoned with of which its source does not say how large it is.
_UNKNOWN_BYTES = 32 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshPolicy:
    """How a run goes about its work.

    in_flight: files at work at once, so that the embedder never waits for a parser or a disk.
    bytes_in_flight: how many bytes of files may be at work at once; a larger file goes alone.
    patience: how long an outage of the database, the store or a model's server is waited out.
    segments: when the segments of lexical search are worked on, also during a run.
    """

    in_flight: int = 8
    bytes_in_flight: int = 256 * 1024**2
    patience: Patience = field(default_factory=Patience)
    segments: SegmentPolicy = field(default_factory=SegmentPolicy)


async def plan_source(
    database: Database,
    source: Source,
    record: SourceRecord,
    *,
    recipe: Recipe,
    why_not: WhyNot,
    max_file_bytes: int,
    below: str = "",
    retry_failed: bool = False,
    adopted: Mapping[str, KnownDocument] | None = None,
) -> RefreshPlan:
    """List a source and compare. Raises `SourceUnavailableError`, in which case nothing may be concluded.

    `retry_failed`: try again what failed before for a reason that lasts. `adopted`: documents of other sources that
    count as this one's.
    """
    # What is known is read before what is there: a file that another run adds in between is then new to this run,
    # never gone.
    known = {**(adopted or {}), **await known_documents(database, record.id)}
    failures = {} if retry_failed else await known_failures(database, record.id)
    listing = await asyncio.to_thread(source.discover, below=below)
    await check_mounted(database, record, listing, known=len(known))
    plan = plan_refresh(listing, known, recipe=recipe, why_not=why_not, failures=failures, below=below)
    plan = await asyncio.to_thread(find_moves, source, plan, max_bytes=max_file_bytes)
    check_removals(record, listing, plan, known=len(known))
    return plan


async def refresh_source(
    pipeline: Pipeline,
    source: Source,
    record: SourceRecord,
    *,
    progress: Progress,
    policy: RefreshPolicy,
    below: str = "",
    retry_failed: bool = False,
) -> RefreshReport:
    """Make the index equal to the source, or to its part at and below `below`.

    A file that fails is reported and the run goes on. Raises `SourceUnavailableError` before anything was changed, the
    errors of an outage that outlasts the policy's patience, and what else concerns all files; the next run then takes
    up where this one ended.
    """
    run = _Run(
        pipeline=pipeline,
        source=source,
        record=record,
        progress=progress,
        policy=policy,
        below=below,
        retry_failed=retry_failed,
        budget=ByteBudget(policy.bytes_in_flight),
    )
    database, wait_out = pipeline.database, policy.patience.wait_out
    await wait_out(lambda: start_run(database, record.id))
    try:
        await run.carry_out()
    except OUTAGES:
        raise
    except FootnoteError as exc:
        error = str(exc)
        await wait_out(lambda: finish_run(database, record.id, report=None, error=error))
        raise
    await wait_out(lambda: finish_run(database, record.id, report=run.report.as_json(), error=None))
    return run.report


@dataclass(slots=True, kw_only=True)
class _Run:
    """One run over a source. Every step can be repeated after it failed half-way, so that an outage is waited out."""

    pipeline: Pipeline
    source: Source
    record: SourceRecord
    progress: Progress
    policy: RefreshPolicy
    below: str
    retry_failed: bool
    budget: ByteBudget
    report: RefreshReport = field(default_factory=RefreshReport)
    # Paths whose failures, or whose having nothing to take in, are to be remembered.
    remembered: set[str] = field(default_factory=set)
    # Documents that were moved in this run: they count as renamed, whatever else is done for them.
    moved: frozenset[UUID] = frozenset()
    # Documents whose files are not, or may not be, as the index has them.
    outdated: set[UUID] = field(default_factory=set)
    # Chunks published since segments were last looked at.
    unmerged: int = 0

    async def carry_out(self) -> None:
        started = time.monotonic()
        pipeline, wait_out = self.pipeline, self.policy.patience.wait_out
        plan = await wait_out(self._plan)
        await wait_out(self._grant)
        await wait_out(self._exchange_metadata)
        for document in plan.removed:
            await self._remove(document)
        work = [*plan.changed, *await self._follow(plan.moved), *((found, None) for found in plan.added)]
        self.progress.planned(files=len(work))
        await self._index_all(iter(work))
        await wait_out(self._grant)
        await wait_out(
            lambda: keep_failures(pipeline.database, self.record.id, self.remembered, below=self.below)
        )
        await wait_out(
            lambda: keep_up(pipeline.database, pipeline.store, pipeline.index, self.policy.segments)
        )
        self.report.seconds = time.monotonic() - started

    async def _plan(self) -> RefreshPlan:
        plan = await plan_source(
            self.pipeline.database,
            self.source,
            self.record,
            recipe=self.pipeline.recipe,
            why_not=self.pipeline.parser_policy.why_not,
            max_file_bytes=self.pipeline.max_file_bytes,
            below=self.below,
            retry_failed=self.retry_failed,
        )
        for part in plan.unlisted:
            await self._remember(part.path, part.error, retryable=True, found=None)
        self.outdated = {document.id for document in (*plan.removed, *(known for _, known in plan.changed))}
        self.report = RefreshReport(
            unchanged=len(plan.unchanged),
            skipped=[*plan.skipped, *plan.barren],
            failed=[*plan.unlisted, *plan.failing],
        )
        self.remembered = {failed.path for failed in self.report.failed} | {
            entry.path for entry in plan.barren
        }
        return plan

    async def _grant(self) -> None:
        """Give the source's documents its readers; those that are behind their files only when they no longer are."""
        pipeline = self.pipeline
        await grant(pipeline.database, pipeline.store, pipeline.index, self.record, outdated=self.outdated)

    async def _exchange_metadata(self) -> None:
        """Give the source's documents its metadata, a batch at a time, so that none is held for long."""
        database = self.pipeline.database
        others = await documents_with_other_metadata(database, self.record)
        for start in range(0, len(others), _DOCUMENTS_A_STATEMENT):
            batch = others[start : start + _DOCUMENTS_A_STATEMENT]
            await set_metadata(database, batch, self.record.metadata)

    async def _remove(self, document: KnownDocument) -> None:
        pipeline = self.pipeline
        removed = await self.policy.patience.wait_out(
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

    async def _follow(self, moves: Sequence[Move]) -> list[tuple[FoundFile, KnownDocument | None]]:
        """Give renamed documents their new paths; returns what is left to do for them."""
        moved = await self.policy.patience.wait_out(
            lambda: move_documents(self.pipeline.database, self.record, moves)
        )
        work: list[tuple[FoundFile, KnownDocument | None]] = []
        for move in moves:
            if move.document.id not in moved.done:
                # Another run was there first: what it left behind is compared as if nothing were known of a move.
                await self._remove(move.document)
                work.append((move.found, None))
                continue
            self.report.renamed += 1
            if move.document.id in moved.stale or move.document.recipe != self.pipeline.recipe(
                move.found.path
            ):
                work.append((move.found, replace(move.document, path=move.found.path, recipe="")))
        self.moved = moved.done
        return work

    async def _index_all(self, work: Iterator[tuple[FoundFile, KnownDocument | None]]) -> None:
        async def take_next() -> None:
            for found, known in work:
                async with self.budget.spend(found.size_bytes or _UNKNOWN_BYTES):
                    await self._index_one(found, known)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.policy.in_flight):
                    group.create_task(take_next())
        except BaseExceptionGroup as group:
            # Not `except*`: what is raised there comes out wrapped in another group on some releases of Python 3.11.
            ours, others = group.split(FootnoteError)
            if ours is None or others is not None:
                raise
            raise _first(ours) from group

    async def _index_one(
        self, found: FoundFile, known: KnownDocument | None, *, attempts: int = _ATTEMPTS
    ) -> None:
        fate: Fate
        chunks = 0
        try:
            indexed = await self.policy.patience.wait_out(
                lambda: self.pipeline.index_file(self.source, self.record, found, known)
            )
            fate, chunks = indexed.outcome, indexed.chunks
            if known is not None:
                self.outdated.discard(known.id)
        except NoTextError as exc:
            fate = await self._skip(found, known, exc)
        except (ParseError, FileTooLargeError, ContentRejectedError) as exc:
            fate = await self._fail(found, exc)
            if known is not None:
                # Its content cannot be read, and what was indexed of it is no longer there.
                await self._remove(known)
        except FileReplacedError as exc:
            if attempts > 1:
                now = replace(found, size_bytes=exc.size_bytes, mtime_ns=exc.mtime_ns)
                await self._index_one(now, known, attempts=attempts - 1)
                return
            fate = await self._fail(found, exc)
        except OUTAGES:
            raise
        except (FileUnreadableError, ModelError, DocumentChangedError) as exc:
            fate = await self._fail(found, exc)
        self._count(fate, chunks, known)
        self.progress.finished(found.path, fate, chunks)
        await self._merge_now_and_then(chunks)

    async def _merge_now_and_then(self, chunks: int) -> None:
        """Keep searching quick during a long run, too."""
        self.unmerged += chunks
        if self.unmerged >= self.policy.segments.fresh:
            self.unmerged = 0
            database, collection_id = self.pipeline.database, self.pipeline.index.collection_id
            await self.policy.patience.wait_out(
                lambda: merge_segments(database, collection_id, self.policy.segments)
            )

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
            await self._remove(known)
        return "skipped"

    async def _fail(self, found: FoundFile, error: FootnoteError) -> Fate:
        """Report a file that could not be ingested, and remember it."""
        failure = await self._remember(
            found.path,
            _reason(found, error),
            retryable=error.retryable,
            found=found,
            # Which limits a file met is not part of its recipe: one that was too large is looked at again.
            by_recipe=not isinstance(error, FileTooLargeError),
            give_up_after=TRIES_WHEN_STOPPED if isinstance(error, ParserStoppedError) else None,
        )
        self.report.failed.append(Failed(path=found.path, error=failure.error, retryable=failure.retryable))
        return "failed"

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
        self.remembered.add(path)
        return await self.policy.patience.wait_out(
            lambda: record_failure(
                self.pipeline.database, self.record.id, failure, give_up_after=give_up_after
            )
        )


def _reason(found: FoundFile, error: FootnoteError) -> str:
    """What an error says, without the file's name, which stands beside the reason wherever it is shown."""
    return str(error).removeprefix(PurePosixPath(found.path).name).lstrip(": ")


def _first(group: BaseExceptionGroup[FootnoteError]) -> FootnoteError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
