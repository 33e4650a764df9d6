"""Pieces of text on a page and the lines they form: what the layout of PDF pages and of recognised pictures works on.

Coordinates are points from the upper left corner of the page, y downwards, turned so that the text runs to the right.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

WORD_GAP = 0.15
"""How wide a gap between two pieces sets words apart, in ems."""
_OTHER_SIZE = 1.12
"""From which ratio on two sizes of text are not the same."""
_TALL_INITIAL = 2.2
_LINES_LOOKED_BACK = 4
_MOST_IN_A_LINE = 300
_SAME_BASELINE = 0.6
"""Up to how many ems of the larger type the baselines of what stands on one height differ."""
_SCRIPT = 0.8
"""Up to which share of the size of the text beside it a raised or lowered sign has."""
MARKER = re.compile(
    r"[•‣▪●○◦■□–—*·➢✓\uf0b7\uf0a7\u25aa-]|\d{1,3}[.)]|\(\d{1,2}\)|\(?(?:[a-z]|[ivx]{1,5})[.)]|\[\d{1,3}\]",
    re.IGNORECASE,
)
"""What stands before an item of a list."""
_NUMBER_OF_HEADING = re.compile(r"\d{1,2}(?:\.\d{1,2}){0,4}\.?|[A-Z]\.\d{1,2}(?:\.\d{1,2})*|[IVX]{1,5}\.")
_CURRENCY = re.compile(r"(?:US|C|A)?[$€£¥₹]\(?|\(")
_AFTER_A_NUMBER = re.compile(r"\)?%|\)|\)?\s?\(\d\)")
_USUAL_GAP = 0.45
_MARKER_GAP = 3.5
_CURRENCY_GAP = 8.0
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """A piece of a line without a wide gap in it.

    size: the font's size in points as shown. position: its place in the order in which the file draws its text.
    """

    text: str
    left: float
    top: float
    right: float
    bottom: float
    baseline: float
    size: float
    bold: bool = False
    position: int = 0

    @property
    def width(self) -> float:
        """The width in points."""
        return self.right - self.left


@dataclass(frozen=True, slots=True)
class Line:
    """Fragments that stand side by side, in reading order; never empty."""

    fragments: tuple[Fragment, ...]

    @property
    def left(self) -> float:
        """The left edge."""
        return min(fragment.left for fragment in self.fragments)

    @property
    def top(self) -> float:
        """The upper edge."""
        return min(fragment.top for fragment in self.fragments)

    @property
    def right(self) -> float:
        """The right edge."""
        return max(fragment.right for fragment in self.fragments)

    @property
    def bottom(self) -> float:
        """The lower edge."""
        return max(fragment.bottom for fragment in self.fragments)

    @property
    def size(self) -> float:
        """The size of most of its text."""
        return max(self.fragments, key=lambda fragment: len(fragment.text)).size

    @property
    def baseline(self) -> float:
        """The baseline of most of its text, by which distances between lines are told."""
        return max(self.fragments, key=lambda fragment: len(fragment.text)).baseline

    @property
    def bold(self) -> bool:
        """Whether all of it is bold."""
        return all(fragment.bold for fragment in self.fragments)

    @property
    def text(self) -> str:
        """Its words, with one space where a gap is."""
        return joined(self.fragments)


def joined(fragments: Sequence[Fragment]) -> str:
    """The text of fragments that stand side by side, with a space wherever there is a gap between them."""
    parts: list[str] = []
    last: Fragment | None = None
    for fragment in fragments:
        if last is not None and _are_apart(last, fragment):
            parts.append(" ")
        parts.append(fragment.text)
        last = fragment
    return "".join(parts)


def _are_apart(one: Fragment, other: Fragment) -> bool:
    """Whether a space belongs between: where a gap is, and where the direction of script changes."""
    if _gap(one, other) > WORD_GAP * max(one.size, other.size):
        return True
    ends = one.text[-1], other.text[0]
    return all(map(str.isalnum, ends)) and len({bool(_RIGHT_TO_LEFT.match(end)) for end in ends}) == 2


def lines_of(fragments: Iterable[Fragment]) -> list[Line]:
    """Put fragments that stand on one height side by side; lines come from top to bottom."""
    rows: list[_Row] = []
    for fragment in sorted(
        _with_low_initials(list(fragments)), key=lambda each: (each.top + each.bottom, each.left)
    ):
        row = next((row for row in rows[: -_LINES_LOOKED_BACK - 1 : -1] if row.takes(fragment)), None)
        if row is None:
            rows.append(_Row(fragment))
        else:
            row.add(fragment)
    return [_line(row.fragments) for row in rows]


def _with_low_initials(fragments: list[Fragment]) -> list[Fragment]:
    """The same, with initials that reach down over several lines as high as the line that they begin."""
    initials = [place for place, each in enumerate(fragments) if len(each.text) == 1 and each.text.isupper()]
    if initials:
        usual = statistics.median(each.size for each in fragments)
        for place in initials:
            each = fragments[place]
            if each.bottom - each.top > _TALL_INITIAL * usual:
                fragments[place] = replace(each, bottom=each.top + 1.2 * usual, baseline=each.top + usual)
    return fragments


class _Row:
    """A line that is being put together."""

    def __init__(self, first: Fragment) -> None:
        self.fragments = [first]
        self._top, self._bottom = first.top, first.bottom

    def add(self, fragment: Fragment) -> None:
        self.fragments.append(fragment)
        self._top, self._bottom = min(self._top, fragment.top), max(self._bottom, fragment.bottom)

    def takes(self, fragment: Fragment) -> bool:
        """Whether a fragment stands on this height, beside what is there already: only a script stands upon it."""
        if len(self.fragments) >= _MOST_IN_A_LINE:
            return False
        if _shared_height(fragment.top, fragment.bottom, self._top, self._bottom) < 0.5:
            return False
        return any(_on_one_height(fragment, each) for each in self.fragments) and all(
            _gap(fragment, each) > -0.3 * min(fragment.width, each.width, each.size)
            or _is_script(fragment, each)
            for each in self.fragments
        )


def _on_one_height(one: Fragment, other: Fragment) -> bool:
    return _shared_height(one.top, one.bottom, other.top, other.bottom) >= 0.5 and abs(
        one.baseline - other.baseline
    ) <= _SAME_BASELINE * max(one.size, other.size)


def _is_script(one: Fragment, other: Fragment) -> bool:
    """Whether one of two is a raised or lowered sign of a formula, which may stand above or below another."""
    smaller, larger = sorted((one, other), key=lambda each: each.size)
    return smaller.size <= _SCRIPT * larger.size and smaller.width < 3 * larger.size


def same_size(one: Line, other: Line) -> bool:
    """Whether two lines are of about the same size of text."""
    return max(one.size, other.size) <= _OTHER_SIZE * min(one.size, other.size)


def is_right_to_left(text: str) -> bool:
    """Whether most letters of a text are of a script that runs to the left."""
    return 2 * len(_RIGHT_TO_LEFT.findall(text)) > len(_LETTER.findall(text))


def _gap(one: Fragment, other: Fragment) -> float:
    return max(one.left, other.left) - min(one.right, other.right)


def _shared_height(top: float, bottom: float, other_top: float, other_bottom: float) -> float:
    """How much of the lower one's height two share, 0 to 1."""
    shared = min(bottom, other_bottom) - max(top, other_top)
    return shared / max(min(bottom - top, other_bottom - other_top), 0.1)


def _line(row: list[Fragment]) -> Line:
    backwards = is_right_to_left("".join(fragment.text for fragment in row))
    row.sort(key=lambda fragment: -fragment.right if backwards else fragment.left)
    return Line(tuple(row if backwards or len(row) == 1 else _united(row)))


def _united(row: Sequence[Fragment]) -> list[Fragment]:
    """Unite what a wide gap parts and what still is one thing: an item's mark and its words, "$" and its amount."""
    united = [row[0]]
    for index, fragment in enumerate(row[1:]):
        last = united[-1]
        ems = _gap(last, fragment) / max(last.size, fragment.size)
        if ems <= WORD_GAP:
            united[-1] = _one(last, fragment, "")
        elif ems <= _USUAL_GAP or (
            ems <= _MARKER_GAP and _marks(last.text, fragment.text, is_first=index == 0 and len(row) == 2)
        ):
            united[-1] = _one(last, fragment, " ")
        elif (
            ems <= _CURRENCY_GAP
            and _CURRENCY.fullmatch(last.text)
            and fragment.text[:1] in "0123456789.,(-–—"
        ) or (ems <= _MARKER_GAP and _AFTER_A_NUMBER.fullmatch(fragment.text) and last.text[-1:].isdigit()):
            united[-1] = _one(last, fragment, "")
        else:
            united.append(fragment)
    return united


def _marks(text: str, following: str, *, is_first: bool) -> bool:
    return bool(
        MARKER.fullmatch(text)
        or (is_first and _NUMBER_OF_HEADING.fullmatch(text) and following[:1].isalpha())
    )


def _one(first: Fragment, second: Fragment, between: str) -> Fragment:
    larger = first if len(first.text) > len(second.text) else second
    return Fragment(
        text=first.text + between + second.text,
        left=min(first.left, second.left),
        top=min(first.top, second.top),
        right=max(first.right, second.right),
        bottom=max(first.bottom, second.bottom),
        baseline=larger.baseline,
        size=larger.size,
        bold=first.bold and second.bold,
        position=first.position,
    )
