from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.chunking import ChunkPolicy
from ingest.pipeline import MAX_TITLE_CHARACTERS, recipe, shorten_title, title_from_path


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
        recipe("a.md", ChunkPolicy()),
        recipe("a.md", ChunkPolicy(max_tokens=100)),
        recipe("a.pdf", ChunkPolicy()),
    }
    assert len(made) == 3
    assert recipe("a.bmp", ChunkPolicy()) is None
