"""Excel workbooks of the binary format (.xlsb): sheets and values as `ingest.parsers.ooxml.workbook` gives them.

Records after MS-XLSB; read one by one, so that a sheet takes no more memory than its text.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO

from ingest.parsers.archives import DAMAGED_ARCHIVE
from ingest.parsers.number_formats import BUILT_IN, GENERAL, shown
from ingest.parsers.ooxml.package import Package
from ingest.parsers.ooxml.workbook import Sheet
from ingest.parsers.sheet_tables import Reaching, Row

_ROW, _BLANK, _RK, _ERROR, _BOOL, _REAL, _STRING, _SHARED = range(8)
_FORMULA_STRING, _FORMULA_REAL, _FORMULA_BOOL, _FORMULA_ERROR = range(8, 12)
_SHARED_ITEM, _FORMAT, _STYLE, _RICH_STRING = 19, 44, 47, 62
_WORKBOOK_PROPERTIES, _SHEET, _MERGED = 153, 156, 176
_CELL_STYLES, _CELL_STYLES_END = 617, 618
_ERRORS = dict(
    zip(
        (0x00, 0x07, 0x0F, 0x17, 0x1D, 0x24, 0x2A, 0x2B),
        ("#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A", "#GETTING_DATA"),
        strict=True,
    )
)
_LONGEST_RECORD = 16 * 2**20
_MOST_STRINGS_CHARACTERS = 100_000_000
_MOST_MERGED = 100_000
_LAST_COLUMN = 16_384


class BinaryWorkbook:
    """An open workbook."""

    def __init__(self, package: Package) -> None:
        """Read what all sheets share. Raises `ParseError` if the workbook is damaged."""
        self._package = package
        self.notes: list[str] = []
        self._since_1904 = False
        main = package.main_part()
        related = package.relations(main)
        parts = {relation.kind: relation.target for relation in related}
        self.sheets = tuple(self._sheets(main, {relation.id: relation.target for relation in related}))
        self._codes = tuple(self._styles(parts.get("styles")))
        self._strings = tuple(self._shared_strings(parts.get("sharedStrings")))

    def rows(self, sheet: Sheet) -> Iterator[Row]:
        """The rows of a sheet that hold values; raises `ParseError`, where it is damaged, after what could be read."""
        number = 0
        cells: list[tuple[int, str]] = []
        for kind, record in self._records(sheet.part):
            if kind == _ROW:
                if cells:
                    yield number, cells
                number, cells = max(_u32(record, 0) + 1, number + 1), []
            elif _BLANK < kind <= _FORMULA_ERROR or kind == _RICH_STRING:
                column = _u32(record, 0)
                text = self._shown(kind, record)
                if text and column < _LAST_COLUMN and (not cells or cells[-1][0] < column):
                    cells.append((column, text))
        if cells:
            yield number, cells

    def reaching(self, sheet: Sheet) -> Reaching:
        """The merged cells of a sheet that reach down."""
        merged = [
            record for kind, record in self._records(sheet.part) if kind == _MERGED and len(record) >= 16
        ]
        rectangles = (struct.unpack_from("<4I", record) for record in merged[:_MOST_MERGED])
        return {(first + 1, column): last + 1 for first, last, column, _ in rectangles if last > first}

    def _shown(self, kind: int, record: bytes) -> str:
        """The value of a cell's record as the sheet shows it."""
        if kind in (_STRING, _FORMULA_STRING):
            return _text(record, 8)
        if kind == _RICH_STRING:
            return _text(record, 9)
        if kind == _SHARED:
            place = _u32(record, 8)
            return self._strings[place] if place < len(self._strings) else ""
        if kind in (_BOOL, _FORMULA_BOOL):
            return "TRUE" if record[8:9] == b"\1" else "FALSE"
        if kind in (_ERROR, _FORMULA_ERROR):
            return _ERRORS.get(record[8] if len(record) > 8 else 0, "#ERROR!")
        value = _rk(_u32(record, 8)) if kind == _RK else struct.unpack_from("<d", record, 8)[0]
        style = _u32(record, 4) & 0xFFFFFF
        code = self._codes[style] if style < len(self._codes) else GENERAL
        return shown(value, code, since_1904=self._since_1904)

    def _sheets(self, main: str, targets: dict[str, str]) -> Iterator[Sheet]:
        for kind, record in self._records(main):
            if kind == _WORKBOOK_PROPERTIES:
                self._since_1904 = bool(_u32(record, 0) & 1)
            elif kind == _SHEET:
                relation = _text(record, 8)
                name = _text(record, 12 + len(relation.encode("utf-16-le")))
                if relation in targets:
                    yield Sheet(name=name, part=targets[relation], is_hidden=_u32(record, 0) != 0)

    def _styles(self, part: str | None) -> Iterator[str]:
        """The format code of each cell style."""
        own: dict[int, str] = {}
        in_cell_styles = False
        for kind, record in self._records(part):
            if kind == _FORMAT:
                own[_u16(record, 0)] = _text(record, 2)
            elif kind in (_CELL_STYLES, _CELL_STYLES_END):
                in_cell_styles = kind == _CELL_STYLES
            elif kind == _STYLE and in_cell_styles:
                number = _u16(record, 2)
                yield own.get(number) or BUILT_IN.get(number, GENERAL)

    def _shared_strings(self, part: str | None) -> Iterator[str]:
        left = _MOST_STRINGS_CHARACTERS
        for kind, record in self._records(part):
            if kind == _SHARED_ITEM:
                text = _text(record, 1)
                left -= len(text)
                yield text if left > 0 else ""

    def _records(self, part: str | None) -> Iterator[tuple[int, bytes]]:
        """The kind and content of each record of a part; none where it is missing. Raises `ParseError`."""
        if part is None or part not in self._package:
            return
        with self._package.open(part) as stream:
            try:
                while (kind := _varying(stream, 2)) is not None:
                    length = _varying(stream, 4) or 0
                    if length > _LONGEST_RECORD:
                        raise self._package.damaged(f"{part} holds a record of {length:,} bytes")
                    yield kind, stream.read(length)
            except (struct.error, *DAMAGED_ARCHIVE) as exc:
                raise self._package.damaged(f"{part} cannot be read, {type(exc).__name__}") from exc


def _varying(stream: IO[bytes], most_bytes: int) -> int | None:
    """A number of as many bytes as it needs, seven bits each; None at the end."""
    number = 0
    for place in range(most_bytes):
        byte = stream.read(1)
        if not byte:
            return None
        number |= (byte[0] & 0x7F) << 7 * place
        if byte[0] < 0x80:
            break
    return number


def _u16(record: bytes, place: int) -> int:
    return int.from_bytes(record[place : place + 2], "little")


def _u32(record: bytes, place: int) -> int:
    return int.from_bytes(record[place : place + 4], "little")


def _text(record: bytes, place: int) -> str:
    """A string with its length in characters before it."""
    length = _u32(record, place)
    return record[place + 4 : place + 4 + 2 * length].decode("utf-16-le", "replace")


def _rk(packed: int) -> float:
    """A number of 30 bits: a whole one or the upper part of a float, perhaps times a hundred."""
    value: float
    if packed & 2:
        value = (packed >> 2) - (1 << 30 if packed & 0x80000000 else 0)
    else:
        value = struct.unpack("<d", struct.pack("<II", 0, packed & 0xFFFFFFFC))[0]
    return value / 100 if packed & 1 else value
