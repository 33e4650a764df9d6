"""The cells of a spreadsheet as tables: rows as lines, one table from one empty row to the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType

from ingest.parsers.bounds import MOST_CHARACTERS
from ingest.parsers.tables import header_line, is_figure
from ingest.parsers.text import TextBuilder, clean, one_line

MOST_CELLS = 2_000_000
"""Cells with text that are read of a file, all sheets together."""
_MOST_ROWS = 10_000
"""Rows after which a table goes on as another block with the same header, so that memory stays flat."""

Row = tuple[int, Sequence[tuple[int, str]]]
"""A row's number, and its cells: column and text, ascending."""

Reaching = Mapping[tuple[int, int], int]
"""The cells, by row and column, that are merged with some below them, and the last row that each reaches."""
_LONGEST_REPEATED = 100
_MOST_REPEATED = 50


class SheetWriter:
    """Writes the sheets of one file, within bounds, and keeps notes of what it leaves out."""

    def __init__(self, builder: TextBuilder) -> None:
        self.notes: list[str] = []
        self._builder = builder
        self._cells_left = MOST_CELLS
        self._characters_left = MOST_CHARACTERS

    @property
    def is_full(self) -> bool:
        """Whether no more is taken."""
        return self._cells_left < 0 or self._characters_left < 0

    def write(self, name: str, rows: Iterable[Row], reaching: Reaching = MappingProxyType({})) -> None:
        """Write a sheet under its name as a heading; one without text leaves nothing.

        rows: ascending; those without text may be missing. A short text that reaches down is written again in each of
        its rows that hold others, so that each row can be understood by itself.
        """
        table = _Table(self._builder, name)
        repeated: dict[int, tuple[int, str]] = {}
        for number, cells in rows:
            texts = [(column, text) for column, cell in cells if (text := _cleaned(cell))]
            if reaching:
                texts = _with_repeated(texts, number, reaching, repeated)
            self._cells_left -= len(texts)
            self._characters_left -= sum(len(text) + 3 for _, text in texts)
            if self.is_full:
                self.notes.append(
                    f"the file was cut at row {number:,} of sheet “{name}”: no more than {MOST_CELLS:,} cells "
                    f"and {MOST_CHARACTERS:,} characters of a file are read"
                )
                break
            if texts:
                table.add(number, texts)
        table.end()


def _cleaned(cell: str) -> str:
    """A cell's text on one line; most are numbers, which need no more than a look."""
    return cell if cell.isalnum() else one_line(clean(cell))


def _with_repeated(
    cells: list[tuple[int, str]], number: int, reaching: Reaching, repeated: dict[int, tuple[int, str]]
) -> list[tuple[int, str]]:
    """A row's cells beside those that reach down to it; `repeated` holds, by column, what reaches down how far."""
    for column in [column for column, (last, _) in repeated.items() if last < number]:
        del repeated[column]
    for column, text in cells:
        if (number, column) in reaching and len(text) <= _LONGEST_REPEATED:
            repeated[column] = (reaching[number, column], text)
    if not cells or len(repeated) > _MOST_REPEATED:
        return cells
    return sorted({**{column: text for column, (_, text) in repeated.items()}, **dict(cells)}.items())


class _Table:
    """The rows of a sheet since its last table ended."""

    def __init__(self, builder: TextBuilder, sheet: str) -> None:
        self._builder = builder
        self._sheet: str | None = sheet
        self._rows: list[list[tuple[int, str]]] = []
        self._last = 0
        self._header: str | None = None

    def add(self, number: int, cells: list[tuple[int, str]]) -> None:
        """Take a row with text; an empty one before it ends the table, unless what follows reads like more of it."""
        if self._rows and number > self._last + 1 and not self._continues(cells):
            self.end()
        elif len(self._rows) >= _MOST_ROWS:
            self._write()
        self._rows.append(cells)
        self._last = number

    def end(self) -> None:
        """Write the table; the next row begins another."""
        self._write()
        self._header = None

    def _continues(self, cells: list[tuple[int, str]]) -> bool:
        """Whether a row after an empty one goes on with the table: the same columns, neither header nor title."""
        columns = {column for row in self._rows[-20:] for column, _ in row}
        line = " | ".join(text for _, text in cells)
        is_title = len(cells) == 1 and not is_figure(cells[0][1], years=True)
        fits = all(column in columns for column, _ in cells)
        return fits and not is_title and header_line(f"{line}\n-") is None

    def _write(self) -> None:
        rows, self._rows = self._rows, []
        if not rows:
            return
        if self._sheet is not None:
            self._builder.append("heading", self._sheet, level=1)
            self._sheet = None
        parts = _side_by_side(rows) if self._header is None else [rows]
        for part in parts:
            header = self._write_table(part)
            self._header = header if len(parts) == 1 else None

    def _write_table(self, rows: list[list[tuple[int, str]]]) -> str | None:
        """Write rows that belong together, after those with a single cell that stand above them; return the header."""
        above = 0
        if self._header is None and max(len(row) for row in rows) > 1:
            above = next(place for place, row in enumerate(rows) if len(row) > 1)
        for row in rows[:above]:
            self._builder.append("paragraph", row[0][1])
        if len(rows) == 1 and len(rows[0]) == 1:
            self._builder.append("paragraph", rows[0][0][1])
            return None
        text = _lines(rows[above:])
        header = self._header or header_line(text)
        self._builder.append("table", text, heading=header)
        return header


def _side_by_side(rows: list[list[tuple[int, str]]]) -> list[list[list[tuple[int, str]]]]:
    """The tables that stand beside each other in `rows`: of several columns each, with an empty one between, begun or
    ended in different rows. An empty column by itself tells nothing.
    """
    columns = sorted({column for row in rows for column, _ in row})
    group = 0
    group_of: dict[int, int] = {}
    for place, column in enumerate(columns):
        group += place > 0 and column > columns[place - 1] + 1
        group_of[column] = group
    parts: list[list[list[tuple[int, str]]]] = [[] for _ in range(group + 1)]
    extents: list[list[int]] = [[] for _ in parts]
    for place, row in enumerate(rows):
        for number, cells in groupby(row, key=lambda cell: group_of[cell[0]]):
            parts[number].append(list(cells))
            extents[number].append(place)
    narrowest = min(Counter(group_of.values()).values())
    starts, ends = {extent[0] for extent in extents}, {extent[-1] for extent in extents}
    differ = max(starts) - min(starts) > 1 or max(ends) - min(ends) > 1
    return parts if len(parts) > 1 and narrowest > 1 and differ else [rows]


def _lines(rows: Sequence[Sequence[tuple[int, str]]]) -> str:
    """Rows as lines; columns that are empty throughout are left out, an empty cell leaves an empty place."""
    place = {
        column: index for index, column in enumerate(sorted({column for row in rows for column, _ in row}))
    }
    lines = []
    for row in rows:
        written = [""] * (place[row[-1][0]] + 1)
        for column, text in row:
            written[place[column]] = text
        lines.append(" | ".join(written).strip())
    return "\n".join(lines)
