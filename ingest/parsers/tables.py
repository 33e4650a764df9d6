"""Tables as lines of text, one a row: "Plan | Price | Seats"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

LONGEST_CELL = 1000
"""Characters above which a cell is no datum but a part of a page that uses a table for its layout."""

_NUMBER = re.compile(r"[-+(\u2212]?\s*[$€£¥]?\s*\.?\d[\d.,'’\s/:-]*(?:[eE][-+]?\d+)?\s*[%€$£¥]?\)?")
_LONGEST_NUMBER = 60
_LONGEST_REPEATED = 100
_MOST_HEADER_LINES = 4
_NOUGHTS = frozenset("-–—")
_YEAR = re.compile(r"(?:19|20)\d\d")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell's text, and how many columns and rows it spans."""

    text: str
    columns: int = 1
    rows: int = 1


def table_text(rows: Iterable[Sequence[Cell]], *, rows_alone: bool = False) -> str:
    """Write rows as lines, cells set apart by " | "; a merged cell is written once, where it begins.

    Cells keep their column, so that an empty one leaves an empty place; columns and rows that are empty throughout
    are left out. With `rows_alone`, each line can be understood by itself: a short cell that reaches down is written
    again in each of its rows, and the columns below a wide cell keep their places.
    """
    grid = list(_grid(rows, repeat_down=rows_alone))
    used = sorted({column for row in grid for column, cell in row.items() if cell.text})
    lines = (_line(row, used, keep_places=rows_alone) for row in grid)
    return "\n".join(line for line in lines if line)


def header_line(table: str) -> str | None:
    """The first lines of a table's text, as one, that read like its header; None if none do.

    The first line must hold more than one word or year, and no figure; further ones belong to the header where several
    figures stand in the line that follows them.
    """
    lines = [
        line.split(" | ") for line in table.split("\n", _MOST_HEADER_LINES + 1)[: _MOST_HEADER_LINES + 1]
    ]
    figures = [sum(map(is_figure, line)) for line in lines]
    if len(lines) < 2 or figures[0] or sum(bool(cell.strip(" |")) for cell in lines[0]) < 2:
        return None
    body = next((place for place, count in enumerate(figures) if count > 1), 1)
    header = lines[: body if not any(figures[:body]) else 1]
    joined = " / ".join(" | ".join(line) for line in header)
    return joined if len(joined) < LONGEST_CELL else " | ".join(lines[0])


def is_figure(cell: str, *, years: bool = False) -> bool:
    """Whether a cell holds a number, a price, a share, or a dash for none; a year counts only with `years`."""
    text = cell.strip(" |")
    if len(text) > _LONGEST_NUMBER or (_YEAR.fullmatch(text) and not years):
        return False
    return text in _NOUGHTS or _NUMBER.fullmatch(text) is not None


def _grid(rows: Iterable[Sequence[Cell]], *, repeat_down: bool) -> Iterator[dict[int, Cell]]:
    """Each row's cells by the column in which they begin, beside those that reach down from the rows above."""
    reaching: dict[int, tuple[int, Cell | None]] = {}
    for row in rows:
        own: dict[int, Cell] = {}
        column = 0
        for cell in row:
            while column in reaching:
                column += 1
            own[column] = cell
            column += cell.columns
        if repeat_down and any(cell.text for cell in own.values()):
            above = {column: cell for column, (_, cell) in reaching.items() if cell is not None}
            yield dict(sorted((own | above).items()))
        else:
            yield own
        reaching = {column: (left - 1, cell) for column, (left, cell) in reaching.items() if left > 1}
        for column, cell in own.items():
            if cell.rows > 1:
                again = cell if len(cell.text) <= _LONGEST_REPEATED else None
                reaching.update(
                    (covered, (cell.rows - 1, None)) for covered in range(column, column + cell.columns)
                )
                reaching[column] = (cell.rows - 1, again)


def _line(row: dict[int, Cell], used: Sequence[int], *, keep_places: bool) -> str:
    written: list[str] = []
    covered_to = 0
    for column in used:
        cell = row.get(column)
        if cell is not None:
            covered_to = column + cell.columns
            written.append(cell.text)
        elif keep_places or column >= covered_to:
            written.append("")
    while written and not written[-1]:
        written.pop()
    return " | ".join(written).strip()
