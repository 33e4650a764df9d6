"""Tables by the places of their cells: rows that stand side by side again and again, with empty strips between them."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingest.parsers.pdf.lines import Fragment, Line, same_size

_STRIP = 0.5
"""How wide, in ems, the strip between two columns is at least."""
_FARTHEST_ROW = 2.2
"""How far, in ems, a row's head may lie below the foot of the row above."""
_MOST_LONE_ROWS = 2
"""How many rows of a single cell may follow one another within a table."""
_CROSSING = 0.2
"""Which share of the rows may have a cell that reaches over a strip."""
_BEFORE_A_COLUMN = 0.2
_LONGEST_USUAL_CELL = 60
_TIGHT = 0.8
"""Up to which share of the usual distance between rows a row goes on with the cells above."""
_WRAPPED = 1.45
"""Up to how many ems below another a line goes on with its cell."""
_FEWEST_BODY_ROWS = 3
_FIGURE = re.compile(r"[-+(\u2212]?\s*[$€£¥]?\s*\(?\d[\d.,'’ ]*\)?\s*%?\)?|[-–—]")
_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, slots=True)
class TableCell:
    """A cell: the columns that it covers, counted from 0, and its lines."""

    first_column: int
    last_column: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, each from left to right."""

    rows: tuple[tuple[TableCell, ...], ...]
    columns: int


def tables_among(lines: Sequence[Line]) -> Iterator[Table | Line]:
    """The lines of a flow in their order, with those that form a table put together."""
    start = 0
    while start < len(lines):
        end = _run_end(lines, start)
        table = _table(lines[start:end]) if end - start > 1 else None
        if table is None:
            yield from lines[start : max(end, start + 1)]
        else:
            yield table
        start = max(end, start + 1)


def _run_end(lines: Sequence[Line], start: int) -> int:
    """Where the run of rows that begins at a line ends; `start` if the line is no row of several cells."""
    if len(lines[start].fragments) < 2:
        return start
    end = start + 1
    for index in range(start + 1, len(lines)):
        above, line = lines[index - 1], lines[index]
        if line.top - above.bottom > _FARTHEST_ROW * max(line.size, above.size):
            break
        if len(line.fragments) > 1:
            end = index + 1
        elif index - end >= _MOST_LONE_ROWS or not same_size(line, above):
            break
    while end < len(lines) and _hangs_below(lines[end], lines[end - 1], lines[start]):
        end += 1
    return end


def _hangs_below(line: Line, above: Line, first: Line) -> bool:
    """Whether a lone line goes on with a cell of the row above that is not its first."""
    return (
        len(line.fragments) == 1
        and same_size(line, above)
        and line.baseline - above.baseline < _WRAPPED * line.size
        and line.left > first.fragments[1].left - line.size
        and _LETTER.search(line.text) is not None
    )


def _table(lines: Sequence[Line]) -> Table | None:
    """The table that a run of lines is; None if its columns are not clear."""
    rows = [line for line in lines if len(line.fragments) > 1]
    body = [row for row in rows if any(_FIGURE.fullmatch(each.text) for each in row.fragments[1:])]
    # Heads of columns often reach over several.
    borders = _borders(body if len(body) >= _FEWEST_BODY_ROWS else rows)
    if len(rows) < 2 or not borders or (len(rows) == 2 and max(len(row.fragments) for row in rows) < 3):
        return None
    placed = [_cells(line, borders) for line in lines]
    in_columns = sum(len(cells) > 1 for cells in placed)
    lengths = [len(fragment.text) for row in rows for fragment in row.fragments]
    if in_columns < 0.7 * len(rows) or statistics.median(lengths) > _LONGEST_USUAL_CELL:
        return None
    return Table(tuple(_with_wrapped_lines(placed)), len(borders) + 1)


def _borders(rows: Sequence[Line]) -> list[float]:
    """Where columns but the first begin: behind strips that (nearly) no cell reaches over."""
    if len(rows) < 2:
        return []
    allowed = max(int(_CROSSING * len(rows)), 1 if len(rows) >= 4 else 0)
    em = statistics.median(row.size for row in rows)
    changes = sorted(
        change for row in rows for each in row.fragments for change in ((each.left, 1), (each.right, -1))
    )
    borders: list[float] = []
    covered, strip_start = 0, math.inf
    for x, change in changes:
        if covered <= allowed < covered + change and x - strip_start >= _STRIP * em:
            borders.append(x - _BEFORE_A_COLUMN * em)
        if covered + change <= allowed < covered:
            strip_start = x
        covered += change
    return borders


def _cells(line: Line, borders: Sequence[float]) -> tuple[TableCell, ...]:
    cells: list[tuple[int, int, list[Fragment]]] = []
    for fragment in line.fragments:
        inset = min(0.3 * fragment.size, fragment.width / 3)
        first = sum(border < fragment.left + inset for border in borders)
        last = sum(border < fragment.right - inset for border in borders)
        if cells and first <= cells[-1][1]:
            before = cells[-1]
            cells[-1] = (before[0], max(before[1], last), [*before[2], fragment])
        else:
            cells.append((first, last, [fragment]))
    return tuple(TableCell(first, last, (Line(tuple(fragments)),)) for first, last, fragments in cells)


def _with_wrapped_lines(rows: Sequence[tuple[TableCell, ...]]) -> Iterator[tuple[TableCell, ...]]:
    """Put a row that only goes on with the cells above to these.

    Such a row has no first cell, and stands clearly closer than rows do; or has a single cell of words.
    """
    feet = [max(line.baseline for cell in row for line in cell.lines) for row in rows]
    steps = [
        below - above
        for (above, below), row, above_row in zip(pairwise(feet), rows[1:], rows, strict=False)
        if row[0].first_column == 0 and above_row[0].first_column == 0
    ]
    usual = statistics.median(steps) if steps else 0.0
    whole = list(rows[0])
    for row, (above, below) in zip(rows[1:], pairwise(feet), strict=True):
        is_close = below - above < _TIGHT * usual or (
            below - above < _WRAPPED * row[0].lines[0].size and _is_lone_words(row)
        )
        if row[0].first_column > 0 and is_close and not _has_figures(row) and _covers(whole, row):
            whole = _joined(whole, row)
        else:
            yield tuple(whole)
            whole = list(row)
    yield tuple(whole)


def _is_lone_words(row: Sequence[TableCell]) -> bool:
    text = row[0].lines[0].text
    return len(row) == 1 and len(_LETTER.findall(text)) > len(text) / 2


def _has_figures(row: Sequence[TableCell]) -> bool:
    return not all(_LETTER.search(cell.lines[0].text) for cell in row)


def _covers(whole: Sequence[TableCell], row: Sequence[TableCell]) -> bool:
    words = {cell.first_column for cell in whole if _LETTER.search(cell.lines[0].text)}
    columns = words if len(row) == 1 else {cell.first_column for cell in whole}
    return all(cell.first_column in columns for cell in row)


def _joined(whole: Sequence[TableCell], row: Sequence[TableCell]) -> list[TableCell]:
    more = {cell.first_column: cell for cell in row}
    return [
        TableCell(cell.first_column, cell.last_column, cell.lines + more[cell.first_column].lines)
        if cell.first_column in more
        else cell
        for cell in whole
    ]
