from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from ingest.catalog import SourceRecord, ensure_source
from ingest.failures import (
    KnownFailure,
    count_failures,
    keep_failures,
    known_failures,
    list_failures,
    record_failure,
)
from ingest.sources import FoundFile
from retrieval.collections import ensure_collection
from retrieval.database import Database


async def make_source(database: Database, path: str = "/papers") -> SourceRecord:
    return await ensure_source(
        database, await ensure_collection(database, "default"), Path(path), default_readers=["public"]
    )


def failure(
    path: str = "a.pdf", error: str = "damaged", *, retryable: bool = False, mtime_ns: int = 1
) -> KnownFailure:
    return KnownFailure(
        path=path,
        outcome="failed",
        error=error,
        retryable=retryable,
        size_bytes=1,
        mtime_ns=mtime_ns,
        recipe="pdf/1",
    )


def found(mtime_ns: int = 1) -> FoundFile:
    return FoundFile(path="a.pdf", size_bytes=1, mtime_ns=mtime_ns, locator="a.pdf")


async def fail(database: Database, source_id: UUID, path: str, error: str = "damaged") -> None:
    await record_failure(database, source_id, failure(path, error))


def test_a_failure_lasts_for_the_same_file_and_recipe_only() -> None:
    assert failure().lasts(found(), "pdf/1")
    assert not failure().lasts(found(mtime_ns=2), "pdf/1")
    assert not failure().lasts(found(), "pdf/2")
    assert not failure(retryable=True).lasts(found(), "pdf/1")


async def test_what_was_recorded_is_known(database: Database) -> None:
    source = await make_source(database)
    barren = KnownFailure(
        path="b.jpg",
        outcome="skipped",
        error="no text",
        retryable=False,
        size_bytes=2,
        mtime_ns=3,
        recipe="image/1",
    )
    for entry in (failure(), barren):
        assert await record_failure(database, source.id, entry) == entry
    assert await known_failures(database, source.id) == {"a.pdf": failure(), "b.jpg": barren}
    # What was skipped is no failure to be shown.
    assert [entry.path for entry in await list_failures(database)] == ["a.pdf"]
    assert await count_failures(database) == 1


async def test_a_file_is_given_up_after_so_many_tries_until_it_changes(database: Database) -> None:
    source = await make_source(database)
    stopped = failure(retryable=True)
    outcomes = [
        (await record_failure(database, source.id, stopped, give_up_after=3)).retryable for _ in range(4)
    ]
    assert outcomes == [True, True, False, False]
    changed = failure(retryable=True, mtime_ns=2)
    assert (await record_failure(database, source.id, changed, give_up_after=3)).retryable


async def test_a_failure_counts_its_attempts_and_keeps_the_last_reason(database: Database) -> None:
    source = await make_source(database)
    await fail(database, source.id, "a.pdf", "damaged")
    await fail(database, source.id, "a.pdf", "encrypted")
    [failure] = await list_failures(database)
    assert (failure.path, failure.error, failure.attempts) == ("a.pdf", "encrypted", 2)
    assert (failure.collection, failure.location, failure.retryable) == ("default", "/papers", False)


@pytest.mark.parametrize("below", ["d_1", "d%1", "d\\1", "d'1"])
async def test_failures_are_forgotten_only_where_the_run_has_been(database: Database, below: str) -> None:
    source, other = await make_source(database), await make_source(database, "/other")
    for path in ("a.pdf", f"{below}/b.pdf", f"{below}/c.pdf", "dx1/d.pdf", f"{below}e.pdf"):
        await fail(database, source.id, path)
    await fail(database, other.id, f"{below}/b.pdf")
    await keep_failures(database, source.id, [f"{below}/c.pdf"], below=below)
    left = {(failure.location, failure.path) for failure in await list_failures(database)}
    assert left == {
        ("/papers", "a.pdf"),
        ("/papers", f"{below}/c.pdf"),
        ("/papers", "dx1/d.pdf"),
        ("/papers", f"{below}e.pdf"),
        ("/other", f"{below}/b.pdf"),
    }
    await keep_failures(database, source.id, [], below="")
    assert [failure.location for failure in await list_failures(database)] == ["/other"]


async def test_failures_are_listed_newest_first_and_no_more_than_asked_for(database: Database) -> None:
    source = await make_source(database)
    for number in range(4):
        await fail(database, source.id, f"{number}.pdf")
    await fail(database, source.id, "1.pdf")
    assert [failure.path for failure in await list_failures(database, limit=3)] == ["1.pdf", "3.pdf", "2.pdf"]
