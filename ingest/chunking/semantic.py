"""The method `sentence`: sections, cut where what is said changes most.

After Kamradt's "semantic chunking" (5 Levels of Text Splitting, 2024): the distance at a gap between two sentences is
one minus the cosine of what stands before and after it; here two sentences on either side, so that one odd sentence is
no boundary. A chunk ends at a gap among the most distant of its document, and before it would be too long at the most
distant gap in its second half.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.chunking import ChunkPolicy, EmbedTexts, TokenEnds
from ingest.chunking.boundaries import unit_starts
from ingest.chunking.drafting import draft
from ingest.chunking.measuring import MeasuredText
from ingest.chunking.outline import Headings, sections
from ingest.chunking.splitting import BlockSplitter, Piece
from ingest.parsers import Block, ParsedDocument
from retrieval.records import ChunkDraft

PEAK_PERCENTILE = 90.0
"""Gaps more distant than this share of all gaps of the document, and than those beside them, end a chunk that is not
small."""

_FEWEST_GAPS = 20
"""Below this there is no telling which gaps are among the most distant."""

_SMALL = 4
"""A chunk is small below this part of the limit."""

_BATCH = 256
"""Gaps whose sentences are embedded at once; only the distances are kept."""


def semantic_chunks(
    parsed: ParsedDocument, policy: ChunkPolicy, token_ends: TokenEnds, embed: EmbedTexts
) -> Iterator[ChunkDraft]:
    """Chunks that never cross a heading."""
    measured = MeasuredText(parsed.text, token_ends)
    splitter = BlockSplitter(measured, policy.max_tokens)
    parts = [
        _Part(
            section.headings,
            [unit for block in section.blocks for unit in _units(splitter, measured.text, block)],
        )
        for section in sections(parsed, policy)
    ]
    gaps = [gap_distances(part.texts(parsed.text), embed) for part in parts]
    peak = _peak(gaps)
    for part, distances in zip(parts, gaps, strict=True):
        start = 0
        while start < len(part.units):
            end = _end(measured, policy.max_tokens, part.units, distances, start, peak)
            yield draft(measured, policy, part.headings, part.units[start:end])
            start = end


@dataclass(frozen=True, slots=True)
class _Part:
    """A section as units that are not cut."""

    headings: Headings
    units: Sequence[Piece]

    def texts(self, text: str) -> Sequence[str]:
        return [text[unit.char_start : unit.char_end] for unit in self.units]


def _units(splitter: BlockSplitter, text: str, block: Block) -> Iterator[Piece]:
    """The sentences of running text; an item of a list, or as much of a table or of code as fits, is not cut."""
    for piece in splitter.pieces(block):
        rest = piece
        if piece.kind in {"paragraph", "heading"}:
            for start in unit_starts(text, piece.kind, piece.char_start, piece.char_end):
                sentence, rest = rest.cut(text, start)
                yield sentence
        yield rest


def gap_distances(texts: Sequence[str], embed: EmbedTexts, *, batch: int = _BATCH) -> NDArray[np.float32]:
    """The distance at the gap after each text but the last: float32 of shape (len(texts) - 1,)."""
    distances = np.empty(max(0, len(texts) - 1), dtype=np.float32)
    for start in range(0, len(distances), batch):
        stop, first = min(start + batch, len(distances)), max(0, start - 1)
        rows = embed(texts[first : stop + 2])  # a gap looks at two texts on either side
        for gap in range(start, stop):
            middle = gap + 1 - first
            distances[gap] = _distance(rows[max(0, middle - 2) : middle], rows[middle : middle + 2])
    return distances


def _distance(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    first, second = before.mean(axis=0), after.mean(axis=0)
    return 1.0 - float(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)))


def _peak(gaps: Sequence[NDArray[np.float32]]) -> float:
    """The distance from which a gap is a boundary; out of reach where there are too few gaps to tell."""
    together = np.concatenate([*gaps, np.empty(0)])
    return float(np.percentile(together, PEAK_PERCENTILE)) if together.size >= _FEWEST_GAPS else math.inf


def _end(
    measured: MeasuredText,
    limit: int,
    units: Sequence[Piece],
    distances: NDArray[np.float32],
    start: int,
    peak: float,
) -> int:
    """The number of the unit that begins the next chunk, where this one begins with unit `start`."""

    def size(end: int) -> int:
        return measured.size(units[start].char_start, units[end - 1].char_end)

    furthest = start + 1
    while furthest < len(units) and size(furthest + 1) <= limit:
        furthest += 1
    for end in range(start + 1, min(furthest + 1, len(units))):
        if _is_peak(distances, end - 1, peak) and size(end) >= limit // _SMALL:
            return end
    if furthest == len(units):
        return furthest
    in_second_half = [end for end in range(start + 1, furthest) if size(end) > limit // 2]
    return max((*in_second_half, furthest), key=lambda end: distances[end - 1])


def _is_peak(distances: NDArray[np.float32], gap: int, peak: float) -> bool:
    return bool(distances[gap] >= peak and distances[gap] == distances[max(0, gap - 1) : gap + 2].max())
