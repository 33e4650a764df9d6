from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ingest.errors import SourceUnavailableError
from ingest.reconciling import FileState, check_files, check_leases, end_lapsed_leases, forget_content
from ingest.sources import FoundFile, Listing, Source
from retrieval.collections import find_collection
from retrieval.database import Database
from tests.ingest.fakes import DAMAGED, MAX_FILE_BYTES, UNLUCKY, Library, indexed, open_library


@pytest.fixture
async def library(database: Database, tmp_path: Path) -> Library:
    root = tmp_path / "papers"
    opened = await open_library(database, root)
    opened.write(
        {
            "a.txt": "alpha",
            "b.txt": "beta",
            "d/c.txt": "gamma",
            "d/e/f.txt": "delta",
            "picture.bin": "no parser",
            "empty.txt": "",
            "broken.txt": DAMAGED,
        }
    )
    await opened.refresh()
    return opened


async def check(library: Library, source: Source | None = None, *, deep: bool = False) -> FileState:
    return await check_files(
        library.pipeline.database,
        source or library.source,
        library.record,
        "default",
        recipe=library.pipeline.recipe,
        max_file_bytes=MAX_FILE_BYTES,
        deep=deep,
    )


def kinds(state: FileState) -> dict[str, list[str]]:
    return {
        finding.kind: [example.rpartition("papers/")[2] for example in finding.examples]
        for finding in state.findings
    }


async def test_a_folder_that_is_in_the_index_has_no_findings_but_a_note_of_what_failed(
    library: Library,
) -> None:
    for deep in (False, True):
        state = await check(library, deep=deep)
        assert kinds(state) == {"file_failed": ["broken.txt"]}
        assert all(finding.is_notice for finding in state.findings)
        assert (state.files, state.failed, state.skipped) == (5, 1, 2)


async def test_a_file_that_failed_for_a_limit_or_a_while_has_its_reason_until_it_changes(
    library: Library,
) -> None:
    library.write({"large.txt": "x" * (MAX_FILE_BYTES + 1), "unlucky.txt": UNLUCKY})
    await library.refresh()
    assert kinds(await check(library)) == {"file_failed": ["broken.txt", "large.txt", "unlucky.txt"]}
    library.write({"large.txt": "small now"})
    assert kinds(await check(library)) == {
        "file_new": ["large.txt"],
        "file_failed": ["broken.txt", "unlucky.txt"],
    }


async def test_new_changed_and_vanished_files_are_found(library: Library) -> None:
    library.write({"new.txt": "new", "d/c.txt": "gamma changed"})
    (library.root / "b.txt").unlink()
    (library.root / "broken.txt").unlink()
    assert kinds(await check(library)) == {
        "file_new": ["new.txt"],
        "file_changed": ["d/c.txt"],
        "file_gone": ["b.txt"],
    }
    await library.refresh()
    assert kinds(await check(library)) == {}


async def test_a_file_that_was_only_touched_has_not_changed(library: Library) -> None:
    os.utime(library.root / "a.txt", ns=(1, 1))
    assert kinds(await check(library)) == {"file_failed": ["broken.txt"]}


async def test_content_that_changed_under_the_same_size_and_time_is_seen_by_a_deep_look(
    library: Library,
) -> None:
    path = library.root / "a.txt"
    before = path.stat()
    path.write_text("omega")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "file_changed" not in kinds(await check(library))
    state = await check(library, deep=True)
    assert kinds(state)["file_changed"] == ["a.txt"]
    await forget_content(library.pipeline.database, state.disguised)
    await library.refresh()
    assert (await indexed(library.pipeline.database))["a.txt"].text == "omega"
    assert "file_changed" not in kinds(await check(library, deep=True))


async def test_a_folder_that_cannot_be_listed_is_a_finding_and_its_files_are_not_gone(
    library: Library,
) -> None:
    closed = replace(library.source, closed_parts=("d",))
    assert kinds(await check(library, closed)) == {"folder_unlisted": ["d"], "file_failed": ["broken.txt"]}


@dataclass(frozen=True, slots=True)
class Away:
    """A source that cannot be listed."""

    def discover(self, *, below: str = "") -> Listing:
        raise SourceUnavailableError("it is away")

    def fetch(self, found: FoundFile, *, max_bytes: int) -> bytes:
        raise AssertionError("nothing was listed")


async def test_a_source_that_cannot_be_listed_is_one_finding(library: Library) -> None:
    state = await check(library, Away())
    assert [(finding.kind, finding.is_notice) for finding in state.findings] == [
        ("source_unavailable", False)
    ]


async def test_an_empty_mount_point_is_not_a_folder_whose_files_were_deleted(library: Library) -> None:
    for path in sorted(library.root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    elsewhere = replace(library, record=replace(library.record, device=-1))
    assert {*kinds(await check(elsewhere))} == {"source_unavailable"}
    assert {*kinds(await check(library))} == {"file_gone"}


@dataclass(slots=True)
class Meanwhile:
    """A source that lets something happen after it was listed."""

    source: Source
    happens: Callable[[], None]

    def discover(self, *, below: str = "") -> Listing:
        listing = self.source.discover(below=below)
        self.happens()
        return listing

    def fetch(self, found: FoundFile, *, max_bytes: int) -> bytes:
        return self.source.fetch(found, max_bytes=max_bytes)


async def test_what_another_run_does_after_the_listing_is_no_finding(
    library: Library, dsn: str, tmp_path: Path
) -> None:
    def run() -> None:
        import asyncio

        async def refresh() -> None:
            async with Database(dsn) as database:
                await (await open_library(database, library.root)).refresh()

        library.write({"new.txt": "new", "d/c.txt": "gamma changed"})
        (library.root / "b.txt").unlink()
        asyncio.run(refresh())  # discover runs in a thread

    assert kinds(await check(library, Meanwhile(library.source, run))) == {"file_failed": ["broken.txt"]}
    assert kinds(await check(library)) == {"file_failed": ["broken.txt"]}


async def test_a_lease_that_nobody_renews_is_found_and_ended(library: Library) -> None:
    database = library.pipeline.database
    collection = await find_collection(database, "default")
    lease = (
        "UPDATE sources SET lease_owner = 'host:1', lease_until = now() + interval '1 minute' * %(minutes)s"
    )
    await database.execute(lease, {"minutes": 1})
    assert await check_leases(database, collection) == ()
    await database.execute(lease, {"minutes": -1})
    [finding] = await check_leases(database, collection)
    assert (finding.kind, finding.count) == ("lease_lapsed", 1)
    await end_lapsed_leases(database, collection)
    assert await check_leases(database, collection) == ()
