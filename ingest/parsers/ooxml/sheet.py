"""Excel workbooks (.xlsx, .xlsm, .xlsb): a heading a sheet, its cells as tables, values as the sheet shows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ingest.errors import ParseError
from ingest.parsers import ParsedDocument
from ingest.parsers.archives import open_archive
from ingest.parsers.bounds import checked
from ingest.parsers.ooxml.binary_workbook import BinaryWorkbook
from ingest.parsers.ooxml.drawings import C, chart_titles, paragraph_text
from ingest.parsers.ooxml.package import A, Package, R
from ingest.parsers.ooxml.workbook import Sheet, Workbook
from ingest.parsers.sheet_tables import Row, SheetWriter
from ingest.parsers.text import TextBuilder

_MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_MEDIA_TYPE_BINARY = "application/vnd.ms-excel.sheet.binary.macroEnabled.12"
_SHAPE_TEXT = "{http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing}txBody"


class SheetParser:
    """Reads workbooks. Numbers are written as their cells show them, dates as ISO 8601, formulas as their saved values.

    Sheets that the workbook hides are left out, with a note; hidden rows and columns are read, since they are mostly
    filtered or folded away. The text of merged cells stands where they begin, and
    once more in each row that they reach down to. Text boxes and the titles of charts
    follow the cells of their sheet. Comments are left out.
    """

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse a workbook; raises `ParseError` if it is damaged, locked, or an archive built to swell."""
        with open_archive(content, file_name=file_name, kind="Excel workbook") as archive:
            return checked(_Reader(Package(archive)).read(), file_name)


class _Reader:
    """Reads one workbook."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._is_binary = package.main_part().endswith(".bin")
        self._workbook = BinaryWorkbook(package) if self._is_binary else Workbook(package)
        self._builder = TextBuilder()
        self._writer = SheetWriter(self._builder)

    def read(self) -> ParsedDocument:
        """Read all sheets that are shown. Raises `ParseError` if none of them can be read."""
        faults: list[ParseError] = []
        notes: list[str] = []
        parts: set[str] = set()
        for sheet in self._workbook.sheets:
            if sheet.is_hidden:
                notes.append(f"sheet “{sheet.name}” was left out, since the workbook hides it")
            elif sheet.part in self._package and sheet.part not in parts and not self._writer.is_full:
                parts.add(sheet.part)
                self._writer.write(sheet.name, self._rows(sheet, faults), self._workbook.reaching(sheet))
                for text in self._drawn(sheet):
                    self._builder.append("paragraph", text)
        notes += [*self._workbook.notes, *self._writer.notes, *map(str, faults)]
        parsed = self._builder.build(
            title=self._package.title(),
            media_type=_MEDIA_TYPE_BINARY if self._is_binary else _MEDIA_TYPE,
            notes=notes,
        )
        if faults and not parsed.blocks:
            raise faults[0]
        return parsed

    def _rows(self, sheet: Sheet, faults: list[ParseError]) -> Iterator[Row]:
        """A sheet's rows; where it is damaged they end, and the fault is added to `faults`."""
        try:
            yield from self._workbook.rows(sheet)
        except ParseError as exc:
            faults.append(exc)

    def _drawn(self, sheet: Sheet) -> Iterator[str]:
        """What is drawn on a sheet: the words of shapes, the titles of charts."""
        for relation in self._package.relations(sheet.part):
            if relation.kind != "drawing":
                continue
            drawing = self._xml(relation.target)
            charts = {found.id: found.target for found in self._package.relations(relation.target)}
            for element in () if drawing is None else drawing.iter(_SHAPE_TEXT, f"{C}chart"):
                if element.tag == _SHAPE_TEXT:
                    yield "\n".join(paragraph_text(paragraph) for paragraph in element.iterchildren(f"{A}p"))
                else:
                    chart = self._xml(charts.get(element.get(f"{R}id", "")))
                    yield "" if chart is None else chart_titles(chart)

    def _xml(self, part: str | None) -> Any:
        """The root of a part; None where it is missing or damaged."""
        try:
            return None if part is None or part not in self._package else self._package.xml(part)
        except ParseError:
            return None
