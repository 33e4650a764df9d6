"""Where a reader would cut: the separators of every kind of block, from the best place to the worst."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ingest.parsers import BlockKind

_PARAGRAPH = r"\n\s*\n"
_LINE = r"\n"
_WORD = r"\s+"
_CELL = r" \| "
_SENTENCE = r"""(?:(?<=[.!?…])|(?<=[.!?…]["'”’»)\]]))\s+(?![a-z])|(?<=[。！？])"""
# In prose a line end is mostly where the page was full; in tables and code it is the unit.
_PROSE = [_PARAGRAPH, _SENTENCE, _LINE, _WORD]

SEPARATORS: Mapping[BlockKind, list[str]] = {
    "heading": _PROSE,
    "paragraph": _PROSE,
    "list_item": _PROSE,
    "table": [_LINE, _CELL, _SENTENCE, _WORD],
    "code": [_PARAGRAPH, _LINE, _WORD],
}
"""Regular expressions; a piece ends after its separator."""

_UNIT = re.compile(f"{_PARAGRAPH}|{_SENTENCE}")
_ROW = re.compile(_LINE)
_BLANK_LINE = re.compile(_PARAGRAPH)
_UNITS: Mapping[BlockKind, re.Pattern[str]] = {
    "heading": _UNIT,
    "paragraph": _UNIT,
    "list_item": _UNIT,
    "table": _ROW,
    "code": _BLANK_LINE,
}


def unit_starts(text: str, kind: BlockKind, start: int, end: int) -> Iterator[int]:
    """Where the sentences, rows or paragraphs of code begin that lie in a span of a block, but for the first."""
    last = start
    for match in _UNITS[kind].finditer(text, start, end):
        begin = after_space(text, match.end(), end)
        if last < begin < end:
            yield begin
            last = begin


def after_space(text: str, start: int, end: int) -> int:
    """The first place from `start` that is not white space; `end` if there is none. Copies nothing of the text."""
    while start < end and text[start].isspace():
        start += 1
    return start
