"""The numbers that Word writes before list items and headings ("3.", "b)", "4.2"); the file holds only the rule."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ingest.parsers.list_numbers import letter, roman
from ingest.parsers.ooxml.properties import W, number, value

_DEEPEST_LEVEL = 8
_PLACE = re.compile(r"%([1-9])")
_FORMATS: dict[str, Callable[[int], str]] = {
    "lowerLetter": letter,
    "upperLetter": lambda count: letter(count).upper(),
    "lowerRoman": roman,
    "upperRoman": lambda count: roman(count).upper(),
    "decimalZero": lambda count: f"{count:02d}",
}
_UNNUMBERED = ("bullet", "none")


@dataclass(frozen=True, slots=True)
class _Level:
    """One level of a list definition. `text` holds a place for each level's number: "%1.%2"."""

    start: int
    format: str
    text: str
    only_decimal: bool
    style: str | None


class Numbering:
    """Counts along one document, paragraph by paragraph."""

    def __init__(self, definitions: Any | None) -> None:
        """`definitions` is the root of the numbering part, or None if the document has none."""
        self._lists: dict[str | None, dict[int, _Level]] = {}
        self._list_of: dict[str | None, str | None] = {}
        self._restarts: dict[tuple[str | None, int], int] = {}
        self._counts: dict[str | None, dict[int, int]] = {}
        if definitions is not None:
            self._read(definitions)

    def label(self, number_id: str, level: int | None, style_id: str | None) -> str:
        """The number of the next paragraph of this list, level (from 0) and style; empty for bullets.

        Without a level, it is the one that the list ties to the paragraph's style.
        """
        list_id = self._list_of.get(number_id)
        levels = self._lists.get(list_id, {})
        if level is None:
            level = next(
                (depth for depth, tied in levels.items() if tied.style and tied.style == style_id), 0
            )
        if level not in levels:
            return ""
        counts = self._counts.setdefault(list_id, {})
        restart = self._restarts.pop((number_id, level), None)
        counts[level] = counts[level] + 1 if level in counts else levels[level].start
        if restart is not None:
            counts[level] = restart
        for deeper in range(level + 1, _DEEPEST_LEVEL + 1):
            counts.pop(deeper, None)
        return self._written(levels, counts, level)

    def _written(self, levels: dict[int, _Level], counts: dict[int, int], level: int) -> str:
        own = levels[level]
        if own.format in _UNNUMBERED:
            return ""

        def number_at(place: re.Match[str]) -> str:
            depth = int(place[1]) - 1
            if depth not in levels:
                return ""
            count = counts.setdefault(depth, levels[depth].start)
            return _FORMATS.get("decimal" if own.only_decimal else levels[depth].format, str)(count)

        return _PLACE.sub(number_at, own.text).strip()

    def _read(self, definitions: Any) -> None:
        for definition in definitions.iterchildren(f"{W}abstractNum"):
            levels = {
                number(element.get(f"{W}ilvl")): element for element in definition.iterchildren(f"{W}lvl")
            }
            self._lists[definition.get(f"{W}abstractNumId")] = {
                depth: _level(element) for depth, element in levels.items() if depth is not None
            }
        for instance in definitions.iterchildren(f"{W}num"):
            number_id = instance.get(f"{W}numId")
            self._list_of[number_id] = value(instance.find(f"{W}abstractNumId"))
            for override in instance.iterchildren(f"{W}lvlOverride"):
                depth = number(override.get(f"{W}ilvl"))
                start = number(value(override.find(f"{W}startOverride")))
                if depth is not None and start is not None:
                    self._restarts[number_id, depth] = start


def _level(element: Any) -> _Level:
    start = number(value(element.find(f"{W}start")))
    return _Level(
        start=1 if start is None else start,
        format=value(element.find(f"{W}numFmt")) or "decimal",
        text=value(element.find(f"{W}lvlText")) or "",
        only_decimal=element.find(f"{W}isLgl") is not None,
        style=value(element.find(f"{W}pStyle")),
    )
