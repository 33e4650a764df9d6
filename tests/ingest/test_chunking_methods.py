"""What is particular to the methods `fixed`, `sentence` and `page`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ingest.chunking import ChunkMethod, ChunkPolicy, chunk_document, semantic
from ingest.parsers import BlockKind, ParsedDocument
from ingest.parsers.text import TextBuilder
from retrieval.records import ChunkDraft
from tests.ingest.tokens import embed_words, words


def document(*blocks: tuple[BlockKind | None, str], header: str | None = None) -> ParsedDocument:
    """A document of these blocks; None stands for a new page."""
    builder = TextBuilder()
    for kind, text in blocks:
        if kind is None:
            builder.start_page()
        else:
            level = 1 if kind == "heading" else None
            builder.append(kind, text, level=level, heading=header if kind == "table" else None)
    return builder.build(title=None, media_type="text/plain")


def cut(
    parsed: ParsedDocument, method: ChunkMethod, *, max_tokens: int, overlap_tokens: int = 0
) -> tuple[ChunkDraft, ...]:
    policy = ChunkPolicy(method=method, max_tokens=max_tokens, overlap_tokens=overlap_tokens)
    return chunk_document(parsed, policy=policy, token_ends=words, embed=embed_words)


def test_fixed_windows_have_the_tokens_asked_for_and_repeat_the_overlap() -> None:
    parsed = document(("paragraph", " ".join(f"w{n}" for n in range(100))))
    chunks = cut(parsed, "fixed", max_tokens=20, overlap_tokens=5)
    assert [chunk.token_count for chunk in chunks[:-1]] == [20] * (len(chunks) - 1)
    for first, second in pairwise(chunks):
        repeated = parsed.text[second.char_start : first.char_end]
        assert len(words(repeated)) == 5
    assert "".join(chunk.text for chunk in cut(parsed, "fixed", max_tokens=20)).count("w") == 100


def test_a_fixed_window_crosses_headings_and_carries_the_path_where_it_begins() -> None:
    parsed = document(
        ("heading", "One"), ("paragraph", "a " * 12), ("heading", "Two"), ("paragraph", "b " * 12)
    )
    first, second = cut(parsed, "fixed", max_tokens=16)
    assert first.text.startswith("One\n\na a")
    assert first.headings == ()
    assert second.headings == ("Two",)


def test_a_fixed_window_ends_between_rows_and_the_next_carries_the_header_row() -> None:
    rows = ["name | price", *(f"thing {n} | {n} euros" for n in range(12))]
    first, *others = cut(document(("table", "\n".join(rows)), header=rows[0]), "fixed", max_tokens=30)
    assert first.headings == ()
    assert {chunk.headings for chunk in others} == {("name | price",)}
    for chunk in (first, *others):
        assert set(chunk.text.split("\n")) <= set(rows)


def test_sentences_are_grouped_by_what_they_are_about() -> None:
    topics = ["apples are all around", "boats brought by bargemen", "cold coffee can cheer"]
    sentences = [f"{topic.capitalize()}." for topic in topics for _ in range(8)]
    chunks = cut(document(("paragraph", " ".join(sentences))), "sentence", max_tokens=80)
    assert [chunk.text.split()[0] for chunk in chunks] == ["Apples", "Boats", "Cold"]


def test_a_group_that_is_too_long_ends_at_its_most_distant_gap() -> None:
    sentences = ["Apples are all around."] * 5 + ["Boats brought by bargemen."] * 5
    first, second = cut(document(("paragraph", " ".join(sentences))), "sentence", max_tokens=40)
    assert "Boats" not in first.text
    assert "Apples" not in second.text


def test_a_short_document_is_one_chunk_whatever_it_is_about() -> None:
    assert len(cut(document(("paragraph", "Apples are red. Boats are wet.")), "sentence", max_tokens=80)) == 1


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 9))
def test_distances_are_those_of_all_sentences_embedded_at_once(count: int, batch: int) -> None:
    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        rows = np.stack([np.random.default_rng(int(text)).normal(size=8) for text in texts])
        unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return unit

    texts = [str(number) for number in range(count)]
    assert np.allclose(
        semantic.gap_distances(texts, embed, batch=batch),
        semantic.gap_distances(texts, embed, batch=1000),
        atol=1e-6,
    )


def test_a_page_is_a_chunk_with_the_headings_on_it_and_the_path_above_it() -> None:
    parsed = document(
        (None, ""),
        ("heading", "One"),
        ("paragraph", "First page."),
        (None, ""),
        ("paragraph", "Second page."),
        ("heading", "Two"),
        ("paragraph", "Its end."),
    )
    assert [(chunk.headings, chunk.text) for chunk in cut(parsed, "page", max_tokens=50)] == [
        ((), "One\n\nFirst page."),
        (("One",), "Second page.\n\nTwo\n\nIts end."),
    ]


def test_a_paragraph_that_runs_over_a_page_is_cut_there_and_a_long_page_into_few() -> None:
    parsed = document(
        (None, ""), ("paragraph", "One two three. Four five six."), (None, ""), ("paragraph", "x " * 30)
    )
    middle = parsed.text.index("Four")
    parsed = ParsedDocument(
        text=parsed.text, blocks=parsed.blocks, page_starts=(0, middle, parsed.page_starts[1])
    )
    chunks = cut(parsed, "page", max_tokens=20)
    assert [chunk.text for chunk in chunks[:2]] == ["One two three.", "Four five six."]
    assert [chunk.token_count for chunk in chunks[2:]] == [20, 10]


def test_a_document_without_pages_is_cut_by_sections() -> None:
    parsed = document(("heading", "One"), ("paragraph", "a."), ("heading", "Two"), ("paragraph", "b."))
    assert [chunk.text for chunk in cut(parsed, "page", max_tokens=50)] == ["a.", "b."]
