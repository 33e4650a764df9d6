"""The cells of OpenDocument spreadsheets, read as a stream of XML events: memory does not grow with the sheet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from ingest.parsers.archives import DAMAGED_ARCHIVE, Archive
from ingest.parsers.opendocument.names import OFFICE, STYLE, TABLE, TEXT, count
from ingest.parsers.sheet_tables import Row

_BYTES_AT_A_TIME = 1 << 16
_MOST_ROWS = 1_048_576
_LAST_COLUMN = 16_384
_MOST_SPACES = 100
_CELLS = frozenset({f"{TABLE}table-cell", f"{TABLE}covered-table-cell"})
_MIDNIGHT = "T00:00:00"


class OdfSheets:
    """The sheets of one spreadsheet, to be read once, in order.

    hidden: the names of the sheets that the spreadsheet hides, as far as it was read.
    reaching: of the sheet that is being read, the merged cells that reach down.
    """

    def __init__(self, archive: Archive) -> None:
        self.hidden: list[str] = []
        self.reaching: dict[tuple[int, int], int] = {}
        self._archive = archive

    def rows(self) -> Iterator[tuple[str, Row]]:
        """The name of its sheet and every row with text, of the sheets that are shown.

        Raises `ParseError`, where the file is damaged, after the rows that could be read.
        """
        sheet = ""
        for found in self._stream():
            if found.sheet != sheet:
                sheet = found.sheet
                self.reaching.clear()
            self.reaching.update(((found.number, column), last) for column, last in found.reaching)
            for number in range(found.number, found.number + found.times):
                yield sheet, (number, found.cells)

    def _stream(self) -> Iterator[_Row]:
        events = _Events(self.hidden)
        parser = etree.XMLParser(target=events, resolve_entities=False, no_network=True, load_dtd=False)
        with self._archive.open("content.xml") as stream:
            try:
                while content := stream.read(_BYTES_AT_A_TIME):
                    parser.feed(content)
                    yield from events.take()
                parser.close()
            except (etree.XMLSyntaxError, *DAMAGED_ARCHIVE) as exc:
                yield from events.take()
                raise self._archive.damaged(f"content.xml cannot be read, {type(exc).__name__}") from exc
        yield from events.take()


@dataclass(slots=True, kw_only=True)
class _Row:
    """A row with text. times: how many rows in a row it stands for. reaching: columns, and the last rows they reach."""

    sheet: str
    number: int
    times: int
    cells: list[tuple[int, str]] = field(default_factory=list)
    reaching: list[tuple[int, int]] = field(default_factory=list)


class _Events:
    """Collects rows from the XML."""

    def __init__(self, hidden: list[str]) -> None:
        self._hidden = hidden
        self._hiding_styles: set[str] = set()
        self._style = ""
        self._sheet = ""
        self._is_hidden = False
        self._ready: list[_Row] = []
        self._row: _Row | None = None
        self._next_number = 1
        self._column = 1
        self._cell: dict[str, str] | None = None
        self._paragraphs: list[str] = []
        self._in_paragraph = False
        self._annotations = 0

    def take(self) -> list[_Row]:
        """The rows that ended since this was last asked."""
        ready, self._ready = self._ready, []
        return ready

    def start(self, tag: str, attributes: Any) -> None:
        if tag == f"{STYLE}style":
            self._style = attributes.get(f"{STYLE}name", "")
        elif tag == f"{STYLE}table-properties" and attributes.get(f"{TABLE}display") == "false":
            self._hiding_styles.add(self._style)
        elif tag == f"{TABLE}table":
            self._start_sheet(attributes)
        elif tag == f"{TABLE}table-row":
            times = count(attributes, f"{TABLE}number-rows-repeated", most=_MOST_ROWS)
            self._row = _Row(sheet=self._sheet, number=self._next_number, times=times)
            self._next_number += times
            self._column = 1
        elif tag in _CELLS:
            self._cell = dict(attributes)
            self._paragraphs = []
        elif tag == f"{OFFICE}annotation":
            self._annotations += 1
        elif self._cell is not None and not self._annotations:
            self._start_inline(tag, attributes)

    def data(self, text: str) -> None:
        if self._in_paragraph and not self._annotations:
            self._paragraphs.append(text)

    def end(self, tag: str) -> None:
        if tag == f"{OFFICE}annotation":
            self._annotations -= 1
        elif tag == f"{TEXT}p":
            self._in_paragraph = False
        elif tag in _CELLS and self._cell is not None:
            self._end_cell(self._cell, is_covered=tag.endswith("}covered-table-cell"))
            self._cell = None
        elif tag == f"{TABLE}table-row" and self._row is not None:
            if self._row.cells and not self._is_hidden:
                self._ready.append(self._row)
            self._row = None

    def close(self) -> None:
        """The XML has ended."""

    def _start_sheet(self, attributes: Any) -> None:
        self._sheet = attributes.get(f"{TABLE}name", "")
        self._is_hidden = attributes.get(f"{TABLE}style-name") in self._hiding_styles
        self._next_number = 1
        if self._is_hidden:
            self._hidden.append(self._sheet)

    def _start_inline(self, tag: str, attributes: Any) -> None:
        if tag == f"{TEXT}p":
            self._in_paragraph = True
            self._paragraphs.append("\n")
        elif tag == f"{TEXT}s":
            self._paragraphs.append(" " * count(attributes, f"{TEXT}c", most=_MOST_SPACES))
        elif tag in (f"{TEXT}line-break", f"{TEXT}tab"):
            self._paragraphs.append(" ")

    def _end_cell(self, cell: Mapping[str, str], *, is_covered: bool) -> None:
        times = count(cell, f"{TABLE}number-columns-repeated", most=_LAST_COLUMN)
        text = "" if is_covered else _shown(cell, "".join(self._paragraphs).strip())
        if self._row is not None and text:
            for column in range(self._column, min(self._column + times, _LAST_COLUMN + 1)):
                self._row.cells.append((column, text))
            reach = count(cell, f"{TABLE}number-rows-spanned", most=_MOST_ROWS)
            if reach > 1:
                self._row.reaching.append((self._column, self._row.number + reach - 1))
        self._column += times


def _shown(cell: Mapping[str, str], text: str) -> str:
    """What a cell shows; a date as ISO 8601 writes it."""
    stated = cell.get(f"{OFFICE}date-value", "")
    if cell.get(f"{OFFICE}value-type") == "date" and stated:
        return stated.removesuffix(_MIDNIGHT).replace("T", " ")
    return text or cell.get(f"{OFFICE}string-value") or cell.get(f"{OFFICE}value") or ""
