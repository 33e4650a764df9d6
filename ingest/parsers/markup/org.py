"""Org mode. The revision's text is the source itself, so that whoever follows a citation sees the very file.

The lines are told apart by a scanner of our own: the format is told by the beginnings of lines. Files that
`#+INCLUDE` or `#+SETUPFILE` name are not read; comments, drawers and what is archived are part of the file and stay.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence

from ingest.parsers import ParsedDocument
from ingest.parsers.encoding import read_text
from ingest.parsers.markup.regions import LONGEST_HEADING, LineReader, Region, indentation, region_blocks
from ingest.parsers.text import one_line, stated_title

_HEADLINE = re.compile(r"(\*+)[ \t]+(\S.*)")
_KEYWORD = re.compile(r"(?:TODO|DONE|NEXT|WAITING|CANCELLED|CANCELED|STARTED|HOLD)[ \t]+(?=\S)")
_PRIORITY = re.compile(r"\[#[A-Za-z0-9]{1,2}\][ \t]+(?=\S)")
_TAGS = re.compile(r"[ \t]+:(?:[\w@#%]+:)+$")
_TITLE = re.compile(r"^[ \t]*#\+TITLE:[ \t]*(\S.*)$", re.IGNORECASE | re.MULTILINE)
_BEGIN = re.compile(r"[ \t]*#\+BEGIN_(\w+)", re.IGNORECASE)
_END = re.compile(r"[ \t]*#\+END_(\w+)[ \t]*$", re.IGNORECASE)
_PROSE = frozenset({"quote", "verse", "center", "abstract", "note", "warning", "tip", "important", "details"})
_RULE = re.compile(r"[ \t]*\|[-+|]+[ \t]*$")
_ITEM = re.compile(r"[ \t]*(?:[+-]|\d{1,9}[.)]|[a-zA-Z][.)])(?:[ \t]+|$)|[ \t]+\*(?:[ \t]+|$)")
_LINK = re.compile(r"\[\[[^\]]*\]\[([^\]]*)\]\]|\[\[([^\]]*)\]\]")
_MARKS = re.compile(r"(?<!\w)[*/_=~+](?=\S)|(?<=\S)[*/_=~+](?!\w)")


class OrgParser:
    """Reads Org files."""

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse an Org file; raises `ParseError` if it is empty, or binary."""
        text = read_text(content, file_name=file_name)
        blocks = tuple(region_blocks(text, _regions(LineReader(text.split("\n")))))
        stated = _TITLE.search(text)
        title = stated_title(stated[1]) if stated else None
        first = next((block for block in blocks if block.kind == "heading"), None)
        if title is None and first is not None and first.level == 1:
            title = first.heading
        return ParsedDocument(text=text, blocks=blocks, title=title, media_type="text/org")


def _regions(reader: LineReader) -> list[Region]:
    """The region of each line."""
    ends = _Ends(reader.lines)
    while not reader.done:
        if not reader.line.strip():
            reader.take(1, reader.regions[-1] if reader.regions else Region("paragraph"))
        elif not (
            _take_headline(reader)
            or _take_block(reader, ends)
            or _take_example(reader)
            or _take_table(reader)
        ):
            _take_paragraph(reader)
    return reader.regions


class _Ends:
    """Where the blocks of a file may end, found once for all of them."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._headlines = [index for index, line in enumerate(lines) if _HEADLINE.match(line)]
        self._ends: dict[str, list[int]] = {}
        for index, line in enumerate(lines):
            if found := _END.match(line):
                self._ends.setdefault(found[1].lower(), []).append(index)

    def of_block(self, name: str, *, begin: int) -> int | None:
        """The line that ends the block of this name which begins at the line `begin`; None if a headline, or the end
        of the file, comes before it."""
        end = _next(self._ends.get(name, ()), begin)
        headline = _next(self._headlines, begin)
        return None if end is None or (headline is not None and headline < end) else end


def _next(indexes: Sequence[int], after: int) -> int | None:
    position = bisect_right(indexes, after)
    return indexes[position] if position < len(indexes) else None


def _take_headline(reader: LineReader) -> bool:
    found = _HEADLINE.match(reader.line) if len(reader.line) <= LONGEST_HEADING else None
    heading = _words(found[2]) if found else ""
    if found is None or not heading:
        return False
    reader.take(1, Region("heading", len(found[1]), heading))
    return True


def _take_block(reader: LineReader, ends: _Ends) -> bool:
    """The lines from `#+BEGIN_…` to `#+END_…`: code, unless the block is one of prose."""
    found = _BEGIN.match(reader.line)
    name = found[1].lower() if found else ""
    end = ends.of_block(name, begin=reader.at) if found else None
    if end is None:
        return False
    reader.take(end - reader.at + 1, Region("paragraph" if name in _PROSE else "code"))
    return True


def _take_example(reader: LineReader) -> bool:
    """Lines that each begin with a colon and a space."""
    count = 0
    while reader.peek(count).strip() == ":" or reader.peek(count).lstrip().startswith(": "):
        count += 1
    reader.take(count, Region("code"))
    return count > 0


def _take_table(reader: LineReader) -> bool:
    """Lines that each begin with a bar; what stands above the first rule names the columns."""
    count = 0
    while reader.peek(count).lstrip().startswith("|"):
        count += 1
    rows = [reader.peek(ahead) for ahead in range(count)]
    is_rule = [_RULE.match(row) is not None for row in rows]
    first = is_rule.index(False) if False in is_rule else count
    has_header = True in is_rule[first:] and False in is_rule[is_rule.index(True, first) :]
    reader.take(count, Region("table", heading=rows[first].strip() if has_header else None))
    return count > 0


def _take_paragraph(reader: LineReader) -> None:
    """An item of a list with the lines further in right below it, or lines down to an empty one."""
    is_item, depth = _ITEM.match(reader.line) is not None, indentation(reader.line)
    region = Region("list_item" if is_item else "paragraph")
    reader.take(1, region)
    while reader.line.strip() and not _begins_another(reader.line):
        if _ITEM.match(reader.line) or (is_item and indentation(reader.line) <= depth):
            break
        reader.take(1, region)


def _begins_another(line: str) -> bool:
    return bool(_HEADLINE.match(line) or _BEGIN.match(line)) or line.lstrip().startswith(("|", ": "))


def _words(source: str) -> str:
    """A headline's words without its state, priority, tags and marks."""
    words = _PRIORITY.sub("", _KEYWORD.sub("", _TAGS.sub("", source.rstrip())), count=1)
    return one_line(_MARKS.sub("", _LINK.sub(lambda found: found[1] or found[2] or "", words))) or one_line(
        source
    )
