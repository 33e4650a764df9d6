"""Tables as lines of text, one a row: "Plan | Price | Seats"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

LONGEST_CELL = 1000
"""Characters above which a cell is no datum but a part of a page that uses a table for its layout."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell's text, and how many columns and rows it spans."""

    text: str
    columns: int = 1
    rows: int = 1


def table_text(rows: Iterable[Sequence[Cell]]) -> str:
    """Write rows as lines, cells set apart by " | "; a merged cell is written once, where it begins.

    Cells keep their column, so that an empty one leaves an empty place; columns and rows that are empty throughout
    are left out.
    """
    grid = list(_grid(rows))
    used = sorted({column for row in grid for column, cell in row.items() if cell.text})
    lines = (_line(row, used) for row in grid)
    return "\n".join(line for line in lines if line)


def _grid(rows: Iterable[Sequence[Cell]]) -> Iterator[dict[int, Cell]]:
    """Each row's cells by the column in which they begin, beside those that reach down from the rows above."""
    reaching: dict[int, int] = {}
    for row in rows:
        cells: dict[int, Cell] = {}
        column = 0
        for cell in row:
            while column in reaching:
                column += 1
            cells[column] = cell
            column += cell.columns
        yield cells
        reaching = {column: left - 1 for column, left in reaching.items() if left > 1}
        for column, cell in cells.items():
            if cell.rows > 1:
                reaching.update(dict.fromkeys(range(column, column + cell.columns), cell.rows - 1))


def _line(row: dict[int, Cell], used: Sequence[int]) -> str:
    written: list[str] = []
    covered_to = 0
    for column in used:
        cell = row.get(column)
        if cell is not None:
            covered_to = column + cell.columns
            written.append(cell.text)
        elif column >= covered_to:
            written.append("")
    while written and not written[-1]:
        written.pop()
    return " | ".join(written).strip()
