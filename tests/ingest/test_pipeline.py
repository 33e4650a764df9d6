from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.catalog import known_documents
from ingest.chunking import ChunkPolicy
from ingest.errors import FileTooLargeError, ParseError
from ingest.parsers import ParserPolicy
from ingest.pipeline import Indexed, recipe
from ingest.titles import MAX_TITLE_CHARACTERS, shorten_title, title_from_path
from retrieval.database import Database
from retrieval.errors import ModelError
from tests.ingest.fakes import DAMAGED, MAX_FILE_BYTES, UNLUCKY, Library, indexed, open_library


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("people/paid-leave_2026.md", "paid leave 2026"),
        ("a.b.txt", "a.b"),
        ("caf%E9.txt", "caf%E9"),
        ("--.txt", ""),
    ],
)
def test_a_document_without_a_title_is_called_by_its_file(path: str, title: str) -> None:
    assert title_from_path(path) == title


@given(st.text(max_size=2 * MAX_TITLE_CHARACTERS))
def test_a_title_is_cut_only_where_it_is_too_long(title: str) -> None:
    short = shorten_title(title)
    assert len(short) <= MAX_TITLE_CHARACTERS
    assert (short == title) == (len(title) <= MAX_TITLE_CHARACTERS)
    assert title.startswith(short.removesuffix("…") if short != title else title)


def test_a_recipe_changes_with_the_parser_and_the_way_of_cutting() -> None:
    made = {
        recipe("a.md", ParserPolicy(), ChunkPolicy()),
        recipe("a.md", ParserPolicy(), ChunkPolicy(max_tokens=100)),
        recipe("a.pdf", ParserPolicy(), ChunkPolicy()),
    }
    assert len(made) == 3
    assert recipe("a.bmp", ParserPolicy(), ChunkPolicy()) is None


@pytest.fixture
async def library(database: Database, tmp_path: Path) -> Library:
    (tmp_path / "library").mkdir()
    return await open_library(database, tmp_path / "library")


async def index(library: Library, name: str) -> Indexed:
    """Send one file through the pipeline, as a run would that knows what the catalog knows."""
    [found] = library.source.discover(below=name).files
    known = await known_documents(library.pipeline.database, library.record.id)
    return await library.pipeline.index_file(library.source, library.record, found, known.get(found.path))


async def test_a_file_is_new_then_the_same_then_another(library: Library) -> None:
    library.write({"a.md": "# Leave\n\nEveryone has 28 days.\n"})
    assert await index(library, "a.md") == Indexed(outcome="added", chunks=1)
    assert await index(library, "a.md") == Indexed(outcome="unchanged", chunks=0)
    library.write({"a.md": "# Leave\n\nEveryone has 30 days.\n\n# Hotels\n\nUp to 140 euros.\n"})
    assert await index(library, "a.md") == Indexed(outcome="updated", chunks=2)
    document = (await indexed(library.pipeline.database))["a.md"]
    assert document.chunks == ("Everyone has 30 days.", "Up to 140 euros.")


async def test_what_is_embedded_carries_title_and_headings_and_what_is_cited_does_not(
    library: Library,
) -> None:
    library.write({"a.md": "# Leave\n\n## Carry-over\n\nFive days.\n"})
    await index(library, "a.md")
    assert library.embedder.embedded == ["Leave\nCarry-over\nFive days."]
    assert (await indexed(library.pipeline.database))["a.md"].chunks == ("Five days.",)


async def test_a_title_that_is_a_whole_text_does_not_drown_the_chunks(library: Library) -> None:
    library.write({"a.html": f"<title>{'word ' * 10_000}</title><p>Five days.</p>"})
    await index(library, "a.html")
    [embedded] = library.embedder.embedded
    assert len(embedded) <= MAX_TITLE_CHARACTERS + len("\nFive days.")


async def test_the_same_text_twice_is_embedded_once_and_cited_at_both_places(library: Library) -> None:
    clause = "same " * 18
    library.write({"a.txt": f"{clause}\n\n{'other ' * 18}\n\n{clause}"})
    assert (await index(library, "a.txt")).chunks == 3
    assert len(library.embedder.embedded) == 2
    first, _, last = (await indexed(library.pipeline.database))["a.txt"].chunks
    assert first == last


async def test_a_document_published_by_another_run_in_between_is_prepared_again(
    library: Library, database: Database
) -> None:
    """Both runs mean to keep a chunk; the other one takes it away while this one embeds."""
    kept, new, other = "kept " * 18, "new " * 18, "other " * 18
    library.write({"a.txt": f"{kept}\n\n{'old ' * 18}"})
    await index(library, "a.txt")
    library.write({"a.txt": f"{kept}\n\n{new}"})
    [found] = library.source.discover().files
    known = (await known_documents(database, library.record.id))["a.txt"]
    rival = await open_library(database, library.root)
    times = 0

    async def publish_another() -> None:
        nonlocal times
        times += 1
        if times == 1:
            (library.root / "a.txt").write_text(other)
            await index(rival, "a.txt")
            (library.root / "a.txt").write_text(f"{kept}\n\n{new}")

    library.embedder.before = publish_another
    library.embedder.embedded.clear()
    done = await library.pipeline.index_file(library.source, library.record, found, known)
    assert (done.outcome, times) == ("updated", 2)
    assert [text.split()[-1] for text in library.embedder.embedded] == ["new", "kept", "new"]
    assert (await indexed(database))["a.txt"].chunks == (kept.strip(), new.strip())


async def test_a_file_that_fails_leaves_nothing_behind(library: Library, database: Database) -> None:
    library.write({"a.txt": DAMAGED, "b.txt": UNLUCKY, "c.txt": b"x" * (MAX_FILE_BYTES + 1)})
    for name, error in (("a.txt", ParseError), ("b.txt", ModelError), ("c.txt", FileTooLargeError)):
        with pytest.raises(error):
            await index(library, name)
    assert await known_documents(database, library.record.id) == {}
    assert await database.fetch_all("SELECT id FROM documents") == []
