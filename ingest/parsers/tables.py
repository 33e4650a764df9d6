"""Tables as lines of text, one a row: "Plan | Price | Seats"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    placed = [_placed(row, covered) for row, covered in _with_covered_columns(rows)]
    used = sorted({column for row in placed for column, cell in row.items() if cell.text})
    lines = (_line(row, used) for row in placed)
    return "\n".join(line for line in lines if line)


def _with_covered_columns(rows: Iterable[Sequence[Cell]]) -> Iterable[tuple[Sequence[Cell], frozenset[int]]]:
    """Each row with the columns that cells of the rows above reach down into."""
    reaching: dict[int, int] = {}
    for row in rows:
        covered = frozenset(reaching)
        yield row, covered
        reaching = {column: left - 1 for column, left in reaching.items() if left > 1}
        for column, cell in _placed(row, covered).items():
            if cell.rows > 1:
                reaching.update({column + offset: cell.rows - 1 for offset in range(cell.columns)})


def _placed(row: Sequence[Cell], covered: frozenset[int]) -> dict[int, Cell]:
    """The cells of a row by the column in which they begin."""
    cells: dict[int, Cell] = {}
    column = 0
    for cell in row:
        while column in covered:
            column += 1
        cells[column] = cell
        column += cell.columns
    return cells


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
