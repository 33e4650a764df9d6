"""Reconciling: whether the files of a source are the documents of the catalog. Nothing is written down."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from ingest.catalog import KnownDocument, SourceRecord, known_documents
from ingest.errors import FileTooLargeError, FileUnreadableError, SourceUnavailableError
from ingest.failures import KnownFailure, known_failures
from ingest.plan import Recipe, RefreshPlan, plan_refresh
from ingest.reading import in_thread
from ingest.sources import FoundFile, Source
from ingest.vanishing import looks_unmounted
from retrieval.database import Database, query
from retrieval.reconciling import EXAMPLES, Finding
from retrieval.records import Collection


@dataclass(frozen=True, slots=True, kw_only=True)
class FileState:
    """A source as it was found, beside what is known of it.

    files: those that should be documents. failed: those of them that could not be taken in, for a reason that is
    remembered. skipped: files and folders that are left out by rule, or hold nothing to take in.
    disguised: documents whose file has other content under the same size and time, so that no refresh would notice.
    """

    files: int = 0
    failed: int = 0
    skipped: int = 0
    findings: tuple[Finding, ...] = ()
    disguised: tuple[UUID, ...] = ()


async def check_files(
    database: Database,
    source: Source,
    record: SourceRecord,
    collection: str,
    *,
    recipe: Recipe,
    max_file_bytes: int,
    deep: bool,
) -> FileState:
    """Compare a source with the catalog. `deep`: by the content of every file; else only of those that look changed.

    A source or folder that cannot be listed is a finding, and nothing is concluded about what lies in it.
    """
    # What is known is read before and after the files are listed: what another run does in between is no finding.
    before = await known_documents(database, record.id)
    try:
        listing = await in_thread(source.discover)
    except SourceUnavailableError as exc:
        return _unavailable(collection, str(exc))
    if looks_unmounted(record, listing, known=before.keys()):
        return _unavailable(
            collection,
            f"'{record.location}' has none of its documents; it looks like an absent mount's mount point",
        )
    known = await known_documents(database, record.id)
    failures = _lasting(await known_failures(database, record.id), recipe)
    plan = plan_refresh(listing, known, recipe=recipe, failures=failures)
    there = {found.path: found for found in listing.files}
    changed, failed = _sort_changed(plan, before, failures, recipe)
    changed = await _differing(source, changed, recipe, max_file_bytes)
    disguised = []
    if deep:
        unchanged = [(there[document.path], document) for document in plan.unchanged]
        disguised = await _differing(source, unchanged, recipe, max_file_bytes)
    lists = {
        "file_new": [found.path for found in plan.added if found.path not in before],
        "file_changed": [document.path for _, document in (*changed, *disguised)],
        "file_gone": [document.path for document in plan.removed if document.path in before],
        "folder_unlisted": [part.path for part in plan.unlisted],
        "file_failed": [*(entry.path for entry in plan.failing), *failed],
    }
    return FileState(
        files=len(plan.added) + len(plan.changed) + len(plan.unchanged) + len(plan.failing),
        failed=len(lists["file_failed"]),
        skipped=len(plan.skipped) + len(plan.barren),
        findings=tuple(
            _finding(kind, collection, [f"{record.location}/{path}" for path in paths])
            for kind, paths in lists.items()
            if paths
        ),
        disguised=tuple(document.id for _, document in disguised),
    )


async def check_leases(database: Database, collection: Collection) -> tuple[Finding, ...]:
    """Sources whose worker died in mid-work."""
    rows = await database.fetch_all(query("reconciling.lapsed_leases"), {"collection_id": collection.id})
    if not rows:
        return ()
    return (_finding("lease_lapsed", collection.name, [row["location"] for row in rows]),)


async def end_lapsed_leases(database: Database, collection: Collection) -> None:
    """Sources whose worker died in mid-work are nobody's again."""
    await database.execute(query("reconciling.end_lapsed_leases"), {"collection_id": collection.id})


async def forget_content(database: Database, document_ids: Iterable[UUID]) -> None:
    """Forget what documents were made from: the next refresh reads their files and makes them anew."""
    await database.execute(query("reconciling.make_anew"), {"document_ids": [*document_ids]})


def _finding(kind: str, collection: str, places: list[str]) -> Finding:
    return Finding(
        kind=kind,
        collection=collection,
        count=len(places),
        examples=tuple(places[:EXAMPLES]),
        is_notice=kind == "file_failed",
    )


def _unavailable(collection: str, reason: str) -> FileState:
    return FileState(findings=(_finding("source_unavailable", collection, [reason]),))


def _lasting(failures: Mapping[str, KnownFailure], recipe: Recipe) -> dict[str, KnownFailure]:
    """The same failures, none of them due to be tried again as long as the file is the same: whether it may pass or
    not, there is a reason. A failure for which the way of reading did not matter has no recipe, and counts for any."""
    return {
        path: replace(failure, retryable=False, recipe=failure.recipe or recipe(path) or "")
        for path, failure in failures.items()
    }


def _sort_changed(
    plan: RefreshPlan,
    before: Mapping[str, KnownDocument],
    failures: Mapping[str, KnownFailure],
    recipe: Recipe,
) -> tuple[list[tuple[FoundFile, KnownDocument]], list[str]]:
    """Of files that look changed, those that nobody has accounted for, and the paths of those that failed."""
    changed, failed = [], []
    for found, document in plan.changed:
        failure, earlier = failures.get(found.path), before.get(found.path)
        state = (found.size_bytes, found.mtime_ns, recipe(found.path))
        if failure is not None and state == (failure.size_bytes, failure.mtime_ns, failure.recipe):
            failed.append(found.path)
        elif earlier is None or state != (earlier.size_bytes, earlier.mtime_ns, earlier.recipe):
            changed.append((found, document))
    return changed, failed


async def _differing(
    source: Source,
    pairs: Iterable[tuple[FoundFile, KnownDocument]],
    recipe: Recipe,
    max_bytes: int,
) -> list[tuple[FoundFile, KnownDocument]]:
    """Those whose file has another content than the document was made from, or would be made into chunks otherwise."""
    differing = []
    for found, document in pairs:
        if document.recipe == recipe(found.path):
            try:
                content = await in_thread(source.fetch, found, max_bytes=max_bytes)
            except (FileUnreadableError, FileTooLargeError):
                content = b""
            if hashlib.sha256(content).digest() == document.content_hash:
                continue
        differing.append((found, document))
    return differing
