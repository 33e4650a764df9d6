"""Whatever happens to a folder and to the runs over it: after the next run the index is that of a fresh ingest."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ingest.catalog import KnownDocument, ensure_source, known_documents
from ingest.plan import at_or_below
from ingest.sources.folder import FolderSource
from retrieval.collections import find_collection
from retrieval.database import Database
from retrieval.reconciling import check_collection
from tests.ingest.fakes import DAMAGED, MAX_FILE_BYTES, Library, WatchedSource, open_library
from tests.ingest.index_dump import IndexDump, dump_index
from tests.ingest.mortal_database import MortalDatabase
from tests.ingest.shifting_folder import CONTENTS, FOLDERS, PATHS, ShiftingFolder

picks = st.integers(0, 99)
paths = st.sampled_from(PATHS)
contents = st.sampled_from(CONTENTS)
belows = st.sampled_from(FOLDERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a source is told about itself."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    readers: tuple[str, ...] = ("public",)
    max_tokens: int = 20
    closed: tuple[str, ...] = ()

    def hide(self, path: str) -> bool:
        return any(at_or_below(path, folder) for folder in self.closed)


async def open_source(
    database: Database, folder: ShiftingFolder, rules: Rules, *, collection: str = "default"
) -> Library:
    """The folder as a source under these rules."""
    library = await open_library(database, folder.root, collection=collection, max_tokens=rules.max_tokens)
    made = await find_collection(database, collection)
    library.record = await ensure_source(
        database,
        made,
        folder.root,
        default_readers=[],
        include=rules.include,
        exclude=rules.exclude,
        readers=rules.readers,
    )
    library.source = WatchedSource(
        FolderSource(folder.root, include=rules.include, exclude=rules.exclude), closed_parts=rules.closed
    )
    return library


class FolderMachine(RuleBasedStateMachine):
    """A folder, and runs over it. `dsn`: an empty, migrated database."""

    def __init__(self, dsn: str) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.temporary = tempfile.TemporaryDirectory(prefix="footnote-shifting-")
        root, beside = Path(self.temporary.name, "folder"), Path(self.temporary.name, "beside")
        root.mkdir()
        beside.mkdir()
        self.folder = ShiftingFolder(root=root, beside=beside)
        self.database = MortalDatabase(dsn, max_connections=4)
        self.loop.run(self.database.__aenter__())
        self.source_rules = Rules()
        self.fresh = 0

    def teardown(self) -> None:
        try:
            self.loop.run(self._check_refresh())
        finally:
            self.loop.run(self.database.__aexit__())
            self.loop.close()
            self.temporary.cleanup()

    # What happens to the folder.

    @rule(path=paths, content=contents)
    def write(self, path: str, content: bytes) -> None:
        self.folder.write(path, content)

    @rule(path=paths, content=contents)
    def write_another(self, path: str, content: bytes) -> None:
        self.folder.write(path, content)

    def _pick(self, pick: int) -> str:
        files = self.folder.files()
        return files[pick % len(files)]

    @precondition(lambda self: self.folder.files())
    @rule(pick=picks)
    def edit_in_place(self, pick: int) -> None:
        self.folder.edit_in_place(self._pick(pick))

    @precondition(lambda self: self.folder.files())
    @rule(pick=picks)
    def touch(self, pick: int) -> None:
        self.folder.touch(self._pick(pick))

    @precondition(lambda self: self.folder.files())
    @rule(pick=picks, path=paths)
    def rename(self, pick: int, path: str) -> None:
        self.folder.rename(self._pick(pick), path)

    @precondition(lambda self: self.folder.files())
    @rule(one=picks, other=picks)
    def swap(self, one: int, other: int) -> None:
        self.folder.swap(self._pick(one), self._pick(other))

    @precondition(lambda self: self.folder.files())
    @rule(pick=picks, path=paths, keeps_time=st.booleans())
    def copy(self, pick: int, path: str, keeps_time: bool) -> None:
        self.folder.copy(self._pick(pick), path, keeps_time=keeps_time)

    @precondition(lambda self: self.folder.files())
    @rule(pick=picks)
    def delete(self, pick: int) -> None:
        self.folder.delete(self._pick(pick))

    @rule(folder=st.sampled_from(FOLDERS))
    def delete_folder(self, folder: str) -> None:
        self.folder.delete_folder(folder)

    # What happens to the source.

    @rule(
        include=st.sampled_from([(), ("*.md", "*.txt"), ("d/",)]),
        exclude=st.sampled_from([(), ("d/e/",), ("a.md",), ("/f/",)]),
    )
    def change_rules(self, include: tuple[str, ...], exclude: tuple[str, ...]) -> None:
        self.source_rules = replace(self.source_rules, include=include, exclude=exclude)

    @rule(readers=st.sampled_from([("public",), ("group:hr",), ("group:hr", "user:ann")]))
    def change_readers(self, readers: tuple[str, ...]) -> None:
        self.source_rules = replace(self.source_rules, readers=readers)

    @rule(max_tokens=st.sampled_from([20, 40]))
    def change_recipe(self, max_tokens: int) -> None:
        self.source_rules = replace(self.source_rules, max_tokens=max_tokens)

    @rule(closed=st.sampled_from([(), (), ("d/e",), ("f",), ("d",)]))
    def close_folders(self, closed: tuple[str, ...]) -> None:
        self.source_rules = replace(self.source_rules, closed=closed)

    # What happens to runs.

    @rule()
    def refresh(self) -> None:
        self.loop.run(self._check_refresh())

    @rule(below=belows, retry_failed=st.booleans())
    def refresh_a_part(self, below: str, retry_failed: bool) -> None:
        if (self.folder.root / below).exists() and not self.source_rules.hide(below):
            self.loop.run(self._check_part(below, retry_failed=retry_failed))

    @rule(uses=st.integers(0, 30), retry_failed=st.booleans())
    def kill_a_run(self, uses: int, retry_failed: bool) -> None:
        self.loop.run(self._kill(uses, retry_failed=retry_failed))

    @precondition(lambda self: self.folder.files())
    @rule(pick=picks)
    def lose_a_file_in_mid_run(self, pick: int) -> None:
        self.loop.run(self._refresh(vanishing=self._pick(pick)))

    async def _refresh(
        self, *, below: str = "", retry_failed: bool = False, vanishing: str | None = None
    ) -> None:
        """A run, and what its report has to say of it."""
        library = await open_source(self.database, self.folder, self.source_rules)
        if vanishing is not None:
            library.source.vanishing = frozenset({vanishing})
        listing = library.source.discover(below=below)
        before = await known_documents(self.database, library.record.id)
        report = await library.refresh(below=below, retry_failed=retry_failed)
        after = await known_documents(self.database, library.record.id)
        fates = report.added + report.updated + report.renamed + report.unchanged
        assert len(after) == len(before) + report.added - report.removed
        assert fates + len(report.failed) + len(report.skipped) == (
            len(listing.files) + len(listing.skipped) + len(listing.unlisted)
        )
        assert report.failed or report.skipped or fates == len(listing.files)
        _check_renames(
            before, after, lambda path: at_or_below(path, below) and not self.source_rules.hide(path)
        )

    async def _kill(self, uses: int, *, retry_failed: bool) -> None:
        library = await open_source(self.database, self.folder, self.source_rules)
        await self.database.kill_after(uses, library.refresh(retry_failed=retry_failed))

    async def _check_part(self, below: str, *, retry_failed: bool) -> None:
        """A run over a part makes the part equal."""
        await self._refresh(below=below, retry_failed=retry_failed)
        index, fresh = await dump_index(self.database), await self._dump_fresh()
        for found, wanted in ((index.documents, fresh.documents), (index.failures, fresh.failures)):
            assert self._seen(found, below) == self._seen(wanted, below)

    def _seen(self, by_path: Mapping[str, object], below: str) -> dict[str, object]:
        """What lies in a part, and in no folder that cannot be listed."""
        return {
            path: held
            for path, held in by_path.items()
            if at_or_below(path, below) and not self.source_rules.hide(path)
        }

    async def _check_refresh(self) -> None:
        library = await open_source(self.database, self.folder, self.source_rules)
        hidden = {
            path: document.content_hash
            for path, document in (await known_documents(self.database, library.record.id)).items()
            if self.source_rules.hide(path)
        }
        await self._refresh()
        dump = await dump_index(self.database)
        for path, content_hash in hidden.items():
            assert dump.documents.pop(path).content_hash == content_hash
        assert dump == await self._dump_fresh()
        await self._check_settled(library)
        made = await find_collection(self.database, "default")
        state = await check_collection(self.database, library.pipeline.store, made, depth="deep")
        assert state.findings == ()

    async def _check_settled(self, library: Library) -> None:
        """A second run changes nothing, embeds nothing and reads only what may have passed."""
        before = await dump_index(self.database)
        report = await library.refresh()
        assert (report.added, report.updated, report.renamed, report.removed, report.chunks) == (
            0,
            0,
            0,
            0,
            0,
        )
        assert library.embedder.embedded == []
        assert set(library.source.fetched) <= set(before.failures)
        assert await dump_index(self.database) == before

    async def _dump_fresh(self) -> IndexDump:
        """What a first run over the folder as it is makes of it."""
        self.fresh += 1
        collection = f"fresh-{self.fresh}"
        library = await open_source(self.database, self.folder, self.source_rules, collection=collection)
        await library.refresh()
        return await dump_index(self.database, collection)


def _check_renames(
    before: dict[str, KnownDocument], after: dict[str, KnownDocument], seen: Callable[[str], bool]
) -> None:
    """A content that had one place and has one place is the same document, wherever that is."""
    then = {document.content_hash: path for path, document in _unique(before).items()}
    for path, document in _unique(after).items():
        old = then.get(document.content_hash)
        if old is not None and seen(old) and seen(path):
            assert before[old].id == document.id, (old, path)


def _unique(known: dict[str, KnownDocument]) -> dict[str, KnownDocument]:
    counts = Counter(document.content_hash for document in known.values())
    return {path: document for path, document in known.items() if counts[document.content_hash] == 1}


@contextmanager
def scratch_database(server_dsn: str) -> Iterator[str]:
    """A migrated, empty database."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE footnote_template").format(sql.Identifier(name))
        )
        try:
            yield make_conninfo(server_dsn, dbname=name)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def run_machine(server_dsn: str, *, examples: int, steps: int) -> None:
    class Machine(FolderMachine):
        def __init__(self) -> None:
            self.scratch = scratch_database(server_dsn)
            super().__init__(self.scratch.__enter__())

        def teardown(self) -> None:
            try:
                super().teardown()
            finally:
                self.scratch.__exit__(None, None, None)

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_whatever_happens_to_a_folder_the_index_is_that_of_a_fresh_ingest(postgres_dsn: str) -> None:
    run_machine(postgres_dsn, examples=8, steps=15)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_whatever_happens_to_a_folder_for_long_the_index_is_that_of_a_fresh_ingest(postgres_dsn: str) -> None:
    run_machine(postgres_dsn, examples=100, steps=40)


@pytest.fixture
async def library(database: Database, tmp_path: Path) -> Library:
    root = tmp_path / "library"
    root.mkdir()
    return await open_library(database, root)


async def test_removals_by_files_at_work_at_once_are_all_counted(library: Library) -> None:
    library.write({f"{n}.txt": f"text {n}" for n in range(12)})
    await library.refresh()
    library.write({f"{n}.txt": DAMAGED for n in range(12)})
    report = await library.refresh(in_flight=8)
    assert (report.removed, len(report.failed)) == (12, 12)


async def test_a_renamed_file_is_parsed_anew_where_its_name_tells_how(library: Library) -> None:
    library.write(
        {"a.eml": "From: ann@example.org\nSubject: Keys\n\nOn the table.\n", "b.md": "# Two\n\ntwo"}
    )
    await library.refresh()
    before = await known_documents(library.pipeline.database, library.record.id)
    (library.root / "a.eml").rename(library.root / "a.mbox")
    (library.root / "b.md").rename(library.root / "b.MD")
    library.embedder.embedded.clear()
    assert (await library.refresh()).renamed == 2
    after = await known_documents(library.pipeline.database, library.record.id)
    assert (after["a.mbox"].id, after["b.MD"].id) == (before["a.eml"].id, before["b.md"].id)
    assert not any("two" in text for text in library.embedder.embedded)
    fresh = await open_library(library.pipeline.database, library.root, collection="fresh")
    await fresh.refresh()
    database = library.pipeline.database
    assert await dump_index(database) == await dump_index(database, "fresh")


async def test_a_renamed_file_that_cannot_be_taken_in_has_failed_and_nothing_else(library: Library) -> None:
    library.write({"a.txt": "no Word document"})
    await library.refresh()
    (library.root / "a.txt").rename(library.root / "a.docx")
    report = await library.refresh()
    assert (report.renamed, report.removed, len(report.failed)) == (0, 1, 1)


async def test_a_file_that_was_too_large_is_taken_in_under_a_higher_limit(library: Library) -> None:
    library.write({"a.txt": "x" * (MAX_FILE_BYTES + 1)})
    assert [failed.path for failed in (await library.refresh()).failed] == ["a.txt"]
    library.pipeline = replace(library.pipeline, max_file_bytes=2 * MAX_FILE_BYTES)
    assert (await library.refresh()).added == 1
