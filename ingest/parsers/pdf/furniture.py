"""Running heads and feet: what a document repeats at the upper and lower edge of its pages."""

from __future__ import annotations

import re
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

from ingest.parsers.pdf.lines import Line

_EDGE = 0.14
"""Which share of a page's height, from above and from below, may hold running heads and feet."""
_LINES_AT_AN_EDGE = 4
_SAME_HEIGHT = 6.0
"""Up to how many points two pages may differ in where they repeat a line."""
_MOST_PARTS = 3
_GROUPS_LOOKED_AT = 30
"""Lines of the same words and other numbers stay within this many groups, or a long file would be slow."""
_LARGE = 1.15
_NUMBER = re.compile(r"\d+|\b[ivxl]+\b", re.IGNORECASE)
_ROMAN = re.compile(r"\W*[ivxl]+\W*", re.IGNORECASE)
_ROMAN_VALUES = {"i": 1, "v": 5, "x": 10, "l": 50}
_PAGE_NUMBER = re.compile(
    r"\W*(?:page|seite|p\.?|pg\.?)?\W*(?:\d+|[ivxl]+)(?:\W*(?:of|von|de|/)\W*\d+)?\W*", re.IGNORECASE
)
_LETTER = re.compile(r"[^\W\d_]")


_Role = Literal["first", "repeated"]


@dataclass(frozen=True, slots=True)
class Edges:
    """The lines at a page's edges that its document repeats.

    head, foot: those that this page is the first to show, to be read before and after the rest of the page.
    repeated: those that an earlier page has shown, and bare page numbers: to be left out.
    """

    head: tuple[Line, ...] = ()
    foot: tuple[Line, ...] = ()
    repeated: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class _Candidate:
    page: int
    line: Line
    at_head: bool


def repeated_edges(pages: Sequence[tuple[Sequence[Line], float]]) -> Mapping[int, Edges]:
    """What pages, each given as its lines and its height in points, repeat at their edges; by index of the page.

    A line counts as repeated if another page has the same words at the same height; numbers may rise with the pages'.
    """
    by_words: dict[tuple[str, bool], list[_Candidate]] = defaultdict(list)
    for index, (lines, height) in enumerate(pages):
        for candidate in _candidates(index, lines, height):
            by_words[_NUMBER.sub("#", candidate.line.text), candidate.at_head].append(candidate)
    roles: dict[int, _Role] = {}
    for candidates in by_words.values():
        for group in _alike(candidates):
            if len({candidate.page for candidate in group}) > 1:
                for place, candidate in enumerate(group):
                    is_number = _PAGE_NUMBER.fullmatch(candidate.line.text)
                    roles[id(candidate.line)] = "repeated" if place or is_number else "first"
    return {index: _edges(lines, roles) for index, (lines, _) in enumerate(pages)}


def _edges(lines: Sequence[Line], roles: Mapping[int, _Role]) -> Edges:
    """The repeated lines of a page: those above and below all others; none where there are no others."""
    head = list(takewhile(lambda line: id(line) in roles, lines))
    if len(head) == len(lines):
        return Edges()
    foot = list(takewhile(lambda line: id(line) in roles, reversed(lines[len(head) :])))[::-1]
    return Edges(
        head=tuple(line for line in head if roles[id(line)] == "first"),
        foot=tuple(line for line in foot if roles[id(line)] == "first"),
        repeated=tuple(line for line in (*head, *foot) if roles[id(line)] == "repeated"),
    )


def _candidates(page: int, lines: Sequence[Line], height: float) -> Iterator[_Candidate]:
    """Lines at the edges, but for titles in larger type, and heads of tables, which each page of a table needs."""
    head = [line for line in lines[:_LINES_AT_AN_EDGE] if line.bottom < _EDGE * height]
    foot = [line for line in lines[-_LINES_AT_AN_EDGE:] if line.top > (1 - _EDGE) * height]
    outermost = {id(line) for line in (*lines[:1], *lines[-1:])}
    usual = statistics.median(line.size for line in lines) if lines else 0.0
    for line in (*head, *foot):
        is_bare_number = not _LETTER.search(line.text) or _ROMAN.fullmatch(line.text)
        if line.size > _LARGE * usual or len(line.fragments) > _MOST_PARTS:
            continue
        if not is_bare_number or id(line) in outermost:
            yield _Candidate(page, line, at_head=line in head)


def _alike(candidates: Sequence[_Candidate]) -> list[list[_Candidate]]:
    """Candidates of the same words, those at one height and of fitting numbers together, in the order of pages."""
    groups: list[list[_Candidate]] = []
    for candidate in candidates:
        group = next((group for group in groups[-_GROUPS_LOOKED_AT:] if _repeats(group[-1], candidate)), None)
        if group is None:
            groups.append([candidate])
        else:
            group.append(candidate)
    return groups


def _repeats(one: _Candidate, other: _Candidate) -> bool:
    """Whether another page shows a line again: at the same height, each number the same or risen with the page's.

    A page's number alone may stand at any height.
    """
    is_number = _PAGE_NUMBER.fullmatch(one.line.text)
    if abs(one.line.top - other.line.top) > _SAME_HEIGHT and not is_number:
        return False
    pages = other.page - one.page
    return all(
        a == b or (len(a) < 7 and len(b) < 7 and _value(b) - _value(a) == pages)
        for a, b in zip(_NUMBER.findall(one.line.text), _NUMBER.findall(other.line.text), strict=True)
    )


def _value(number: str) -> int:
    """The value of a number in figures or roman ones."""
    if number.isdecimal():
        return int(number)
    values = [_ROMAN_VALUES[letter] for letter in number.lower()]
    return sum(
        -value if value < following else value
        for value, following in zip(values, [*values[1:], 0], strict=True)
    )
