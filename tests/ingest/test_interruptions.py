"""Runs that are killed between any two steps, and runs that meet: the next one makes the index equal to the folder."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingest.catalog import known_documents
from ingest.moves import move_documents
from ingest.patience import Patience
from ingest.plan import Move
from ingest.sources import FoundFile, Listing, Source
from retrieval.collections import find_collection
from retrieval.database import Database
from retrieval.reconciling import check_collection
from tests.ingest.fakes import DAMAGED, Library, WatchedSource, open_library
from tests.ingest.index_dump import IndexDump, dump_index
from tests.ingest.mortal_database import MortalDatabase
from tests.ingest.shifting_folder import ShiftingFolder


@pytest.fixture
def folder(tmp_path: Path) -> ShiftingFolder:
    for name in ("folder", "beside"):
        (tmp_path / name).mkdir()
    return ShiftingFolder(root=tmp_path / "folder", beside=tmp_path / "beside")


async def dump_fresh(database: Database, folder: ShiftingFolder) -> IndexDump:
    """What an undisturbed first run makes of the folder."""
    await (await open_library(database, folder.root, collection="fresh")).refresh()
    return await dump_index(database, "fresh")


async def check_whole(database: Database, library: Library, collection: str) -> None:
    state = await check_collection(
        database, library.pipeline.store, await find_collection(database, collection), depth="deep"
    )
    assert state.findings == ()


@pytest.fixture
async def mortal(dsn: str) -> AsyncIterator[MortalDatabase]:
    async with MortalDatabase(dsn, max_connections=4) as database:
        yield database


BEFORE = {
    "edited.md": "# One\n\n" + "alpha " * 18 + "\n\n" + "beta " * 18,
    "moved.md": "# Two\n\nsome words",
    "its name is its title.txt": "words under a name",
    "swapped.md": "# Three\n\nthree",
    "swapped too.md": "# Four\n\nfour",
    "moved over.md": "# Five\n\nfive",
    "under it.md": "# Six\n\nsix",
    "other kind.eml": "From: ann@example.org\nSubject: Keys\n\nThey lie on the table.\n",
    "removed.md": "# Seven\n\nseven",
    "spoilt.md": "# Eight\n\neight",
    "damaged.md": DAMAGED.decode(),
}


def put(folder: ShiftingFolder) -> None:
    """The folder as it was before."""
    folder.clock_s = 1_000_000_000
    for path in folder.files():
        folder.delete(path)
    for path, text in BEFORE.items():
        folder.write(path, text.encode())


def change(folder: ShiftingFolder) -> None:
    """One of every kind of change."""
    folder.write("edited.md", f"# One\n\n{'gamma ' * 18}\n\n{'alpha ' * 18}".encode())
    folder.rename("moved.md", "deep/moved.md")
    folder.rename("its name is its title.txt", "its new name.txt")
    folder.swap("swapped.md", "swapped too.md")
    folder.rename("moved over.md", "under it.md")
    folder.rename("other kind.eml", "other kind.mbox")
    folder.delete("removed.md")
    folder.write("spoilt.md", DAMAGED)
    folder.write("damaged.md", b"mended")
    folder.write("new.md", b"# New\n\nnew")


async def test_a_run_killed_between_any_two_steps_is_completed_by_the_next(
    mortal: MortalDatabase, folder: ShiftingFolder
) -> None:
    uses, was_killed, wanted = 0, True, None
    while was_killed:
        put(folder)
        library = await open_library(mortal, folder.root, collection=f"c{uses}")
        await library.refresh()
        ids = {path: d.id for path, d in (await known_documents(mortal, library.record.id)).items()}
        change(folder)
        was_killed = await mortal.kill_after(uses, library.refresh(in_flight=2))
        await library.refresh()
        wanted = wanted or await dump_fresh(mortal, folder)
        assert await dump_index(mortal, f"c{uses}") == wanted, uses
        now = {path: d.id for path, d in (await known_documents(mortal, library.record.id)).items()}
        assert now["deep/moved.md"] == ids["moved.md"]
        assert now["its new name.txt"] == ids["its name is its title.txt"]
        assert (now["swapped.md"], now["swapped too.md"]) == (ids["swapped too.md"], ids["swapped.md"])
        assert now["under it.md"] == ids["moved over.md"]
        assert now["other kind.mbox"] == ids["other kind.eml"]
        uses += 1
    assert uses > 20
    await check_whole(mortal, library, f"c{uses - 1}")


async def test_a_run_over_failed_files_killed_between_any_two_steps_is_completed_by_the_next(
    mortal: MortalDatabase, folder: ShiftingFolder
) -> None:
    folder.write("a.md", DAMAGED)
    folder.write("b.md", DAMAGED)
    folder.write("blank.md", b" ")
    uses, was_killed = 0, True
    wanted = await dump_fresh(mortal, folder)
    library = await open_library(mortal, folder.root)
    await library.refresh()
    while was_killed:
        was_killed = await mortal.kill_after(uses, library.refresh(in_flight=1, retry_failed=True))
        assert (await dump_index(mortal)).documents == {}
        await library.refresh(retry_failed=uses % 2 == 0)
        assert await dump_index(mortal) == wanted
        uses += 1
    assert uses > 5


async def test_a_document_that_another_run_published_anew_does_not_follow_its_old_content(
    database: Database, folder: ShiftingFolder
) -> None:
    folder.write("a.md", b"# A\n\nold words")
    library = await open_library(database, folder.root)
    await library.refresh()
    known_before = await known_documents(database, library.record.id)
    folder.write("a.md", b"# A\n\nnew words")
    await library.refresh()
    folder.delete("a.md")
    folder.write("b.md", b"# A\n\nold words")
    [found] = library.source.discover().files
    moved = await move_documents(database, library.record, [Move(found=found, document=known_before["a.md"])])
    assert moved.done == frozenset()
    await library.refresh()
    assert await dump_index(database) == await dump_fresh(database, folder)


@dataclass(slots=True)
class SlowSource:
    """A source that takes its time, so that what happens meanwhile happens in between."""

    source: Source
    chance: random.Random
    longest_s: float = 0.01

    def _pause(self) -> None:
        time.sleep(self.chance.uniform(0, self.longest_s))

    def discover(self, *, below: str = "") -> Listing:
        self._pause()
        listing = self.source.discover(below=below)
        self._pause()
        return listing

    def fetch(self, found: FoundFile, *, max_bytes: int) -> bytes:
        self._pause()
        content = self.source.fetch(found, max_bytes=max_bytes)
        self._pause()
        return content


async def open_slowly(database: Database, folder: ShiftingFolder, chance: random.Random) -> Library:
    """The folder as a source with pauses between all steps."""
    library = await open_library(database, folder.root)
    library.source = WatchedSource(SlowSource(library.source.source, chance))
    library.patience = Patience(total_s=20, first_s=0.01, longest_s=0.1)

    async def pause() -> None:
        await asyncio.sleep(chance.uniform(0, 0.02))

    library.embedder.before = pause
    return library


async def meet(database: Database, folder: ShiftingFolder, chance: random.Random, *, rounds: int) -> None:
    """Two runs at once, again and again, over a folder that does not hold still."""

    async def shift(times: int) -> None:
        for _ in range(times):
            await asyncio.sleep(chance.uniform(0, 0.02))
            folder.shift(chance)

    await shift(10)
    first, second = [await open_slowly(database, folder, chance) for _ in range(2)]
    for _ in range(rounds):
        await asyncio.gather(first.refresh(), second.refresh(), shift(8))
    third = await open_library(database, folder.root)
    await third.refresh()
    assert await dump_index(database) == await dump_fresh(database, folder)
    await check_whole(database, third, "default")
    again = await third.refresh()
    assert (again.added, again.updated, again.renamed, again.removed, again.chunks) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("seed", range(5))
async def test_two_runs_at_once_over_a_folder_that_changes_meanwhile(
    database: Database, folder: ShiftingFolder, seed: int
) -> None:
    await meet(database, folder, random.Random(seed), rounds=2)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(100, 160))
async def test_two_runs_at_once_over_a_folder_that_changes_for_long(
    database: Database, folder: ShiftingFolder, seed: int
) -> None:
    await meet(database, folder, random.Random(seed), rounds=6)
