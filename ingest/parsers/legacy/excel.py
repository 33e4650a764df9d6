"""Excel workbooks of the older binary format (.xls), through xlrd: values as the sheet shows them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import StringIO
from typing import Any

import xlrd

from ingest.errors import ParseError
from ingest.parsers.number_formats import GENERAL, shown
from ingest.parsers.sheet_tables import Row, SheetWriter

_DAMAGED = (
    *(xlrd.XLRDError, struct.error, IndexError, KeyError, ValueError, TypeError, AttributeError),
    *(AssertionError, OverflowError, UnicodeError, ZeroDivisionError, RecursionError),
)
"""What xlrd lets through on damaged workbooks."""
_LOCKED = "encrypted"


def read_workbook(content: bytes, writer: SheetWriter, *, file_name: str) -> list[str]:
    """Write the sheets that the workbook shows; return notes on what was left out. Raises `ParseError`."""
    notes: list[str] = []
    try:
        book = xlrd.open_workbook(
            file_contents=content, formatting_info=True, ragged_rows=True, on_demand=True, logfile=StringIO()
        )
    except _DAMAGED as exc:
        if _LOCKED in str(exc):
            raise ParseError(f"{file_name} is locked with a password; save it without one") from exc
        raise ParseError(f"{file_name} is no Excel workbook, or is damaged ({type(exc).__name__})") from exc
    for place, name in enumerate(book.sheet_names()):
        if writer.is_full:
            break
        try:
            sheet = book.sheet_by_index(place)
        except _DAMAGED as exc:
            notes.append(f"{file_name}: sheet “{name}” is damaged and was left out ({type(exc).__name__})")
            continue
        if sheet.visibility:
            notes.append(f"sheet “{name}” was left out, since the workbook hides it")
        else:
            reaching = {
                (first, left): last - 1 for first, last, left, _ in sheet.merged_cells if last > first + 1
            }
            writer.write(name, _rows(book, sheet), reaching)
        book.unload_sheet(place)
    return notes


def _rows(book: Any, sheet: Any) -> Iterator[Row]:
    for number in range(sheet.nrows):
        yield number, [(column, _shown(book, cell)) for column, cell in enumerate(sheet.row(number))]


def _shown(book: Any, cell: Any) -> str:
    """A cell's value as the sheet shows it."""
    match cell.ctype:
        case xlrd.XL_CELL_TEXT:
            return str(cell.value)
        case xlrd.XL_CELL_NUMBER | xlrd.XL_CELL_DATE:
            return shown(float(cell.value), _code(book, cell.xf_index), since_1904=book.datemode == 1)
        case xlrd.XL_CELL_BOOLEAN:
            return "TRUE" if cell.value else "FALSE"
        case xlrd.XL_CELL_ERROR:
            return str(xlrd.error_text_from_code.get(cell.value, "#ERROR!"))
    return ""


def _code(book: Any, style: int | None) -> str:
    """The format code of a cell's style."""
    if style is None or not 0 <= style < len(book.xf_list):
        return GENERAL
    found = book.format_map.get(book.xf_list[style].format_key)
    return GENERAL if found is None else str(found.format_str)
