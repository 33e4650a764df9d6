"""Word documents (.docx): body text in document order, tables in place, notes after the paragraph that calls them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

from ingest.errors import ParseError
from ingest.parsers import ParsedDocument
from ingest.parsers.archives import open_archive
from ingest.parsers.bounds import checked
from ingest.parsers.ooxml.equations import M, equation_text
from ingest.parsers.ooxml.numbering import Numbering
from ingest.parsers.ooxml.package import Package
from ingest.parsers.ooxml.properties import ParagraphKind, Styles, W, child, is_on, number, value
from ingest.parsers.running_heads import running_heads
from ingest.parsers.tables import LONGEST_CELL, Cell, header_line, table_text
from ingest.parsers.text import TextBuilder, one_line

_MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_WRITTEN = {f"{W}tab": "\t", f"{W}ptab": "\t", f"{W}br": "\n", f"{W}cr": "\n", f"{W}noBreakHyphen": "-"}
_NOT_SHOWN = frozenset(
    {f"{W}del", f"{W}moveFrom", f"{W}pPr", f"{W}rPr", f"{W}rt", f"{W}sdtPr", f"{_MC}Fallback"}
)
_NOTE_CALLS = {f"{W}footnoteReference": "footnote", f"{W}endnoteReference": "endnote"}
_WIDEST_SPAN = 100
_LONGEST_REPEATED = 100
_MOST_HEADER_ROWS = 5


class OfficeParser:
    """Reads Word documents: each note and text box after the paragraph that it hangs on, headers and footers once each
    at the end. Comments, hidden text and tracked deletions are left out.
    """

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse a document; raises `ParseError` if it is damaged, locked, empty, or an archive built to swell."""
        with open_archive(content, file_name=file_name, kind="Word document") as archive:
            return checked(_Reader(Package(archive)).read(), file_name)


class _Reader:
    """Reads one document."""

    def __init__(self, package: Package) -> None:
        """Read what the body refers to. Raises `ParseError` if the document is damaged."""
        self._package = package
        self._part = package.main_part()
        self._body = package.xml(self._part).find(f"{W}body")
        if self._body is None:
            raise package.damaged(f"{self._part} is no Word document")
        self._notices: list[str] = []
        self._styles = Styles(next(self._parts("styles"), None))
        self._numbering = Numbering(next(self._parts("numbering"), None))
        self._notes = dict(self._read_notes())
        self._builder = TextBuilder()
        self._styled_title: str | None = None

    def read(self) -> ParsedDocument:
        """Read the whole body."""
        self._read_blocks(self._body)
        for text in running_heads(self._headers()):
            self._builder.append("paragraph", text)
        title = self._package.title() or self._styled_title
        return self._builder.build(title=title, media_type=_MEDIA_TYPE, notes=self._notices)

    def _headers(self) -> Iterator[str]:
        """The texts of headers and footers, which the next one of their kind mostly repeats."""
        for root in (*self._parts("header"), *self._parts("footer")):
            yield " ".join(_Inline(paragraph).text for paragraph in _paragraphs_within(root))

    def _parts(self, kind: str) -> Iterator[Any]:
        """The roots of the document's parts of one kind; one that is damaged is left out, with a notice."""
        for relation in self._package.relations(self._part):
            if relation.kind == kind and relation.target in self._package:
                try:
                    yield self._package.xml(relation.target)
                except ParseError as exc:
                    self._notices.append(str(exc))

    def _read_notes(self) -> Iterator[tuple[tuple[str, str], Any]]:
        """Foot- and endnotes by kind and id."""
        for kind in ("footnote", "endnote"):
            for root in self._parts(f"{kind}s"):
                for note in root.iterchildren(f"{W}{kind}"):
                    yield (kind, note.get(f"{W}id", "")), note

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
        text = table_text(self._rows(rows), rows_alone=True)
        self._builder.append("table", text, heading=_stated_header(table, text) or header_line(text))
        for cell in cells:
            for inline in cell.inlines:
                self._read_apart(inline)

    def _rows(self, rows: Sequence[Sequence[_TableCell]]) -> Iterator[list[Cell]]:
        """The cells as they are written; one that continues a merge from above repeats it where it is short."""
        above: dict[int, str] = {}
        for row in rows:
            written: list[Cell] = []
            texts: dict[int, str] = {}
            column = 0
            for cell in row:
                text = above.get(column, "") if cell.continues else self._in_line(cell)
                written.append(Cell(text, columns=cell.columns))
                texts[column] = text if len(text) <= _LONGEST_REPEATED else ""
                column += cell.columns
            above = texts
            yield written

    def _in_line(self, cell: _TableCell) -> str:
        texts = (self._numbered(inline, self._styles.kind_of(inline.properties)) for inline in cell.inlines)
        return one_line(" ".join(texts))

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
            if tag == f"{W}t":
                yield element.text or ""
            elif tag == f"{M}oMath":
                yield equation_text(element)
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
        self.continues = merge is not None and value(merge) != "restart"
        self.element = element
        self.columns = min(number(value(child(properties, f"{W}gridSpan"))) or 1, _WIDEST_SPAN)
        self.inlines = (
            [] if self.continues else [_Inline(paragraph) for paragraph in _paragraphs_within(element)]
        )
        self.length = sum(len(inline.text) for inline in self.inlines)


def _stated_header(table: Any, text: str) -> str:
    """The lines of the rows that the table repeats on every page."""
    stated = (is_on(child(row, f"{W}trPr/{W}tblHeader")) for row in _children(table, f"{W}tr"))
    count = sum(takewhile(bool, stated))
    return " / ".join(text.split("\n", count)[:count]) if count < _MOST_HEADER_ROWS else ""


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
