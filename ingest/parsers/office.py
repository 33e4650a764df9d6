"""Word documents (.docx): body text in document order, tables in place, notes after the paragraph that calls them."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import docx
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.exceptions import OpcError
from docx.oxml.parser import parse_xml
from lxml import etree

from ingest.errors import ParseError
from ingest.parsers import BlockKind, ParsedDocument
from ingest.parsers.tables import LONGEST_CELL, Cell, table_text
from ingest.parsers.text import TextBuilder, has_visible_text, one_line, stated_title

MOST_BYTES_UNPACKED = 512 * 1024 * 1024
MOST_TIMES_LARGER = 200
"""How many times larger than the file its contents may be, once they are of a size to worry about."""
_SIZE_TO_WORRY_ABOUT = 50 * 1024 * 1024
_MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_OLE_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError),  # the archive
    *(
        OpcError,
        KeyError,
        ValueError,
        AttributeError,
        RuntimeError,
    ),  # the package: python-docx lets these through
    etree.XMLSyntaxError,
)

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_MATH_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_WRITTEN = {f"{_W}tab": "\t", f"{_W}ptab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_NOT_SHOWN = frozenset(
    {f"{_W}del", f"{_W}moveFrom", f"{_W}pPr", f"{_W}rPr", f"{_W}rt", f"{_W}sdtPr", f"{_MC}Fallback"}
)
_NOTE_CALLS = {f"{_W}footnoteReference": "footnote", f"{_W}endnoteReference": "endnote"}
_HEADING_STYLE = re.compile(r"heading (\d)", re.IGNORECASE)
_BODY_TEXT_LEVEL = 9
"""The outline level that means: no heading."""


class OfficeParser:
    """Reads Word documents."""

    name = "docx/1"
    extensions = frozenset({".docx"})

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse a document; raises `ParseError` if it is damaged, locked, empty, or an archive built to swell."""
        if not content:
            raise ParseError(f"{file_name} is empty")
        if content.startswith(_OLE_SIGNATURE):
            raise ParseError(
                f"{file_name} is locked with a password, or in the older .doc format; save it as .docx without one"
            )
        try:
            _refuse_bomb(content, file_name)
            document = docx.Document(BytesIO(content))
            parsed = _Reader(document).read()
        except _DAMAGE as exc:
            raise ParseError(
                f"{file_name} is no Word document, or is damaged ({type(exc).__name__})"
            ) from exc
        if not has_visible_text(parsed.text):
            raise ParseError(f"{file_name} contains no text")
        return parsed


def _refuse_bomb(content: bytes, file_name: str) -> None:
    """Raise `ParseError` if the archive says that it unpacks to far more than a document would."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    swells = unpacked > _SIZE_TO_WORRY_ABOUT and unpacked > MOST_TIMES_LARGER * len(content)
    if swells or unpacked > MOST_BYTES_UNPACKED:
        raise ParseError(
            f"{file_name} unpacks to {unpacked / 2**20:,.0f} MB from {len(content) / 2**20:,.1f} MB, "
            f"which is more than is read ({MOST_BYTES_UNPACKED // 2**20} MB, {MOST_TIMES_LARGER} times its size)"
        )


class _Styles:
    """What a document's styles say about the paragraphs that wear them."""

    def __init__(self, styles: Any) -> None:
        self._styles = {style.get(f"{_W}styleId"): style for style in styles.iterchildren(f"{_W}style")}
        self._known: dict[str | None, tuple[BlockKind, int | None, bool]] = {}

    def kind_of(self, style_id: str | None) -> tuple[BlockKind, int | None, bool]:
        """Kind and heading level of paragraphs of this style, and whether it is the document's title."""
        if style_id not in self._known:
            self._known[style_id] = self._read(style_id)
        return self._known[style_id]

    def _read(self, style_id: str | None) -> tuple[BlockKind, int | None, bool]:
        kind: BlockKind = "paragraph"
        for style in self._with_ancestors(style_id):
            name = _value(style.find(f"{_W}name")) or ""
            properties = style.find(f"{_W}pPr")
            if name.lower() == "title":
                return "heading", 1, True
            if found := _HEADING_STYLE.fullmatch(name):
                return "heading", int(found[1]) or 1, False
            if (level := _outline_level(properties)) is not None:
                return ("heading", level, False) if level else (kind, None, False)
            if name.lower().startswith("list ") or _is_numbered(properties):
                kind = "list_item"
        return kind, None, False

    def _with_ancestors(self, style_id: str | None) -> Iterator[Any]:
        seen: set[str | None] = set()
        while style_id not in seen and (style := self._styles.get(style_id)) is not None:
            seen.add(style_id)
            yield style
            style_id = _value(style.find(f"{_W}basedOn"))


class _Reader:
    """Reads one document's body."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._styles = _Styles(document.styles.element)
        self._notes = dict(_notes(document.part))
        self._builder = TextBuilder()
        self._title: str | None = None

    def read(self) -> ParsedDocument:
        """Read the whole body."""
        self._read_blocks(self._document.element.body)
        title = stated_title(self._document.core_properties.title) or self._title
        return self._builder.build(title=title, media_type=_MEDIA_TYPE)

    def _read_blocks(self, container: Any) -> None:
        for block in _blocks(container):
            if block.tag == f"{_W}p":
                self._read_paragraph(block)
            else:
                self._read_table(block)

    def _read_paragraph(self, paragraph: Any) -> None:
        inline = _Inline(paragraph)
        kind, level, is_title = self._kind(paragraph.find(f"{_W}pPr"))
        text = inline.text
        if is_title and self._title is None:
            self._title = one_line(text) or None
        self._builder.append(kind, one_line(text) if kind == "heading" else text, level=level)
        self._read_apart(inline)

    def _kind(self, properties: Any) -> tuple[BlockKind, int | None, bool]:
        if properties is None:
            return self._styles.kind_of(None)
        kind, level, is_title = self._styles.kind_of(_value(properties.find(f"{_W}pStyle")))
        own_level = _outline_level(properties)
        if own_level:
            return "heading", own_level, is_title
        if kind == "paragraph" and _is_numbered(properties):
            return "list_item", None, False
        return kind, level, is_title

    def _read_table(self, table: Any) -> None:
        rows = [[_cell(cell) for cell in _children(row, f"{_W}tc")] for row in _children(table, f"{_W}tr")]
        is_layout = all(len(row) <= 1 for row in rows) or any(
            len(cell.text) > LONGEST_CELL for row in rows for cell, _ in row
        )
        if is_layout:
            for row in _children(table, f"{_W}tr"):
                for element in _children(row, f"{_W}tc"):
                    self._read_blocks(element)
            return
        self._builder.append("table", table_text([cell for cell, _ in row] for row in rows))
        for row in rows:
            for _, inlines in row:
                for inline in inlines:
                    self._read_apart(inline)

    def _read_apart(self, inline: _Inline) -> None:
        """Read what hangs on a paragraph: text boxes, and each note where it is called first."""
        for box in inline.boxes:
            self._read_blocks(box)
        for call in inline.note_calls:
            note = self._notes.pop(call, None)
            if note is not None:
                self._read_blocks(note)


class _Inline:
    """The text of a paragraph as Word shows it, and what hangs on it."""

    def __init__(self, paragraph: Any) -> None:
        self.boxes: list[Any] = []
        self.note_calls: list[tuple[str, str]] = []
        parts: list[str] = []
        waiting = [paragraph]
        while waiting:
            element = waiting.pop()
            tag = element.tag
            if tag in (f"{_W}t", _MATH_TEXT):
                parts.append(element.text or "")
            elif tag in _WRITTEN:
                parts.append(_WRITTEN[tag])
            elif tag == f"{_W}txbxContent":
                self.boxes.append(element)
            elif tag in _NOTE_CALLS:
                self.note_calls.append((_NOTE_CALLS[tag], element.get(f"{_W}id", "")))
            elif isinstance(tag, str) and tag not in _NOT_SHOWN and not _is_hidden(element):
                waiting.extend(reversed(element))
        self.text = "".join(parts)


def _blocks(container: Any) -> Iterator[Any]:
    """The paragraphs and tables of a body, cell, box or note, also those inside content controls and insertions."""
    waiting = list(reversed(container))
    while waiting:
        element = waiting.pop()
        if element.tag in (f"{_W}p", f"{_W}tbl"):
            yield element
        elif isinstance(element.tag, str) and element.tag not in _NOT_SHOWN:
            waiting.extend(reversed(element))


def _children(element: Any, tag: str) -> Iterator[Any]:
    """The rows of a table or the cells of a row, also those inside content controls."""
    waiting = list(reversed(element))
    while waiting:
        child = waiting.pop()
        if child.tag == tag:
            yield child
        elif child.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}customXml", f"{_W}ins"):
            waiting.extend(reversed(child))


def _cell(cell: Any) -> tuple[Cell, list[_Inline]]:
    """A cell on one line, nested tables and all; one that continues a merge has no text of its own."""
    properties = cell.find(f"{_W}tcPr")
    span = properties.find(f"{_W}gridSpan") if properties is not None else None
    merge = properties.find(f"{_W}vMerge") if properties is not None else None
    columns = _number(_value(span)) or 1
    if merge is not None and _value(merge) != "restart":
        return Cell("", columns=columns), []
    inlines = [_Inline(paragraph) for paragraph in _paragraphs_within(cell)]
    return Cell(one_line(" ".join(inline.text for inline in inlines)), columns=min(columns, 100)), inlines


def _paragraphs_within(container: Any) -> Iterator[Any]:
    for block in _blocks(container):
        if block.tag == f"{_W}p":
            yield block
        else:
            for row in _children(block, f"{_W}tr"):
                for cell in _children(row, f"{_W}tc"):
                    yield from _paragraphs_within(cell)


def _notes(part: Any) -> Iterator[tuple[tuple[str, str], Any]]:
    """Foot- and endnotes by kind and id."""
    for relationship in part.rels.values():
        for reltype, kind in (
            (RELATIONSHIP_TYPE.FOOTNOTES, "footnote"),
            (RELATIONSHIP_TYPE.ENDNOTES, "endnote"),
        ):
            if relationship.reltype == reltype and not relationship.is_external:
                for note in parse_xml(relationship.target_part.blob).iterchildren(f"{_W}{kind}"):
                    yield (kind, note.get(f"{_W}id", "")), note


def _is_hidden(element: Any) -> bool:
    """Whether a run is formatted as hidden text."""
    if element.tag != f"{_W}r":
        return False
    properties = element.find(f"{_W}rPr")
    vanish = properties.find(f"{_W}vanish") if properties is not None else None
    return vanish is not None and _value(vanish) not in ("0", "false", "off")


def _outline_level(properties: Any) -> int | None:
    """The heading level (from 1) that paragraph properties set; 0 where they say body text; None if they say nothing."""
    element = properties.find(f"{_W}outlineLvl") if properties is not None else None
    level = _number(_value(element))
    if level is None:
        return None
    return 0 if level >= _BODY_TEXT_LEVEL else level + 1


def _is_numbered(properties: Any) -> bool:
    """Whether paragraph properties make a list item; number 0 takes a style's numbering away."""
    number = properties.find(f"{_W}numPr/{_W}numId") if properties is not None else None
    return number is not None and _value(number) != "0"


def _value(element: Any) -> str | None:
    value = element.get(f"{_W}val") if element is not None else None
    return value if isinstance(value, str) else None


def _number(value: str | None) -> int | None:
    return int(value) if value is not None and re.fullmatch(r"\d{1,6}", value, re.ASCII) else None
