"""Paragraphs: which lines of a flow belong together."""

from __future__ import annotations

import math
import re
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from ingest.parsers.pdf.lines import MARKER, Line, same_size

_LARGE_STEP = 1.3
"""How many times the usual distance between lines sets a paragraph apart."""
_INDENT = 0.8
"""By how many ems the first line of a paragraph is indented at least."""
_SHORT = 0.75
"""Up to which share of the flow's width a line is the last of its paragraph if it also ends a sentence."""
_FULL = 0.88
_FEWEST_FULL = 5
_ITEM = re.compile(rf"(?:{MARKER.pattern})\s", re.IGNORECASE)
_ENDS_A_SENTENCE = re.compile(r"""[.!?:;…。！？]["'”’»)\]]*(?:\d{1,3})?$""")


def paragraphs(lines: Sequence[Line]) -> Iterator[tuple[Line, ...]]:
    """Group the lines of a flow."""
    if not lines:
        return
    usual = _usual_steps(lines)
    short = _short(lines)
    paragraph = [lines[0]]
    for above, line in pairwise(lines):
        step = usual[_size_class(line)]
        if _begins(paragraph, above, line, step, short):
            yield tuple(paragraph)
            paragraph = []
        paragraph.append(line)
    yield tuple(paragraph)


def is_item(text: str) -> bool:
    """Whether a paragraph is an item of a list."""
    return _ITEM.match(text) is not None


def runs_on(text: str, following: str) -> bool:
    """Whether a sentence goes on from one text to the next, as from the foot of a column to the head of another."""
    return following[:1].islower() and not _ENDS_A_SENTENCE.search(text)


def _short(lines: Sequence[Line]) -> float:
    """The x before which a line ends early; nowhere where lines do not usually fill the width of their flow."""
    left, right = min(line.left for line in lines), max(line.right for line in lines)
    full = sum(line.right > left + _FULL * (right - left) for line in lines)
    return (
        left + _SHORT * (right - left) if len(lines) >= _FEWEST_FULL and 2 * full > len(lines) else -math.inf
    )


def _usual_steps(lines: Sequence[Line]) -> dict[int, float]:
    """The usual distance from one line's foot to the next, by size of text."""
    steps: dict[int, list[float]] = defaultdict(list)
    for above, line in pairwise(lines):
        step = line.baseline - above.baseline
        if same_size(above, line) and 0.5 * line.size < step < 3 * line.size:
            steps[_size_class(line)].append(step)
    sizes = {_size_class(line): line.size for line in lines}
    return {
        size_class: statistics.median(steps[size_class]) if steps[size_class] else 1.2 * size
        for size_class, size in sizes.items()
    }


def _size_class(line: Line) -> int:
    return round(2 * line.size)


def _begins(paragraph: Sequence[Line], above: Line, line: Line, usual: float, short: float) -> bool:
    """Whether a line begins a new paragraph below another."""
    if not same_size(above, line) or above.bold != line.bold:
        return not _is_scrap(above) and not _is_scrap(line)
    text_above, text = above.text, line.text
    if _ITEM.match(text):
        return True
    if line.baseline - above.baseline > _LARGE_STEP * usual:
        return not runs_on(text_above, text)
    if not _ENDS_A_SENTENCE.search(text_above):
        return False
    in_item = _ITEM.match(paragraph[0].text) is not None
    indented = line.left - above.left
    if indented > _INDENT * line.size:
        return not (in_item and len(paragraph) == 1)
    if in_item and indented < -_INDENT * line.size and len(paragraph) > 1:
        return True
    return above.right < short and not text[:1].islower()


def _is_scrap(line: Line) -> bool:
    """Whether a line is but a mark or two (a raised number, a part of a formula), whose style says nothing."""
    return sum(len(fragment.text) for fragment in line.fragments) <= 3
