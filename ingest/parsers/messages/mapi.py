"""The properties of an Outlook message file ([MS-OXMSG]): a compound file with a stream for each longer property."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from io import BytesIO

import olefile

from ingest.errors import ParseError
from ingest.parsers.encoding import decode
from ingest.parsers.messages.text import python_encoding
from ingest.parsers.text import clean

SIGNATURE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
BROKEN = (
    *(OSError, struct.error, LookupError, ValueError, TypeError, AttributeError, OverflowError),
    *(RecursionError, AssertionError),
)
"""What olefile lets through on files that are not well formed (its own errors are OSErrors)."""

_Path = tuple[str, ...]
_PROPERTIES = "__properties_version1.0"
_VALUE = "__substg1.0_"
_UNICODE, _EIGHT_BIT, _BINARY = 0x001F, 0x001E, 0x0102
_NUMBER_TYPES = frozenset({0x0002, 0x0003, 0x000B})
_TIME = 0x0040
_ENTRY = struct.Struct("<HHIQ")
_HEADER_SIZES = {"__recip": 8, "__attac": 8, _VALUE[:7]: 24}
_ROOT_HEADER_SIZE = 32
_CODE_PAGE, _TEXT_CODE_PAGE = 0x3FFD, 0x3FDE
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_ENCODINGS = {
    **dict.fromkeys((936, 54936), "gb18030"),
    **dict.fromkeys((50220, 50221, 50222), "iso-2022-jp"),
    **{28590 + part: f"iso-8859-{part}" for part in (*range(1, 10), 13, 15)},
    1200: "utf-16-le",
    10000: "mac_roman",
    20127: "us-ascii",
    20866: "koi8-r",
    21866: "koi8-u",
    50225: "iso2022_kr",
    51932: "euc_jp",
    51949: "euc-kr",
    52936: "hz",
    65001: "utf-8",
}


def open_message(content: bytes) -> Storage:
    """The message itself. Raises `ParseError` with the rest of a sentence that begins with the file's name."""
    try:
        file = olefile.OleFileIO(BytesIO(content))
        names: defaultdict[_Path, dict[str, str]] = defaultdict(dict)
        for entry in file.listdir(streams=True, storages=True):
            names[tuple(entry[:-1])][entry[-1].lower()] = entry[-1]
        return Storage(file, names, ())
    except BROKEN as exc:
        raise ParseError(f"is no Outlook message, or is damaged ({type(exc).__name__})") from exc


class Storage:
    """A message, a recipient or an attachment, and its properties by their numbers ("property tags").

    names: of every storage by its path, what it holds, by lower-case name.
    """

    def __init__(
        self,
        file: olefile.OleFileIO,
        names: Mapping[_Path, Mapping[str, str]],
        path: _Path,
        *,
        encoding: str | None = None,
    ) -> None:
        self._file = file
        self._names = names
        self._path = path
        self._held = names.get(path, {})
        self._fixed = dict(self._fixed_properties())
        self._encoding = _encoding(self.number(_CODE_PAGE)) or encoding
        self.text_encoding = _encoding(self.number(_TEXT_CODE_PAGE)) or self._encoding

    @property
    def is_message(self) -> bool:
        """Whether this has properties at all, as all that a message consists of has."""
        return any(name.startswith((_VALUE, _PROPERTIES)) for name in self._held)

    def text(self, number: int) -> str:
        """A property that is text, or "" where there is none."""
        wide = self._stream(number, _UNICODE)
        if wide is not None:
            return clean(wide.decode("utf-16-le", errors="replace").rstrip("\0"))
        narrow = self._stream(number, _EIGHT_BIT)
        return "" if narrow is None else self._decoded(narrow)

    def content(self, number: int) -> bytes | None:
        """A property that is bytes, or text kept as bytes; None where there is none."""
        for kind in (_BINARY, _EIGHT_BIT):
            found = self._stream(number, kind)
            if found is not None:
                return found
        return None

    def number(self, number: int) -> int | None:
        """A property that is a number."""
        kind, value = self._fixed.get(number, (0, 0))
        return value & 0xFFFFFFFF if kind in _NUMBER_TYPES else None

    def time(self, number: int) -> datetime | None:
        """A property that is a moment; None where there is none, or none that a calendar has."""
        kind, value = self._fixed.get(number, (0, 0))
        if kind != _TIME or not value:
            return None
        try:
            return _EPOCH + timedelta(microseconds=value // 10)
        except OverflowError:
            return None

    def storages(self, prefix: str) -> Iterator[Storage]:
        """The storages inside whose names begin so, in their order."""
        for name in sorted(self._held):
            path = (*self._path, self._held[name])
            if name.startswith(prefix) and path in self._names:
                yield Storage(self._file, self._names, path, encoding=self._encoding)

    def _fixed_properties(self) -> Iterator[tuple[int, tuple[int, int]]]:
        content = self._read(_PROPERTIES) or b""
        last = self._path[-1] if self._path else ""
        start = _HEADER_SIZES.get(last[:7].lower(), _ROOT_HEADER_SIZE)
        whole = len(content) - (len(content) - start) % _ENTRY.size
        for kind, number, _, value in _ENTRY.iter_unpack(content[start:whole] if whole > start else b""):
            yield number, (kind, value)

    def _stream(self, number: int, kind: int) -> bytes | None:
        return self._read(f"{_VALUE}{number:04X}{kind:04X}")

    def _read(self, name: str) -> bytes | None:
        held = self._held.get(name.lower())
        if held is None:
            return None
        try:
            return bytes(self._file.openstream([*self._path, held]).read())
        except BROKEN:  # one lost property is no reason to lose the message
            return None

    def _decoded(self, content: bytes) -> str:
        content = content.rstrip(b"\0")
        try:
            return clean(decode(content, file_name="a property", declared=self._encoding))
        except ParseError:
            return clean(content.decode(self._encoding or "cp1252", errors="replace"))


def _encoding(code_page: int | None) -> str | None:
    """The Python name of a Windows code page; None where it is not known, or says nothing."""
    return None if code_page is None else python_encoding(_ENCODINGS.get(code_page, f"cp{code_page}"))
