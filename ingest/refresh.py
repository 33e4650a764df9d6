"""Refresh: make the index equal to a source.

list what is there → compare with what is known → take out what is gone → follow what was renamed
→ take in what is new or changed
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ingest.catalog import (
    KnownDocument,
    SourceRecord,
    documents_with_other_metadata,
    finish_run,
    known_documents,
    set_metadata,
    start_run,
)
from ingest.engines import Engine, Work
from ingest.engines.local import LocalEngine
from ingest.failures import known_failures
from ingest.granting import grant
from ingest.ledger import Ledger
from ingest.moves import find_moves, move_documents
from ingest.patience import OUTAGES, Patience
from ingest.pipeline import Pipeline
from ingest.plan import Move, Recipe, RefreshPlan, WhyNot, plan_refresh
from ingest.reading import in_thread
from ingest.reports import Progress, RefreshReport
from ingest.sources import Source
from ingest.vanishing import check_mounted, check_removals
from retrieval.database import Database
from retrieval.errors import FootnoteError
from retrieval.segments import SegmentPolicy
from retrieval.upkeep import keep_up

_DOCUMENTS_A_STATEMENT = 1_000


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
    listing = await in_thread(source.discover, below=below)
    await check_mounted(database, record, listing, known=known.keys())
    plan = plan_refresh(listing, known, recipe=recipe, why_not=why_not, failures=failures, below=below)
    plan = await find_moves(source, plan, max_bytes=max_file_bytes)
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
    engine: Engine | None = None,
) -> RefreshReport:
    """Make the index equal to the source, or to its part at and below `below`.

    `engine`: where files are worked on; in this process where none is given.

    A file that fails is reported and the run goes on. Raises `SourceUnavailableError` before anything was changed, the
    errors of an outage that outlasts the policy's patience, and what else concerns all files; the next run then takes
    up where this one ended.
    """
    run = _Run(
        pipeline=pipeline,
        source=source,
        record=record,
        policy=policy,
        engine=engine or _local_engine(pipeline, source, record, policy),
        ledger=Ledger(
            pipeline=pipeline,
            record=record,
            progress=progress,
            patience=policy.patience,
            segments=policy.segments,
        ),
        below=below,
        retry_failed=retry_failed,
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
    await wait_out(lambda: finish_run(database, record.id, report=run.ledger.report.as_json(), error=None))
    return run.ledger.report


def _local_engine(
    pipeline: Pipeline, source: Source, record: SourceRecord, policy: RefreshPolicy
) -> LocalEngine:
    return LocalEngine(
        pipeline=pipeline,
        source=source,
        record=record,
        patience=policy.patience,
        in_flight=policy.in_flight,
        bytes_in_flight=policy.bytes_in_flight,
    )


@dataclass(slots=True, kw_only=True)
class _Run:
    """One run over a source. Every step can be repeated after it failed half-way, so that an outage is waited out."""

    pipeline: Pipeline
    source: Source
    record: SourceRecord
    policy: RefreshPolicy
    engine: Engine
    ledger: Ledger
    below: str
    retry_failed: bool

    async def carry_out(self) -> None:
        started = time.monotonic()
        pipeline, ledger, wait_out = self.pipeline, self.ledger, self.policy.patience.wait_out
        plan = await wait_out(self._plan)
        await wait_out(self._grant)
        await wait_out(self._exchange_metadata)
        for document in plan.removed:
            await ledger.remove(document)
        work = [
            *(Work(found=found, known=known) for found, known in plan.changed),
            *await self._follow(plan.moved),
            *(Work(found=found, known=None) for found in plan.added),
        ]
        ledger.progress.planned(files=len(work))
        await self.engine.index_all(work, ledger.settle)
        await wait_out(self._grant)
        await wait_out(self._exchange_metadata)
        await ledger.close(below=self.below)
        await wait_out(
            lambda: keep_up(pipeline.database, pipeline.store, pipeline.index, self.policy.segments)
        )
        ledger.report.seconds = time.monotonic() - started

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
        await self.ledger.open(plan)
        return plan

    async def _grant(self) -> None:
        """Give the source's documents its readers; those that are behind their files only when they no longer are."""
        pipeline = self.pipeline
        await grant(
            pipeline.database, pipeline.store, pipeline.index, self.record, outdated=self.ledger.outdated
        )

    async def _exchange_metadata(self) -> None:
        """Give the source's documents its metadata, a batch at a time, so that none is held for long."""
        database = self.pipeline.database
        others = await documents_with_other_metadata(database, self.record.id)
        for start in range(0, len(others), _DOCUMENTS_A_STATEMENT):
            batch = others[start : start + _DOCUMENTS_A_STATEMENT]
            await set_metadata(database, batch)

    async def _follow(self, moves: Sequence[Move]) -> list[Work]:
        """Give renamed documents their new paths; returns what is left to do for them."""
        ledger = self.ledger
        moved = await self.policy.patience.wait_out(
            lambda: move_documents(self.pipeline.database, self.record, moves)
        )
        work: list[Work] = []
        for move in moves:
            if move.document.id not in moved.done:
                # Another run was there first: what it left behind is compared as if nothing were known of a move.
                await ledger.remove(move.document)
                work.append(Work(found=move.found, known=None))
                continue
            ledger.report.renamed += 1
            if move.document.id in moved.stale or move.document.recipe != self.pipeline.recipe(
                move.found.path
            ):
                known = replace(move.document, path=move.found.path, recipe="")
                work.append(Work(found=move.found, known=known))
        ledger.moved = moved.done
        return work
