"""Chunks of every method: exact spans, nothing lost, nothing too long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.chunking import VERSIONS, ChunkMethod, ChunkPolicy, TokenEnds, chunk_document
from ingest.chunking.measuring import CHARACTERS_PER_TOKEN
from ingest.parsers import Block, BlockKind, ParsedDocument
from ingest.parsers.markup.markdown import MarkdownParser
from ingest.parsers.text import TextBuilder
from retrieval.embedders import Embedder
from retrieval.records import ChunkDraft
from tests.ingest.tokens import embed_words, pairs_of_characters, utf8_bytes, words

METHODS: Sequence[ChunkMethod] = tuple(VERSIONS)
KINDS: tuple[BlockKind, ...] = ("heading", "paragraph", "list_item", "table", "code")
SIGNS = st.text(st.sampled_from("abc XYZ.!?:,\n\t  é日本。…|-\u00a0\U0001f600'\""), min_size=1, max_size=60)
LONG = st.builds(lambda text, times: text * times, SIGNS, st.integers(1, 12))


@st.composite
def documents(draw: st.DrawFn) -> ParsedDocument:
    builder = TextBuilder()
    for _ in range(draw(st.integers(0, 12))):
        for _ in range(draw(st.integers(0, 2))):
            builder.start_page()
        kind = draw(st.sampled_from(KINDS))
        level = draw(st.integers(1, 7)) if kind == "heading" else None
        header = draw(st.none() | st.just("the | header")) if kind == "table" else None
        builder.append(kind, draw(SIGNS if kind == "heading" else LONG), level=level, heading=header)
    return builder.build(title=None, media_type="text/plain")


@st.composite
def policies(draw: st.DrawFn) -> ChunkPolicy:
    max_tokens = draw(st.integers(1, 40))
    return ChunkPolicy(
        method=draw(st.sampled_from(METHODS)),
        max_tokens=max_tokens,
        overlap_tokens=draw(st.integers(0, (max_tokens - 1) // 2)),
        even_out=draw(st.booleans()),
        max_headings=3,
        max_heading_characters=40,
    )


def assert_exact(
    parsed: ParsedDocument, chunks: Sequence[ChunkDraft], policy: ChunkPolicy, token_ends: TokenEnds
) -> None:
    ends = token_ends(parsed.text)
    for chunk in chunks:
        assert parsed.text[chunk.char_start : chunk.char_end] == chunk.text
        assert chunk.text == chunk.text.strip() != ""
        tokens = sum(chunk.char_start < end <= chunk.char_end for end in ends)
        assert chunk.token_count == max(1, tokens)
        assert tokens <= policy.max_tokens or len(chunk.text) == 1
        assert len(chunk.text) <= policy.max_tokens * CHARACTERS_PER_TOKEN
        assert len(chunk.headings) <= policy.max_headings
        assert all(len(heading) <= policy.max_heading_characters for heading in chunk.headings)
    repeats = policy.overlap_tokens > 0 and policy.method in {"recursive", "fixed"}
    for first, second in pairwise(chunks):
        assert first.char_start < second.char_start
        assert first.char_end < second.char_end
        assert first.char_end <= second.char_start or repeats
    assert_complete(parsed, chunks)


def assert_complete(parsed: ParsedDocument, chunks: Sequence[ChunkDraft]) -> None:
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


@settings(max_examples=150, deadline=None)
@given(documents(), policies(), st.sampled_from([words, pairs_of_characters, utf8_bytes]))
def test_chunks_are_exact_complete_and_within_the_limit(
    parsed: ParsedDocument, policy: ChunkPolicy, token_ends: TokenEnds
) -> None:
    chunks = chunk_document(parsed, policy=policy, token_ends=token_ends, embed=embed_words)
    assert_exact(parsed, chunks, policy, token_ends)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("word", ["A" * 5000, "0123456789abcdef/" * 400, "日本国憲法" * 800])
def test_an_endless_word_is_cut_by_its_tokens(word: str, method: ChunkMethod) -> None:
    builder = TextBuilder()
    builder.append("paragraph", word)
    parsed = builder.build(title=None, media_type="text/plain")
    policy = ChunkPolicy(method=method, max_tokens=32)
    chunks = chunk_document(parsed, policy=policy, token_ends=words, embed=embed_words)
    assert_exact(parsed, chunks, policy, words)
    assert "".join(chunk.text for chunk in chunks) == word
    assert max(len(chunk.text) for chunk in chunks) >= 32


@pytest.mark.parametrize("method", METHODS)
def test_an_empty_document_has_no_chunks(method: ChunkMethod) -> None:
    for empty in (ParsedDocument(text="", blocks=()), ParsedDocument(text="", blocks=(), page_starts=(0, 0))):
        policy = ChunkPolicy(method=method)
        assert chunk_document(empty, policy=policy, token_ends=words, embed=embed_words) == ()


@pytest.mark.parametrize("method", METHODS)
def test_a_document_is_tokenised_once(method: ChunkMethod) -> None:
    for source in (
        "word and another. " * 3000,
        "line of a log\n" * 4000,
        "x" * 60_000,
        "".join(f"line {n}\n{'same' * (n % 2)}\n" for n in range(5000)),
    ):
        counted = 0

        def token_ends(text: str) -> list[int]:
            nonlocal counted
            counted += len(text)
            return words(text)

        block = Block(kind="paragraph", char_start=0, char_end=len(source))
        chunk_document(
            ParsedDocument(text=source, blocks=(block,)),
            policy=ChunkPolicy(method=method, max_tokens=64),
            token_ends=token_ends,
            embed=embed_words,
        )
        assert counted == len(source)


def test_the_policy_prints_everything_that_changes_the_cut() -> None:
    policies = [
        ChunkPolicy(),
        ChunkPolicy(method="fixed"),
        ChunkPolicy(max_tokens=128),
        ChunkPolicy(overlap_tokens=32),
        ChunkPolicy(even_out=False),
        ChunkPolicy(max_headings=2),
        ChunkPolicy(max_heading_characters=50),
    ]
    assert len(policies) == len(fields(ChunkPolicy)) + 1
    assert len({str(policy) for policy in policies}) == len(policies)
    assert "recursive/2" in str(ChunkPolicy())


def test_an_overlap_of_half_a_chunk_is_refused() -> None:
    with pytest.raises(ValueError, match="128"):
        ChunkPolicy(max_tokens=256, overlap_tokens=128)


@pytest.mark.parametrize("method", METHODS)
def test_chunks_fit_the_real_embedder(method: ChunkMethod, embedder: Embedder) -> None:
    source = (
        "# Prices\n\n" + "The premium plan costs 49 € a month, billed yearly; a refund takes 14 days.\n" * 60
    )
    parsed = MarkdownParser().parse(source.encode(), file_name="x.md")
    policy = ChunkPolicy(method=method)
    chunks = chunk_document(
        parsed, policy=policy, token_ends=embedder.token_ends, embed=embedder.embed_documents
    )
    assert_exact(parsed, chunks, policy, embedder.token_ends)
    for chunk in chunks:
        assert chunk.token_count == embedder.count_tokens(chunk.text)
        assert embedder.count_tokens(chunk.embedding_text("Handbook")) + 2 <= embedder.max_tokens
