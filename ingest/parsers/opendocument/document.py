"""OpenDocument files: texts (.odt), spreadsheets (.ods) and presentations (.odp), and their templates."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

from ingest.errors import ParseError
from ingest.parsers import ParsedDocument
from ingest.parsers.archives import Archive, open_archive
from ingest.parsers.bounds import checked
from ingest.parsers.opendocument.blocks import BlockReader, title_styles
from ingest.parsers.opendocument.lists import ListNumbers
from ingest.parsers.opendocument.names import DC_TITLE, DRAW, OFFICE, PRESENTATION, SHAPES, STYLE, SVG
from ingest.parsers.opendocument.sheets import OdfSheets
from ingest.parsers.reading_order import Box, reading_order
from ingest.parsers.running_heads import running_heads
from ingest.parsers.sheet_tables import Row, SheetWriter
from ingest.parsers.text import TextBuilder, stated_title

_MEDIA_TYPE = "application/vnd.oasis.opendocument."
_TITLES = frozenset({"title"})
_ON_EVERY_SLIDE = frozenset({"header", "footer", "date-time", "page-number"})
_LENGTH = re.compile(r"(-?\d{1,6}(?:\.\d{1,9})?)(mm|cm|in|pt|pc|px|)")
_CENTIMETRES = {"mm": 0.1, "cm": 1.0, "in": 2.54, "pt": 2.54 / 72, "pc": 2.54 / 6, "px": 2.54 / 96, "": 1.0}


class OpenDocumentParser:
    """Reads OpenDocument files.

    Texts: notes after the paragraph that calls them, then headers and footers once each. Spreadsheets: as
    `ingest.parsers.ooxml` reads workbooks. Presentations: a page a slide, hidden ones too, the title first, the other
    shapes as they lie, then the speaker's notes. Left out are comments, deletions that are kept for review, and
    alternative texts of pictures.
    """

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse a file; raises `ParseError` if it is damaged, locked, or an archive built to swell."""
        with open_archive(content, file_name=file_name, kind="OpenDocument file") as archive:
            _refuse_locked(archive, file_name)
            if _is_spreadsheet(archive, file_name):
                return checked(_read_spreadsheet(archive), file_name)
            body = _child(archive.xml("content.xml"), f"{OFFICE}body")
            for name, read in (("text", _read_text), ("presentation", _read_presentation)):
                part = None if body is None else _child(body, f"{OFFICE}{name}")
                if part is not None:
                    return checked(read(archive, part), file_name)
            raise archive.damaged("it is neither a text, nor a spreadsheet, nor a presentation")


def _refuse_locked(archive: Archive, file_name: str) -> None:
    manifest = "META-INF/manifest.xml"
    if manifest in archive and b"encryption-data" in archive.read(manifest, most_bytes=64 * 2**20):
        raise ParseError(f"{file_name} is locked with a password; save it without one")


def _is_spreadsheet(archive: Archive, file_name: str) -> bool:
    if "mimetype" in archive:
        return b"spreadsheet" in archive.read("mimetype", most_bytes=1000)
    return file_name.lower().endswith((".ods", ".ots"))


def _title(archive: Archive) -> str | None:
    if "meta.xml" not in archive:
        return None
    try:
        return stated_title(next((found.text for found in archive.xml("meta.xml").iter(DC_TITLE)), None))
    except ParseError:
        return None


def _read_spreadsheet(archive: Archive) -> ParsedDocument:
    builder = TextBuilder()
    writer = SheetWriter(builder)
    sheets = OdfSheets(archive)
    faults: list[ParseError] = []
    for name, rows in groupby(_until_fault(sheets.rows(), faults), key=itemgetter(0)):
        writer.write(name, (row for _, row in rows), sheets.reaching)
        if writer.is_full:
            break
    hidden = (f"sheet “{name}” was left out, since the spreadsheet hides it" for name in sheets.hidden)
    parsed = builder.build(
        title=_title(archive),
        media_type=f"{_MEDIA_TYPE}spreadsheet",
        notes=[*hidden, *writer.notes, *map(str, faults)],
    )
    if faults and not parsed.blocks:
        raise faults[0]
    return parsed


def _until_fault(rows: Iterator[tuple[str, Row]], faults: list[ParseError]) -> Iterator[tuple[str, Row]]:
    """The rows up to where the file is damaged; the fault is added to `faults`."""
    try:
        yield from rows
    except ParseError as exc:
        faults.append(exc)


def _read_text(archive: Archive, body: Any) -> ParsedDocument:
    builder = TextBuilder()
    styles = _styles(archive)
    reader = _block_reader(archive, builder, body, styles)
    reader.read(body)
    for text in running_heads(_headers(reader, styles)):
        builder.append("paragraph", text)
    title = _title(archive) or reader.styled_title
    return builder.build(title=title, media_type=f"{_MEDIA_TYPE}text")


def _read_presentation(archive: Archive, body: Any) -> ParsedDocument:
    builder = TextBuilder()
    reader = _block_reader(archive, builder, body, _styles(archive))
    first_title: str | None = None
    for page in body.iterchildren(f"{DRAW}page"):
        builder.start_page()
        shapes = list(_shapes(page))
        titles = [shape for shape in shapes if shape.get(f"{PRESENTATION}class") in _TITLES]
        for shape in titles:
            title = reader.text_of(shape)
            builder.append("heading", title, level=1)
            first_title = first_title or title or None
        for shape in shapes:
            if shape not in titles and shape.get(f"{PRESENTATION}class") not in _ON_EVERY_SLIDE:
                reader.read(shape)
        _read_notes(page, reader, builder)
    return builder.build(title=_title(archive) or first_title, media_type=f"{_MEDIA_TYPE}presentation")


def _read_notes(page: Any, reader: BlockReader, builder: TextBuilder) -> None:
    """Append a slide's notes as one paragraph, marked as such."""
    for notes in page.iterchildren(f"{PRESENTATION}notes"):
        for shape in notes.iterchildren(f"{DRAW}frame"):
            words = reader.text_of(shape) if shape.get(f"{PRESENTATION}class") == "notes" else ""
            builder.append("paragraph", f"Notes: {words}" if words else "")


def _shapes(page: Any) -> Iterator[Any]:
    """The shapes of a page in the order of reading, groups together."""
    waiting = [page]
    while waiting:
        element = waiting.pop()
        if element.tag in (f"{DRAW}page", f"{DRAW}g"):
            inner = [child for child in element if child.tag in SHAPES]
            waiting.extend(
                inner[place] for place in reversed(reading_order([_box(shape) for shape in inner]))
            )
        else:
            yield element


def _box(shape: Any) -> Box | None:
    """Where a shape lies on its page, in centimetres; a group lies where its first placed shape does."""
    if shape.tag == f"{DRAW}g":
        boxes = [box for child in shape.iter() if child.tag in SHAPES - {f"{DRAW}g"} and (box := _box(child))]
        if not boxes:
            return None
        left, top = min(box.left for box in boxes), min(box.top for box in boxes)
        return Box(left, top, max(box.right for box in boxes), max(box.bottom for box in boxes))
    x, y, width, height = (
        _centimetres(shape.get(f"{SVG}{name}", "")) for name in ("x", "y", "width", "height")
    )
    return None if x is None or y is None else Box(x, y, x + (width or 0), y + (height or 0))


def _centimetres(length: str) -> float | None:
    found = _LENGTH.fullmatch(length.strip())
    return float(found[1]) * _CENTIMETRES[found[2]] if found else None


def _block_reader(archive: Archive, builder: TextBuilder, body: Any, styles: Any) -> BlockReader:
    roots = [root for root in (styles, body.getroottree().getroot()) if root is not None]
    read: set[str] = set()

    def object_text(reference: str) -> str:
        part = posixpath.normpath(posixpath.join(reference, "content.xml"))
        if part in read or part not in archive:
            return ""
        read.add(part)
        return _object_text(archive, part)

    return BlockReader(builder, ListNumbers(roots), title_styles(roots), object_text)


def _object_text(archive: Archive, part: str) -> str:
    """An embedded formula as it was typed, or a chart's titles."""
    try:
        root = archive.xml(part)
    except ParseError:
        return ""
    formula = next(root.iter("{http://www.w3.org/1998/Math/MathML}annotation"), None)
    if formula is not None:
        return formula.text or ""
    chart = "{urn:oasis:names:tc:opendocument:xmlns:chart:1.0}"
    titles = (" ".join(title.itertext()).strip() for title in root.iter(f"{chart}title", f"{chart}subtitle"))
    return " · ".join(title for title in titles if title)


def _styles(archive: Archive) -> Any:
    """The root of the file's styles; None where it has none that can be read."""
    try:
        return archive.xml("styles.xml") if "styles.xml" in archive else None
    except ParseError:
        return None


def _headers(reader: BlockReader, styles: Any) -> Iterator[str]:
    """The words of headers and footers."""
    if styles is not None:
        names = (
            f"{STYLE}{name}" for name in ("header", "header-first", "header-left", "footer", "footer-first")
        )
        for part in styles.iter(*names, f"{STYLE}footer-left"):
            yield reader.text_of(part)


def _child(element: Any, tag: str) -> Any:
    return next(element.iterchildren(tag), None)
