"""Properties, styles and lists of binary Word documents."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ingest.parsers.list_numbers import letter, roman

Sprms = Mapping[int, bytes]
"""Single properties: what each changes, and to what."""

_OPERAND_SIZES = (1, 1, 2, 4, 2, 2, 0, 3)
_TABLE_DEFINITION = 0xD608
_LIST_DEFINITION = struct.Struct("<ii18xBx")
_LEVEL = struct.Struct("<iBB9s")
_LEVEL_SIZE = 28
_LEVELS = 9
_FORMATS: Mapping[int, Callable[[int], str]] = MappingProxyType(
    {
        0: str,
        1: lambda count: roman(count).upper(),
        2: roman,
        3: lambda count: letter(count).upper(),
        4: letter,
        22: lambda count: f"{count:02d}",
    }
)
_MOST_LISTS = 5_000
_TITLE = 62
_HEADINGS = range(1, 10)


def sprms(content: bytes) -> Sprms:
    """The single properties of a `grpprl`, as far as it can be read; later ones win."""
    found: dict[int, bytes] = {}
    place = 0
    while place + 2 < len(content):
        code = int.from_bytes(content[place : place + 2], "little")
        place += 2
        size = _OPERAND_SIZES[code >> 13]
        if code == _TABLE_DEFINITION:
            size = int.from_bytes(content[place : place + 2], "little") + 1
        elif not size:
            size = content[place] + 1
        found[code] = content[place : place + size]
        place += size
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """A paragraph style. heading: the level of the heading it makes, or None."""

    is_title: bool = False
    heading: int | None = None
    sprms: Sprms = field(default_factory=dict)


class StyleSheet:
    """The styles of a document by their index."""

    def __init__(self, stream: bytes) -> None:
        """`stream` is the style sheet (STSH); damaged styles are as if they were not there."""
        self._styles: dict[int, tuple[int, int, Sprms]] = {}
        self._known: dict[int, Style] = {}
        try:
            self._read(stream)
        except (struct.error, IndexError):
            return

    def style(self, index: int) -> Style:
        """A style with all that it takes from those it is based on; a plain one where there is none."""
        if index not in self._known:
            self._known[index] = self._resolved(index)
        return self._known[index]

    def _resolved(self, index: int) -> Style:
        said: dict[int, bytes] = {}
        kind = 0
        seen: set[int] = set()
        while index in self._styles and index not in seen:
            seen.add(index)
            identity, base, own = self._styles[index]
            said = {**own, **said}
            kind = kind or (identity if identity in _HEADINGS or identity == _TITLE else 0)
            index = base
        return Style(is_title=kind == _TITLE, heading=kind if kind in _HEADINGS else None, sprms=said)

    def _read(self, stream: bytes) -> None:
        if not stream:
            return
        place = 2 + struct.unpack_from("<H", stream)[0]
        count, base_size = struct.unpack_from("<HH", stream, 2)
        for index in range(count):
            size = struct.unpack_from("<H", stream, place)[0]
            place += 2
            if size >= base_size >= 8:
                self._read_style(index, stream[place : place + size], base_size)
            place += size + size % 2

    def _read_style(self, index: int, content: bytes, base_size: int) -> None:
        identity, kind_and_base = struct.unpack_from("<HH", content)
        if kind_and_base & 0xF != 1:  # no paragraph style
            return
        name_length = struct.unpack_from("<H", content, base_size)[0]
        place = base_size + 2 + 2 * name_length + 2
        properties: Sprms = {}
        if place + 4 <= len(content):
            size = struct.unpack_from("<H", content, place)[0]
            properties = sprms(content[place + 4 : place + 2 + size])
        self._styles[index] = (identity & 0xFFF, kind_and_base >> 4, properties)


@dataclass(frozen=True, slots=True)
class _Level:
    start: int
    format: int
    text: str


class ListNumbers:
    """Counts along one document. `number` in its text stand as the characters 0 to 8, one for each level."""

    def __init__(self, definitions: bytes, uses: bytes) -> None:
        """`definitions` is PlfLst and what follows it, `uses` is PlfLfo; what is damaged numbers nothing."""
        self._levels: dict[int, list[_Level]] = {}
        self._list_of: dict[int, int] = {}
        self._counts: dict[int, dict[int, int]] = {}
        try:
            self._read_definitions(definitions)
            self._read_uses(uses)
        except (struct.error, IndexError):
            return

    def label(self, use: int, depth: int) -> str:
        """The number of the next paragraph of a list (by its use, from 1) at a depth from 0; empty for bullets."""
        list_id = self._list_of.get(use, 0)
        levels = self._levels.get(list_id, [])
        if depth >= len(levels):
            return ""
        counts = self._counts.setdefault(list_id, {})
        counts[depth] = counts[depth] + 1 if depth in counts else levels[depth].start
        for deeper in range(depth + 1, _LEVELS):
            counts.pop(deeper, None)
        if levels[depth].format not in _FORMATS:
            return ""
        return "".join(
            _FORMATS.get(levels[ord(sign)].format, str)(counts.setdefault(ord(sign), levels[ord(sign)].start))
            if ord(sign) < len(levels)
            else sign
            for sign in levels[depth].text
            if ord(sign) >= _LEVELS or ord(sign) < len(levels)
        ).strip()

    def _read_definitions(self, stream: bytes) -> None:
        if not stream:
            return
        count = min(struct.unpack_from("<H", stream)[0], _MOST_LISTS)
        heads = [_LIST_DEFINITION.unpack_from(stream, 2 + 28 * index) for index in range(count)]
        place = 2 + 28 * count
        for list_id, _, flags in heads:
            levels: list[_Level] = []
            for _ in range(1 if flags & 1 else _LEVELS):
                start, form, _, _ = _LEVEL.unpack_from(stream, place)
                characters, paragraphs = stream[place + 24], stream[place + 25]
                place += _LEVEL_SIZE + characters + paragraphs
                length = struct.unpack_from("<H", stream, place)[0]
                text = stream[place + 2 : place + 2 + 2 * length].decode("utf-16-le", "replace")
                place += 2 + 2 * length
                levels.append(_Level(start, form, text))
            self._levels[list_id] = levels

    def _read_uses(self, stream: bytes) -> None:
        if stream:
            count = min(struct.unpack_from("<I", stream)[0], _MOST_LISTS)
            for index in range(count):
                self._list_of[index + 1] = struct.unpack_from("<i", stream, 4 + 16 * index)[0]
