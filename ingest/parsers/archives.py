"""Zip archives that cannot be trusted: office documents and books are such archives, and so are bombs.

`open_archive` checks what the archive says of itself before anything is unpacked; `Archive.read` and `Archive.xml`
unpack one entry within a limit. Every failure is a `ParseError` that begins with the file's name.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from types import TracebackType
from typing import IO, Any, Self

from lxml import etree

from ingest.errors import ParseError

MOST_ENTRIES = 50_000
MOST_BYTES_UNPACKED = 512 * 2**20
"""For all entries together."""
MOST_TIMES_LARGER = 200
"""How many times larger than the file its contents may be, once they are of a size to worry about."""
MOST_BYTES_OF_XML = 128 * 2**20
"""For one entry that is taken apart as a tree, which needs up to ten times the memory."""

_SIZE_TO_WORRY_ABOUT = 50 * 2**20
_OLE_SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_STREAM = "EncryptedPackage".encode("utf-16-le")
_ENTRY_SIGNATURE = b"PK\x01\x02"
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What office documents and books may use; the other methods unpack without bounds."""
DAMAGED_ARCHIVE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError),
    *(struct.error, ValueError, OverflowError, OSError),
)
"""What the standard library lets through on damaged archives, `zipfile.BadZipFile` aside."""


def open_archive(content: bytes, *, file_name: str, kind: str) -> Archive:
    """Open an archive, to be used as a context.

    kind: what the file is said to be, for messages ("Word document").
    Raises `ParseError` if it is empty, locked with a password, no archive, damaged, or built to swell.
    """
    if not content:
        raise ParseError(f"{file_name} is empty")
    if content.startswith(_OLE_SIGNATURE):
        raise ParseError(_why_ole(content, file_name, kind))
    if content.count(_ENTRY_SIGNATURE) > MOST_ENTRIES:  # counted before a record is made of each
        raise ParseError(f"{file_name} holds more than {MOST_ENTRIES:,} entries, which is more than is read")
    try:
        archive = zipfile.ZipFile(BytesIO(content))
    except DAMAGED_ARCHIVE as exc:
        raise ParseError(f"{file_name} is no {kind}, or is damaged ({type(exc).__name__})") from exc
    _refuse_bomb(archive, content, file_name)
    return Archive(archive, file_name=file_name, kind=kind)


def parse_xml(content: bytes) -> Any:
    """The root of a piece of XML that cannot be trusted: no entity is resolved, nothing fetched.

    Raises `lxml.etree.XMLSyntaxError`.
    """
    return etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))


class Archive:
    """An open archive whose declared sizes are within bounds. Names are compared without regard to case."""

    def __init__(self, archive: zipfile.ZipFile, *, file_name: str, kind: str) -> None:
        self._archive = archive
        self._file_name = file_name
        self._kind = kind
        self._entries: Mapping[str, zipfile.ZipInfo] = {
            _key(entry.filename): entry
            for entry in archive.infolist()
            if _key(entry.filename)[-1:] not in ("", "/")
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._archive.close()

    def __contains__(self, name: str) -> bool:
        return _key(name) in self._entries

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all files in the archive, in its order."""
        return tuple(entry.filename.replace("\\", "/") for entry in self._entries.values())

    def read(self, name: str, *, most_bytes: int = MOST_BYTES_UNPACKED) -> bytes:
        """One entry's content. Raises `ParseError` if it is missing, damaged, locked or larger than `most_bytes`."""
        entry = self._entry(name, most_bytes)
        try:
            return self._archive.read(entry)
        except DAMAGED_ARCHIVE as exc:
            raise self.damaged(f"{name} cannot be unpacked, {type(exc).__name__}") from exc

    def open(self, name: str) -> IO[bytes]:
        """One entry as a stream that ends where the archive says that it does; what is wrong with its bytes is raised
        while it is read, as one of `DAMAGED_ARCHIVE`."""
        entry = self._entry(name, MOST_BYTES_UNPACKED)
        try:
            return self._archive.open(entry)
        except DAMAGED_ARCHIVE as exc:
            raise self.damaged(f"{name} cannot be unpacked, {type(exc).__name__}") from exc

    def xml(self, name: str, *, most_bytes: int = MOST_BYTES_OF_XML) -> Any:
        """The root of one entry that is XML. Raises `ParseError`."""
        try:
            return parse_xml(self.read(name, most_bytes=most_bytes))
        except etree.XMLSyntaxError as exc:
            raise self.damaged(f"{name} is no well-formed XML") from exc

    def damaged(self, reason: str) -> ParseError:
        """The error for an archive that lacks or garbles what a file of its kind must hold."""
        return ParseError(f"{self._file_name} is no {self._kind}, or is damaged ({reason})")

    def _entry(self, name: str, most_bytes: int) -> zipfile.ZipInfo:
        entry = self._entries.get(_key(name))
        if entry is None:
            raise self.damaged(f"{name} is missing")
        if entry.flag_bits & _ENCRYPTED:
            raise ParseError(f"{self._file_name} is locked with a password; save it without one")
        if entry.compress_type not in _METHODS:
            raise self.damaged(f"{name} is packed in a way that such files may not use")
        if entry.file_size > most_bytes:
            raise ParseError(
                f"{self._file_name}: {name} unpacks to {entry.file_size / 2**20:,.0f} MB, "
                f"which is more than is read ({most_bytes / 2**20:,.0f} MB)"
            )
        return entry


def _key(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").lower()


def _why_ole(content: bytes, file_name: str, kind: str) -> str:
    """Why a file in the container of older office programs is not read: newer ones keep locked documents in it."""
    if _ENCRYPTED_STREAM in content:
        return f"{file_name} is locked with a password; save it without one"
    return f"{file_name} is no {kind} but in the format of an older program, or locked; save it anew, without password"


def _refuse_bomb(archive: zipfile.ZipFile, content: bytes, file_name: str) -> None:
    unpacked = sum(entry.file_size for entry in archive.infolist())
    swells = unpacked > _SIZE_TO_WORRY_ABOUT and unpacked > MOST_TIMES_LARGER * len(content)
    if swells or unpacked > MOST_BYTES_UNPACKED:
        archive.close()
        raise ParseError(
            f"{file_name} unpacks to {unpacked / 2**20:,.0f} MB from {len(content) / 2**20:,.1f} MB, "
            f"which is more than is read ({MOST_BYTES_UNPACKED // 2**20} MB, {MOST_TIMES_LARGER} times its size)"
        )
