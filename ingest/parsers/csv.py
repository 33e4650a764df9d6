"""Tables as text with delimiters: CSV, TSV and their like.

The text is written anew, one line a row, cells set apart by " | " as in every other table: so the numbers of
neighbouring cells do not run together ("3,14,15"), line breaks inside a cell do not tear its row, and a citation reads
as a row. The row that names the columns goes with every chunk as its heading.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from ingest.errors import NoTextError
from ingest.parsers import Block, ParsedDocument
from ingest.parsers.encoding import read_text
from ingest.parsers.text import has_visible_text, one_line, trimmed

_DELIMITERS = ",\t;|"
_NO_CELLS = str.maketrans(dict.fromkeys(f'{_DELIMITERS}"'))
_NO_DELIMITER = "\x1f"
_SAMPLED_ROWS = 200
_LEAST_SCORE = 0.15
_WIDEST_ROW = 1000
_MOST_CHARACTERS = 50_000_000
_LARGEST_BLOCK = 100_000
"""Characters after which the rows go on in another block, so that no cutter has to hold more at once."""
_STATED_DELIMITER = re.compile(r"sep=([^\n\w\"])\n", re.IGNORECASE)
_NUMBER = re.compile(r"[-+(]?[$€£¥]?\s?\d[\d.,:/\s%eE)+-]*")
_LONGEST_NAME = 200
_TRAILING = " |"


class CsvParser:
    """Reads rows of cells; the delimiter and the row that names the columns are told from the first rows."""

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse a table; raises `ParseError` if it is empty, or binary, `NoTextError` if every cell is."""
        source = read_text(content, file_name=file_name)
        if not has_visible_text(source.translate(_NO_CELLS)):
            raise NoTextError(f"{file_name} contains no text")
        stated = _STATED_DELIMITER.match(source)
        source_lines = list(io.StringIO(source[stated.end() :] if stated else source))
        reading = _Reading(source_lines, delimiter=stated[1] if stated else _delimiter(source_lines))
        lines = list(reading.lines())
        text = "\n".join(lines)
        return ParsedDocument(
            text=text,
            blocks=tuple(_blocks(text, lines, reading.header)),
            media_type="text/csv",
            notes=tuple(f"{file_name}: {note}" for note in reading.notes),
        )


class _Reading:
    """Reads the rows of one table.

    header: once the lines are read, the line that names the columns, or None.
    notes: what was left out.
    """

    def __init__(self, source_lines: Sequence[str], *, delimiter: str) -> None:
        self._source_lines = source_lines
        self._delimiter = delimiter
        self.header: str | None = None
        self.notes: list[str] = []

    def lines(self) -> Iterator[str]:
        """A line for every row that holds anything."""
        rows = self._rows()
        first_rows = list(islice(rows, _SAMPLED_ROWS))
        header = _header_row(first_rows)
        self.header = None if header is None else _line(header) or None
        widest = characters = 0
        for row in _chained(first_rows, rows):
            widest = max(widest, len(row))
            line = _line(row[:_WIDEST_ROW])
            characters += len(line) + 1
            if characters > _MOST_CHARACTERS:
                self.notes.append(f"only the first {_MOST_CHARACTERS:,} characters of its rows are kept")
                break
            if line:
                yield line
        if widest > _WIDEST_ROW:
            self.notes.append(f"only the first {_WIDEST_ROW:,} of up to {widest:,} columns are kept")

    def _rows(self) -> Iterator[list[str]]:
        """The rows; from a quotation mark on that is never closed, such marks are taken as they stand."""
        source, begin = self._source_lines, 0
        reader = csv.reader(source, delimiter=self._delimiter)
        while True:
            try:
                row = next(reader, None)
            except csv.Error:  # a cell longer than any
                row, is_torn = [], True
            else:
                is_last = reader.line_num >= len(source) and reader.line_num > begin + 1
                is_torn = is_last and _is_unclosed(source[begin:], self._delimiter)
            if is_torn:
                self.notes.append(f"a quotation mark in line {begin + 1:,} is never closed")
                yield from (line.rstrip("\n").split(self._delimiter) for line in source[begin:])
                return
            if row is None:
                return
            yield row
            begin = reader.line_num


def _chained(first: Sequence[list[str]], rest: Iterator[list[str]]) -> Iterator[list[str]]:
    yield from first
    yield from rest


def _is_unclosed(lines: Sequence[str], delimiter: str) -> bool:
    """Whether a row that takes all these lines ends inside a quotation."""
    try:
        for _ in csv.reader(lines, delimiter=delimiter, strict=True):
            pass
    except csv.Error as exc:
        return "end of data" in str(exc)
    return False


def _delimiter(lines: Sequence[str]) -> str:
    """The delimiter that cuts the first rows into the most even table; one that no row holds if none does."""
    scores = {delimiter: _score(lines, delimiter) for delimiter in _DELIMITERS}
    best = max(scores, key=lambda delimiter: scores[delimiter])
    return best if scores[best] >= _LEAST_SCORE else _NO_DELIMITER


def _score(lines: Sequence[str], delimiter: str) -> float:
    """How even the table is that a delimiter makes, from 0 to 1.

    The first row counts for as much as all others, since names hold no decimal comma.
    """
    try:
        rows = list(islice(csv.reader(lines, delimiter=delimiter), _SAMPLED_ROWS))
    except csv.Error:  # a quotation mark that is never closed
        rows = [line.split(delimiter) for line in lines[:_SAMPLED_ROWS]]
    widths = [len(row) for row in rows if any(map(str.strip, row))]
    wide = Counter(width for width in widths if width > 1)
    if not wide:
        return 0.0
    width, count = wide.most_common(1)[0]
    return count / len(widths) * (1 - 1 / width) * (1.0 if widths[0] > 1 else 0.5)


def _header_row(rows: Iterable[Sequence[str]]) -> Sequence[str] | None:
    """The first row of several cells, if it has a name for most columns, all different and none a number."""
    several = [row for row in rows if sum(bool(cell.strip()) for cell in row) > 1]
    if len(several) < 2:
        return None
    names = [cell.strip() for cell in several[0] if cell.strip()]
    are_names = not any(_NUMBER.fullmatch(name) or len(name) > _LONGEST_NAME for name in names)
    is_wide_enough = 2 * len(names) > max(map(len, several[1:6]))
    return several[0] if are_names and is_wide_enough and len(set(names)) == len(names) else None


def _line(row: Sequence[str]) -> str:
    return one_line(" | ".join(row)).rstrip(_TRAILING)


def _blocks(text: str, lines: Sequence[str], header: str | None) -> Iterator[Block]:
    start = cursor = 0
    for line in lines:
        cursor += len(line) + 1
        if cursor - start >= _LARGEST_BLOCK:
            yield from _block(text, start, cursor, header)
            start = cursor
    yield from _block(text, start, cursor, header)


def _block(text: str, start: int, end: int, header: str | None) -> Iterator[Block]:
    start, end = trimmed(text, start, min(end, len(text)))
    if start < end:
        yield Block(kind="table", char_start=start, char_end=end, heading=header)
