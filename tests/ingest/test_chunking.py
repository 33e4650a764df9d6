"""Chunks: exact spans, nothing lost, nothing too long, cut where a reader would cut."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.chunking import CHARACTERS_PER_TOKEN, ChunkPolicy, chunk_document
from ingest.parsers import BlockKind, ParsedDocument
from ingest.parsers.markdown import MarkdownParser
from ingest.parsers.text import TextBuilder
from retrieval.embedders import Embedder
from retrieval.records import ChunkDraft


def words(text: str) -> int:
    """A tokenizer like WordPiece: words and signs, a long word in pieces; white space counts nothing."""
    return sum(-(-len(word) // 6) for word in re.findall(r"\w+|[^\w\s]", text))


def pairs_of_characters(text: str) -> int:
    """A tokenizer like byte-level BPE: white space counts, and the whole may count more than its parts."""
    return -(-len(text) // 2)


def chunks_of(
    source: str, *, max_tokens: int = 20, count: Callable[[str], int] = words
) -> tuple[ChunkDraft, ...]:
    parsed = MarkdownParser().parse(source.encode(), file_name="x.md")
    policy = ChunkPolicy(max_tokens=max_tokens)
    chunks = chunk_document(parsed, policy=policy, count_tokens=count)
    assert_exact(parsed, chunks, policy, count)
    return chunks


def assert_exact(
    parsed: ParsedDocument, chunks: tuple[ChunkDraft, ...], policy: ChunkPolicy, count: Callable[[str], int]
) -> None:
    for chunk in chunks:
        assert parsed.text[chunk.char_start : chunk.char_end] == chunk.text
        assert chunk.text == chunk.text.strip() != ""
        assert chunk.token_count == count(chunk.text)
        assert chunk.token_count <= policy.max_tokens or len(chunk.text) == 1
        assert len(chunk.text) <= policy.max_tokens * CHARACTERS_PER_TOKEN
        assert len(chunk.headings) <= policy.max_headings
        assert all(len(heading) <= policy.max_heading_characters for heading in chunk.headings)
    for first, second in pairwise(chunks):
        assert first.char_end <= second.char_start
    covered = {position for chunk in chunks for position in range(chunk.char_start, chunk.char_end)}
    for block in parsed.blocks:
        missing = [
            p
            for p in range(block.char_start, block.char_end)
            if p not in covered and not parsed.text[p].isspace()
        ]
        if block.kind != "heading":
            assert not missing
        elif missing:
            assert block.heading is not None
            assert any(
                block.heading in chunk.headings for chunk in chunks if chunk.char_start >= block.char_end
            )


SIGNS = st.text(st.sampled_from("abc XYZ.!?,\n\t  é日本。…|-\u00a0\U0001f600'\""), min_size=1, max_size=60)
LONG = st.builds(lambda text, times: text * times, SIGNS, st.integers(1, 12))
KINDS: tuple[BlockKind, ...] = ("heading", "paragraph", "list_item", "table", "code")


@st.composite
def documents(draw: st.DrawFn) -> ParsedDocument:
    builder = TextBuilder()
    for _ in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from(KINDS))
        level = draw(st.integers(1, 7)) if kind == "heading" else None
        builder.append(kind, draw(SIGNS if kind == "heading" else LONG), level=level)
    return builder.build(title=None, media_type="text/plain")


@settings(max_examples=150, deadline=None)
@given(documents(), st.integers(1, 40), st.sampled_from([words, pairs_of_characters, len]))
def test_chunks_are_exact_complete_and_within_the_limit(
    parsed: ParsedDocument, max_tokens: int, count: Callable[[str], int]
) -> None:
    policy = ChunkPolicy(max_tokens=max_tokens, max_headings=3, max_heading_characters=40)
    chunks = chunk_document(parsed, policy=policy, count_tokens=count)
    assert_exact(parsed, chunks, policy, count)


@settings(max_examples=50, deadline=None)
@given(documents())
def test_no_chunk_crosses_a_heading(parsed: ParsedDocument) -> None:
    chunks = chunk_document(parsed, policy=ChunkPolicy(max_tokens=1000), count_tokens=words)
    for heading in (block for block in parsed.blocks if block.kind == "heading"):
        for chunk in chunks:
            own = (chunk.char_start, chunk.char_end) == (heading.char_start, heading.char_end)
            assert own or chunk.char_end <= heading.char_start or chunk.char_start >= heading.char_end


def test_headings_are_the_path_above_and_not_in_the_text() -> None:
    chunks = chunks_of("intro\n\n# A\n\na\n\n## B\n\nb\n\n### C\n\nc\n\n## D\n\nd\n\n# E\n\ne")
    assert [(chunk.headings, chunk.text) for chunk in chunks] == [
        ((), "intro"),
        (("A",), "a"),
        (("A", "B"), "b"),
        (("A", "B", "C"), "c"),
        (("A", "D"), "d"),
        (("E",), "e"),
    ]


def test_a_heading_with_nothing_below_it_is_a_chunk_of_its_own() -> None:
    chunks = chunks_of("# A\n\n## B\n\n## C\n\nc\n\n# D\n\n## E")
    assert [(chunk.headings, chunk.text) for chunk in chunks] == [
        (("A",), "## B"),
        (("A", "C"), "c"),
        (("D",), "## E"),
    ]


def test_an_absurdly_long_heading_is_cut_in_the_path_and_kept_in_the_text() -> None:
    heading = ("very " * 60).strip()
    chunks = chunks_of(f"# {heading}\n\nbody", max_tokens=400)
    assert [chunk.text for chunk in chunks] == [f"# {heading}\n\nbody"]
    (path,) = chunks[0].headings
    assert len(path) == 200
    assert path.endswith("…")


def test_the_innermost_headings_are_kept_when_there_are_too_many() -> None:
    builder = TextBuilder()
    for level in range(1, 9):
        builder.append("heading", f"h{level}", level=level)
    builder.append("paragraph", "body")
    parsed = builder.build(title=None, media_type="text/plain")
    (chunk,) = chunk_document(parsed, policy=ChunkPolicy(), count_tokens=words)
    assert chunk.headings == ("h3", "h4", "h5", "h6", "h7", "h8")


def test_small_blocks_are_packed_and_cut_between() -> None:
    items = [f"- item {number} of the list" for number in range(8)]
    chunks = chunks_of("\n".join(items), max_tokens=20)
    assert [chunk.text for chunk in chunks] == ["\n".join(items[start : start + 3]) for start in (0, 3, 6)]


def test_a_table_row_and_a_code_line_stay_whole() -> None:
    rows = ["| name | price |", "|------|-------|", *(f"| thing {n} | {n} euros |" for n in range(12))]
    for chunk in chunks_of("\n".join(rows), max_tokens=30):
        assert set(chunk.text.split("\n")) <= set(rows)
    code = ["```", *(f"call(argument_{n}, other)" for n in range(12)), "```"]
    for chunk in chunks_of("\n".join(code), max_tokens=30):
        assert set(chunk.text.split("\n")) <= set(code)


def test_a_large_paragraph_is_cut_at_sentences_not_at_line_ends() -> None:
    sentence = "The quick brown fox jumps\nover the lazy dog, e.g. twice a day."
    for chunk in chunks_of(" ".join([sentence] * 9), max_tokens=40):
        assert chunk.text.startswith("The quick")
        assert chunk.text.endswith("a day.")


@pytest.mark.parametrize("word", ["A" * 5000, "0123456789abcdef/" * 400, "日本国憲法" * 800])
def test_an_endless_word_is_cut_by_characters(word: str) -> None:
    chunks = chunks_of(word, max_tokens=32)
    assert "".join(chunk.text for chunk in chunks) == word
    assert max(len(chunk.text) for chunk in chunks) > 32


def test_an_empty_document_has_no_chunks() -> None:
    empty = ParsedDocument(text="", blocks=())
    assert chunk_document(empty, policy=ChunkPolicy(), count_tokens=words) == ()


def test_the_policy_names_everything_that_changes_the_cut() -> None:
    assert str(ChunkPolicy()) != str(replace(ChunkPolicy(), max_tokens=128))
    assert "recursive/1" in str(ChunkPolicy())


def test_counting_grows_with_the_text_and_no_faster() -> None:
    counted = 0

    def count(text: str) -> int:
        nonlocal counted
        counted += len(text)
        return words(text)

    per_character = []
    for size in (20_000, 200_000):
        for source in ("word and another. " * (size // 18), "line of a log\n" * (size // 14), "x" * size):
            counted = 0
            parsed = ParsedDocument(
                text=source, blocks=MarkdownParser().parse(source.encode(), file_name="x").blocks
            )
            chunk_document(parsed, policy=ChunkPolicy(max_tokens=64), count_tokens=count)
            per_character.append(counted / size)
    assert max(per_character) < 4


def test_chunks_fit_the_real_embedder(embedder: Embedder) -> None:
    source = (
        "# Prices\n\n" + "The premium plan costs 49 € a month, billed yearly; a refund takes 14 days.\n" * 60
    )
    parsed = MarkdownParser().parse(source.encode(), file_name="x.md")
    chunks = chunk_document(parsed, policy=ChunkPolicy(), count_tokens=embedder.count_tokens)
    assert_exact(parsed, chunks, ChunkPolicy(), embedder.count_tokens)
    assert max(chunk.token_count for chunk in chunks) > 200
    assert all(
        embedder.count_tokens(chunk.embedding_text("Handbook")) + 2 <= embedder.max_tokens for chunk in chunks
    )
