"""reStructuredText. The revision's text is the source itself, so that whoever follows a citation sees the very file.

The lines are told apart by a scanner of our own: docutils reports no exact lines, reads what directives include, and
drops the content of the directives and roles that only Sphinx knows. Nothing is included or run here. What a directive
holds is read as prose, unless it is code; comments are part of the file and stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.parsers import ParsedDocument
from ingest.parsers.encoding import read_text
from ingest.parsers.markup.regions import LONGEST_HEADING, LineReader, Region, indentation, region_blocks
from ingest.parsers.text import one_line

_LINE_OF_MARKS = re.compile(r"(?!(?:::|\.\.)[ \t]*$)([!-/:-@\[-`{-~])\1+[ \t]*$")
_DIRECTIVE = re.compile(r"\.\.[ \t]+(?:\|[^|]+\|[ \t]+)?([\w.+-]+(?::[\w.+-]+)*)[ \t]?::(?:[ \t]|$)")
# fmt: off
_CODE = frozenset({
    "code", "code-block", "doctest", "graphviz", "ipython", "literalinclude", "math", "mermaid", "parsed-literal",
    "productionlist", "prompt", "raw", "sourcecode", "testcode", "testoutput", "testsetup", "tikz", "uml",
})
# fmt: on
_TABLES = frozenset({"csv-table", "list-table"})
_HEADER_OPTION = re.compile(r"[ \t]+:header:[ \t]*(\S.*)")
_ITEM = re.compile(
    r"[ \t]*(?:[*+•‣⁃-]|(?:\d{1,9}|[a-zA-Z]|[ivxlcdmIVXLCDM]{1,8}|#)[.)]|\((?:\d{1,9}|[a-zA-Z]|[ivxlcdm]{1,8}|#)\))"
    r"(?:[ \t]+|$)"
)
_FIELD = re.compile(r"[ \t]*:(?![: ])[^:\n]*(?:\\:[^:\n]*)*(?<! ):(?:[ \t]|$)")
_GRID_EDGE = re.compile(r"[ \t]*\+[-=]+(?:\+[-=]+)*\+[ \t]*$")
_GRID_HEAD_EDGE = re.compile(r"[ \t]*\+=+(?:\+=+)*\+[ \t]*$")
_SIMPLE_EDGE = re.compile(r"[ \t]*=+(?:[ \t]+=+)+[ \t]*$")
_MOST_ROWS = 5000
_ROLE = re.compile(r":[\w.+-]+(?::[\w.+-]+)*:(?=`)")
_LINK = re.compile(r"`([^`<>]+?)\s*<[^<>`]*>`_{0,2}")
_MARKS = re.compile(
    r"``|`__?|`|\*\*|(?<!\w)\*(?=\S)|(?<=\S)\*(?!\w)|\|(?=\S)|(?<=\S)\|_{0,2}|(?<=\w)_(?=[\s.,;:!?)]|$)|\\(?=\S)"
)


class RestructuredTextParser:
    """Reads reStructuredText, with Sphinx's directives and roles."""

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse a reStructuredText file; raises `ParseError` if it is empty, or binary."""
        text = read_text(content, file_name=file_name)
        blocks = tuple(region_blocks(text, _Scanner(text).regions()))
        title = next((block.heading for block in blocks if block.kind == "heading"), None)
        return ParsedDocument(text=text, blocks=blocks, title=title, media_type="text/x-rst")


class _Scanner:
    """Tells the lines of one text apart. Each `_take_…` walks past what begins at the line reached, if it does."""

    def __init__(self, text: str) -> None:
        self._reader = LineReader(text.split("\n"))
        self._styles: list[tuple[str, bool]] = []
        self._literal_below: int | None = None

    def regions(self) -> list[Region]:
        """The region of each line."""
        reader = self._reader
        while not reader.done:
            if not reader.line.strip():
                reader.take(1, reader.regions[-1] if reader.regions else Region("paragraph"))
            elif not (
                self._take_literal()
                or self._take_heading()
                or self._take_directive()
                or self._take_table()
                or self._take_item()
            ):
                self._take_paragraph()
        return reader.regions

    def _take_literal(self) -> bool:
        """An indented block below a line that ends in "::", or lines quoted there by one and the same mark."""
        below, self._literal_below = self._literal_below, None
        if below is None:
            return False
        reader = self._reader
        if indentation(reader.line) > below:
            reader.take_while_indented(Region("code"), deeper_than=below)
            return True
        quote = reader.line.strip()[0]
        if quote.isalnum() or indentation(reader.line) < below:
            return False
        count = 1
        while reader.peek(count).strip().startswith(quote):
            count += 1
        reader.take(count, Region("code"))
        return True

    def _take_heading(self) -> bool:
        reader = self._reader
        if _is_adornment(reader.line) and reader.peek(1).strip() and _same(reader.line, reader.peek(2)):
            words, mark, count = reader.peek(1), reader.line[0], 3
        elif reader.line[0] not in " \t" and _is_adornment(reader.peek(1)) and not _is_adornment(reader.line):
            words, mark, count = reader.line, reader.peek(1)[0], 2
            is_long_enough = len(reader.peek(1).rstrip()) >= min(4, len(words.rstrip()))
            if not is_long_enough:
                return False
        else:
            return False
        heading = _words(words) if len(words) <= LONGEST_HEADING else ""
        if not heading:
            return False
        style = (mark, count == 3)
        if style not in self._styles:
            self._styles.append(style)
        reader.take(count, Region("heading", self._styles.index(style) + 1, heading))
        return True

    def _take_directive(self) -> bool:
        """A directive's first line and options and, if it is code, all that it holds."""
        reader = self._reader
        depth = indentation(reader.line)
        found = _DIRECTIVE.match(reader.line.strip())
        if found is None:
            return False
        name = found[1].rpartition(":")[2]
        if name in _CODE or name in _TABLES:
            region = Region("code") if name in _CODE else Region("table", heading=self._header_option())
            reader.take(1, region)
            reader.take_while_indented(region, deeper_than=depth)
            return True
        region = Region("paragraph")
        reader.take(1, region)
        while reader.line.strip() and indentation(reader.line) > depth:
            reader.take(1, region)
        return True

    def _header_option(self) -> str | None:
        """The header row that a table's directive names among its options."""
        ahead = 1
        while self._reader.peek(ahead).strip() and self._reader.peek(ahead)[0] in " \t":
            if found := _HEADER_OPTION.match(self._reader.peek(ahead)):
                return found[1].strip()
            ahead += 1
        return None

    def _take_table(self) -> bool:
        reader = self._reader
        if _GRID_EDGE.match(reader.line) and reader.peek(1).strip():
            count = 1
            while reader.peek(count).strip().startswith(("|", "+")):
                count += 1
            reader.take(count, Region("table", heading=self._grid_header(count)))
            return True
        if _SIMPLE_EDGE.match(reader.line) and reader.peek(1).strip():
            edges = list(self._edges_of_simple_table())
            if edges:
                header = reader.peek(1).strip() if len(edges) > 1 and edges[0] > 1 else None
                reader.take(edges[-1] + 1, Region("table", heading=header))
                return True
        return False

    def _edges_of_simple_table(self) -> Iterator[int]:
        """How far on the further edges of a simple table lie: below its header, and below its rows."""
        reader = self._reader
        edge, found = reader.line.strip(), 0
        for ahead in range(1, min(_MOST_ROWS, len(reader.lines) - reader.at)):
            line = reader.peek(ahead)
            if _SIMPLE_EDGE.match(line) and len(line.strip()) == len(edge):
                found += 1
                yield ahead
                if found == 2 or not reader.peek(ahead + 1).strip():
                    return
            elif line.strip() and indentation(line) < indentation(reader.line):
                return

    def _grid_header(self, count: int) -> str | None:
        """The first line of text above a grid table's line of "="."""
        lines = [self._reader.peek(ahead) for ahead in range(count)]
        if not any(_GRID_HEAD_EDGE.match(line) for line in lines):
            return None
        return next((line.strip() for line in lines if not _GRID_EDGE.match(line)), None)

    def _take_item(self) -> bool:
        """An item of a list, or a field, with the lines further in right below it, up to an item among them."""
        reader = self._reader
        is_new = not reader.peek(-1).strip() or (reader.regions and reader.regions[-1].kind == "list_item")
        found = _ITEM.match(reader.line) or _FIELD.match(reader.line)
        if not is_new or found is None:
            return False
        region, depth = Region("list_item"), indentation(reader.line)
        text_depth = found.end()
        reader.take(1, region)
        while reader.line.strip() and indentation(reader.line) > depth and not _ITEM.match(reader.line):
            text_depth = indentation(reader.line)
            reader.take(1, region)
        self._expect_literal(text_depth)
        return True

    def _take_paragraph(self) -> None:
        """Lines down to an empty one."""
        reader, depth = self._reader, indentation(self._reader.line)
        region = Region("code" if reader.line.lstrip().startswith(">>> ") else "paragraph")
        while reader.line.strip():
            reader.take(1, region)
        self._expect_literal(depth)

    def _expect_literal(self, depth: int) -> None:
        if self._reader.peek(-1).rstrip().endswith("::"):
            self._literal_below = depth


def _is_adornment(line: str) -> bool:
    return _LINE_OF_MARKS.match(line) is not None


def _same(line: str, other: str) -> bool:
    return _is_adornment(other) and line[0] == other[0]


def _words(source: str) -> str:
    """A heading's words without the marks of inline markup."""
    without_targets = _LINK.sub(r"`\1`", _ROLE.sub("", source.strip()))
    return one_line(_MARKS.sub("", without_targets)) or one_line(source)
