"""The streams of a binary Word document (.doc): its text, and what it says of paragraphs and characters.

After MS-DOC ("Word 97-2007 Binary File Format"); names such as `ccpText` are the specification's.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType

from ingest.parsers.bounds import MOST_CHARACTERS, LockedError
from ingest.parsers.legacy.word_styles import Sprms, StyleSheet, sprms

_WORD = 0xA5EC
_WORD_97 = 0xC1
_ENCRYPTED, _SECOND_TABLE, _COMPLEX = 0x0100, 0x0200, 0x0004
_FIRST_PAIR = 0x9A
_STYLES, _FOOTNOTE_PLACES, _FOOTNOTE_TEXTS, _CHARACTER_PAGES, _PARAGRAPH_PAGES, _PIECES = 1, 2, 3, 12, 13, 33
_ENDNOTE_PLACES, _ENDNOTE_TEXTS, _LISTS, _LIST_USES = 46, 47, 73, 74
_LENGTHS: Mapping[str, int] = MappingProxyType(
    {
        **dict(zip(("text", "footnotes", "headers"), (0x4C, 0x50, 0x54), strict=True)),
        **dict(zip(("macros", "comments", "endnotes", "boxes"), (0x58, 0x5C, 0x60, 0x64), strict=True)),
    }
)
_PAGE = 512
_HIDDEN, _DELETED = 0x083C, 0x0800


@dataclass(frozen=True, slots=True)
class _Piece:
    """Characters that lie together in the file: `fc` is where, `width` the bytes of each."""

    cp_start: int
    cp_end: int
    fc: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Properties:
    """What a document says of a paragraph."""

    style: int = 0
    sprms: Sprms = field(default_factory=dict)


class BinaryDocument:
    """A document taken apart.

    characters: the text of the body and all that follows it (notes, headers, comments, boxes), one after the other;
    UTF-16 units. is_old: whether it is of Word 6 or 95, of which text alone is read.
    Raises `struct.error`, `IndexError` or `ValueError` where it is damaged, `LockedError` where it is encrypted.
    """

    def __init__(self, document: bytes, tables: Mapping[str, bytes]) -> None:
        """`tables` are the streams "0Table" and "1Table", as far as there are any."""
        ident, version = struct.unpack_from("<HH", document)
        flags = struct.unpack_from("<H", document, 10)[0]
        if ident != _WORD:
            raise ValueError("no Word document of this format")
        if flags & _ENCRYPTED:
            raise LockedError
        self._document = document
        self.is_old = version < _WORD_97
        self._table = document if self.is_old else tables["1Table" if flags & _SECOND_TABLE else "0Table"]
        self._pieces = self._old_pieces(flags) if self.is_old else list(self._read_pieces())
        self.characters = "".join(map(self._text_of, self._pieces))
        self._starts = [piece.cp_start for piece in self._pieces]
        self._paragraphs = [] if self.is_old else list(self._runs(_PARAGRAPH_PAGES))
        self._paragraph_starts = [start for start, _, _ in self._paragraphs]
        self.styles = StyleSheet(b"" if self.is_old else self._stream(_STYLES))

    def length(self, part: str) -> int:
        """How many characters a part of the text has ("text", "footnotes", "headers", …)."""
        if self.is_old:
            return len(self.characters) if part == "text" else 0
        found: int = struct.unpack_from("<i", self._document, _LENGTHS[part])[0]
        return min(max(found, 0), len(self.characters))

    def part(self, name: str) -> tuple[int, int]:
        """Where a part of the text begins and ends in `characters`."""
        start = 0
        for part in _LENGTHS:
            if part == name:
                break
            start += self.length(part)
        return start, min(start + self.length(name), len(self.characters))

    def notes(self) -> Iterator[tuple[int, int, int]]:
        """Foot- and endnotes: where in the body each is called, and where its text begins and ends."""
        if self.is_old:
            return
        for part, places, texts in (
            ("footnotes", _FOOTNOTE_PLACES, _FOOTNOTE_TEXTS),
            ("endnotes", _ENDNOTE_PLACES, _ENDNOTE_TEXTS),
        ):
            start, end = self.part(part)
            called = _numbers(self._stream(places))
            bounds = _numbers(self._stream(texts))
            count = max(0, (len(self._stream(places)) - 4) // 6)
            for place, first, last in zip(called[:count], bounds, bounds[1:], strict=False):
                yield place, min(start + first, end), min(start + last, end)

    def list_streams(self) -> tuple[bytes, bytes]:
        """The definitions of lists, which run on behind their stated length, and of their uses."""
        if self.is_old:
            return b"", b""
        start, length = self._pair(_LISTS)
        return (self._table[start:] if length else b""), self._stream(_LIST_USES)

    def paragraph(self, cp: int) -> Properties:
        """What is said of the paragraph that ends with the character at `cp`."""
        fc = self._fc(cp)
        place = bisect_right(self._paragraph_starts, fc) - 1
        if place < 0 or fc >= self._paragraphs[place][1]:
            return Properties()
        content = self._paragraphs[place][2]
        if len(content) < 2:
            return Properties()
        return Properties(style=int.from_bytes(content[:2], "little"), sprms=sprms(content[2:]))

    def hidden(self) -> Iterator[tuple[int, int]]:
        """The spans of characters that are hidden, or deleted and kept for review."""
        if self.is_old:
            return
        for start, end, content in self._runs(_CHARACTER_PAGES):
            said = sprms(content)
            if said.get(_HIDDEN, b"\0")[:1] == b"\1" or said.get(_DELETED, b"\0")[:1] == b"\1":
                yield from self._spans(start, end)

    def _read_pieces(self) -> Iterator[_Piece]:
        clx = self._stream(_PIECES)
        place = 0
        while clx[place : place + 1] == b"\1":
            place += 3 + struct.unpack_from("<H", clx, place + 1)[0]
        if clx[place : place + 1] != b"\2":
            raise ValueError("the table of pieces is missing")
        length = struct.unpack_from("<I", clx, place + 1)[0]
        plc = clx[place + 5 : place + 5 + length]
        count = (len(plc) - 4) // 12
        cps = struct.unpack_from(f"<{count + 1}I", plc)
        for index, (start, end) in enumerate(pairwise(cps)):
            fc = struct.unpack_from("<I", plc, 4 * (count + 1) + 8 * index + 2)[0]
            if not start < end <= MOST_CHARACTERS:
                raise ValueError("the table of pieces is garbled")
            is_narrow = bool(fc & 0x40000000)
            at = (fc & 0x3FFFFFFF) // 2 if is_narrow else fc & 0x3FFFFFFF
            yield _Piece(start, end, at, 1 if is_narrow else 2)

    def _old_pieces(self, flags: int) -> list[_Piece]:
        """Word 6 and 95: one stretch of single bytes. Documents saved in pieces are not read."""
        if flags & _COMPLEX:
            raise ValueError("a document of Word 95 or older that was saved in pieces")
        start, end = struct.unpack_from("<II", self._document, 0x18)
        return [_Piece(0, min(end, len(self._document)) - start, start, 1)]

    def _text_of(self, piece: _Piece) -> str:
        """A piece's text, as long as the piece says: offsets depend on it."""
        length = piece.cp_end - piece.cp_start
        content = self._document[piece.fc : piece.fc + length * piece.width]
        if piece.width == 1:
            text = content.decode("cp1252", "replace")
        else:  # unpaired surrogates stay, so that a character is two bytes
            text = "".join(
                map(chr, struct.unpack(f"<{len(content) // 2}H", content[: len(content) // 2 * 2]))
            )
        if len(text) < length:
            raise ValueError("text is missing")
        return text

    def _runs(self, pages: int) -> Iterator[tuple[int, int, bytes]]:
        """Of formatted pages, each run: where it begins and ends in the file, and its properties."""
        plc = self._stream(pages)
        count = max(0, (len(plc) - 4) // 8)
        for number in struct.unpack_from(f"<{count}I", plc, 4 * (count + 1)) if count else ():
            start = (number & 0x3FFFFF) * _PAGE
            page = self._document[start : start + _PAGE]
            if len(page) == _PAGE:
                yield from _runs_of(page, of_paragraphs=pages == _PARAGRAPH_PAGES)

    def _fc(self, cp: int) -> int:
        """Where the character at `cp` lies in the file."""
        piece = self._pieces[max(0, bisect_right(self._starts, cp) - 1)]
        return piece.fc + (cp - piece.cp_start) * piece.width

    def _spans(self, fc_start: int, fc_end: int) -> Iterator[tuple[int, int]]:
        """The spans of characters that lie between two places of the file."""
        for piece in self._pieces:
            first = max(fc_start, piece.fc)
            last = min(fc_end, piece.fc + (piece.cp_end - piece.cp_start) * piece.width)
            if first < last:
                yield (
                    piece.cp_start + (first - piece.fc) // piece.width,
                    piece.cp_start + (last - piece.fc) // piece.width,
                )

    def _pair(self, index: int) -> tuple[int, int]:
        start, length = struct.unpack_from("<II", self._document, _FIRST_PAIR + 8 * index)
        return start, length

    def _stream(self, index: int) -> bytes:
        """One of the structures that the document's header points at in the table stream."""
        start, length = self._pair(index)
        return self._table[start : start + length]


def _runs_of(page: bytes, *, of_paragraphs: bool) -> Iterator[tuple[int, int, bytes]]:
    count = page[-1]
    width = 13 if of_paragraphs else 1
    if 4 * (count + 1) + count * width > _PAGE - 1:
        return
    places = struct.unpack_from(f"<{count + 1}I", page)
    for index in range(count):
        at = 2 * page[4 * (count + 1) + width * index]
        content = b""
        if at and of_paragraphs:
            size, start = (2 * page[at] - 1, at + 1) if page[at] else (2 * page[at + 1], at + 2)
            content = page[start : start + size]
        elif at:
            content = page[at + 1 : at + 1 + page[at]]
        yield places[index], places[index + 1], content


def _numbers(stream: bytes) -> tuple[int, ...]:
    return struct.unpack_from(f"<{len(stream) // 4}I", stream)
