"""Reading order: a page's text as flows of lines, each read from its top to its foot, one after another.

The page is cut where columns of running text stand side by side. What looks like columns and is not (tables, lists of
terms) stays one flow, whose lines then hold several fragments.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import groupby, pairwise

from ingest.parsers.pdf.lines import Fragment, Line, lines_of

_GUTTER = 0.6
"""How wide, in ems, the empty strip between two columns is at least."""
_MOST_STRIPS = 16
_RETRIES = 4
"""In how many places within a run that is no columns another one may begin."""
_DEEPEST = 4
_FEWEST_LINES = 3
_ENOUGH_LINES = 5
"""How many lines make columns of what might be cells as well."""
_SHORTEST_LINE = 16
"""How many characters the usual line of a column of running text has at least."""
_FEWEST_WORDS = 3
_LOWER = 0.2
"""Which share of the lines of running text begins with a small letter at least."""
_FULLEST = 0.7
"""How much of the column's width the usual line of running text fills at least."""

Strip = tuple[float, float]
"""From one x to another."""


def flows(fragments: Sequence[Fragment], depth: int = 0) -> Iterator[list[Line]]:
    """The flows of a page in reading order; none is empty."""
    lines = lines_of(fragments)
    if depth >= _DEEPEST or len(lines) < _FEWEST_LINES:
        if lines:
            yield lines
        return
    waiting: list[Line] = []
    for start, end, columns in _zones(lines):
        if columns is None:
            waiting.extend(lines[start:end])
            continue
        if waiting:
            yield waiting
            waiting = []
        for column in columns:
            yield from flows(column, depth + 1)
    if waiting:
        yield waiting


def _zones(lines: Sequence[Line]) -> Iterator[tuple[int, int, list[list[Fragment]] | None]]:
    """Cut lines into runs (start, end, columns); columns is None where a run is no columns of running text."""
    bounds = min(line.left for line in lines), max(line.right for line in lines)
    gutter = _GUTTER * statistics.median(line.size for line in lines)
    start = 0
    while start < len(lines):
        end, strips = _run(lines, start, bounds, gutter)
        end = _without_next_heading(lines, start, end)
        columns = _columns(lines[start:end], strips) if end - start >= _FEWEST_LINES else None
        if columns is None:
            end = start + max(1, (end - start) // _RETRIES)
        yield start, end, columns
        start = end


def _run(lines: Sequence[Line], start: int, bounds: Strip, gutter: float) -> tuple[int, list[Strip]]:
    """How far a strip that no line crosses, with text on both its sides, reaches from a line; and all such strips."""
    strips: list[Strip] = [bounds]
    first_right, last_left = math.inf, -math.inf
    between: list[Strip] = []
    for index in range(start, len(lines)):
        fragments = lines[index].fragments
        strips = _shared(strips, _empty(fragments, bounds, gutter), gutter)
        first_right = min(first_right, *(fragment.right for fragment in fragments))
        last_left = max(last_left, *(fragment.left for fragment in fragments))
        still = [strip for strip in strips if first_right <= strip[0] + 1 and last_left >= strip[1] - 1]
        if not strips or (between and not still):
            return max(index, start + 1), between
        between = still
    return len(lines), between


def _without_next_heading(lines: Sequence[Line], start: int, end: int) -> int:
    """The end of a run without a lone line or two that stand apart below it, and head what comes next."""
    if end == len(lines) or end - start < 2 * _FEWEST_LINES:
        return end
    steps = [below.baseline - above.baseline for above, below in pairwise(lines[start:end])]
    for first in (end - 1, end - 2):
        tail = lines[first:end]
        if (
            all(len(line.fragments) == 1 and line.left < lines[end].left + line.size for line in tail)
            and steps[first - start - 1] > 1.5 * statistics.median(steps)
            and steps[first - start - 1] > 1.5 * tail[0].size
        ):
            return first
    return end


def _empty(fragments: Sequence[Fragment], bounds: Strip, narrowest: float) -> list[Strip]:
    """The strips of a line's height that hold no text; the widest if there are many."""
    left, right = bounds
    strips = []
    for fragment in sorted(fragments, key=lambda each: each.left):
        strips.append((left, fragment.left))
        left = max(left, fragment.right)
    strips = [strip for strip in (*strips, (left, right)) if strip[1] - strip[0] >= narrowest]
    return nlargest(_MOST_STRIPS, strips, key=lambda strip: strip[1] - strip[0])


def _shared(strips: Sequence[Strip], others: Sequence[Strip], narrowest: float) -> list[Strip]:
    shared = ((max(strip[0], other[0]), min(strip[1], other[1])) for strip in strips for other in others)
    return sorted(strip for strip in shared if strip[1] - strip[0] >= narrowest)


@dataclass(frozen=True, slots=True)
class _Column:
    """The parts of lines that stand between two strips."""

    lines: list[Line]
    is_running_text: bool

    @property
    def fragments(self) -> list[Fragment]:
        """All that stands in it."""
        return [fragment for line in self.lines for fragment in line.fragments]


def _is_running_text(lines: Sequence[Line]) -> bool:
    """Whether lines are of sentences: several words wide, filling the column, and beginning amid a sentence."""
    if len(lines) < _FEWEST_LINES:
        return False
    texts = [line.text for line in lines]
    width = max(line.right for line in lines) - min(line.left for line in lines)
    if statistics.median(line.right - line.left for line in lines) < _FULLEST * width:
        return False
    if statistics.median(map(len, texts)) < _SHORTEST_LINE:
        return False
    lower, upper = sum(text[0].islower() for text in texts), sum(text[0].isupper() for text in texts)
    if lower + upper < 0.3 * len(texts):
        # A script without capitals, if it has letters at all.
        return sum(text[0].isalpha() for text in texts) > 0.6 * len(texts)
    return statistics.median(len(text.split()) for text in texts) >= _FEWEST_WORDS and lower >= _LOWER * len(
        texts
    )


def _columns(lines: Sequence[Line], strips: Sequence[Strip]) -> list[list[Fragment]] | None:
    """The fragments of each column between strips; None if the lines are better read from side to side."""
    if not strips:
        return None
    borders = [(strip[0] + strip[1]) / 2 for strip in strips]
    narrow = _parted(lines, borders)
    borders = [
        border
        for border, (left, right) in zip(borders, pairwise(narrow), strict=True)
        if left.is_running_text or right.is_running_text
    ] or borders
    columns = narrow if len(borders) == len(narrow) - 1 else _parted(lines, borders)
    if len(columns) < 2 or not _interleaved(columns):
        return None
    return [column.fragments for column in columns] if _are_columns(columns) else None


def _are_columns(columns: Sequence[_Column]) -> bool:
    """Whether parts of lines are to be read one below the other, and not from side to side."""
    running = [column for column in columns if column.is_running_text]
    if len(running) > 1:
        return True
    lines = max(map(len, (column.lines for column in running)), default=0)
    if lines:
        return _aligned(columns) < 0.5 or (lines >= _ENOUGH_LINES and _drawn_apart(columns))
    return (
        min(len(column.lines) for column in columns) >= _ENOUGH_LINES
        and _drawn_apart(columns)
        and _aligned(columns) < 0.3
    )


def _interleaved(columns: Sequence[_Column]) -> bool:
    """Whether reading from side to side would go back and forth between columns."""
    order = sorted((line.top, index) for index, column in enumerate(columns) for line in column.lines)
    return sum(one[1] != other[1] for one, other in pairwise(order)) > len(columns)


def _parted(lines: Sequence[Line], borders: Sequence[float]) -> list[_Column]:
    """What stands before, between and behind borders."""
    parts: list[list[Line]] = [[] for _ in range(len(borders) + 1)]
    for line in lines:
        for place, fragments in groupby(line.fragments, key=lambda each: _place(each, borders)):
            parts[place].append(Line(tuple(fragments)))
    return [_Column(part, _is_running_text(part)) for part in parts]


def _place(fragment: Fragment, borders: Sequence[float]) -> int:
    return bisect_left(borders, (fragment.left + fragment.right) / 2)


def _drawn_apart(columns: Sequence[_Column]) -> bool:
    """Whether the file draws one column after another, and not line by line across them."""
    order = sorted(
        (fragment.position, index) for index, column in enumerate(columns) for fragment in column.fragments
    )
    switches = sum(one[1] != other[1] for one, other in pairwise(order))
    return switches <= max(len(columns), 0.25 * min(len(column.lines) for column in columns))


def _aligned(columns: Sequence[_Column]) -> float:
    """How many lines of the column with the fewest stand on one height with a line of another column, 0 to 1."""
    fewest = min(columns, key=lambda column: len(column.lines))
    feet = [line.baseline for column in columns if column is not fewest for line in column.lines]
    hits = sum(any(abs(line.baseline - foot) < 0.2 * line.size for foot in feet) for line in fewest.lines)
    return hits / len(fewest.lines)
