"""AsciiDoc. The revision's text is the source itself, so that whoever follows a citation sees the very file.

The lines are told apart by a scanner of our own (no library in Python reads AsciiDoc with its lines). Includes are
never followed, attributes and macros stay as they are written; comments are part of the file and stay.
"""

from __future__ import annotations

import re

from ingest.errors import NoTextError
from ingest.parsers import ParsedDocument
from ingest.parsers.encoding import read_text
from ingest.parsers.markup.regions import LONGEST_HEADING, LineReader, Region, region_blocks
from ingest.parsers.text import one_line

_HEADING = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*?)(?:[ \t]+\1)?[ \t]*$")
_UNDERLINE = re.compile(r"([=~^+-])\1{2,}[ \t]*$")
_LEVELS = "=-~^+"
_FENCE = re.compile(r"(?:-{4,}|\.{4,}|/{4,}|\+{4,}|`{3,})[ \t]*$|```[\w+-]*[ \t]*$")
_FRAME = re.compile(r"(?:={4,}|\*{4,}|_{4,}|--|'{3,}|<{3,}|-{3}|\*{3})[ \t]*$")
"""What parts blocks or holds other blocks: an example, a side bar, a quotation, a rule, a page break."""
_TABLE = re.compile(r"[|,:!]={3,}[ \t]*$")
_ITEM = re.compile(
    r"[ \t]*(?:\*{1,5}|-{1,5}|\.{1,5}|\d{1,9}\.|[a-zA-Z]\.|[ivxIVX]+\)|<(?:\d{1,3}|\.)>)[ \t]+\S"
)
_TERM = re.compile(r"[ \t]*\S[^\n]*?(?::{2,4}|;;)(?:[ \t]|$)")
_BLOCK_ATTRIBUTES = re.compile(r"\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\][ \t]*$")
_ENTRY = re.compile(r":!?[\w][\w-]*!?:(?:[ \t]|$)")
_COMMENT = re.compile(r"//(?!/)")
_HEADER_OPTION = re.compile(r"(?:%|options\s*=\s*\"?|opts\s*=\s*\"?)[\w,%]*\bheader")
_MACRO = re.compile(
    r"(?:link:|https?://)[^\s\[\]]*\[([^\]]*)\]|<<[^,>]*,([^>]*)>>|\[\[[^\]]*\]\]|\[[^\[\]]*\](?=[#*_`])"
)
_MARKS = re.compile(r"\*\*|__|``|##|(?<!\w)[*_`#+](?=\S)|(?<=\S)[*_`#+](?!\w)")
_PRETTY_GOOD_PRIVACY = re.compile(r"\s*-----BEGIN PGP (?!SIGNED)")


class AsciiDocParser:
    """Reads AsciiDoc."""

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse an AsciiDoc file; raises `ParseError` if it is empty, or binary, `NoTextError` for a signature or key
        of PGP, which has the same extension (.asc)."""
        text = read_text(content, file_name=file_name)
        if _PRETTY_GOOD_PRIVACY.match(text):
            raise NoTextError(f"{file_name} is a signature, key or message of PGP, and no text")
        blocks = tuple(region_blocks(text, _Scanner(text).regions()))
        first = next((block for block in blocks if block.kind == "heading"), None)
        title = first.heading if first is not None and first.level == 1 else None
        return ParsedDocument(text=text, blocks=blocks, title=title, media_type="text/asciidoc")


class _Scanner:
    """Tells the lines of one text apart. Each `_take_…` walks past what begins at the line reached, if it does."""

    def __init__(self, text: str) -> None:
        self._reader = LineReader(text.split("\n"))
        self._unclosed: set[str] = set()

    def regions(self) -> list[Region]:
        """The region of each line."""
        reader = self._reader
        while not reader.done:
            if reader.line.strip() in ("", "+"):
                reader.take(1, reader.regions[-1] if reader.regions else Region("paragraph"))
            elif not (
                self._take_heading()
                or self._take_attributes()
                or self._take_fenced()
                or self._take_table()
                or self._take_bare_table()
                or self._take_item()
            ):
                self._take_paragraph()
        return reader.regions

    def _take_heading(self) -> bool:
        reader = self._reader
        if len(reader.line) > LONGEST_HEADING:
            return False
        if found := _HEADING.match(reader.line):
            count, level, source = 1, len(found[1]), found[2]
        elif self._is_underlined():
            count, level, source = 2, _LEVELS.index(reader.peek(1)[0]) + 1, reader.line
        else:
            return False
        heading = _words(source)
        if not heading:
            return False
        reader.take(count, Region("heading", level, heading))
        return True

    def _is_underlined(self) -> bool:
        """Whether a heading in the older style begins here: its line of marks is as long as it, give or take two."""
        line, below = self._reader.line.rstrip(), self._reader.peek(1).rstrip()
        return (
            line[:1].isalnum()
            and not self._reader.peek(-1).strip()
            and _UNDERLINE.match(below) is not None
            and abs(len(line) - len(below)) <= 2
        )

    def _take_attributes(self) -> bool:
        """A line that says something of the block below, or of the document; a comment; the edge of a frame."""
        reader = self._reader
        if not any(pattern.match(reader.line) for pattern in (_BLOCK_ATTRIBUTES, _ENTRY, _COMMENT, _FRAME)):
            return False
        goes_on = reader.peek(-1).strip() and reader.regions and reader.regions[-1].kind == "paragraph"
        reader.take(1, reader.regions[-1] if goes_on else Region("paragraph"))
        return True

    def _take_fenced(self) -> bool:
        """Lines between two like lines of marks: code, literal text, a comment, or what is passed through."""
        reader = self._reader
        if not _FENCE.match(reader.line):
            return False
        count = self._lines_to("```" if reader.line.startswith("`") else reader.line.strip())
        reader.take(count or 1, Region("code" if count else "paragraph"))
        return True

    def _lines_to(self, end: str) -> int:
        """How many lines it is to the next line that reads `end`, with both; 0 if there is none."""
        reader = self._reader
        if end not in self._unclosed:
            for ahead in range(1, len(reader.lines) - reader.at):
                if reader.peek(ahead).strip() == end:
                    return ahead + 1
            self._unclosed.add(end)
        return 0

    def _take_table(self) -> bool:
        reader = self._reader
        if not _TABLE.match(reader.line):
            return False
        count = self._lines_to(reader.line.strip()) or len(reader.lines) - reader.at
        has_header = self._has_header()
        first = next((ahead for ahead in range(1, count) if reader.peek(ahead).strip()), 0)
        if first and (has_header or (first == 1 and not reader.peek(2).strip())):
            reader.take(count, Region("table", heading=reader.peek(first).strip()))
        else:
            reader.take(count, Region("table"))
        return True

    def _has_header(self) -> bool:
        """Whether the lines above say that the table has a header row."""
        for back in range(1, 4):
            line = self._reader.peek(-back)
            if _BLOCK_ATTRIBUTES.match(line) and _HEADER_OPTION.search(line):
                return True
            if not line.startswith(("[", ".")):
                break
        return False

    def _take_bare_table(self) -> bool:
        """Rows of cells that no table's edge announces."""
        reader, count = self._reader, 0
        while reader.peek(count).startswith("|") and reader.peek(count).count("|") > 1:
            count += 1
        reader.take(count, Region("table"))
        return count > 0

    def _take_item(self) -> bool:
        """An item of a list, with the lines down to an empty one or the next item."""
        reader = self._reader
        if not (_ITEM.match(reader.line) or _TERM.match(reader.line)):
            return False
        self._take_paragraph(Region("list_item"))
        return True

    def _take_paragraph(self, region: Region | None = None) -> None:
        """Lines down to an empty one, an item or the edge of another block."""
        reader = self._reader
        region = region or Region("paragraph")
        reader.take(1, region)
        while reader.line.strip() and not _ends_paragraph(reader.line):
            if region.kind == "list_item" and (_ITEM.match(reader.line) or _TERM.match(reader.line)):
                break
            reader.take(1, region)


def _ends_paragraph(line: str) -> bool:
    return (
        any(edge.match(line) for edge in (_FENCE, _FRAME, _TABLE, _BLOCK_ATTRIBUTES)) or line.rstrip() == "+"
    )


def _words(source: str) -> str:
    """A heading's words without the marks of inline markup."""
    without_macros = _MACRO.sub(lambda found: found[1] or found[2] or "", source)
    return one_line(_MARKS.sub("", without_macros)) or one_line(source)
