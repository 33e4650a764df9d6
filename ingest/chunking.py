"""Cutting a parsed document into chunks: pure, and exact to the character.

A chunk never crosses a heading. Within a section, whole blocks are packed together up to the limit; a block that is
larger is split by langchain's recursive splitter. Its pieces are consecutive, so their offsets are found by walking
along the text (the splitter's own start indexes are wrong under a token length).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from langchain_text_splitters import RecursiveCharacterTextSplitter

from ingest.parsers import Block, BlockKind, ParsedDocument
from ingest.parsers.text import one_line, trimmed
from retrieval.records import ChunkDraft

CHARACTERS_PER_TOKEN = 16
"""A chunk also ends after this many characters per token allowed, since some texts (one endless word, which a WordPiece
tokenizer counts as a single token; columns of spaces) have next to no tokens. English prose has about 4.5."""

_PARAGRAPH = r"\n\s*\n"
_LINE = r"\n"
_WORD = r"\s+"
_CELL = r" \| "
_SENTENCE = r"""(?:(?<=[.!?…])|(?<=[.!?…]["'”’»)\]]))\s+(?![a-z])|(?<=[。！？])"""
# In prose a line end is mostly where the page was full; in tables and code it is the unit.
_PROSE = [_PARAGRAPH, _SENTENCE, _LINE, _WORD]
_SEPARATORS: Mapping[BlockKind, list[str]] = {
    "heading": _PROSE,
    "paragraph": _PROSE,
    "list_item": _PROSE,
    "table": [_LINE, _CELL, _SENTENCE, _WORD],
    "code": [_PARAGRAPH, _LINE, _WORD],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkPolicy:
    """How to cut.

    max_tokens: longest chunk, in the embedder's tokens, without title, headings and special tokens.
    max_headings: how many headings a chunk carries, the innermost if there are more.
    max_heading_characters: where a longer heading (a paragraph styled as one) is cut; its whole is then a chunk too.
    method: name and version of the way of cutting, so that another one can be told from it.
    """

    max_tokens: int = 256
    max_headings: int = 6
    max_heading_characters: int = 200
    method: str = "recursive/1"


def chunk_document(
    parsed: ParsedDocument, *, policy: ChunkPolicy, count_tokens: Callable[[str], int]
) -> tuple[ChunkDraft, ...]:
    """Cut a document into chunks, ascending and disjoint, none blank, none longer than the policy allows.

    Together they cover all text but the headings above them; a heading with nothing below it is a chunk of its own.
    `count_tokens` counts without special tokens.
    """
    cutter = _Cutter(parsed.text, policy, count_tokens)
    return tuple(
        draft
        for section in _sections(parsed, policy)
        for draft in cutter.chunks(section.blocks, section.headings)
    )


@dataclass(frozen=True, slots=True)
class _Section:
    """Consecutive blocks under one path of headings."""

    headings: tuple[str, ...]
    blocks: Sequence[Block]


def _sections(parsed: ParsedDocument, policy: ChunkPolicy) -> Iterator[_Section]:
    path: list[tuple[int, str]] = []
    body: list[Block] = []
    bare: Block | None = None  # the last heading, while nothing stands below it
    for block in parsed.blocks:
        if block.kind != "heading":
            body.append(block)
            continue
        level = block.level or 1
        if body:
            yield _Section(_headings(path, policy), body)
        elif bare is not None and level <= (bare.level or 1):
            yield _Section(_headings(path[:-1], policy), [bare])
        while path and path[-1][0] >= level:
            path.pop()
        heading = block.heading or one_line(parsed.text[block.char_start : block.char_end])
        path.append((level, heading))
        body = [block] if len(heading) > policy.max_heading_characters else []
        bare = block
    if body:
        yield _Section(_headings(path, policy), body)
    elif bare is not None:
        yield _Section(_headings(path[:-1], policy), [bare])


def _headings(path: Sequence[tuple[int, str]], policy: ChunkPolicy) -> tuple[str, ...]:
    longest = policy.max_heading_characters
    return tuple(
        heading if len(heading) <= longest else heading[: longest - 1] + "…"
        for _, heading in path[-policy.max_headings :]
    )


@dataclass(frozen=True, slots=True)
class _Piece:
    """A span that is not cut any further, and its length in tokens."""

    char_start: int
    char_end: int
    tokens: int


class _Cutter:
    """Cuts the sections of one text.

    Sizes are in tokens, or in units of `CHARACTERS_PER_TOKEN` characters where that is more.
    """

    def __init__(self, text: str, policy: ChunkPolicy, count_tokens: Callable[[str], int]) -> None:
        self._text = text
        self._limit = policy.max_tokens
        self._count_tokens = count_tokens
        self._counts: dict[str, int] = {}
        self._splitters = {kind: self._splitter(separators) for kind, separators in _SEPARATORS.items()}

    def chunks(self, blocks: Sequence[Block], headings: tuple[str, ...]) -> Iterator[ChunkDraft]:
        """Pack the blocks of a section, or the pieces of those that are too large, into as few chunks as fit."""
        pack: list[_Piece] = []
        total = 0
        for block in blocks:
            for piece in self._pieces(block):
                size = _size(piece.tokens, piece.char_end - piece.char_start)
                if pack and total + size > self._limit:
                    yield from self._drafts(pack, headings)
                    pack, total = [], 0
                pack.append(piece)
                total += size
        if pack:
            yield from self._drafts(pack, headings)

    def _drafts(self, pack: Sequence[_Piece], headings: tuple[str, ...]) -> Iterator[ChunkDraft]:
        """One chunk; or more, where the whole is larger than the sum of its parts (by the white space between)."""
        start, end = pack[0].char_start, pack[-1].char_end
        chunk = self._text[start:end]
        tokens = pack[0].tokens if len(pack) == 1 else self._count_tokens(chunk)
        if len(pack) > 1 and _size(tokens, len(chunk)) > self._limit:
            half = len(pack) // 2
            yield from self._drafts(pack[:half], headings)
            yield from self._drafts(pack[half:], headings)
            return
        yield ChunkDraft(char_start=start, char_end=end, text=chunk, headings=headings, token_count=tokens)

    def _pieces(self, block: Block) -> Iterator[_Piece]:
        self._counts.clear()
        start, end = trimmed(self._text, block.char_start, block.char_end)
        if self._fits(start, end):
            yield _Piece(start, end, self._tokens(self._text[start:end]))
            return
        cursor = start
        for part in self._splitters[block.kind].split_text(self._text[start:end]):
            assert self._text.startswith(part, cursor), "the splitter's pieces are consecutive"
            yield from self._fitting(*trimmed(self._text, cursor, cursor + len(part)))
            cursor += len(part)
        assert cursor == end, "the splitter's pieces are the whole text"

    def _fitting(self, start: int, end: int) -> Iterator[_Piece]:
        """A piece as the splitter made it; where one word alone is too long, stretches of it."""
        likely = end - start
        while start < end:
            cut = min(end, start + likely)
            while cut - start > 1 and not self._fits(start, cut):
                size = self._length(self._text[start:cut])
                cut = start + max(1, (cut - start) * self._limit // (size + 1))
            yield _Piece(start, cut, self._tokens(self._text[start:cut]))
            likely = 2 * (cut - start)
            start = cut

    def _fits(self, start: int, end: int) -> bool:
        return self._length(self._text[start:end]) <= self._limit

    def _length(self, text: str) -> int:
        """The size of a text; of one too large by its characters alone, only that it is, without counting tokens."""
        least = _size(0, len(text))
        return least if least > self._limit else _size(self._tokens(text), len(text))

    def _tokens(self, text: str) -> int:
        """Tokens of a text, counted once while one block is being cut: the splitter asks up to three times."""
        if text not in self._counts:
            self._counts[text] = self._count_tokens(text) if text else 0
        return self._counts[text]

    def _splitter(self, separators: list[str]) -> RecursiveCharacterTextSplitter:
        return RecursiveCharacterTextSplitter(
            separators=separators,
            is_separator_regex=True,
            keep_separator="end",
            strip_whitespace=False,
            chunk_size=self._limit,
            chunk_overlap=0,
            length_function=self._length,
        )


def _size(tokens: int, characters: int) -> int:
    return max(tokens, -(-characters // CHARACTERS_PER_TOKEN))
