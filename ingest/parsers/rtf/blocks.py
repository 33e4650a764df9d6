"""The paragraphs and table cells of an RTF file, put together as blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from ingest.parsers import BlockKind
from ingest.parsers.tables import Cell, header_line, table_text
from ingest.parsers.text import TextBuilder, one_line

_HEADING_STYLE = re.compile(r"heading (\d)", re.IGNORECASE)
_BODY_TEXT_LEVEL = 9
_BULLET = re.compile(r"[\W_o]*")
"""What stands before an item of a list without numbers: signs, or Word's hollow bullet, an "o" of another font."""
_WIDEST = 100


@dataclass(slots=True, kw_only=True)
class Paragraph:
    """What a file says of a paragraph. label: what stands before it in a list, as the file has it."""

    style: int = 0
    outline_level: int | None = None
    in_table: bool = False
    label: str = ""
    is_item: bool = False


@dataclass(slots=True)
class _Definition:
    """How the cells of a row are merged, as the row's definition says it before its cells."""

    into_left: list[bool] = field(default_factory=list)
    into_above: list[bool] = field(default_factory=list)


class BlockWriter:
    """Writes blocks in order; notes wait until the paragraph or table that calls them is written."""

    def __init__(self, builder: TextBuilder) -> None:
        self.styles: dict[int, str] = {}
        self.styled_title: str | None = None
        self._builder = builder
        self._rows: list[list[Cell]] = []
        self._row: list[str] = []
        self._cell: list[str] = []
        self._definition = _Definition()
        self._left = self._above = False
        self._notes: list[str] = []

    def paragraph(self, text: str, said: Paragraph) -> None:
        """End a paragraph."""
        if said.in_table:
            self._cell.append(f"{said.label} {text}".strip() if said.is_item else text)
            return
        self.end_table()
        label = "" if _BULLET.fullmatch(said.label) else f"{said.label} "
        name = self.styles.get(said.style, "")
        kind, level = _kind(said, name)
        if name.lower() == "title" and text.strip() and self.styled_title is None:
            self.styled_title = one_line(text)
        shown = f"{label}{text}" if text.strip() else ""
        self._builder.append(kind, one_line(shown) if kind == "heading" else shown, level=level)
        self._write_notes()

    def note(self, text: str) -> None:
        """Take a foot- or endnote."""
        self._notes.append(text)

    def define_row(self) -> None:
        """Forget how cells are merged: the definition of a row begins."""
        self._definition = _Definition()
        self._left = self._above = False

    def merge(self, *, left: bool = False, above: bool = False) -> None:
        """Say that the next cell to be defined goes on with the one to the left of it, or above it."""
        self._left, self._above = self._left or left, self._above or above

    def define_cell(self) -> None:
        """End the definition of a cell."""
        self._definition.into_left.append(self._left)
        self._definition.into_above.append(self._above)
        self._left = self._above = False

    def cell(self, text: str) -> None:
        """End a cell; `text` is that of its last paragraph."""
        self._row.append(one_line(" ".join([*self._cell, text])))
        self._cell = []

    def row(self) -> None:
        """End a row."""
        texts, self._row = self._row, []
        cells: list[Cell] = []
        for place, text in enumerate(texts):
            goes_on = place < len(self._definition.into_left) and self._definition.into_left[place]
            if cells and (goes_on or len(cells) >= _WIDEST):
                cells[-1] = replace(cells[-1], columns=min(cells[-1].columns + 1, _WIDEST))
            elif place < len(self._definition.into_above) and self._definition.into_above[place]:
                cells.append(
                    Cell(_text_above(self._rows, sum(cell.columns for cell in cells)) if text == "" else text)
                )
            else:
                cells.append(Cell(text))
        if cells:
            self._rows.append(cells)

    def end_table(self) -> None:
        """Write the rows that wait, if any: what comes next is no part of their table."""
        if self._row or self._cell:
            self.cell("")
            self.row()
        rows, self._rows = self._rows, []
        if rows:
            text = table_text(rows, rows_alone=True)
            self._builder.append("table", text, heading=header_line(text))
            self._write_notes()

    def _write_notes(self) -> None:
        notes, self._notes = self._notes, []
        for note in notes:
            self._builder.append("paragraph", note)


def _kind(said: Paragraph, style: str) -> tuple[BlockKind, int | None]:
    heading = _HEADING_STYLE.fullmatch(style)
    if said.outline_level is not None and 0 <= said.outline_level < _BODY_TEXT_LEVEL:
        return "heading", said.outline_level + 1
    if heading:
        return "heading", int(heading[1]) or 1
    if style.lower() == "title":
        return "heading", 1
    return ("list_item" if said.is_item or style.lower().startswith("list ") else "paragraph"), None


def _text_above(rows: list[list[Cell]], column: int) -> str:
    """The text of the cell in this column of the row before."""
    for cell in rows[-1] if rows else ():
        if column < cell.columns:
            return cell.text if column == 0 else ""
        column -= cell.columns
    return ""
