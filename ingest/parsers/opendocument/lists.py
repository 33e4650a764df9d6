"""Numbers of lists and headings in OpenDocument files: counted along the document, as the file holds only the rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ingest.parsers.list_numbers import letter, roman
from ingest.parsers.opendocument.names import STYLE, TEXT, count

_FORMATS: Mapping[str, Callable[[int], str]] = MappingProxyType(
    {
        "1": str,
        "a": letter,
        "A": lambda number: letter(number).upper(),
        "i": roman,
        "I": lambda number: roman(number).upper(),
    }
)
_DEEPEST = 10
_OUTLINE = "\0outline"


@dataclass(frozen=True, slots=True)
class _Level:
    format: str
    before: str
    after: str
    shown_levels: int
    start: int


class ListNumbers:
    """Counts along one document."""

    def __init__(self, roots: Iterable[Any]) -> None:
        """`roots` are the XML roots that define list styles; later ones come before earlier ones."""
        self._styles: dict[str, dict[int, _Level]] = {}
        self._counts: dict[str, dict[int, int]] = {}
        for root in roots:
            for style in root.iter(f"{TEXT}list-style"):
                self._styles[style.get(f"{STYLE}name", "")] = _levels(style, f"{TEXT}list-level-style-number")
            for outline in root.iter(f"{TEXT}outline-style"):
                self._styles[_OUTLINE] = _levels(outline, f"{TEXT}outline-level-style")

    def restart(self, style: str) -> None:
        """Say that a list begins that does not continue an earlier one of its style."""
        self._counts.pop(style, None)

    def label(self, style: str, depth: int, *, start: int | None = None) -> str:
        """The number of the next item of a list style at this depth (from 1); empty where it has none."""
        levels = self._styles.get(style, {})
        own = levels.get(depth)
        counts = self._counts.setdefault(style, {})
        if own is None:
            return ""
        counts[depth] = start if start is not None else counts.get(depth, own.start - 1) + 1
        for deeper in range(depth + 1, _DEEPEST + 1):
            counts.pop(deeper, None)
        if own.format not in _FORMATS:
            return ""
        shown = range(max(1, depth - own.shown_levels + 1), depth + 1)
        numbers = (
            _FORMATS[levels[level].format](counts.setdefault(level, levels[level].start))
            for level in shown
            if level in levels and levels[level].format in _FORMATS
        )
        return f"{own.before}{'.'.join(numbers)}{own.after}".strip()

    def heading_label(self, level: int) -> str:
        """The number of the next heading of this level; empty where headings have none."""
        return self.label(_OUTLINE, level)


def _levels(style: Any, tag: str) -> dict[int, _Level]:
    return {
        count(level, f"{TEXT}level", most=_DEEPEST): _Level(
            format=level.get(f"{STYLE}num-format", ""),
            before=level.get(f"{STYLE}num-prefix", ""),
            after=level.get(f"{STYLE}num-suffix", ""),
            shown_levels=count(level, f"{TEXT}display-levels", most=_DEEPEST),
            start=count(level, f"{TEXT}start-value"),
        )
        for level in style.iterchildren(tag)
    }
