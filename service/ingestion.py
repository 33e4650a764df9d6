"""Ingestion as its callers see it: paths and registered sources in, reports out.

`footnote ingest`, `footnote refresh` and the worker all come through here; there is one road into the index.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

from ingest.catalog import SourceRecord, SourceState, known_documents, list_sources, remove_source
from ingest.errors import FileReplacedError, FileTooLargeError, FileUnreadableError, SourceUnavailableError
from ingest.failures import known_failures
from ingest.parsing import ParserPool
from ingest.patience import Patience
from ingest.pipeline import recipe
from ingest.plan import Recipe, RefreshPlan
from ingest.reading import in_thread
from ingest.refresh import RefreshPolicy, plan_source, refresh_source
from ingest.reports import Failed, Manifest, Progress, RefreshReport
from ingest.sources import Source, load_source
from retrieval.database import Database
from retrieval.indexes import active_index
from retrieval.removing import purge_revisions, remove_document
from service.engines import Engines, in_this_process
from service.intake import Intake
from service.parsing import parser_policy
from service.places import Place
from service.settings import Settings
from service.specs import chunk_policy, source_spec
from service.targets import SourceRules, find_or_register, find_planned


class Capacity(Protocol):
    """How much an embedder takes at a time, as `retrieval.embedders.Embedder` has it."""

    @property
    def parallelism(self) -> int: ...

    @property
    def batch_size(self) -> int: ...


# Files at work at once: for a model on the CPU, and beyond which they wait for parsers and the database instead.
_FEWEST_FILES, _MOST_FILES = 8, 256
_CHUNKS_A_FILE = 2


async def ingest_path(
    intake: Intake,
    pool: ParserPool,
    place: Place,
    *,
    collection: str,
    rules: SourceRules,
    progress: Progress,
    retry_failed: bool = False,
    engines: Engines = in_this_process,
) -> RefreshReport:
    """Make the index equal to a place. Raises `SourceUnavailableError`, `InvalidRequestError`."""
    patience = refresh_policy(intake.settings).patience
    target = await patience.wait_out(
        lambda: find_or_register(intake, place, collection=collection, rules=rules)
    )
    return await refresh_registered(
        intake,
        pool,
        target.source,
        collection=collection,
        progress=progress,
        below=target.below,
        retry_failed=retry_failed,
        engines=engines,
    )


async def refresh_registered(
    intake: Intake,
    pool: ParserPool,
    source: SourceRecord,
    *,
    collection: str,
    progress: Progress,
    below: str = "",
    retry_failed: bool = False,
    engines: Engines = in_this_process,
) -> RefreshReport:
    """Make the index equal to a registered source."""
    policy = replace(refresh_policy(intake.settings), in_flight=files_at_once(intake.embedder))
    pipeline = await policy.patience.wait_out(lambda: intake.pipeline(collection, pool))
    report = await refresh_source(
        pipeline,
        load_source(source_spec(source, intake.settings)),
        source,
        progress=progress,
        policy=policy,
        below=below,
        retry_failed=retry_failed,
        engine=engines(pipeline, source),
    )
    retention_days = intake.settings.ingest.retention_days
    await policy.patience.wait_out(lambda: purge_revisions(intake.database, retention_days=retention_days))
    return report


async def plan_path(
    database: Database, settings: Settings, place: Place, *, collection: str, rules: SourceRules
) -> RefreshReport:
    """What `ingest_path` would do, without doing it or writing anything down.

    Content is compared, so a touched file counts as unchanged. Needs neither models nor parsers.
    """
    target, adopted = await find_planned(database, settings, place, collection=collection, rules=rules)
    parsers = await asyncio.to_thread(parser_policy, settings.parsing)
    chunking = chunk_policy(settings)

    def made_by(name: str) -> str | None:
        return recipe(name, parsers, chunking)

    source = load_source(source_spec(target.source, settings))
    max_file_bytes = settings.ingest.max_file_bytes
    plan = await plan_source(
        database,
        source,
        target.source,
        recipe=made_by,
        why_not=parsers.why_not,
        max_file_bytes=max_file_bytes,
        below=target.below,
        adopted=adopted,
    )
    return await _foresee(source, plan, made_by, max_file_bytes)


async def _foresee(source: Source, plan: RefreshPlan, made_by: Recipe, max_bytes: int) -> RefreshReport:
    report = RefreshReport(
        added=len(plan.added),
        renamed=len(plan.moved),
        removed=len(plan.removed),
        unchanged=len(plan.unchanged),
        skipped=[*plan.skipped, *plan.barren],
        failed=[*plan.unlisted, *plan.failing],
    )
    updated, removed = [], [document.path for document in plan.removed]
    for found, known in plan.changed:
        try:
            content = await in_thread(source.fetch, found, max_bytes=max_bytes)
        except FileReplacedError:
            updated.append(found.path)
            continue
        except (FileUnreadableError, FileTooLargeError) as exc:
            report.failed.append(Failed(path=found.path, error=str(exc), retryable=exc.retryable))
            if isinstance(exc, FileTooLargeError):
                removed.append(found.path)
            continue
        same = (hashlib.sha256(content).digest(), made_by(found.path)) == (known.content_hash, known.recipe)
        report.unchanged += same
        if not same:
            updated.append(found.path)
    report.updated, report.removed = len(updated), len(removed)
    report.manifest = Manifest(
        added=[found.path for found in plan.added],
        updated=updated,
        renamed=[(move.document.path, move.found.path) for move in plan.moved],
        removed=removed,
    )
    return report


async def retry_failed(
    intake: Intake,
    pool: ParserPool,
    *,
    collection: str | None,
    progress: Callable[[SourceRecord], AbstractContextManager[Progress]],
    engines: Engines = in_this_process,
) -> list[RefreshReport]:
    """Refresh the sources that have failures, and try those again as well; of all collections where none is named."""
    reports = []
    for state in await list_sources(intake.database, collection=collection):
        if not await known_failures(intake.database, state.source.id):
            continue
        with progress(state.source) as told:
            try:
                report = await refresh_registered(
                    intake,
                    pool,
                    state.source,
                    collection=state.collection,
                    progress=told,
                    retry_failed=True,
                    engines=engines,
                )
            except SourceUnavailableError as exc:
                report = failed_path(state.source.location, exc)
        reports.append(report)
    return reports


def refresh_policy(settings: Settings) -> RefreshPolicy:
    """How runs go about their work under these settings."""
    return RefreshPolicy(patience=Patience(total_s=settings.ingest.patience_s))


def files_at_once(embedder: Capacity) -> int:
    """How many files are at work at once, so that a model that takes hundreds of texts at a time gets them.

    Most files come to some chunks; where they come to one each, more would be needed to fill its batches.
    """
    return min(max(_FEWEST_FILES, embedder.parallelism * embedder.batch_size // _CHUNKS_A_FILE), _MOST_FILES)


async def forget_source(intake: Intake, state: SourceState) -> int:
    """Take a source's documents out of the index and forget it; returns how many documents went."""
    documents = await known_documents(intake.database, state.source.id)
    async with intake.database.connection() as connection:
        index = await active_index(connection, state.source.collection_id)
    for document in documents.values():
        assert index is not None, "a collection that has documents has an index"
        await remove_document(intake.database, intake.store, index, document.id)
    await remove_source(intake.database, state.source.id)
    return len(documents)


def failed_path(path: str, error: SourceUnavailableError) -> RefreshReport:
    """A report of a path that could not be read at all."""
    return RefreshReport(failed=[Failed(path=path, error=str(error), retryable=error.retryable)])
