"""Word, PowerPoint and Excel files of the older binary formats (.doc, .ppt, .xls) and what else goes by these names."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import PurePath

import olefile

from ingest.errors import ParseError
from ingest.parsers import ParsedDocument, ParsePart
from ingest.parsers.bounds import LockedError, checked
from ingest.parsers.legacy.excel import read_workbook
from ingest.parsers.legacy.powerpoint import BinaryPresentation
from ingest.parsers.legacy.properties import title_of
from ingest.parsers.legacy.word import BinaryDocument
from ingest.parsers.legacy.word_blocks import BinaryReader
from ingest.parsers.sheet_tables import SheetWriter
from ingest.parsers.text import TextBuilder

_OLE_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BARE_WORKBOOKS = (b"\x09\x00\x04\x00", b"\x09\x02\x06\x00", b"\x09\x04\x06\x00")
"""How workbooks of Excel 2 to 4 begin, which are not held in a container."""
_DAMAGED = (
    *(struct.error, IndexError, KeyError, ValueError, TypeError, AttributeError, OverflowError),
    *(OSError, EOFError, AssertionError, RecursionError),
)
"""What damaged containers and streams raise."""
_NEWER = {
    ".doc": ".docx",
    ".dot": ".docx",
    ".ppt": ".pptx",
    ".pps": ".pptx",
    ".xls": ".xlsx",
    ".xlt": ".xlsx",
}
_PROPERTIES = "\x05SummaryInformation"
_LOOK_AT = 4096
_PRINTABLE = frozenset(b"\t\n\r\f" + bytes(range(0x20, 0x7F)))
_MOST_STREAM_BYTES = 256 * 2**20


class LegacyOfficeParser:
    """Reads the older binary formats, whatever their extension says, and hands on what was merely given such a name:
    newer office files, RTF, web pages and text.

    Word: headings, lists with their numbers, tables, each note after the paragraph that calls it; then text boxes, and
    headers and footers once each. Text of Word 6 and 95 comes without headings. PowerPoint and Excel: as
    `ingest.parsers.ooxml` reads newer presentations and workbooks. Left out are comments, hidden
    and deleted text, hidden sheets (with a note), charts and embedded objects.
    """

    def __init__(self, *, parse_part: ParsePart | None = None) -> None:
        """`parse_part` parses what is of another format; without it, such files are refused."""
        self._parse_part = parse_part

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse a file; raises `ParseError` if it is damaged, locked, or of a format that is not read."""
        if not content:
            raise ParseError(f"{file_name} is empty")
        if content.startswith(_OLE_SIGNATURE):
            return checked(_parse_container(content, file_name), file_name)
        if content.startswith(_BARE_WORKBOOKS):
            return checked(_parse_workbook(content, file_name, None), file_name)
        return self._parse_other(content, file_name)

    def _parse_other(self, content: bytes, file_name: str) -> ParsedDocument:
        """Parse what bears the name of an older office file but is none, by what it is."""
        extension = _true_extension(content, PurePath(file_name).suffix.lower())
        if extension is not None and self._parse_part is not None:
            inner_name = f"{file_name}{extension}"
            try:
                parsed = self._parse_part(content, inner_name)
            except ParseError as exc:
                raise type(exc)(str(exc).replace(inner_name, file_name, 1)) from exc
            if parsed is not None:
                return parsed
        raise ParseError(
            f"{file_name} is no Word, PowerPoint or Excel file, or is damaged beyond recognition"
        )


def _true_extension(content: bytes, stated: str) -> str | None:
    """The extension that a file should bear; None where its content tells nothing."""
    start = content[:_LOOK_AT].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"pk\x03\x04"):
        return _NEWER.get(stated)
    if start.startswith(b"{\\rtf"):
        return ".rtf"
    if start.startswith(b"mime-version:") or b"\ncontent-type: multipart/related" in start:
        return ".eml"
    if b"<html" in start or start.startswith((b"<!doctype html", b"<table")):
        return ".html"
    if start.startswith(b"<?xml"):
        return ".xml"
    is_text = bool(start) and sum(byte in _PRINTABLE for byte in start) > 0.95 * len(start)
    return (".tsv" if stated in (".xls", ".xlt") else ".txt") if is_text else None


def _parse_container(content: bytes, file_name: str) -> ParsedDocument:
    """Parse what a container holds, by the streams in it."""
    try:
        with olefile.OleFileIO(BytesIO(content), raise_defects=olefile.DEFECT_FATAL) as container:
            title = _title(container)
            if container.exists("EncryptedPackage"):
                raise ParseError(f"{file_name} is locked with a password; save it without one")
            if container.exists("WordDocument"):
                return _parse_document(container, title)
            if container.exists("PowerPoint Document"):
                return _parse_presentation(container, title)
            for name in ("Workbook", "Book"):
                if container.exists(name):
                    return _parse_workbook(_stream(container, name), file_name, title)
    except LockedError as exc:
        raise ParseError(f"{file_name} is locked with a password; save it without one") from exc
    except _DAMAGED as exc:
        raise ParseError(f"{file_name} is damaged ({type(exc).__name__})") from exc
    raise ParseError(f"{file_name} is no Word, PowerPoint or Excel file, or is damaged beyond recognition")


def _parse_document(container: olefile.OleFileIO, title: str | None) -> ParsedDocument:
    names = ("0Table", "1Table")
    tables = {name: _stream(container, name) for name in names if container.exists(name)}
    builder = TextBuilder()
    reader = BinaryReader(BinaryDocument(_stream(container, "WordDocument"), tables), builder)
    reader.read()
    return builder.build(title=title or reader.styled_title, media_type="application/msword")


def _parse_presentation(container: olefile.OleFileIO, title: str | None) -> ParsedDocument:
    builder = TextBuilder()
    user = _stream(container, "Current User")
    presentation = BinaryPresentation(_stream(container, "PowerPoint Document"), user, builder)
    presentation.read()
    return builder.build(title=title or presentation.first_title, media_type="application/vnd.ms-powerpoint")


def _parse_workbook(content: bytes, file_name: str, title: str | None) -> ParsedDocument:
    builder = TextBuilder()
    writer = SheetWriter(builder)
    notes = read_workbook(content, writer, file_name=file_name)
    return builder.build(title=title, media_type="application/vnd.ms-excel", notes=[*notes, *writer.notes])


def _stream(container: olefile.OleFileIO, name: str) -> bytes:
    with container.openstream(name) as stream:
        content: bytes = stream.read(_MOST_STREAM_BYTES)
    return content


def _title(container: olefile.OleFileIO) -> str | None:
    """The title in the file's properties, if they can be read and state one."""
    return title_of(_stream(container, _PROPERTIES)) if container.exists(_PROPERTIES) else None
