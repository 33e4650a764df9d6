from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from ingest.catalog import (
    SourceRecord,
    documents_with_other_readers,
    ensure_source,
    find_source,
    finish_run,
    known_documents,
    list_sources,
    remove_source,
    set_schedule,
    start_run,
    touch_document,
)
from ingest.failures import list_failures
from retrieval.collections import ensure_collection
from retrieval.database import Database
from retrieval.errors import NotFoundError
from retrieval.readers import set_readers
from retrieval.removing import remove_document
from tests.ingest.fakes import DAMAGED, Library, open_library


async def make_source(
    database: Database,
    path: str = "/papers",
    *,
    collection: str = "default",
    include: list[str] | None = None,
    readers: list[str] | None = None,
) -> SourceRecord:
    return await ensure_source(
        database,
        await ensure_collection(database, collection),
        Path(path),
        include=include,
        readers=readers,
        default_readers=["public"],
    )


@pytest.fixture
async def library(database: Database, tmp_path: Path) -> Library:
    (tmp_path / "library").mkdir()
    made = await open_library(database, tmp_path / "library")
    made.write({"a.txt": "one", "b.txt": "two", "d/c.txt": "three"})
    await made.refresh()
    return made


async def test_a_place_is_one_source_however_often_it_is_named(database: Database) -> None:
    first = await make_source(database)
    assert await make_source(database) == first
    assert (await make_source(database, collection="other")).id != first.id
    assert (await make_source(database, "/papers/")).id == first.id
    assert first.readers == ("public",)
    assert first.spec.location == "/papers"


async def test_what_is_not_said_stays_and_what_is_said_replaces(database: Database) -> None:
    await make_source(database, include=["*.md", "*.txt"], readers=["group:hr"])
    kept = await make_source(database)
    assert (kept.include, kept.readers) == (("*.md", "*.txt"), ("group:hr",))
    changed = await make_source(database, include=[], readers=["user:ann"])
    assert (changed.include, changed.readers) == ((), ("user:ann",))


async def test_sources_are_listed_by_collection_and_place(database: Database) -> None:
    for collection, path in (("b", "/z"), ("a", "/y"), ("a", "/x")):
        await make_source(database, path, collection=collection)
    states = await list_sources(database)
    assert [(state.collection, state.source.location) for state in states] == [
        ("a", "/x"),
        ("a", "/y"),
        ("b", "/z"),
    ]
    [only] = await list_sources(database, collection="b")
    assert only.source.location == "/z"
    assert await list_sources(database, collection="nowhere") == []


async def test_an_unknown_source_is_not_found(database: Database) -> None:
    await make_source(database)
    with pytest.raises(NotFoundError, match=r"there is no source .* `footnote sources list`"):
        await find_source(database, uuid4())


async def test_a_schedule_is_set_and_taken_back(database: Database) -> None:
    source = await make_source(database)
    due = datetime(2026, 3, 1, 12, tzinfo=UTC)
    await set_schedule(database, source.id, schedule="0 12 * * *", next_due=due)
    state = await find_source(database, source.id)
    assert (state.source.schedule, state.next_due) == ("0 12 * * *", due)
    await set_schedule(database, source.id, schedule=None, next_due=None)
    state = await find_source(database, source.id)
    assert (state.source.schedule, state.next_due) == (None, None)
    # To name the source again does not touch its schedule.
    await set_schedule(database, source.id, schedule="0 12 * * *", next_due=due)
    assert (await make_source(database)).schedule == "0 12 * * *"


async def test_a_run_is_noted_when_it_begins_and_how_it_ends(database: Database) -> None:
    source = await make_source(database)
    fresh = await find_source(database, source.id)
    assert (fresh.last_started, fresh.last_finished, fresh.last_report) == (None, None, None)
    await start_run(database, source.id)
    assert (await find_source(database, source.id)).last_finished is None
    await finish_run(database, source.id, report={"added": 1}, error=None)
    done = await find_source(database, source.id)
    assert (done.last_report, done.last_error) == ({"added": 1}, None)
    await finish_run(database, source.id, report=None, error="the folder is away")
    assert (await find_source(database, source.id)).last_error == "the folder is away"


async def test_known_are_the_documents_that_answer(library: Library, database: Database) -> None:
    known = await known_documents(database, library.record.id)
    assert known.keys() == {"a.txt", "b.txt", "d/c.txt"}
    assert known["a.txt"].size_bytes == 3
    assert known["a.txt"].mtime_ns == (library.root / "a.txt").stat().st_mtime_ns
    await remove_document(database, library.pipeline.store, library.pipeline.index, known["a.txt"].id)
    assert (await known_documents(database, library.record.id)).keys() == {"b.txt", "d/c.txt"}
    assert await known_documents(database, uuid4()) == {}


async def test_a_touched_file_is_known_by_its_new_time(library: Library, database: Database) -> None:
    before = (await known_documents(database, library.record.id))["a.txt"]
    await touch_document(database, before, size_bytes=3, mtime_ns=2**62)
    after = (await known_documents(database, library.record.id))["a.txt"]
    assert (after.mtime_ns, after.content_hash) == (2**62, before.content_hash)


async def test_documents_with_other_readers_than_their_sources_are_found(
    library: Library, database: Database
) -> None:
    assert await documents_with_other_readers(database, library.record.id) == []
    for_hr = await make_source(database, str(library.root), readers=["group:hr", "user:ann"])
    ids = {document.id for document in (await known_documents(database, library.record.id)).values()}
    others = await documents_with_other_readers(database, for_hr.id)
    assert {(other.id, other.readers, other.is_removed) for other in others} == {
        (document_id, ("public",), False) for document_id in ids
    }
    for document_id in ids:
        await set_readers(
            database, library.pipeline.store, library.pipeline.index, document_id, for_hr.readers
        )
    assert await documents_with_other_readers(database, for_hr.id) == []


async def test_a_source_takes_over_the_sources_inside_of_it(library: Library, database: Database) -> None:
    outer = await ensure_source(
        database,
        await ensure_collection(database, "default"),
        library.root.parent,
        default_readers=["public"],
        taking_over=[(library.record.id, "library/")],
    )
    known = await known_documents(database, outer.id)
    assert known.keys() == {"library/a.txt", "library/b.txt", "library/d/c.txt"}
    assert [state.source.id for state in await list_sources(database)] == [outer.id]


async def test_a_forgotten_source_takes_everything_with_it(library: Library, database: Database) -> None:
    library.write({"bad.txt": DAMAGED})
    await library.refresh()
    assert await list_failures(database)
    await remove_source(database, library.record.id)
    assert await list_failures(database) == []
    for table in ("sources", "documents", "revisions", "chunks", "chunk_places"):
        row = await database.fetch_one(f"SELECT count(*) AS n FROM {table}")
        assert row == {"n": 0}, table
