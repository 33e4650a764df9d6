"""The blocks of a binary Word document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import compress

from ingest.parsers import BlockKind
from ingest.parsers.legacy.word import BinaryDocument, Properties
from ingest.parsers.legacy.word_styles import ListNumbers
from ingest.parsers.running_heads import running_heads
from ingest.parsers.tables import Cell, header_line, table_text
from ingest.parsers.text import TextBuilder, one_line

_IN_TABLE, _ROW_END, _OUTLINE, _LIST, _LIST_DEPTH = 0x2416, 0x2417, 0x2640, 0x460B, 0x260A
_TABLE_DEFINITION = 0xD608
_CELL_DEFINITION_SIZE = 20
_MERGED_LEFT, _MERGED_DOWN, _MERGE_START = 0x02, 0x20, 0x40
_CELL_END = "\x07"
_PARAGRAPH_END = re.compile("[\r\x07\x0c]")
_FIELD_SIGN = re.compile("[\x13\x14\x15]")
_WRITTEN = str.maketrans(
    {
        **dict.fromkeys(map(chr, (*range(9), *range(0x0F, 0x1E), 0x1F))),
        "\x0b": "\n",
        "\x0e": "\n",
        "\x1e": "-",
    }
)
_BODY_TEXT_LEVEL = 9


class BinaryReader:
    """Reads one document into a builder: its body, each note after the paragraph that calls it, then text boxes, and
    headers and footers once each."""

    def __init__(self, document: BinaryDocument, builder: TextBuilder) -> None:
        self.styled_title: str | None = None
        self._document = document
        self._builder = builder
        self._numbers = ListNumbers(*document.list_streams())
        self._kept = bytearray(b"\1") * len(document.characters)
        self._leave_out()
        self._notes = sorted(document.notes())
        self._rows: list[list[Cell]] = []
        self._cells: list[str] = []
        self._in_cell: list[str] = []

    def read(self) -> None:
        """Read the whole document."""
        for part in ("text", "boxes"):
            start, end = self._document.part(part)
            self._read_part(start, end)
        start, end = self._document.part("headers")
        for header in running_heads(text for text, _, _ in self._paragraphs(start, end)):
            self._builder.append("paragraph", header)

    def _leave_out(self) -> None:
        """Mark what is not shown: hidden and deleted text, and the instructions of fields."""
        for start, end in (*self._document.hidden(), *_instructions(self._document.characters)):
            self._kept[start:end] = bytes(len(self._kept[start:end]))

    def _read_part(self, start: int, end: int) -> None:
        for text, cp, ends_cell in self._paragraphs(start, end):
            said = self._document.paragraph(cp)
            if ends_cell or said.sprms.get(_IN_TABLE, b"\0")[:1] == b"\1":
                self._read_in_table(text, said, ends_cell=ends_cell)
            else:
                self._end_table()
                self._read_paragraph(text, said)
                self._read_notes(cp)
        self._end_table()
        self._read_notes(end)

    def _paragraphs(self, start: int, end: int) -> Iterator[tuple[str, int, bool]]:
        """Each paragraph's text, the place of the sign that ends it, and whether that ends a table's cell too."""
        characters = self._document.characters
        while start < end:
            found = _PARAGRAPH_END.search(characters, start, end)
            last = found.start() if found else end
            yield self._text(start, last), min(last, end - 1), found is not None and found[0] == _CELL_END
            start = last + 1

    def _text(self, start: int, end: int) -> str:
        text = self._document.characters[start:end]
        kept = self._kept[start:end]
        if 0 in kept:
            text = "".join(compress(text, kept))
        text = text.translate(_WRITTEN)
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def _read_paragraph(self, text: str, said: Properties) -> None:
        style = self._document.styles.style(said.style)
        properties = {**style.sprms, **said.sprms}
        level = style.heading
        outline = properties.get(_OUTLINE, b"")[:1]
        if outline:
            level = outline[0] + 1 if outline[0] < _BODY_TEXT_LEVEL else level
        use = int.from_bytes(properties.get(_LIST, b"\0\0")[:2], "little", signed=True)
        label = self._numbers.label(use, properties.get(_LIST_DEPTH, b"\0")[0]) if use > 0 else ""
        if style.is_title and text.strip():
            self.styled_title = self.styled_title or one_line(text)
            level = 1
        kind: BlockKind = "heading" if level else "list_item" if use > 0 else "paragraph"
        shown = f"{label} {text}" if label and text.strip() else text
        self._builder.append(kind, one_line(shown) if level else shown, level=level or None)

    def _read_in_table(self, text: str, said: Properties, *, ends_cell: bool) -> None:
        is_row_end = said.sprms.get(_ROW_END, b"\0")[:1] == b"\1" or (
            self._document.is_old and ends_cell and not text and not self._in_cell and bool(self._cells)
        )
        if is_row_end:
            self._rows.append(self._row(said))
            self._cells, self._in_cell = [], []
            return
        self._in_cell.append(text)
        if ends_cell:
            self._cells.append(one_line(" ".join(self._in_cell)))
            self._in_cell = []

    def _row(self, said: Properties) -> list[Cell]:
        """The cells of a row, merged as its definition says."""
        merges = list(_merges(said.sprms.get(_TABLE_DEFINITION, b"")))
        cells: list[Cell] = []
        for place, text in enumerate(self._cells):
            flags = merges[place] if place < len(merges) else 0
            if flags & _MERGED_LEFT and cells and not text:
                cells[-1] = Cell(cells[-1].text, columns=cells[-1].columns + 1)
            elif flags & _MERGED_DOWN and not flags & _MERGE_START and not text and not place and self._rows:
                cells.append(Cell(self._rows[-1][0].text))
            else:
                cells.append(Cell(text))
        return cells

    def _end_table(self) -> None:
        if self._cells or self._in_cell:
            self._rows.append([Cell(text) for text in (*self._cells, one_line(" ".join(self._in_cell)))])
            self._cells, self._in_cell = [], []
        rows, self._rows = self._rows, []
        if rows:
            text = table_text(rows, rows_alone=True)
            self._builder.append("table", text, heading=header_line(text))

    def _read_notes(self, cp: int) -> None:
        """Read the notes that are called up to a place."""
        while self._notes and self._notes[0][0] <= cp:
            _, start, end = self._notes.pop(0)
            for text, _, _ in self._paragraphs(start, end):
                self._builder.append("paragraph", text)


def _instructions(characters: str) -> Iterator[tuple[int, int]]:
    """The spans of fields that tell the program what to insert, rather than what it inserted."""
    waiting: list[int] = []
    for sign in _FIELD_SIGN.finditer(characters):
        if sign[0] == "\x13":
            waiting.append(sign.start())
        elif waiting:
            start = waiting.pop()
            if start >= 0:
                yield start, sign.end()
            if sign[0] == "\x14":
                waiting.append(-1)


def _merges(definition: bytes) -> Iterator[int]:
    """Of a row's definition, the flags of each cell that say how it is merged."""
    if len(definition) > 2:
        count = definition[2]
        first = 3 + 2 * (count + 1)
        for place in range(
            first, min(len(definition) - 1, first + count * _CELL_DEFINITION_SIZE), _CELL_DEFINITION_SIZE
        ):
            yield definition[place]
