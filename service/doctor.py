"""The doctor: whether files = documents = revisions = chunks = vectors = words, and making it so.

examine   looks, and changes nothing
repair    looks, mends the index, refreshes the sources whose files it does not hold, and looks again
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from ingest.catalog import SourceRecord, SourceState, list_sources
from ingest.errors import SourceUnavailableError
from ingest.parsers import ParserPolicy
from ingest.parsing import ParserPool
from ingest.pipeline import recipe
from ingest.plan import Recipe
from ingest.reconciling import FileState, check_files, check_leases, end_lapsed_leases, forget_content
from ingest.reports import Progress
from ingest.sources import load_source
from retrieval.collections import find_collection, list_collections
from retrieval.database import Database
from retrieval.errors import IndexMismatchError, StoreUnavailableError
from retrieval.mending import Mender, mend_strays
from retrieval.reconciling import Depth, Finding, IndexCounts, check_collection, check_strays
from retrieval.records import Collection
from retrieval.stores import VectorStore
from service.ailments import AILMENTS
from service.ingestion import refresh_registered
from service.intake import Intake
from service.outside import check_embedder_allowed
from service.settings import Settings
from service.specs import chunk_policy, source_spec

_DRIFT = frozenset({"file_new", "file_changed", "file_gone"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """A collection in figures. `files` are those that should be documents, `failed` those of them that cannot be."""

    files: int
    skipped: int
    failed: int
    index: IndexCounts

    def as_json(self) -> dict[str, int | None]:
        return {"files": self.files, "skipped": self.skipped, "failed": self.failed, **asdict(self.index)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What was found; `mended` was found first and not again."""

    counts: dict[str, Counts]
    findings: tuple[Finding, ...]
    mended: tuple[Finding, ...] = ()
    seconds: float

    @property
    def is_healthy(self) -> bool:
        return all(finding.is_notice for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        return {
            "healthy": self.is_healthy,
            "counts": {name: counts.as_json() for name, counts in self.counts.items()},
            "findings": [
                *(_finding_as_json(finding, repaired=False) for finding in self.findings),
                *(_finding_as_json(finding, repaired=True) for finding in self.mended),
            ],
            "seconds": round(self.seconds, 3),
        }


def _finding_as_json(finding: Finding, *, repaired: bool) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "collection": finding.collection,
        "count": finding.count,
        "examples": list(finding.examples),
        "repaired": repaired,
        "notice": finding.is_notice,
        "meaning": AILMENTS[finding.kind].meaning,
        "remedy": AILMENTS[finding.kind].remedy,
    }


async def examine(
    database: Database,
    store: VectorStore,
    settings: Settings,
    parsers: ParserPolicy,
    *,
    collection: str | None = None,
    depth: Depth = "usual",
) -> Diagnosis:
    """Look at one collection, or at all of them and at what belongs to none. Raises `NotFoundError`."""
    started = time.monotonic()
    counts: dict[str, Counts] = {}
    findings: list[Finding] = []
    made_by = _recipe(settings, parsers)
    for found in await _collections(database, collection):
        state = await check_collection(database, store, found, depth=depth)
        files = [
            await _check_source(database, settings, source, made_by, deep=depth == "deep")
            for source in await list_sources(database, collection=found.name)
        ]
        of_files = [finding for file_state in files for finding in file_state.findings]
        findings += (*_merge(of_files), *await check_leases(database, found), *state.findings)
        counts[found.name] = Counts(
            files=sum(file_state.files for file_state in files),
            skipped=sum(file_state.skipped for file_state in files),
            failed=sum(file_state.failed for file_state in files),
            index=state.counts,
        )
    if collection is None:
        findings += await check_strays(database)
    return Diagnosis(counts=counts, findings=tuple(findings), seconds=time.monotonic() - started)


async def repair(
    intake: Intake,
    pool: ParserPool,
    *,
    collection: str | None = None,
    depth: Depth = "usual",
    progress: Callable[[SourceRecord], AbstractContextManager[Progress]],
) -> Diagnosis:
    """Look, mend what can be mended, and look again. What is left is in the diagnosis; others may go on ingesting."""
    started = time.monotonic()
    look = partial(
        examine,
        intake.database,
        intake.store,
        intake.settings,
        intake.parser_policy,
        collection=collection,
        depth=depth,
    )
    first = await look()
    if not first.findings:
        return first
    await mend_strays(intake.database, _kinds(first, None))
    for found in await _collections(intake.database, collection):
        if kinds := _kinds(first, found.name):
            await _mend_collection(intake, found, kinds, deep=depth == "deep")
            await _refresh_sources(intake, pool, found, deep=depth == "deep", progress=progress)
    second = await look()
    left = {(finding.kind, finding.collection) for finding in second.findings}
    return Diagnosis(
        counts=second.counts,
        findings=second.findings,
        mended=tuple(f for f in first.findings if (f.kind, f.collection) not in left),
        seconds=time.monotonic() - started,
    )


async def _mend_collection(
    intake: Intake, collection: Collection, kinds: frozenset[str], *, deep: bool
) -> None:
    check_embedder_allowed(intake.settings, collection)
    await end_lapsed_leases(intake.database, collection)
    mender = Mender(
        database=intake.database,
        store=intake.store,
        collection=collection,
        embedder=intake.embedding,
        identity=intake.embedder.identity,
    )
    try:
        await mender.mend(kinds, deep=deep)
    except StoreUnavailableError:
        return  # the second look says so


async def _refresh_sources(
    intake: Intake,
    pool: ParserPool,
    collection: Collection,
    *,
    deep: bool,
    progress: Callable[[SourceRecord], AbstractContextManager[Progress]],
) -> None:
    """Refresh the sources whose files are not in the index as they are, those of damaged documents among them."""
    made_by = _recipe(intake.settings, intake.parser_policy)
    for state in await list_sources(intake.database, collection=collection.name):
        files = await _check_source(intake.database, intake.settings, state, made_by, deep=deep)
        if _DRIFT.isdisjoint(finding.kind for finding in files.findings):
            continue
        await forget_content(intake.database, files.disguised)
        with progress(state.source) as told:
            try:
                await refresh_registered(
                    intake, pool, state.source, collection=collection.name, progress=told
                )
            except (SourceUnavailableError, IndexMismatchError, StoreUnavailableError):
                continue  # the second look says so


async def _check_source(
    database: Database, settings: Settings, state: SourceState, made_by: Recipe, *, deep: bool
) -> FileState:
    return await check_files(
        database,
        load_source(source_spec(state.source, settings)),
        state.source,
        state.collection,
        recipe=made_by,
        max_file_bytes=settings.ingest.max_file_bytes,
        deep=deep,
    )


def _recipe(settings: Settings, parsers: ParserPolicy) -> Recipe:
    chunking = chunk_policy(settings)
    return lambda path: recipe(path, parsers, chunking)


async def _collections(database: Database, name: str | None) -> list[Collection]:
    if name is not None:
        return [await find_collection(database, name)]
    return [await find_collection(database, row["name"]) for row in await list_collections(database)]


def _kinds(diagnosis: Diagnosis, collection: str | None) -> frozenset[str]:
    return frozenset(finding.kind for finding in diagnosis.findings if finding.collection == collection)


def _merge(findings: Sequence[Finding]) -> list[Finding]:
    """Findings of a collection's sources, one of each kind."""
    merged: dict[str, Finding] = {}
    for finding in findings:
        before = merged.get(finding.kind)
        merged[finding.kind] = finding if before is None else before.plus(finding)
    return list(merged.values())
