"""Word documents (.docx): body text in document order, tables in place, notes after the paragraph that calls them."""

from __future__ import annotations

import posixpath
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
from ingest.parsers import ParsedDocument
from ingest.parsers.tables import LONGEST_CELL, Cell, table_text
from ingest.parsers.text import TextBuilder, has_visible_text, one_line, stated_title
from ingest.parsers.word_numbering import Numbering
from ingest.parsers.word_properties import ParagraphKind, Styles, W, child, is_on, number, value

MOST_BYTES_UNPACKED = 512 * 1024 * 1024
MOST_TIMES_LARGER = 200
"""How many times larger than the file its contents may be, once they are of a size to worry about."""
_SIZE_TO_WORRY_ABOUT = 50 * 1024 * 1024
_MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_OLE_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_DAMAGED_ARCHIVE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
_DAMAGED_PACKAGE = (
    OpcError,
    etree.XMLSyntaxError,
    KeyError,
    ValueError,
    AttributeError,
)  # what python-docx lets through

_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_MATH_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_WRITTEN = {f"{W}tab": "\t", f"{W}ptab": "\t", f"{W}br": "\n", f"{W}cr": "\n", f"{W}noBreakHyphen": "-"}
_NOT_SHOWN = frozenset(
    {f"{W}del", f"{W}moveFrom", f"{W}pPr", f"{W}rPr", f"{W}rt", f"{W}sdtPr", f"{_MC}Fallback"}
)
_NOTE_CALLS = {f"{W}footnoteReference": "footnote", f"{W}endnoteReference": "endnote"}
_WIDEST_SPAN = 100


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
        parsed = _open(content, file_name).read()
        if not has_visible_text(parsed.text):
            raise ParseError(f"{file_name} contains no text")
        return parsed


def _open(content: bytes, file_name: str) -> _Reader:
    """Take a document apart; whatever python-docx reads, it reads here."""
    try:
        _refuse_bomb(content, file_name)
        try:
            return _Reader(docx.Document(BytesIO(content)))
        except KeyError:
            return _Reader(docx.Document(_without_dangling_relationships(content)))
    except (*_DAMAGED_ARCHIVE, *_DAMAGED_PACKAGE) as exc:
        reason = type(exc).__name__
        raise ParseError(f"{file_name} is no Word document, or is damaged ({reason})") from exc


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


def _without_dangling_relationships(content: bytes) -> BytesIO:
    """The archive without references to parts that it does not hold.

    Word writes them (a picture that was lost becomes "NULL") and opens the file all the same; python-docx does not.
    """
    repaired = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as archive, zipfile.ZipFile(repaired, "w") as copy:
        names = frozenset(archive.namelist())
        for name in names:
            part = archive.read(name)
            if name.endswith(".rels"):
                folder = posixpath.dirname(posixpath.dirname(name))
                relationships = parse_xml(part)
                for relationship in relationships:
                    target = posixpath.normpath(posixpath.join("/", folder, relationship.get("Target", "")))
                    if relationship.get("TargetMode") != "External" and target[1:] not in names:
                        relationships.remove(relationship)
                part = etree.tostring(relationships)
            copy.writestr(name, part)
    return repaired


class _Reader:
    """Reads one document's body."""

    def __init__(self, document: Any) -> None:
        self._body = document.element.body
        self._stated_title = document.core_properties.title
        self._styles = Styles(document.styles.element)
        self._numbering = Numbering(next(_parts(document, RELATIONSHIP_TYPE.NUMBERING), None))
        self._notes = dict(_notes(document))
        self._builder = TextBuilder()
        self._styled_title: str | None = None

    def read(self) -> ParsedDocument:
        """Read the whole body."""
        self._read_blocks(self._body)
        title = stated_title(self._stated_title) or self._styled_title
        return self._builder.build(title=title, media_type=_MEDIA_TYPE)

    def _read_blocks(self, container: Any) -> None:
        for block in _blocks(container):
            if block.tag == f"{W}p":
                self._read_paragraph(block)
            else:
                self._read_table(block)

    def _read_paragraph(self, paragraph: Any) -> None:
        inline = _Inline(paragraph)
        found = self._styles.kind_of(inline.properties)
        text = self._numbered(inline, found)
        if found.is_title and self._styled_title is None:
            self._styled_title = one_line(text) or None
        self._builder.append(
            found.kind, one_line(text) if found.kind == "heading" else text, level=found.level
        )
        self._read_apart(inline)

    def _numbered(self, inline: _Inline, found: ParagraphKind) -> str:
        """A paragraph's text behind its number; also a blank one takes a number away."""
        label = ""
        if found.number_id is not None and found.is_numbered:
            label = self._numbering.label(found.number_id, found.number_level, found.style)
        return f"{label} {inline.text}" if label and inline.text.strip() else inline.text

    def _read_table(self, table: Any) -> None:
        rows = [[_TableCell(cell) for cell in _children(row, f"{W}tc")] for row in _children(table, f"{W}tr")]
        cells = [cell for row in rows for cell in row]
        if len(cells) <= len(rows) or any(cell.length > LONGEST_CELL for cell in cells):
            for cell in cells:
                self._read_blocks(cell.element)
            return
        self._builder.append("table", table_text([self._in_line(cell) for cell in row] for row in rows))
        for cell in cells:
            for inline in cell.inlines:
                self._read_apart(inline)

    def _in_line(self, cell: _TableCell) -> Cell:
        texts = (self._numbered(inline, self._styles.kind_of(inline.properties)) for inline in cell.inlines)
        return Cell(one_line(" ".join(texts)), columns=cell.columns)

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
        self.properties = paragraph.find(f"{W}pPr")
        self.boxes: list[Any] = []
        self.note_calls: list[tuple[str, str]] = []
        self.text = "".join(self._parts(paragraph))

    def _parts(self, paragraph: Any) -> Iterator[str]:
        waiting = [paragraph]
        while waiting:
            element = waiting.pop()
            tag = element.tag
            if tag in (f"{W}t", _MATH_TEXT):
                yield element.text or ""
            elif tag in _WRITTEN:
                yield _WRITTEN[tag]
            elif tag == f"{W}txbxContent":
                self.boxes.append(element)
            elif tag in _NOTE_CALLS:
                self.note_calls.append((_NOTE_CALLS[tag], element.get(f"{W}id", "")))
            elif _is_shown(element) and not is_on(child(element, f"{W}rPr/{W}vanish")):
                waiting.extend(reversed(element))


class _TableCell:
    """A cell of a table, nested tables and all; one that continues a merge from above has no text of its own."""

    def __init__(self, element: Any) -> None:
        properties = element.find(f"{W}tcPr")
        merge = child(properties, f"{W}vMerge")
        continues = merge is not None and value(merge) != "restart"
        self.element = element
        self.columns = min(number(value(child(properties, f"{W}gridSpan"))) or 1, _WIDEST_SPAN)
        self.inlines = [] if continues else [_Inline(paragraph) for paragraph in _paragraphs_within(element)]
        self.length = sum(len(inline.text) for inline in self.inlines)


def _is_shown(element: Any) -> bool:
    """Whether an element may hold text that Word shows; comments and unresolved entities do not."""
    return isinstance(element.tag, str) and element.tag not in _NOT_SHOWN


def _blocks(container: Any) -> Iterator[Any]:
    """The paragraphs and tables of a body, cell, box or note, also those inside content controls and insertions."""
    waiting = list(reversed(container))
    while waiting:
        element = waiting.pop()
        if element.tag in (f"{W}p", f"{W}tbl"):
            yield element
        elif _is_shown(element):
            waiting.extend(reversed(element))


def _children(element: Any, tag: str) -> Iterator[Any]:
    """The rows of a table or the cells of a row, also those inside content controls."""
    waiting = list(reversed(element))
    while waiting:
        inner = waiting.pop()
        if inner.tag == tag:
            yield inner
        elif inner.tag in (f"{W}sdt", f"{W}sdtContent", f"{W}customXml", f"{W}ins"):
            waiting.extend(reversed(inner))


def _paragraphs_within(container: Any) -> Iterator[Any]:
    """Every paragraph of a cell in order, also those of tables nested in it."""
    for block in _blocks(container):
        if block.tag == f"{W}p":
            yield block
        else:
            for row in _children(block, f"{W}tr"):
                for cell in _children(row, f"{W}tc"):
                    yield from _paragraphs_within(cell)


def _parts(document: Any, reltype: str) -> Iterator[Any]:
    """The roots of the document's parts of one type."""
    for relationship in document.part.rels.values():
        if relationship.reltype == reltype and not relationship.is_external:
            yield parse_xml(relationship.target_part.blob)


def _notes(document: Any) -> Iterator[tuple[tuple[str, str], Any]]:
    """Foot- and endnotes by kind and id."""
    for reltype, kind in ((RELATIONSHIP_TYPE.FOOTNOTES, "footnote"), (RELATIONSHIP_TYPE.ENDNOTES, "endnote")):
        for root in _parts(document, reltype):
            for note in root.iterchildren(f"{W}{kind}"):
                yield (kind, note.get(f"{W}id", "")), note
