"""Refresh: make the index equal to a source.

list what is there → compare with what is known → take in what is new or changed → take out what is gone
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal, Protocol

from ingest.catalog import (
    KnownDocument,
    SourceRecord,
    finish_run,
    keep_failures,
    known_documents,
    record_failure,
    set_readers,
    start_run,
)
from ingest.errors import FileTooLargeError, FileUnreadableError, ParseError
from ingest.pipeline import Pipeline, recipe
from ingest.sources import FoundFile, Listing, Skipped, Source
from retrieval.database import Database
from retrieval.errors import DatabaseUnavailableError, FootnoteError, ModelError
from retrieval.publishing import DocumentChangedError, remove_document


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A file that could not be ingested."""

    path: str
    error: str
    retryable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshPlan:
    """What has to be done. `changed` are files that look changed: whether they are, their content tells."""

    added: tuple[FoundFile, ...]
    changed: tuple[tuple[FoundFile, KnownDocument], ...]
    unchanged: tuple[KnownDocument, ...]
    removed: tuple[KnownDocument, ...]
    skipped: tuple[Skipped, ...]
    unlisted: tuple[Failed, ...]


@dataclass(slots=True, kw_only=True)
class RefreshReport:
    """What a run did; grows while it runs."""

    added: int = 0
    updated: int = 0
    removed: int = 0
    unchanged: int = 0
    chunks: int = 0
    seconds: float = 0.0
    skipped: list[Skipped] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The report in the form of `footnote ingest --json`."""
        return {
            "added": self.added,
            "updated": self.updated,
            "removed": self.removed,
            "unchanged": self.unchanged,
            "skipped": [{"path": entry.path, "reason": entry.reason} for entry in self.skipped],
            "failed": [
                {"path": entry.path, "error": entry.error, "retryable": entry.retryable}
                for entry in self.failed
            ],
            "chunks": self.chunks,
            "seconds": round(self.seconds, 3),
        }


class Progress(Protocol):
    """Is told how a run goes on."""

    def planned(self, *, files: int) -> None: ...

    def finished(
        self, path: str, outcome: Literal["added", "updated", "unchanged", "failed"], chunks: int
    ) -> None: ...


def plan_refresh(
    listing: Listing,
    known: Mapping[str, KnownDocument],
    *,
    recipe: Callable[[str], str | None],
    below: str = "",
) -> RefreshPlan:
    """Compare what is there with what is known at and below `below`. Size and time first; content is compared later.

    What lies below a folder that could not be listed stays as it is.
    """
    added, changed, unchanged = [], [], []
    skipped = list(listing.skipped)
    current: set[str] = set()
    for found in listing.files:
        made_by = recipe(found.path)
        if made_by is None:
            skipped.append(Skipped(path=found.path, reason="no parser reads this kind of file"))
            continue
        current.add(found.path)
        before = known.get(found.path)
        if before is None:
            added.append(found)
        elif (before.size_bytes, before.mtime_ns, before.recipe) == (
            found.size_bytes,
            found.mtime_ns,
            made_by,
        ):
            unchanged.append(before)
        else:
            changed.append((found, before))
    kept = [entry.path for entry in listing.unlisted]
    return RefreshPlan(
        added=tuple(added),
        changed=tuple(changed),
        unchanged=tuple(unchanged),
        removed=tuple(
            document
            for path, document in known.items()
            if path not in current
            and _at_or_below(path, below)
            and not any(_at_or_below(path, k) for k in kept)
        ),
        skipped=tuple(skipped),
        unlisted=tuple(Failed(path=e.path, error=e.error, retryable=True) for e in listing.unlisted),
    )


def _at_or_below(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")


async def plan_source(
    database: Database,
    source: Source,
    record: SourceRecord,
    *,
    recipe: Callable[[str], str | None],
    below: str = "",
) -> RefreshPlan:
    """List a source and compare. Raises `SourceUnavailableError`, in which case nothing may be concluded."""
    # What is known is read before what is there: a file that another run adds in between is then new to this run,
    # never gone.
    known = await known_documents(database, record.id)
    listing = await asyncio.to_thread(source.discover, below=below)
    return plan_refresh(listing, known, recipe=recipe, below=below)


async def refresh_source(
    pipeline: Pipeline,
    source: Source,
    record: SourceRecord,
    *,
    progress: Progress,
    below: str = "",
    in_flight: int = 8,
) -> RefreshReport:
    """Make the index equal to the source, or to its part at and below `below`.

    A file that fails is reported and the run goes on. Raises `SourceUnavailableError` before anything was changed, and
    `DatabaseUnavailableError` and what else concerns all files; the next run then takes up where this one ended.
    """
    await start_run(pipeline.database, record.id)
    try:
        report = await _refresh(pipeline, source, record, progress, below, in_flight)
    except DatabaseUnavailableError:
        raise
    except FootnoteError as exc:
        await finish_run(pipeline.database, record.id, report=None, error=str(exc))
        raise
    await finish_run(pipeline.database, record.id, report=report.as_json(), error=None)
    return report


async def _refresh(
    pipeline: Pipeline,
    source: Source,
    record: SourceRecord,
    progress: Progress,
    below: str,
    in_flight: int,
) -> RefreshReport:
    started = time.monotonic()
    plan = await plan_source(
        pipeline.database,
        source,
        record,
        recipe=lambda path: recipe(path, pipeline.chunk_policy),
        below=below,
    )
    report = RefreshReport(
        unchanged=len(plan.unchanged), skipped=list(plan.skipped), failed=list(plan.unlisted)
    )
    for part in plan.unlisted:
        await _remember(pipeline.database, record, part, size_bytes=0, mtime_ns=0)
    for document_id in await set_readers(pipeline.database, record):
        await pipeline.store.set_readers(pipeline.index, document_id, record.readers)
    for document in plan.removed:
        await remove_document(pipeline.database, pipeline.store, pipeline.index, document.id)
        report.removed += 1
    progress.planned(files=len(plan.added) + len(plan.changed))
    await _index_all(pipeline, source, record, plan, report, progress, in_flight)
    await keep_failures(pipeline.database, record.id, [entry.path for entry in report.failed], below=below)
    report.seconds = time.monotonic() - started
    return report


async def _index_all(
    pipeline: Pipeline,
    source: Source,
    record: SourceRecord,
    plan: RefreshPlan,
    report: RefreshReport,
    progress: Progress,
    in_flight: int,
) -> None:
    """Work through the plan with `in_flight` files at once, so that the embedder never waits for a parser or a disk."""
    work: Iterator[tuple[FoundFile, KnownDocument | None]] = iter(
        [*plan.changed, *((found, None) for found in plan.added)]
    )

    async def worker() -> None:
        for found, known in work:
            await _index_one(pipeline, source, record, found, known, report, progress)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(worker())
    except BaseExceptionGroup as group:
        # Not `except*`: what is raised there comes out wrapped in another group on some releases of Python 3.11.
        ours, others = group.split(FootnoteError)
        if ours is None or others is not None:
            raise
        raise _first(ours) from group


def _first(group: BaseExceptionGroup[FootnoteError]) -> FootnoteError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


async def _index_one(
    pipeline: Pipeline,
    source: Source,
    record: SourceRecord,
    found: FoundFile,
    known: KnownDocument | None,
    report: RefreshReport,
    progress: Progress,
) -> None:
    try:
        indexed = await pipeline.index_file(source, record, found, known)
    except (ParseError, FileTooLargeError) as exc:
        await _fail(pipeline, record, found, exc, report)
        if known is not None:
            # Its content can never be read again, and what was indexed of it is no longer there.
            await remove_document(pipeline.database, pipeline.store, pipeline.index, known.id)
            report.removed += 1
        progress.finished(found.path, "failed", 0)
        return
    except (FileUnreadableError, ModelError, DocumentChangedError) as exc:
        await _fail(pipeline, record, found, exc, report)
        progress.finished(found.path, "failed", 0)
        return
    match indexed.outcome:
        case "added":
            report.added += 1
        case "updated":
            report.updated += 1
        case "unchanged":
            report.unchanged += 1
    report.chunks += indexed.chunks
    progress.finished(found.path, indexed.outcome, indexed.chunks)


async def _fail(
    pipeline: Pipeline,
    record: SourceRecord,
    found: FoundFile,
    error: FootnoteError,
    report: RefreshReport,
) -> None:
    """Report a file that could not be ingested, and remember it."""
    # Parsers begin with the file's name, which stands beside the reason wherever it is shown.
    reason = str(error).removeprefix(PurePosixPath(found.path).name).lstrip(": ")
    failed = Failed(path=found.path, error=reason, retryable=error.retryable)
    report.failed.append(failed)
    await _remember(pipeline.database, record, failed, size_bytes=found.size_bytes, mtime_ns=found.mtime_ns)


async def _remember(
    database: Database, record: SourceRecord, failed: Failed, *, size_bytes: int, mtime_ns: int
) -> None:
    await record_failure(
        database,
        record.id,
        path=failed.path,
        error=failed.error,
        retryable=failed.retryable,
        size_bytes=size_bytes,
        mtime_ns=mtime_ns,
    )


def count_outcomes(reports: Collection[RefreshReport]) -> RefreshReport:
    """The sum of several reports."""
    total = RefreshReport()
    for report in reports:
        total.added += report.added
        total.updated += report.updated
        total.removed += report.removed
        total.unchanged += report.unchanged
        total.chunks += report.chunks
        total.seconds += report.seconds
        total.skipped += report.skipped
        total.failed += report.failed
    return total
