"""Tables of HTML: rows of cells as they are read, and the blocks that they make."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from selectolax.lexbor import LexborNode

from ingest.parsers.tables import LONGEST_CELL, Cell, header_line, table_text
from ingest.parsers.text import TextBuilder

_INSIDE_A_LAYOUT = "td table, th table, td h1, td h2, td h3, td h4, td h5, td h6, td pre"
_WIDEST_SPAN = 100
_NO_WIDTH = " \u200b\u2060\ufeff"
_MARKED_ITEM = re.compile(
    r"(?:[•●○◦▪■□☐☑☒✓✔–—*·-]|\(?(?:\d{1,2}|[a-zA-Z]|[ivx]{1,4})[.)]) \| (?!.* \| )(?=.*[^\W\d])"
)
"""A row of two cells, the first of which marks the second as an item of a list."""
_CURRENCIES = frozenset({"", "$", "€", "£", "¥"})
_CLOSINGS = frozenset({"", ")", "%", ")%"})


@dataclass(slots=True)
class HtmlTable:
    """A table of data being read.

    is_header: of each row, whether it names the columns.
    depth: how many tables deep its caption or cells have gone.
    """

    rows: list[list[Cell]] = field(default_factory=list)
    is_header: list[bool] = field(default_factory=list)
    depth: int = 1

    def start_row(self) -> None:
        """Say that the cells added next stand in a new row."""
        self.rows.append([])
        self.is_header.append(True)

    def add_cell(self, cell: LexborNode, text: str) -> None:
        """Add a cell to the row; one outside of any row is lost, as browsers lose it."""
        if self.rows:
            self.rows[-1].append(Cell(text, columns=_span(cell, "colspan"), rows=_span(cell, "rowspan")))
            self.is_header[-1] &= cell.tag == "th" or _is_in_head(cell)

    def append_to(self, builder: TextBuilder) -> None:
        """Append the table or, where it only sets the marks of a list apart from its words, the list."""
        rows = _with_signs(self.rows)
        text = table_text(rows)
        lines = text.split("\n")
        if all(map(_MARKED_ITEM.match, lines)):
            for line in lines:
                builder.append("list_item", line.replace(" | ", " ", 1))
        else:
            builder.append("table", text, heading=self._header_row(text) or header_line(text))

    def _header_row(self, text: str) -> str | None:
        """The lines of the table's text that name its columns, as one; None if no row says that it does."""
        lines = iter(text.split("\n"))
        header: list[str] = []
        for row, is_header in zip(self.rows, self.is_header, strict=True):
            if not is_header:
                break
            named = sum(bool(cell.text) for cell in row)
            line = next(lines, "") if named else ""
            header.extend([line] if named > 1 else [])
        joined = " / ".join(header).strip(_NO_WIDTH)
        return joined if 0 < len(joined) <= LONGEST_CELL else None


def holds_data(table: LexborNode) -> bool:
    """Whether a table is one, and not the layout of a page: that has tables, headings or long texts for cells."""
    # Asked of the parts: a node's own queries find the node itself too.
    if any(part.css_first(_INSIDE_A_LAYOUT) is not None for part in table.iter()):
        return False
    cells = table.css("td, th")
    return len(cells) > len(table.css("tr")) and all(len(cell.text()) <= LONGEST_CELL for cell in cells)


def _with_signs(rows: Sequence[Sequence[Cell]]) -> Sequence[Sequence[Cell]]:
    """Rows in which a sign that has a column of its own joins the number that it belongs to.

    Financial statements set "$" before and ")" and "%" after the columns of numbers, to line them up, and keep the
    column where no row has a sign: then nothing stands in it but the beginning of a wider cell.
    """
    if any(cell.rows > 1 for row in rows for cell in row):
        return rows
    narrow: dict[int, set[str]] = {}
    below_wide: set[int] = set()
    for row in rows:
        for column, cell in _placed(row):
            if cell.columns == 1:
                narrow.setdefault(column, set()).add(cell.text)
            elif cell.text:
                below_wide.add(column)
    opening = {column for column, texts in narrow.items() if texts <= _CURRENCIES and texts != {""}}
    opening |= {column for column in below_wide if narrow.get(column, {"?"}) <= _CURRENCIES}
    closing = {column for column, texts in narrow.items() if texts <= _CLOSINGS and texts != {""}}
    return [_joined(row, opening, closing) for row in rows] if opening or closing else rows


def _joined(row: Sequence[Cell], opening: set[int], closing: set[int]) -> list[Cell]:
    joined: list[Cell] = []
    is_open = False
    for column, cell in _placed(row):
        if joined and (is_open or (column in closing and cell.columns == 1)):
            before = joined.pop()
            cell = Cell(before.text + cell.text, columns=before.columns + cell.columns)  # noqa: PLW2901
        joined.append(cell)
        is_open = column in opening and cell.columns == 1
    return joined


def _placed(row: Sequence[Cell]) -> Iterator[tuple[int, Cell]]:
    """The cells of a row with the columns in which they begin, where none reaches down."""
    column = 0
    for cell in row:
        yield column, cell
        column += cell.columns


def _is_in_head(cell: LexborNode) -> bool:
    row = cell.parent
    return row is not None and row.parent is not None and row.parent.tag == "thead"


def _span(cell: LexborNode, attribute: str) -> int:
    span = cell.attributes.get(attribute) or ""
    return max(1, min(int(span), _WIDEST_SPAN)) if re.fullmatch(r"\d{1,9}", span) else 1
