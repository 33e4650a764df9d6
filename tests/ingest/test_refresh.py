from __future__ import annotations

import asyncio
import io
import os
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ingest.catalog import KnownDocument, find_source
from ingest.errors import ParserStoppedError, ParsersUnavailableError, SourceUnavailableError
from ingest.failures import TRIES_WHEN_STOPPED, list_failures
from ingest.parsers import ParsedDocument
from ingest.patience import Patience
from ingest.plan import plan_refresh
from ingest.refresh import RefreshPolicy, refresh_source
from ingest.reports import RefreshReport, add_up
from ingest.sources import FoundFile, Listing, Skipped, Unlisted
from retrieval.database import Database
from retrieval.documents import find_document, find_revision
from retrieval.errors import (
    DatabaseUnavailableError,
    ModelStoppedError,
    ModelUnavailableError,
    NotFoundError,
)
from retrieval.records import Scope
from tests.ingest.fakes import (
    DAMAGED,
    MAX_FILE_BYTES,
    UNLUCKY,
    InlineParser,
    Library,
    Told,
    indexed,
    open_library,
)

PATHS = ["a.txt", "b.md", "x.bin", "d/a.txt", "d/e/a.txt", "d/e/x.bin", "d/ea.txt", "de/a.txt", "f/a.txt"]
FOLDERS = ["d", "d/e", "de", "f"]
RECIPE = "plain 1"


def recipe(path: str) -> str | None:
    return None if path.endswith(".bin") else RECIPE


def at_or_below(path: str, folder: str) -> bool:
    return folder == "" or path == folder or path.startswith(folder + "/")


versions = st.tuples(st.integers(1, 2), st.integers(1, 2))
belows = st.sampled_from(["", *FOLDERS, "d/a.txt"])


@st.composite
def listings(draw: st.DrawFn, below: str) -> Listing:
    closed = draw(st.sets(st.sampled_from(FOLDERS), max_size=2))
    there = draw(st.dictionaries(st.sampled_from(PATHS), versions))
    return Listing(
        files=tuple(
            FoundFile(path=path, size_bytes=size, mtime_ns=mtime, locator=path)
            for path, (size, mtime) in sorted(there.items())
            if at_or_below(path, below) and not any(at_or_below(path, folder) for folder in closed)
        ),
        skipped=tuple(
            Skipped(path=f"{path}~", reason="hidden") for path in draw(st.sets(st.sampled_from(PATHS)))
        ),
        unlisted=tuple(Unlisted(path=folder, error="closed") for folder in sorted(closed)),
    )


@st.composite
def known_documents(draw: st.DrawFn) -> dict[str, KnownDocument]:
    return {
        path: KnownDocument(
            id=UUID(int=PATHS.index(path)),
            path=path,
            size_bytes=size,
            mtime_ns=mtime,
            content_hash=b"",
            recipe=made_by,
        )
        for path, ((size, mtime), made_by) in draw(
            st.dictionaries(st.sampled_from(PATHS), st.tuples(versions, st.sampled_from([RECIPE, "plain 0"])))
        ).items()
    }


class TestPlan:
    @given(data=st.data(), below=belows, known=known_documents())
    def test_every_listed_file_has_exactly_one_fate(
        self, data: st.DataObject, below: str, known: dict[str, KnownDocument]
    ) -> None:
        listing = data.draw(listings(below))
        plan = plan_refresh(listing, known, recipe=recipe, below=below)
        fates = [
            *(found.path for found in plan.added),
            *(found.path for found, _ in plan.changed),
            *(document.path for document in plan.unchanged),
            *(skip.path for skip in plan.skipped if skip not in listing.skipped),
        ]
        assert sorted(fates) == [found.path for found in listing.files]
        assert set(listing.skipped) <= set(plan.skipped)

    @given(data=st.data(), below=belows, known=known_documents())
    def test_what_is_gone_is_removed_and_what_could_not_be_looked_at_stays(
        self, data: st.DataObject, below: str, known: dict[str, KnownDocument]
    ) -> None:
        listing = data.draw(listings(below))
        plan = plan_refresh(listing, known, recipe=recipe, below=below)
        readable = {found.path for found in listing.files if recipe(found.path)}
        closed = [entry.path for entry in listing.unlisted]
        assert {document.path for document in plan.removed} == {
            path
            for path in known
            if path not in readable
            and at_or_below(path, below)
            and not any(at_or_below(path, folder) for folder in closed)
        }
        assert [(failed.path, failed.retryable) for failed in plan.unlisted] == [(p, True) for p in closed]

    @given(data=st.data(), below=belows, known=known_documents())
    def test_a_file_counts_as_unchanged_only_under_the_same_size_time_and_recipe(
        self, data: st.DataObject, below: str, known: dict[str, KnownDocument]
    ) -> None:
        listing = data.draw(listings(below))
        plan = plan_refresh(listing, known, recipe=recipe, below=below)
        found = {file.path: file for file in listing.files}
        for document in plan.unchanged:
            file = found[document.path]
            assert (document.size_bytes, document.mtime_ns) == (file.size_bytes, file.mtime_ns)
            assert document.recipe == recipe(document.path)
        for file, document in plan.changed:
            assert known[file.path] is document
            assert (document.size_bytes, document.mtime_ns, document.recipe) != (
                file.size_bytes,
                file.mtime_ns,
                recipe(file.path),
            )
        assert known.keys().isdisjoint(file.path for file in plan.added)

    @given(data=st.data(), known=known_documents())
    def test_a_plan_for_what_is_known_already_does_nothing(
        self, data: st.DataObject, known: dict[str, KnownDocument]
    ) -> None:
        current = {path: document for path, document in known.items() if document.recipe == recipe(path)}
        listing = Listing(
            files=tuple(
                FoundFile(path=d.path, size_bytes=d.size_bytes, mtime_ns=d.mtime_ns, locator="")
                for d in current.values()
            ),
            skipped=(),
            unlisted=(),
        )
        plan = plan_refresh(listing, current, recipe=recipe)
        assert plan.added == plan.changed == plan.removed == plan.skipped == ()  # type: ignore[comparison-overlap]
        assert set(plan.unchanged) == set(current.values())


@pytest.fixture
async def library(database: Database, tmp_path: Path) -> Library:
    root = tmp_path / "library"
    root.mkdir()
    return await open_library(database, root)


def outcome(report: RefreshReport) -> dict[str, Any]:
    """The figures of a report that are not nought."""
    kept = ("added", "updated", "removed", "unchanged")
    figures = {name: getattr(report, name) for name in kept if getattr(report, name)}
    if report.failed:
        figures["failed"] = {failed.path: failed.error for failed in report.failed}
    return figures


async def texts(library: Library) -> dict[str, str]:
    return {path: document.text for path, document in (await indexed(library.pipeline.database)).items()}


async def test_the_index_follows_the_folder(library: Library) -> None:
    library.write({"a.txt": "one", "d/b.md": "# Two\n\nand more", "model.stl": b"solid", "empty.txt": ""})
    report = await library.refresh()
    assert outcome(report) == {"added": 2}
    assert report.chunks == 2
    assert {(skip.path, skip.reason) for skip in report.skipped} == {
        ("model.stl", "no parser reads this kind of file"),
        ("empty.txt", "empty"),
    }
    assert (await texts(library)).keys() == {"a.txt", "d/b.md"}

    assert outcome(await library.refresh()) == {"unchanged": 2}

    library.write({"a.txt": "another one", "c.txt": "three"})
    (library.root / "d" / "b.md").unlink()
    assert outcome(await library.refresh()) == {"added": 1, "updated": 1, "removed": 1}
    assert await texts(library) == {"a.txt": "another one", "c.txt": "three"}

    library.write({"d/b.md": "back again"})
    assert outcome(await library.refresh()) == {"added": 1, "unchanged": 2}
    assert (await texts(library))["d/b.md"] == "back again"


async def test_an_unchanged_file_is_not_even_read(library: Library) -> None:
    library.write({"a.txt": "one", "b.txt": "two"})
    await library.refresh()
    library.source.fetched.clear()
    await library.refresh()
    assert library.source.fetched == []


async def test_a_file_written_again_with_the_same_content_is_read_once_and_embedded_never(
    library: Library,
) -> None:
    library.write({"a.txt": "one"})
    await library.refresh()
    library.embedder.embedded.clear()
    library.source.fetched.clear()
    os.utime(library.root / "a.txt", ns=(1, 1))
    assert outcome(await library.refresh()) == {"unchanged": 1}
    assert outcome(await library.refresh()) == {"unchanged": 1}
    assert library.source.fetched == ["a.txt"]
    assert library.embedder.embedded == []


async def test_an_edit_embeds_only_what_changed(library: Library) -> None:
    paragraphs = [f"{word} " * 18 for word in ("alpha", "beta", "gamma")]
    library.write({"a.txt": "\n\n".join(paragraphs)})
    await library.refresh()
    assert len(library.embedder.embedded) == 3
    library.embedder.embedded.clear()
    library.write({"a.txt": "\n\n".join(["first " * 18, *paragraphs[:2], "delta " * 18])})
    assert outcome(await library.refresh()) == {"updated": 1}
    assert [text.split()[-1] for text in library.embedder.embedded] == ["first", "delta"]
    assert len((await indexed(library.pipeline.database))["a.txt"].chunks) == 4


async def test_a_document_made_by_another_recipe_is_made_anew(library: Library, database: Database) -> None:
    library.write({"a.txt": "word " * 40})
    await library.refresh()
    finer = await open_library(database, library.root, max_tokens=10)
    assert outcome(await finer.refresh()) == {"updated": 1}
    assert len((await indexed(database))["a.txt"].chunks) == 4


async def test_a_part_is_refreshed_and_the_rest_left_alone(library: Library) -> None:
    library.write({"a.txt": "one", "d/b.txt": "two", "d/c.txt": "three", "de.txt": "four"})
    await library.refresh()
    (library.root / "a.txt").unlink()
    (library.root / "d" / "c.txt").unlink()
    library.write({"d/b.txt": "changed", "de.txt": "changed", "new.txt": "new"})
    assert outcome(await library.refresh(below="d")) == {"updated": 1, "removed": 1}
    assert await texts(library) == {"a.txt": "one", "d/b.txt": "changed", "de.txt": "four"}
    assert outcome(await library.refresh()) == {"added": 1, "updated": 1, "removed": 1, "unchanged": 1}


async def test_what_lies_in_a_part_that_cannot_be_listed_stays(library: Library) -> None:
    library.write({"a.txt": "one", "locked/b.txt": "two"})
    await library.refresh()
    (library.root / "a.txt").unlink()
    library.source.closed_parts = ("locked",)
    report = await library.refresh()
    assert outcome(report) == {"removed": 1, "failed": {"locked": "the folder cannot be listed"}}
    assert report.failed[0].retryable
    assert await texts(library) == {"locked/b.txt": "two"}


async def test_a_part_that_cannot_be_listed_is_remembered_until_it_can(
    library: Library, database: Database
) -> None:
    library.write({"a.txt": "one", "locked/b.txt": "two"})
    library.source.closed_parts = ("locked",)
    await library.refresh()
    [failure] = await list_failures(database)
    assert (failure.path, failure.error, failure.retryable) == (
        "locked",
        "the folder cannot be listed",
        True,
    )
    library.source.closed_parts = ()
    assert outcome(await library.refresh()) == {"added": 1, "unchanged": 1}
    assert await list_failures(database) == []


async def test_a_folder_that_is_away_changes_nothing(library: Library, database: Database) -> None:
    library.write({"a.txt": "one"})
    await library.refresh()
    library.root.rename(library.root.with_name("away"))
    with pytest.raises(SourceUnavailableError, match="No such file or directory"):
        await library.refresh()
    assert await texts(library) == {"a.txt": "one"}
    state = await find_source(database, library.record.id)
    assert state.last_error is not None
    assert "No such file or directory" in state.last_error
    library.root.with_name("away").rename(library.root)
    assert outcome(await library.refresh()) == {"unchanged": 1}
    assert (await find_source(database, library.record.id)).last_error is None


async def test_a_damaged_file_fails_alone_and_its_old_content_goes(
    library: Library, database: Database
) -> None:
    library.write({f"{n}.txt": f"text {n}" for n in range(6)})
    await library.refresh()
    library.write(
        {"3.txt": DAMAGED, "7.txt": DAMAGED, "8.txt": "text 8", "large.txt": b"x" * MAX_FILE_BYTES * 2}
    )
    report = await library.refresh()
    assert report.failed[0].retryable is False
    figures = outcome(report)
    assert figures.pop("failed").keys() == {"3.txt", "7.txt", "large.txt"}
    assert figures == {"added": 1, "removed": 1, "unchanged": 5}
    assert (await texts(library)).keys() == {"0.txt", "1.txt", "2.txt", "4.txt", "5.txt", "8.txt"}
    failures = {failure.path: failure for failure in await list_failures(database)}
    assert failures["3.txt"].error == "is damaged"
    assert (failures["3.txt"].retryable, failures["3.txt"].attempts) == (False, 1)


async def test_a_file_whose_parser_is_stopped_keeps_its_old_content_until_it_is_given_up(
    library: Library, database: Database
) -> None:
    class Stopped(InlineParser):
        async def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
            raise ParserStoppedError(f"{file_name} was given up: parsing it took longer than 120 seconds")

    library.write({"a.txt": "one"})
    await library.refresh()
    library.write({"a.txt": "one more"})
    library.pipeline = replace(library.pipeline, parser=Stopped())
    for _ in range(TRIES_WHEN_STOPPED - 1):
        report = await library.refresh()
        assert (report.removed, [failed.retryable for failed in report.failed]) == (0, [True])
        assert (await indexed(database))["a.txt"].text == "one"
    report = await library.refresh()
    assert (report.removed, [failed.retryable for failed in report.failed]) == (1, [False])
    assert await indexed(database) == {}


async def test_a_file_that_outgrows_the_limit_loses_its_old_content(library: Library) -> None:
    library.write({"a.txt": "small"})
    await library.refresh()
    library.write({"a.txt": "x" * (MAX_FILE_BYTES + 1)})
    report = await library.refresh()
    assert (report.removed, [failed.retryable for failed in report.failed]) == (1, [False])
    assert await texts(library) == {}


async def test_a_file_that_cannot_be_read_for_now_keeps_its_old_content(library: Library) -> None:
    library.write({"a.txt": "one", "b.txt": "two"})
    await library.refresh()
    library.write({"a.txt": "one more", "b.txt": "two more"})
    library.source.vanishing = frozenset({"a.txt"})
    report = await library.refresh()
    assert outcome(report) == {
        "updated": 1,
        "failed": {"a.txt": "it cannot be read: No such file or directory"},
    }
    assert report.failed[0].retryable
    assert await texts(library) == {"a.txt": "one", "b.txt": "two more"}


async def test_a_model_that_fails_keeps_the_old_content(library: Library) -> None:
    library.write({"a.txt": "one", "b.txt": "two"})
    await library.refresh()
    library.write({"a.txt": UNLUCKY, "b.txt": "two more"})
    assert outcome(await library.refresh()) == {
        "updated": 1,
        "failed": {"a.txt": "the model words failed on this text"},
    }
    assert await texts(library) == {"a.txt": "one", "b.txt": "two more"}


async def test_a_file_over_which_a_model_s_process_ends_is_tried_again_until_it_is_given_up(
    library: Library,
) -> None:
    async def end() -> None:
        raise ModelStoppedError("the process with the model on cuda:0 ended before it had answered (Killed)")

    library.write({"a.txt": "one"})
    library.embedder.before = end
    for tried in range(1, TRIES_WHEN_STOPPED + 1):
        [failed] = (await library.refresh()).failed
        assert failed.retryable == (tried < TRIES_WHEN_STOPPED)
    library.embedder.before = None
    assert outcome(await library.refresh()).keys() == {"failed"}
    assert outcome(await library.refresh(retry_failed=True)) == {"added": 1}


async def test_failures_are_remembered_until_the_file_is_mended_or_gone(
    library: Library, database: Database
) -> None:
    async def failures() -> dict[str, int]:
        return {failure.path: failure.attempts for failure in await list_failures(database)}

    library.write({"a.txt": DAMAGED, "d/b.txt": DAMAGED, "d/c.txt": DAMAGED})
    await library.refresh()
    await library.refresh()
    assert await failures() == {"a.txt": 1, "d/b.txt": 1, "d/c.txt": 1}
    library.write({"a.txt": "mended", "d/b.txt": "mended"})
    (library.root / "d" / "c.txt").unlink()
    await library.refresh(below="d")
    assert await failures() == {"a.txt": 1}
    await library.refresh()
    assert await failures() == {}


async def test_what_concerns_all_files_ends_the_run_with_its_own_error(
    library: Library, database: Database
) -> None:
    class NoParsers:
        async def parse(self, content: bytes, *, file_name: str) -> Any:
            raise ParsersUnavailableError("the parser processes end as soon as they start")

    library.write({f"{n}.txt": "text" for n in range(10)})
    object.__setattr__(library.pipeline, "parser", NoParsers())
    with pytest.raises(ParsersUnavailableError, match="as soon as they start"):
        await library.refresh()
    state = await find_source(database, library.record.id)
    assert state.last_error == "the parser processes end as soon as they start"


async def test_changed_readers_reach_documents_that_did_not_change(
    library: Library, database: Database
) -> None:
    library.write({"a.txt": "one", "b.txt": "two"})
    await library.refresh()
    library.write({"b.txt": "two more"})
    again = await open_library(database, library.root, readers=["group:hr"])
    assert outcome(await again.refresh()) == {"updated": 1, "unchanged": 1}
    assert {document.readers for document in (await indexed(database)).values()} == {("group:hr",)}


async def test_what_a_file_said_before_is_not_opened_to_new_readers(
    library: Library, database: Database
) -> None:
    """A folder is opened when its files are fit for it: not what the index has of them from before that."""
    before = await open_library(database, library.root, readers=["user:ann"])
    names = ("same", "mended", "spoilt", "touched", "deleted", "moved")
    before.write({f"{name}.txt": f"{name} salary" for name in names})
    await before.refresh()
    again = await open_library(database, library.root, readers=["public"])
    again.write({"mended.txt": "no pay", "spoilt.txt": f"no pay {UNLUCKY}"})
    (library.root / "deleted.txt").unlink()
    (library.root / "moved.txt").rename(library.root / "elsewhere.txt")
    os.utime(library.root / "touched.txt", ns=(1, 1))
    readable: set[str] = set()

    async def look() -> None:
        readable.update(await texts_for(database, "public"))

    again.embedder.before = look
    report = await again.refresh(in_flight=1)
    assert (report.updated, report.renamed, report.unchanged, report.removed) == (1, 1, 2, 1)
    assert [failed.path for failed in report.failed] == ["spoilt.txt"]
    assert readable == {"same.txt: same salary", "elsewhere.txt: moved salary", "mended.txt: no pay"}
    assert await texts_for(database, "public") == {
        "same.txt: same salary",
        "elsewhere.txt: moved salary",
        "touched.txt: touched salary",
        "mended.txt: no pay",
    }
    # As soon as it can be read, it is opened like the others; what is gone stays with those who could read it.
    again.write({"spoilt.txt": "no pay"})
    await again.refresh()
    assert "spoilt.txt: no pay" in await texts_for(database, "public")
    closed = await texts_for(database, "user:ann") - await texts_for(database, "public")
    assert closed == {"mended.txt: mended salary", "spoilt.txt: spoilt salary", "deleted.txt: deleted salary"}


async def test_readers_that_are_taken_away_are_gone_before_anything_else_is_done(
    library: Library, database: Database
) -> None:
    library.write({"a.txt": "one", "b.txt": "two", "c.txt": "three"})
    await library.refresh()
    again = await open_library(database, library.root, readers=["group:hr"])
    again.write({"a.txt": "one more"})
    (library.root / "b.txt").unlink()
    readable: set[str] = set()

    async def look() -> None:
        readable.update(await texts_for(database, "public"))

    again.embedder.before = look
    await again.refresh(in_flight=1)
    assert readable == set()


async def texts_for(database: Database, principal: str) -> set[str]:
    """The texts that a caller gets to read, current and former ones, with the paths of their documents."""
    scope = Scope.of([principal])
    texts = set()
    for row in await database.fetch_all("SELECT document_id, revision FROM revisions"):
        with suppress(NotFoundError):
            document = await find_document(database, row["document_id"], scope=scope)
            revision = await find_revision(
                database, row["document_id"], revision=row["revision"], scope=scope
            )
            texts.add(f"{document.path}: {revision.text}")
    return texts


async def test_progress_hears_of_every_file_once(library: Library) -> None:
    library.write({"a.txt": "one", "b.txt": "two", "c.txt": DAMAGED})
    await library.refresh()
    library.write({"a.txt": "one more", "d.txt": "new"})
    os.utime(library.root / "b.txt", ns=(1, 1))
    told = Told()
    await refresh_source(
        library.pipeline, library.source, library.record, progress=told, policy=RefreshPolicy()
    )
    # c.txt failed for good in the first run, and has not changed since.
    assert told.files == 3
    assert told.outcomes == {"a.txt": "updated", "b.txt": "unchanged", "d.txt": "added"}


async def test_the_state_of_a_source_shows_its_last_run(library: Library, database: Database) -> None:
    library.write({"a.txt": "one", "b.txt": DAMAGED})
    report = await library.refresh()
    state = await find_source(database, library.record.id)
    assert state.last_report == report.as_json()
    assert state.last_started is not None
    assert state.last_finished is not None
    assert state.last_started <= state.last_finished
    assert state.documents == 1


async def test_two_runs_at_once_give_the_index_of_one(dsn: str, tmp_path: Path) -> None:
    root = tmp_path / "library"
    root.mkdir()
    async with Database(dsn, max_connections=4) as one, Database(dsn, max_connections=4) as other:
        first, second = await open_library(one, root), await open_library(other, root)
        first.write({f"{n}.txt": f"text number {n}\n\n" + f"word{n} " * 50 for n in range(20)})
        assert await both(first, second) == {"added": 20, "unchanged": 20}
        for n in range(10):
            (root / f"{n}.txt").unlink()
        first.write({f"{n}.txt": f"changed text number {n}" for n in range(10, 15)})
        first.write({f"new{n}.txt": f"new text {n}" for n in range(5)})
        assert (await both(first, second))["added"] == 5
        together = await indexed(one)
        assert len(together) == 15
        assert together["12.txt"].text == "changed text number 12"
        assert outcome(await first.refresh()) == {"unchanged": 15}
        await (await open_library(one, root, collection="fresh")).refresh()
        assert await indexed(one, "fresh") == together


async def both(first: Library, second: Library) -> dict[str, Any]:
    """Refresh twice at once; what both did together."""
    return outcome(add_up(await asyncio.gather(first.refresh(in_flight=4), second.refresh(in_flight=4))))


@pytest.fixture
def outage(dsn: str, postgres_dsn: str) -> Callable[[bool], None]:
    """Take the test's database away, or give it back."""
    name = sql.Identifier(str(conninfo_to_dict(dsn)["dbname"]))

    def set_away(away: bool) -> None:
        with psycopg.connect(postgres_dsn, autocommit=True) as connection:
            allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
            connection.execute(allow.format(name, sql.SQL("false" if away else "true")))
            if away:
                terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
                connection.execute(terminate, (conninfo_to_dict(dsn)["dbname"],))

    return set_away


async def test_after_an_outage_in_mid_run_the_next_run_completes(
    dsn: str, tmp_path: Path, outage: Callable[[bool], None]
) -> None:
    root = tmp_path / "library"
    root.mkdir()
    async with Database(dsn, max_connections=4, connect_timeout_s=1) as database:
        library = await open_library(database, root)
        library.write({f"{n:02}.txt": f"text number {n}" for n in range(20)})

        gone = False

        async def go_away() -> None:
            nonlocal gone
            if len(library.embedder.embedded) >= 10 and not gone:
                gone = True
                await asyncio.to_thread(outage, True)

        library.embedder.before = go_away
        with pytest.raises(DatabaseUnavailableError, match="cannot be reached or went away"):
            await library.refresh()
    outage(False)
    async with Database(dsn, max_connections=4) as database:
        before = await indexed(database)
        assert 0 < len(before) < 20
        report = await (await open_library(database, root)).refresh()
        assert outcome(report) == {"added": 20 - len(before), "unchanged": len(before)}
        after = await indexed(database)
        assert [document.text for document in after.values()] == [f"text number {n}" for n in range(20)]


async def test_an_outage_in_mid_run_is_waited_out(
    dsn: str, tmp_path: Path, outage: Callable[[bool], None]
) -> None:
    root = tmp_path / "library"
    root.mkdir()
    pauses = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 5:
            await asyncio.to_thread(outage, False)
        await asyncio.sleep(0.01)

    async with Database(dsn, max_connections=4, connect_timeout_s=1) as database:
        library = await open_library(database, root)
        library.patience = Patience(total_s=60, sleep=sleep)
        library.write({f"{n:02}.txt": f"text number {n}" for n in range(20)})

        async def go_away() -> None:
            if len(library.embedder.embedded) == 10 and not pauses:
                library.embedder.before = None
                await asyncio.to_thread(outage, True)

        library.embedder.before = go_away
        assert outcome(await library.refresh()) == {"added": 20}
        assert len(pauses) >= 5
        assert len(await texts(library)) == 20


async def test_a_busy_model_server_is_waited_out_and_ends_the_run_when_it_stays_away(
    library: Library,
) -> None:
    library.write({"a.txt": "one", "b.txt": "two"})
    tries = 0

    async def busy() -> None:
        nonlocal tries
        tries += 1
        if tries <= limit:
            raise ModelUnavailableError("the embedder's server answers 429: too many requests")

    library.embedder.before = busy
    library.patience = Patience(total_s=60, first_s=0.001, longest_s=0.002)
    limit = 6
    assert outcome(await library.refresh()) == {"added": 2}
    library.write({"c.txt": "three"})
    tries, limit = 0, 10**9
    library.patience = Patience(total_s=0)
    with pytest.raises(ModelUnavailableError):
        await library.refresh()
    assert (await texts(library)).keys() == {"a.txt", "b.txt"}


async def test_a_file_that_fails_for_good_is_not_tried_again_until_it_changes(library: Library) -> None:
    library.write({"a.txt": DAMAGED, "b.txt": "   \n", "c.txt": "fine"})
    first = await library.refresh()
    library.source.fetched.clear()
    again = await library.refresh()
    assert library.source.fetched == []
    assert [(f.path, f.error) for f in again.failed] == [(f.path, f.error) for f in first.failed]
    assert ("b.txt", "contains no text") in {(skip.path, skip.reason) for skip in again.skipped}
    assert (await library.refresh(retry_failed=True)).failed == again.failed
    assert sorted(library.source.fetched) == ["a.txt", "b.txt"]
    library.write({"a.txt": "mended", "b.txt": "words"})
    assert outcome(await library.refresh()) == {"added": 2, "unchanged": 1}


async def test_a_text_that_is_emptied_takes_its_document_out(library: Library) -> None:
    library.write({"a.txt": "one"})
    await library.refresh()
    library.write({"a.txt": " \n "})
    report = await library.refresh()
    assert (report.removed, report.failed, [skip.path for skip in report.skipped]) == (1, [], ["a.txt"])


async def test_an_empty_folder_on_another_file_system_is_a_mount_that_is_away(
    library: Library, database: Database
) -> None:
    library.write({"a.txt": "one"})
    await library.refresh()
    state = await find_source(database, library.record.id)
    assert state.source.device == library.root.stat().st_dev
    (library.root / "a.txt").unlink()
    library.record = replace(state.source, device=-1)
    with pytest.raises(SourceUnavailableError, match="mount"):
        await library.refresh()
    assert (await texts(library)).keys() == {"a.txt"}
    # On the same file system, its files were deleted.
    library.record = state.source
    assert outcome(await library.refresh()) == {"removed": 1}


@pytest.mark.parametrize("below_the_mount", [".keep", "NOT MOUNTED.txt"])
async def test_a_mount_point_that_says_so_itself_is_a_mount_that_is_away(
    library: Library, database: Database, below_the_mount: str
) -> None:
    library.write({"a.txt": "one"})
    await library.refresh()
    (library.root / "a.txt").unlink()
    library.write({below_the_mount: "the disk is away"})
    there = (await find_source(database, library.record.id)).source
    library.record = replace(there, device=-1)
    with pytest.raises(SourceUnavailableError, match=r"has none of its 1 documents.*mount"):
        await library.refresh()
    assert (await texts(library)).keys() == {"a.txt"}


async def test_a_folder_that_moves_to_another_disk_with_its_files_goes_on(library: Library) -> None:
    library.write({"a.txt": "one", "b.txt": "two"})
    await library.refresh()
    (library.root / "a.txt").unlink()
    library.record = replace(library.record, device=-1)
    assert outcome(await library.refresh()) == {"removed": 1, "unchanged": 1}


async def test_a_run_that_is_cancelled_is_completed_by_the_next(library: Library) -> None:
    library.write({f"{n:02}.txt": f"text number {n}" for n in range(20)})

    half_done = asyncio.Event()

    async def wait_long() -> None:
        if len(library.embedder.embedded) == 10:
            half_done.set()
            await asyncio.sleep(60)

    library.embedder.before = wait_long
    run = asyncio.create_task(library.refresh())
    await half_done.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    library.embedder.before = None
    done = len(await texts(library))
    assert outcome(await library.refresh()) == {"added": 20 - done, "unchanged": done}
    assert len(await texts(library)) == 20


def test_the_sum_of_reports_counts_everything() -> None:
    one = RefreshReport(added=1, updated=2, removed=3, unchanged=4, chunks=5, seconds=0.5)
    one.skipped.append(Skipped(path="a", reason="empty"))
    total = add_up([one, one])
    assert (total.added, total.updated, total.removed, total.unchanged) == (2, 4, 6, 8)
    assert (total.chunks, total.seconds, len(total.skipped), total.failed) == (10, 1.0, 2, [])


@pytest.mark.parametrize("year", [2400, 1600])
async def test_a_file_whose_time_no_database_can_hold_is_taken_in_like_others(
    library: Library, year: int
) -> None:
    library.write({"a.txt": "one", "odd.txt": "from another age", "broken.txt": DAMAGED})
    seconds = int((datetime(year, 1, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    for name in ("odd.txt", "broken.txt"):
        os.utime(library.root / name, ns=(seconds * 10**9, seconds * 10**9))
    report = await library.refresh()
    assert (report.added, [failed.path for failed in report.failed]) == (2, ["broken.txt"])
    assert outcome(await library.refresh())["unchanged"] == 2


async def test_readers_that_are_taken_away_during_a_run_stay_away_when_it_ends(
    library: Library, database: Database
) -> None:
    library.write({"a.txt": "one", "b.txt": "two"})
    await library.refresh()
    library.write({"b.txt": "two more", "c.txt": "three"})
    long_run = await open_library(database, library.root)

    async def close_to_all_but_one_group() -> None:
        long_run.embedder.before = None
        await (await open_library(database, library.root, readers=["group:hr"])).refresh()

    long_run.embedder.before = close_to_all_but_one_group
    await long_run.refresh(in_flight=1)
    assert {document.readers for document in (await indexed(database)).values()} == {("group:hr",)}


async def test_readers_that_are_added_during_a_run_get_nothing_that_it_read_before(
    library: Library, database: Database
) -> None:
    """The file is mended, and only then opened to all: what a run has taken from it by then is for nobody new."""
    library.write({"a.txt": "one", "b.txt": "two"})
    before = await open_library(database, library.root, readers=["group:hr"])
    await before.refresh()
    before.write({"b.txt": "two with a salary"})

    async def open_to_all() -> None:
        before.write({"b.txt": "two without"})
        await database.execute("UPDATE sources SET readers = '{public}'")

    before.embedder.before = open_to_all
    await before.refresh(in_flight=1)
    assert await texts_for(database, "public") == set()
    await (await open_library(database, library.root)).refresh()
    assert await texts_for(database, "public") == {"a.txt: one", "b.txt: two without"}


async def test_what_is_said_of_a_source_during_a_run_holds_when_it_ends(
    library: Library, database: Database
) -> None:
    library.write({"a.txt": "one", "b.txt": "two"})
    await library.refresh()
    library.write({"b.txt": "two more", "c.txt": "three"})

    async def say_something_else() -> None:
        await database.execute('UPDATE sources SET metadata = \'{"team": "legal"}\'')

    library.embedder.before = say_something_else
    await library.refresh(in_flight=1)
    rows = await database.fetch_all("SELECT metadata FROM documents")
    assert [row["metadata"] for row in rows] == [{"team": "legal"}] * 3


async def test_a_reason_that_quotes_what_no_database_takes_is_one_file_s_failure(
    library: Library, database: Database
) -> None:
    library.write({"a.txt": "one", "b.epub": book_without(chapter="gone%00%1B[2J%0A.xhtml")})
    report = await library.refresh()
    assert (report.added, [failed.path for failed in report.failed]) == (1, ["b.epub"])
    [failure] = await list_failures(database)
    assert "(gone\\x00" in failure.error
    assert failure.error.isprintable()
    state = await find_source(database, library.record.id)
    assert state.last_report == report.as_json()


def book_without(*, chapter: str) -> bytes:
    """An EPUB whose one chapter is missing."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr(
            "META-INF/container.xml",
            '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="book.opf"/></rootfiles></container>',
        )
        archive.writestr(
            "book.opf",
            '<package xmlns="http://www.idpf.org/2007/opf"><manifest>'
            f'<item id="a" href="{chapter}" media-type="application/xhtml+xml"/>'
            '</manifest><spine><itemref idref="a"/></spine></package>',
        )
    return content.getvalue()
