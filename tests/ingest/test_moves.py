from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.catalog import KnownDocument, known_documents
from ingest.moves import move_documents
from ingest.plan import Move, RefreshPlan, match_moves, plan_refresh, possible_moves
from ingest.sources import FoundFile, Listing
from retrieval.database import Database
from retrieval.removing import remove_document
from tests.ingest.fakes import Library, indexed, open_library

NAMES = ["a", "b", "c", "d/a", "d/b"]
CONTENTS = ["x", "y", "zz"]


def plan(before: dict[str, str], after: dict[str, str]) -> RefreshPlan:
    """The plan for a folder whose files, by name and content, were all rewritten at a later time."""
    known = {
        path: KnownDocument(
            id=UUID(int=NAMES.index(path)),
            path=path,
            size_bytes=len(content),
            mtime_ns=1,
            content_hash=content.encode(),
            recipe="r",
        )
        for path, content in before.items()
    }
    listing = Listing(
        files=tuple(
            FoundFile(path=path, size_bytes=len(content), mtime_ns=2, locator=content)
            for path, content in sorted(after.items())
        ),
        skipped=(),
        unlisted=(),
    )
    planned = plan_refresh(listing, known, recipe=lambda _: "r")
    # A content is its own hash here.
    return match_moves(planned, {found.path: found.locator.encode() for found in possible_moves(planned)})


def moves(before: dict[str, str], after: dict[str, str]) -> dict[str, str]:
    return {move.document.path: move.found.path for move in plan(before, after).moved}


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        ({"a": "x"}, {"b": "x"}, {"a": "b"}),
        ({"a": "x", "b": "y"}, {"a": "y", "b": "x"}, {"a": "b", "b": "a"}),
        ({"a": "x", "b": "y"}, {"b": "x", "c": "y"}, {"a": "b", "b": "c"}),
        # A copy is no move.
        ({"a": "x"}, {"a": "x", "b": "x"}, {}),
        ({"a": "x"}, {"b": "zz"}, {}),
        # Of two that could be meant, the one of the same name.
        ({"a": "x", "b": "x"}, {"d/b": "x", "c": "x"}, {"b": "d/b", "a": "c"}),
    ],
)
def test_a_document_is_followed_to_where_its_content_went(
    before: dict[str, str], after: dict[str, str], moved: dict[str, str]
) -> None:
    assert moves(before, after) == moved


folders = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(CONTENTS))


@given(before=folders, after=folders)
def test_every_file_and_every_document_has_one_fate_whatever_moved(
    before: dict[str, str], after: dict[str, str]
) -> None:
    planned = plan(before, after)
    files = [
        *(found.path for found in planned.added),
        *(found.path for found, _ in planned.changed),
        *(move.found.path for move in planned.moved),
    ]
    assert sorted(files) == sorted(after)
    documents = [
        *(document.path for _, document in planned.changed),
        *(document.path for document in planned.removed),
        *(move.document.path for move in planned.moved),
    ]
    assert sorted(documents) == sorted(before)
    for move in planned.moved:
        assert after[move.found.path] == before[move.document.path]
        assert after.get(move.document.path) != before[move.document.path]


@pytest.fixture
async def library(database: Database, tmp_path: Path) -> Library:
    root = tmp_path / "library"
    root.mkdir()
    return await open_library(database, root)


async def ids(library: Library) -> dict[str, UUID]:
    known = await known_documents(library.pipeline.database, library.record.id)
    return {path: document.id for path, document in known.items()}


async def test_a_renamed_file_keeps_its_document_and_embeds_nothing(library: Library) -> None:
    library.write({"a.md": "# A title of its own\n\nSome words.", "b.md": "# Another\n\nMore words."})
    await library.refresh()
    before = await ids(library)
    library.embedder.embedded.clear()
    (library.root / "deep").mkdir()
    (library.root / "a.md").rename(library.root / "deep" / "z.md")
    report = await library.refresh()
    assert (report.renamed, report.added, report.removed, report.unchanged) == (1, 0, 0, 1)
    assert await ids(library) == {"deep/z.md": before["a.md"], "b.md": before["b.md"]}
    assert library.embedder.embedded == []
    assert (await library.refresh()).unchanged == 2


async def test_a_file_that_its_name_is_the_title_of_is_made_anew_under_the_same_id(library: Library) -> None:
    library.write({"old name.txt": "Some words."})
    await library.refresh()
    before = await ids(library)
    (library.root / "old name.txt").rename(library.root / "new name.txt")
    report = await library.refresh()
    assert (report.renamed, report.added, report.updated, report.removed) == (1, 0, 0, 0)
    assert await ids(library) == {"new name.txt": before["old name.txt"]}
    assert library.embedder.embedded[-1].startswith("new name")
    assert (await library.refresh()).unchanged == 1


async def test_files_that_exchange_their_names_keep_their_documents(library: Library) -> None:
    library.write({"a.md": "# One\n\nx", "b.md": "# Two\n\ny"})
    await library.refresh()
    before = await ids(library)
    for old, new in (("a.md", "t"), ("b.md", "a.md"), ("t", "b.md")):
        (library.root / old).rename(library.root / new)
    assert (await library.refresh()).renamed == 2
    assert await ids(library) == {"a.md": before["b.md"], "b.md": before["a.md"]}


async def test_a_file_moved_over_another_takes_its_place(library: Library) -> None:
    library.write({"a.md": "# One\n\nx", "b.md": "# Two\n\nmuch more"})
    await library.refresh()
    before = await ids(library)
    (library.root / "a.md").rename(library.root / "b.md")
    report = await library.refresh()
    assert (report.renamed, report.removed) == (1, 1)
    assert await ids(library) == {"b.md": before["a.md"]}
    assert (await indexed(library.pipeline.database))["b.md"].text.startswith("# One")


async def test_a_document_moves_to_where_another_was_removed_before(library: Library) -> None:
    library.write({"a.md": "# One\n\nx", "b.md": "# Two\n\ny"})
    await library.refresh()
    before = await ids(library)
    (library.root / "b.md").unlink()
    await library.refresh()
    (library.root / "a.md").rename(library.root / "b.md")
    assert (await library.refresh()).renamed == 1
    assert await ids(library) == {"b.md": before["a.md"]}


async def test_a_file_that_was_edited_and_renamed_is_a_new_one(library: Library) -> None:
    library.write({"a.md": "# One\n\nx"})
    await library.refresh()
    (library.root / "a.md").unlink()
    library.write({"b.md": "# One\n\nz"})
    report = await library.refresh()
    assert (report.renamed, report.added, report.removed) == (0, 1, 1)


async def test_a_touched_file_and_its_new_copy_stay_apart(library: Library) -> None:
    library.write({"a.md": "# One\n\nx"})
    await library.refresh()
    library.write({"b.md": "# One\n\nx"})
    os.utime(library.root / "a.md", ns=(5, 5))
    report = await library.refresh()
    assert (report.renamed, report.added, report.unchanged) == (0, 1, 1)


async def test_what_another_run_did_in_between_is_left_as_it_is(library: Library) -> None:
    library.write({"a.md": "# One\n\nx", "b.md": "# Two\n\ny"})
    await library.refresh()
    database = library.pipeline.database
    known = await known_documents(database, library.record.id)
    a, b = known["a.md"], known["b.md"]

    def move(document: KnownDocument, path: str) -> Move:
        return Move(
            found=FoundFile(path=path, size_bytes=1, mtime_ns=1, locator=path),
            document=document,
        )

    # b.md is taken, and its document does not leave it.
    assert (await move_documents(database, library.record, [move(a, "b.md")])).done == frozenset()
    # The chain is free only where its end is.
    elsewhere = replace(b, path="moved before.md")
    nothing = await move_documents(database, library.record, [move(a, "b.md"), move(elsewhere, "c.md")])
    assert nothing.done == frozenset()
    assert (await ids(library)).keys() == {"a.md", "b.md"}
    # A document that was moved or published again since is not the one that was to be removed.
    parts = (database, library.pipeline.store, library.pipeline.index)
    assert not await remove_document(*parts, a.id, revision=a.revision, path="moved.md")
    assert not await remove_document(*parts, a.id, revision=a.revision + 1, path="a.md")
    assert await remove_document(*parts, a.id, revision=a.revision, path="a.md")
