"""The method `fixed`: windows of a number of tokens, whatever stands in them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from ingest.chunking import ChunkPolicy, TokenEnds
from ingest.chunking.boundaries import after_space
from ingest.chunking.drafting import draft
from ingest.chunking.measuring import MeasuredText
from ingest.chunking.outline import HeadingPaths
from ingest.chunking.splitting import Piece
from ingest.parsers import Block, ParsedDocument
from ingest.parsers.text import trimmed
from retrieval.records import ChunkDraft

_SPACE = re.compile(r"\s")


def fixed_chunks(parsed: ParsedDocument, policy: ChunkPolicy, token_ends: TokenEnds) -> Iterator[ChunkDraft]:
    """Chunks that begin and end between words, and between the rows of a table or lines of code, where they can."""
    measured = MeasuredText(parsed.text, token_ends)
    windows = _Windows(parsed, measured, policy)
    paths = HeadingPaths(parsed, policy)
    window = windows.at(0)
    while window is not None:
        start, end = window
        yield draft(measured, policy, paths.at(start), [windows.piece(start, end)])
        window = windows.after(start, end)


class _Windows:
    def __init__(self, parsed: ParsedDocument, measured: MeasuredText, policy: ChunkPolicy) -> None:
        self._text = parsed.text
        self._end = len(parsed.text.rstrip())
        self._measured = measured
        self._policy = policy
        self._blocks = parsed.blocks
        self._block_starts = [block.char_start for block in parsed.blocks]

    def at(self, position: int) -> tuple[int, int] | None:
        """The window that begins with the next word; None where there is none."""
        start = after_space(self._text, position, self._end)
        furthest = self._measured.furthest(start, self._policy.max_tokens)
        if start == self._end:
            return None
        end = self._best_end(start, furthest) if furthest < self._end else self._end
        return trimmed(self._text, start, end)

    def after(self, start: int, end: int) -> tuple[int, int] | None:
        """The window that follows another, with the overlap where it goes further than that one nevertheless."""
        if self._policy.overlap_tokens and end < self._end:
            earliest = max(self._measured.before(end, self._policy.overlap_tokens), (start + end) // 2)
            gap = _SPACE.search(self._text, earliest, end)
            window = self.at(gap.end()) if gap else None
            if window is not None and window[1] > end:
                return window
        return self.at(end)

    def piece(self, start: int, end: int) -> Piece:
        """A window as a piece of the block that it begins in."""
        block = self._block(start)
        return Piece(
            start,
            end,
            block.kind,
            header=block.heading if block.kind == "table" else None,
            continues=start > block.char_start,
        )

    def _best_end(self, start: int, furthest: int) -> int:
        """The best place to end at, from the window's middle to `furthest`: a row's, a line's or a word's end."""
        text, middle = self._text, (start + furthest) // 2
        if self._block(furthest).kind in {"table", "code"}:
            line = text.rfind("\n", middle, furthest + 1)
            if line > start:
                return line
        if text[furthest].isspace() or text[furthest - 1].isspace():
            return furthest
        words = [gap.start() for gap in _SPACE.finditer(text, middle, furthest)]
        return words[-1] if words else furthest

    def _block(self, position: int) -> Block:
        return self._blocks[max(0, bisect_right(self._block_starts, position) - 1)]
