"""Excel workbooks of the newer format (.xlsx): their sheets, and the cells' values as they are shown.

Read as a stream of XML events, so that a sheet of any size, however it declares itself, takes no more memory than its
text: the cells decide, never the dimensions that a sheet states.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lxml import etree

from ingest.errors import ParseError
from ingest.parsers.archives import DAMAGED_ARCHIVE
from ingest.parsers.number_formats import BUILT_IN, GENERAL, shown
from ingest.parsers.ooxml.package import Package, R
from ingest.parsers.sheet_tables import Reaching, Row

_LAST_COLUMN = 16_384
_BYTES_AT_A_TIME = 1 << 16
_MOST_STRINGS_CHARACTERS = 100_000_000
_MERGED = re.compile(
    rb"""<(?:\w+:)?mergeCell\s[^<>]*?ref=["']([A-Z]{1,3})(\d{1,7}):[A-Z]{1,3}(\d{1,7})["']"""
)
_LONGEST_MERGED = 200
_MOST_MERGED = 100_000
_LONGEST_EXACT = 15
_TRUTH = {"1": "TRUE", "0": "FALSE", "true": "TRUE", "false": "FALSE"}
_SECONDS_TOO_MANY = "00:00:00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A sheet of a workbook: its name, the part that holds it, and whether the workbook hides it."""

    name: str
    part: str
    is_hidden: bool


class Workbook:
    """An open workbook. `notes` grow as its sheets are read."""

    def __init__(self, package: Package) -> None:
        """Read what all sheets share. Raises `ParseError` if the workbook is damaged."""
        self._package = package
        main = package.main_part()
        root = package.xml(main)
        related = {relation.id: relation for relation in package.relations(main)}
        properties = root.find("{*}workbookPr")
        self._since_1904 = properties is not None and properties.get("date1904") in ("1", "true")
        self.sheets = tuple(
            Sheet(
                name=entry.get("name", ""),
                part=related[entry.get(f"{R}id")].target,
                is_hidden=entry.get("state", "visible") != "visible",
            )
            for entry in root.iter("{*}sheet")
            if entry.get(f"{R}id") in related
        )
        parts = {relation.kind: relation.target for relation in related.values()}
        self.notes: list[str] = []
        self._codes = tuple(_codes(package, parts.get("styles")))
        self._strings = tuple(self._shared_strings(parts.get("sharedStrings")))

    def rows(self, sheet: Sheet) -> Iterator[Row]:
        """The rows of a sheet that hold values.

        Raises `ParseError`, where the sheet is damaged, after the rows that could be read.
        """
        events = _SheetEvents()
        for number, cells in self._stream(sheet.part, events):
            yield number, [(column, self._shown(cell)) for column, cell in cells]
        if events.formulas_without_value:
            self.notes.append(
                f"sheet “{sheet.name}”: {events.formulas_without_value:,} formulas were left out, since the program "
                "that wrote the file did not save their values"
            )

    def reaching(self, sheet: Sheet) -> Reaching:
        """The merged cells of a sheet that reach down, which its XML names after all cells. Raises `ParseError`."""
        found: dict[tuple[int, int], int] = {}
        with self._package.open(sheet.part) as stream:
            before = b""
            try:
                while content := stream.read(_BYTES_AT_A_TIME):
                    window = before + content
                    for merged in _MERGED.finditer(window) if b"mergeCell" in window else ():
                        first, last, column = int(merged[2]), int(merged[3]), _column(merged[1].decode())
                        if last > first and len(found) < _MOST_MERGED:
                            found[first, column] = last
                    before = content[-_LONGEST_MERGED:]
            except DAMAGED_ARCHIVE:
                return found
        return found

    def _shared_strings(self, part: str | None) -> Iterator[str]:
        if part is None or part not in self._package:
            return
        left = _MOST_STRINGS_CHARACTERS
        for text in self._stream(part, _StringEvents()):
            left -= len(text)
            yield text if left > 0 else ""

    def _stream(self, part: str, events: Any) -> Iterator[Any]:
        """What `events` collects along a part. Raises `ParseError` where it is damaged."""
        parser = etree.XMLParser(target=events, resolve_entities=False, no_network=True, load_dtd=False)
        with self._package.open(part) as stream:
            try:
                while content := stream.read(_BYTES_AT_A_TIME):
                    parser.feed(content)
                    yield from events.take()
                parser.close()
            except (etree.XMLSyntaxError, *DAMAGED_ARCHIVE) as exc:
                yield from events.take()
                raise self._package.damaged(f"{part} cannot be read, {type(exc).__name__}") from exc
        yield from events.take()

    def _shown(self, cell: _Cell) -> str:
        """A cell's value as the sheet shows it."""
        match cell.kind:
            case "s":
                place = int(cell.value) if cell.value.strip().isdecimal() and len(cell.value) < 12 else -1
                return self._strings[place] if 0 <= place < len(self._strings) else ""
            case "n":
                return self._number(cell.value, cell.style)
            case "b":
                return _TRUTH.get(cell.value, cell.value)
            case "d":
                return cell.value.replace("T", " ").removesuffix(_SECONDS_TOO_MANY).rstrip()
        return cell.value

    def _number(self, value: str, style: str) -> str:
        place = int(style) if style.isdecimal() and len(style) < 9 else 0
        code = self._codes[place] if place < len(self._codes) else GENERAL
        if code == GENERAL and value.isdecimal() and len(value) < _LONGEST_EXACT:
            return value
        try:
            number = float(value)
        except ValueError:
            return value
        return shown(number, code, since_1904=self._since_1904)


@dataclass(slots=True)
class _Cell:
    """A cell as the file has it; `kind` as its attribute `t` says."""

    kind: str
    style: str
    value: str = ""


class _SheetEvents:
    """Collects rows from a sheet's XML."""

    def __init__(self) -> None:
        self.formulas_without_value = 0
        self._ready: list[tuple[int, list[tuple[int, _Cell]]]] = []
        self._row: list[tuple[int, _Cell]] = []
        self._number = 0
        self._column = 0
        self._cell: _Cell | None = None
        self._text: list[str] | None = None
        self._is_formula = False
        self._is_pronunciation = False

    def take(self) -> Sequence[Any]:
        """The rows that ended since this was last asked."""
        ready, self._ready = self._ready, []
        return ready

    def start(self, tag: str, attributes: Any) -> None:
        name = tag[tag.rfind("}") + 1 :]
        if name == "c":
            self._column = _column(attributes.get("r", "")) or self._column + 1
            self._cell = _Cell(attributes.get("t", "n"), attributes.get("s", ""))
            self._is_formula = False
        elif name == "v" or (name == "t" and not self._is_pronunciation):
            self._text = []
        elif name == "f":
            self._is_formula = True
        elif name == "rPh":
            self._is_pronunciation = True
        elif name == "row":
            said = attributes.get("r", "")
            number = int(said) if said.isdecimal() and len(said) < 9 else 0
            self._number = max(number, self._number + 1)
            self._column = 0

    def data(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def end(self, tag: str) -> None:
        name = tag.rpartition("}")[2]
        if name in ("v", "t"):
            if self._cell is not None and self._text:
                self._cell.value += "".join(self._text)
            self._text = None
        elif name == "rPh":
            self._is_pronunciation = False
        elif name == "c":
            last = self._row[-1][0] if self._row else 0
            if self._cell is not None and self._cell.value and last < self._column <= _LAST_COLUMN:
                self._row.append((self._column, self._cell))
            elif self._is_formula:
                self.formulas_without_value += 1
            self._cell = None
        elif name == "row" and self._row:
            self._ready.append((self._number, self._row))
            self._row = []

    def close(self) -> None:
        """The XML has ended."""


class _StringEvents:
    """Collects the shared strings; how Japanese words are pronounced is left out."""

    def __init__(self) -> None:
        self._ready: list[str] = []
        self._string: list[str] = []
        self._is_text = False
        self._is_pronunciation = False

    def take(self) -> Sequence[str]:
        """The strings that ended since this was last asked."""
        ready, self._ready = self._ready, []
        return ready

    def start(self, tag: str, _attributes: Any) -> None:
        name = tag.rpartition("}")[2]
        self._is_text = name == "t" and not self._is_pronunciation
        if name == "rPh":
            self._is_pronunciation = True

    def data(self, text: str) -> None:
        if self._is_text:
            self._string.append(text)

    def end(self, tag: str) -> None:
        name = tag.rpartition("}")[2]
        self._is_text = False
        if name == "rPh":
            self._is_pronunciation = False
        elif name == "si":
            self._ready.append("".join(self._string))
            self._string = []

    def close(self) -> None:
        """The XML has ended."""


def _column(reference: str) -> int:
    """The column of a cell's reference, from 1 ("AB12": 28); 0 where it has none."""
    column = 0
    for letter in reference:
        if not "A" <= letter <= "Z" or column > _LAST_COLUMN:
            break
        column = 26 * column + ord(letter) - 64
    return column


def _codes(package: Package, part: str | None) -> Iterator[str]:
    """The format code of each cell style; none where the styles cannot be read, so that values come out as they are."""
    if part is None or part not in package:
        return
    try:
        root = package.xml(part)
    except ParseError:
        return
    own = {
        entry.get("numFmtId"): entry.get("formatCode", "") for entry in root.iterfind("{*}numFmts/{*}numFmt")
    }
    for style in root.iterfind("{*}cellXfs/{*}xf"):
        number = style.get("numFmtId", "0")
        built_in = BUILT_IN.get(int(number)) if number.isdecimal() and len(number) < 9 else None
        yield own.get(number) or built_in or GENERAL
