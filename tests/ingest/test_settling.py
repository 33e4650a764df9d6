"""What size and time can tell of a file, and what they cannot."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sources import FoundFile, Listing, Source
from ingest.sources.folder import FolderSource, settling_time_s
from retrieval.database import Database
from tests.ingest.fakes import DAMAGED, MAX_FILE_BYTES, Library, WatchedSource, indexed, open_library

SECOND = 1_000_000_000


@pytest.fixture
async def library(database: Database, tmp_path: Path) -> Library:
    root = tmp_path / "library"
    root.mkdir()
    return await open_library(database, root)


async def text_of(library: Library, path: str) -> str:
    return (await indexed(library.pipeline.database))[path].text


async def test_an_edit_that_keeps_the_size_and_sets_the_time_back_is_not_seen_until_the_file_is_touched(
    library: Library,
) -> None:
    library.write({"a.txt": "one"})
    await library.refresh()
    before = (library.root / "a.txt").stat().st_mtime_ns
    library.write({"a.txt": "two"})
    os.utime(library.root / "a.txt", ns=(before, before))
    library.source.fetched.clear()
    assert (await library.refresh()).unchanged == 1
    assert library.source.fetched == []
    assert await text_of(library, "a.txt") == "one"
    (library.root / "a.txt").touch()
    assert (await library.refresh()).updated == 1
    assert await text_of(library, "a.txt") == "two"


async def test_an_edit_that_keeps_the_size_right_after_a_run_is_seen(library: Library) -> None:
    for n in range(10):
        library.write({"a.txt": f"before {n}"})
        await library.refresh()
        library.write({"a.txt": f"after! {n}"})
        await library.refresh()
        assert await text_of(library, "a.txt") == f"after! {n}"


@dataclass(slots=True)
class InterruptedSource:
    """A folder in which something happens just before a file is read, or right after.

    before, after: what happens, by path; once.
    """

    source: Source
    before: dict[str, Callable[[], object]] = field(default_factory=dict)
    after: dict[str, Callable[[], object]] = field(default_factory=dict)

    def discover(self, *, below: str = "") -> Listing:
        return self.source.discover(below=below)

    def fetch(self, found: FoundFile, *, max_bytes: int) -> bytes:
        self.before.pop(found.path, lambda: None)()
        content = self.source.fetch(found, max_bytes=max_bytes)
        self.after.pop(found.path, lambda: None)()
        return content


async def test_an_edit_in_the_same_second_is_seen_where_the_file_system_keeps_seconds(
    library: Library,
) -> None:
    path = library.root / "a.txt"

    def write_coarsely(text: str) -> None:
        path.write_text(text)
        second_ns = time.time_ns() // SECOND * SECOND
        os.utime(path, ns=(second_ns, second_ns))

    write_coarsely("one")
    source = InterruptedSource(library.source.source, after={"a.txt": lambda: write_coarsely("two")})
    library.source = WatchedSource(source)
    await library.refresh()
    assert await text_of(library, "a.txt") == "one"
    await library.refresh()
    assert await text_of(library, "a.txt") == "two"


@pytest.mark.parametrize("other", [b"two", b"two and more", DAMAGED, b" ", b"x" * (MAX_FILE_BYTES + 1)])
async def test_a_file_that_another_took_the_place_of_for_the_time_of_a_run_is_seen_when_it_is_back(
    library: Library, other: bytes
) -> None:
    path, aside = library.root / "a.txt", library.root.with_name("aside")
    library.write({"a.txt": "one"})
    os.utime(path, ns=(5, 5))

    def exchange() -> None:
        path.rename(aside)
        path.write_bytes(other)
        os.utime(path, ns=(7, 7))

    library.source = WatchedSource(InterruptedSource(library.source.source, before={"a.txt": exchange}))
    await library.refresh()
    aside.replace(path)
    report = await library.refresh()
    assert (report.added + report.updated, report.failed, report.skipped) == (1, [], [])
    assert await text_of(library, "a.txt") == "one"


async def test_a_file_that_is_written_to_again_and_again_is_taken_by_a_later_run(library: Library) -> None:
    library.write({"a.txt": "one", "b.txt": "two"})

    class Restless(InterruptedSource):
        def fetch(self, found: FoundFile, *, max_bytes: int) -> bytes:
            if found.path == "a.txt":
                with (library.root / "a.txt").open("a") as file:
                    file.write(" more")
            return InterruptedSource.fetch(self, found, max_bytes=max_bytes)

    library.source = WatchedSource(Restless(library.source.source))
    report = await library.refresh()
    [failed] = report.failed
    assert (report.added, failed.path, failed.retryable) == (1, "a.txt", True)
    assert failed.error == "it changed since it was listed; the next run takes it"


@given(
    written_ns=st.integers(10**18, 10**18 + 10 * SECOND),
    read_after_ns=st.integers(0, 5 * SECOND),
    edited_after_ns=st.integers(0, 5 * SECOND),
    tick_ns=st.sampled_from([1, 100, 1_000_000, 4_000_000, 10_000_000, SECOND, 2 * SECOND]),
)
def test_what_is_written_after_a_settled_file_was_read_has_another_time(
    written_ns: int, read_after_ns: int, edited_after_ns: int, tick_ns: int
) -> None:
    def stamp(moment_ns: int) -> int:
        return moment_ns // tick_ns * tick_ns

    now_ns = written_ns + read_after_ns
    read_ns = now_ns + round(settling_time_s(stamp(written_ns), now_ns) * SECOND)
    assert stamp(read_ns + edited_after_ns) > stamp(written_ns)


def test_files_of_long_ago_and_of_a_far_future_are_not_waited_for() -> None:
    now_ns = 10**18
    for mtime_ns in (0, now_ns - 2 * SECOND, now_ns - 20_000_001, now_ns + 3_600 * SECOND):
        assert settling_time_s(mtime_ns, now_ns) == 0.0
    for whole in (True, False):
        mtime_ns = now_ns if whole else now_ns + 1
        assert 0 < settling_time_s(mtime_ns, now_ns) <= 4


def test_a_file_is_read_once_its_time_has_passed(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    source = FolderSource(tmp_path)
    [found] = source.discover().files
    assert source.fetch(found, max_bytes=MAX_FILE_BYTES) == b"one"
    assert settling_time_s(found.mtime_ns, time.time_ns()) == 0.0
