"""Ingestion as its callers see it: paths and registered sources in, reports out.

`footnote ingest`, `footnote refresh` and the worker all come through here; there is one road into the index.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from ingest.catalog import (
    SourceRecord,
    SourceState,
    ensure_source,
    known_documents,
    list_sources,
    remove_source,
)
from ingest.chunking import ChunkPolicy
from ingest.errors import FileTooLargeError, FileUnreadableError, SourceUnavailableError
from ingest.parsing import ParserPool
from ingest.pipeline import recipe
from ingest.refresh import Failed, Progress, RefreshPlan, RefreshReport, plan_source, refresh_source
from ingest.sources import Source, load_source
from retrieval.collections import check_collection_name, ensure_collection
from retrieval.database import Database
from retrieval.errors import InvalidRequestError
from retrieval.publishing import purge_revisions, remove_document
from service.settings import Settings
from service.wiring import Footnote


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRules:
    """What a caller says about a source; None keeps what was said before."""

    include: Sequence[str] | None = None
    exclude: Sequence[str] | None = None
    readers: Sequence[str] | None = None

    @property
    def given(self) -> bool:
        return (self.include, self.exclude, self.readers) != (None, None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """A source, and the part of it that is meant."""

    source: SourceRecord
    below: str


async def ingest_path(
    footnote: Footnote,
    pool: ParserPool,
    path: Path,
    *,
    collection: str,
    rules: SourceRules,
    progress: Progress,
) -> RefreshReport:
    """Make the index equal to a folder or file. Raises `SourceUnavailableError`, `InvalidRequestError`."""
    target = await _target(footnote, path, collection=collection, rules=rules)
    return await refresh_registered(
        footnote, pool, target.source, collection=collection, progress=progress, below=target.below
    )


async def refresh_registered(
    footnote: Footnote,
    pool: ParserPool,
    source: SourceRecord,
    *,
    collection: str,
    progress: Progress,
    below: str = "",
) -> RefreshReport:
    """Make the index equal to a registered source."""
    pipeline = await footnote.pipeline(collection, pool)
    report = await refresh_source(pipeline, load_source(source.spec), source, progress=progress, below=below)
    await purge_revisions(footnote.database, retention_days=footnote.settings.ingest.retention_days)
    return report


async def plan_path(
    database: Database, settings: Settings, path: Path, *, collection: str, rules: SourceRules
) -> RefreshReport:
    """What `ingest_path` would do, without doing it or writing anything down.

    Content is compared, so a touched file counts as unchanged. Needs neither models nor parsers.
    """
    check_collection_name(collection)
    target = await _find_target(database, path, collection=collection, rules=rules)
    if target is None:
        target = _Target(source=_unregistered(path, rules, settings), below="")
    elif not target.below:
        target = replace(target, source=_with_rules(target.source, rules))
    policy = ChunkPolicy(max_tokens=settings.chunking.max_tokens)
    source = load_source(target.source.spec)
    plan = await plan_source(
        database, source, target.source, recipe=lambda name: recipe(name, policy), below=target.below
    )
    return await asyncio.to_thread(_foresee, source, plan, policy, settings.ingest.max_file_bytes)


def _foresee(source: Source, plan: RefreshPlan, policy: ChunkPolicy, max_bytes: int) -> RefreshReport:
    report = RefreshReport(
        added=len(plan.added),
        removed=len(plan.removed),
        unchanged=len(plan.unchanged),
        skipped=list(plan.skipped),
        failed=list(plan.unlisted),
    )
    for found, known in plan.changed:
        try:
            content = source.fetch(found, max_bytes=max_bytes)
        except (FileUnreadableError, FileTooLargeError) as exc:
            report.failed.append(Failed(path=found.path, error=str(exc), retryable=exc.retryable))
            report.removed += isinstance(exc, FileTooLargeError)
            continue
        same = (hashlib.sha256(content).digest(), recipe(found.path, policy)) == (
            known.content_hash,
            known.recipe,
        )
        report.unchanged += same
        report.updated += not same
    return report


def _unregistered(path: Path, rules: SourceRules, settings: Settings) -> SourceRecord:
    return SourceRecord(
        id=uuid4(),
        collection_id=0,
        kind="folder",
        location=str(_absolute(path)),
        include=tuple(rules.include or ()),
        exclude=tuple(rules.exclude or ()),
        readers=tuple(rules.readers or settings.ingest.readers),
        schedule=None,
    )


def _with_rules(source: SourceRecord, rules: SourceRules) -> SourceRecord:
    """The source as it would be registered under these rules."""
    return replace(
        source,
        include=source.include if rules.include is None else tuple(rules.include),
        exclude=source.exclude if rules.exclude is None else tuple(rules.exclude),
        readers=source.readers if rules.readers is None else tuple(rules.readers),
    )


async def forget_source(footnote: Footnote, pool: ParserPool, state: SourceState) -> int:
    """Take a source's documents out of the index and forget it; returns how many documents went."""
    pipeline = await footnote.pipeline(state.collection, pool)
    documents = await known_documents(footnote.database, state.source.id)
    for document in documents.values():
        await remove_document(footnote.database, footnote.store, pipeline.index, document.id)
    await remove_source(footnote.database, state.source.id)
    return len(documents)


async def register_source(
    footnote: Footnote, path: Path, *, collection: str, rules: SourceRules
) -> SourceRecord:
    """Register a folder as a source, without reading it yet. Raises `SourceUnavailableError`, `InvalidRequestError`."""
    target = await _target(footnote, path, collection=collection, rules=rules)
    if target.below:
        raise InvalidRequestError(
            f"'{path}' lies inside the source '{target.source.location}', which brings its files in already."
        )
    return target.source


async def _target(footnote: Footnote, path: Path, *, collection: str, rules: SourceRules) -> _Target:
    """The source that a path stands for, registered where it is new."""
    check_collection_name(collection)
    known = await _find_target(footnote.database, path, collection=collection, rules=rules)
    if known is not None and known.below:
        return known
    location = _absolute(path)
    if known is None and not await asyncio.to_thread(location.exists):
        raise _missing(path)
    load_source(_unregistered(path, rules, footnote.settings).spec)  # refuses a pattern that is none
    source = await ensure_source(
        footnote.database,
        await ensure_collection(footnote.database, collection),
        location,
        include=rules.include,
        exclude=rules.exclude,
        readers=rules.readers,
        default_readers=footnote.settings.ingest.readers,
    )
    return _Target(source=source, below="")


async def _find_target(
    database: Database, path: Path, *, collection: str, rules: SourceRules
) -> _Target | None:
    """The registered source that a path is, or lies inside of; None where there is none.

    Two sources that overlap would bring the same file in twice, and answers would cite it twice: that is refused.
    """
    location = _absolute(path)
    for state in await list_sources(database, collection=collection):
        known = Path(state.source.location)
        if location == known:
            return _Target(source=state.source, below="")
        if location.is_relative_to(known):
            if rules.given:
                raise InvalidRequestError(
                    f"'{location}' lies inside the source '{known}' of collection '{collection}'. "
                    f"Set what to include, exclude and who may read for that source: footnote ingest '{known}' …"
                )
            return _Target(source=state.source, below=location.relative_to(known).as_posix())
        if known.is_relative_to(location):
            raise InvalidRequestError(
                f"'{location}' lies around the source '{known}' of collection '{collection}', whose files would be "
                f"in the index twice. Remove that one first (footnote sources remove {state.source.id}) or use another "
                "collection (--collection)."
            )
    return None


def _missing(path: Path) -> SourceUnavailableError:
    shown = os.fsencode(path).decode("utf-8", "backslashreplace")
    return SourceUnavailableError(f"'{shown}' does not exist. Nothing was changed in the index.")


def _absolute(path: Path) -> Path:
    # resolve() would follow links; Path.expanduser fails where there is no such user.
    location = Path(os.path.abspath(os.path.expanduser(path)))  # noqa: PTH100, PTH111
    try:
        str(location).encode("utf-8")
    except UnicodeEncodeError as exc:
        shown = os.fsencode(location).decode("utf-8", "backslashreplace")
        raise InvalidRequestError(
            f"the name of '{shown}' is not valid UTF-8, so it cannot be a source. Give its parent folder instead."
        ) from exc
    return location


def failed_path(path: str, error: SourceUnavailableError) -> RefreshReport:
    """A report of a path that could not be read at all."""
    return RefreshReport(failed=[Failed(path=path, error=str(error), retryable=error.retryable)])
