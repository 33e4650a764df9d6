"""Cutting a block that is too large, by langchain's recursive splitter.

Its pieces are consecutive, so their offsets are found by walking along the text (the splitter's own start indexes are
wrong under a token length). It asks for the lengths of strings; `_Lengths` finds the place of each in the text that has
been tokenised already.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from langchain_text_splitters import RecursiveCharacterTextSplitter

from ingest.chunking.boundaries import SEPARATORS, after_space
from ingest.chunking.measuring import MeasuredText
from ingest.parsers import Block, BlockKind
from ingest.parsers.text import trimmed


@dataclass(frozen=True, slots=True)
class Piece:
    """A block or a part of one.

    header: the header row of the table that it is of; None for other kinds, and where the table has none.
    continues: whether the block begins before it.
    """

    char_start: int
    char_end: int
    kind: BlockKind
    header: str | None = None
    continues: bool = False

    def cut(self, text: str, position: int) -> tuple[Piece, Piece]:
        """The parts before and after a position inside it, without the white space between them."""
        first = trimmed(text, self.char_start, position)
        second = trimmed(text, position, self.char_end)
        return (
            replace(self, char_start=first[0], char_end=first[1]),
            replace(self, char_start=second[0], char_end=second[1], continues=True),
        )


class BlockSplitter:
    """Cuts the blocks of one text into pieces of a size within `limit`."""

    def __init__(self, measured: MeasuredText, limit: int) -> None:
        self._measured = measured
        self._limit = limit

    def pieces(self, block: Block) -> Iterator[Piece]:
        """The block itself where it fits; otherwise the parts of it, none blank, together all of it."""
        start, end = trimmed(self._measured.text, block.char_start, block.char_end)
        whole = Piece(start, end, block.kind, header=block.heading if block.kind == "table" else None)
        if self._measured.fits(start, end, self._limit):
            yield whole
            return
        for part_start, part_end in self._spans(whole):
            yield replace(
                whole, char_start=part_start, char_end=part_end, continues=part_start > whole.char_start
            )

    def _spans(self, block: Piece) -> Iterator[tuple[int, int]]:
        text = self._measured.text
        lengths = _Lengths(self._measured, block.char_start, block.char_end, self._limit)
        splitter = RecursiveCharacterTextSplitter(
            separators=SEPARATORS[block.kind],
            is_separator_regex=True,
            keep_separator="end",
            strip_whitespace=False,
            chunk_size=self._limit,
            chunk_overlap=0,
            length_function=lengths,
        )
        cursor = block.char_start
        for part in splitter.split_text(text[block.char_start : block.char_end]):
            assert text.startswith(part, cursor), "the splitter's pieces are consecutive"
            yield from self._fitting(*trimmed(text, cursor, cursor + len(part)))
            cursor += len(part)
        assert cursor == block.char_end, "the splitter's pieces are the whole text"

    def _fitting(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """A piece as the splitter made it; where one word alone is too long, stretches of it."""
        while start < end:
            cut = min(end, self._measured.furthest(start, self._limit))
            yield trimmed(self._measured.text, start, cut)
            start = after_space(self._measured.text, cut, end)


class _Lengths:
    """The splitter's length function: how long is this part of the block?

    Parts are asked for in the order of the text, and again when they are merged. A part begins after a separator and
    ends with one, except the last; so do all places where it is found, hence the size is that of the part wherever
    the first such place after the last one lies.
    """

    def __init__(self, measured: MeasuredText, start: int, end: int, limit: int) -> None:
        self._measured = measured
        self._start = start
        self._end = end
        self._limit = limit
        self._cursor = start  # never behind the place of a part that is asked for the first time
        self._known = {"": 0}

    def __call__(self, part: str) -> int:
        if part not in self._known:
            place = self._place(part)
            size = self._measured.size(place, place + len(part))
            # A part that is too large is cut further next.
            self._cursor = place if size >= self._limit else place + len(part)
            self._known[part] = size
        return self._known[part]

    def _place(self, part: str) -> int:
        text = self._measured.text
        if not _ends(part[-1]):
            return self._end - len(part)
        place = text.find(part, self._cursor, self._end)
        while place > self._start and not _ends(text[place - 1]):
            place = text.find(part, place + 1, self._end)
        assert place >= 0, "the splitter asks for parts of the block"
        return place


def _ends(character: str) -> bool:
    """Whether a separator may end with this character."""
    return character.isspace() or character in "。！？"
