"""The text of a mail's parts: bytes in whatever encoding they say, or do not say, to a parsed document."""

from __future__ import annotations

import binascii
import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.errors import NoTextError
from ingest.parsers import ParsedDocument
from ingest.parsers.encoding import decode
from ingest.parsers.markup.html import HtmlParser, declared_encoding
from ingest.parsers.text import TextBuilder, clean, has_visible_text, paragraph_spans

_KNOWN_AS = {
    **dict.fromkeys(("iso-8859-1", "latin1", "latin-1", "iso8859-1", "iso_8859-1"), "cp1252"),
    **dict.fromkeys(("gb2312", "gbk", "x-gbk", "cp936", "windows-936"), "gb18030"),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j"), "cp932"),
    **dict.fromkeys(("euc-kr", "ks_c_5601-1987", "ksc5601", "windows-949"), "cp949"),
    **dict.fromkeys(("big5", "windows-950", "x-big5"), "cp950"),
    **dict.fromkeys(("iso-8859-9", "latin5"), "cp1254"),
    **dict.fromkeys(("iso-8859-8-i", "iso-8859-8-e"), "iso8859_8"),
    **dict.fromkeys(("iso-8859-11", "tis-620"), "cp874"),
    **dict.fromkeys(("iso-2022-jp", "csiso2022jp"), "iso2022_jp_ext"),
    "unicode-1-1-utf-7": "utf-7",
}
_ASCII = "ascii"
_SEVEN_BIT = frozenset({"utf-7", "hz", "iso2022_jp", "iso2022_jp_ext", "iso2022_kr"})
"""Encodings whose bytes are all ASCII: only what a message says tells them from it."""
_WIDE = ("utf-16", "utf-32")
_OF_TEXT = re.compile(
    r"windows-|cp-?\d|iso|csiso|koi8|x-?mac|mac|gb|x-gbk|big5|x-big5|shift|sjis|x-sjis|euc|ks|utf|unicode-1-1|hz|latin|tis|us-|ascii"
)
"""What the names of encodings of texts begin with; Python's codecs are more than that, and some of them are slow."""
_QUOTED = re.compile(r"(>*) ?(.*)")
_SIGNATURE_MARK = "-- "
_UUENCODED = re.compile(r"^begin [0-7]{3,4} (\S.{0,199})\n((?:[\x20-\x60]{1,62}\n)+)end *$", re.MULTILINE)
_ARMOUR = re.compile(
    r"^-----BEGIN PGP (MESSAGE|SIGNATURE)-----$.*?(?:^-----END PGP \1-----$|\Z)", re.M | re.S
)
_SIGNED = re.compile(r"^-----BEGIN PGP SIGNED MESSAGE-----\n(?:Hash: .*\n)?\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainText:
    """A plain text part: its document, or None where it shows nothing, and what was found inside.

    files: names and contents of files that were written into the text (uuencode).
    is_encrypted: whether a part of it is.
    """

    document: ParsedDocument | None
    files: tuple[tuple[str, bytes], ...] = ()
    is_encrypted: bool = False


def python_encoding(charset: str | None) -> str | None:
    """The Python name of the encoding that a mail's `charset` means; None if it says nothing, or nothing known."""
    if not charset:
        return None
    label = charset.strip(" \"'").lower()
    if not _OF_TEXT.match(label):
        return None
    try:
        name = codecs.lookup(_KNOWN_AS.get(label, label)).name
    except (LookupError, ValueError):  # ValueError: a NUL in the name
        return None
    return None if name == _ASCII else name


def decoded(content: bytes, charset: str | None) -> str:
    """Text in the encoding that a mail says, unless it plainly is in another; raises `ParseError` for what is no text.

    What is said is often wrong (UTF-8 sent as "us-ascii"), so UTF-8 is believed first, except where ASCII bytes alone
    spell the text out.
    """
    encoding = python_encoding(charset)
    if encoding in _SEVEN_BIT or (encoding or "").startswith(_WIDE):
        return clean(content.decode(encoding or _ASCII, errors="replace"))
    # What is said to be UTF-8 and is not is in some other encoding.
    return clean(decode(content, file_name="the text", declared=None if encoding == "utf-8" else encoding))


def plain_text(
    content: bytes, charset: str | None, *, flowed: bool = False, delsp: bool = False
) -> PlainText:
    """Read a plain text part: flowed lines joined, files in it taken out, quoted replies kept as they are.

    Raises `ParseError` for what is no text.
    """
    text = decoded(content, charset)
    if flowed:
        text = "\n".join(_joined(text.split("\n"), delsp=delsp))
    text, files = _without_files(text)
    is_encrypted = any(armour[1] == "MESSAGE" for armour in _ARMOUR.finditer(text))
    text = _SIGNED.sub("", _ARMOUR.sub("", text))
    return PlainText(document=paragraphs(text), files=tuple(files), is_encrypted=is_encrypted)


def paragraphs(text: str) -> ParsedDocument | None:
    """A text cut at its empty lines; None if it shows nothing."""
    if not has_visible_text(text):
        return None
    builder = TextBuilder()
    for char_start, char_end in paragraph_spans(text, 0, len(text)):
        builder.append("paragraph", text[char_start:char_end])
    return builder.build(title=None, media_type="text/plain")


def html_text(content: bytes, charset: str | None) -> ParsedDocument | None:
    """Read an HTML part; None if it shows nothing. Raises `ParseError` for what is no text."""
    encoding = python_encoding(charset)
    text = decoded(content, encoding or declared_encoding(content))
    if not text.strip():
        return None
    try:
        return HtmlParser().parse(text.encode(), file_name="the text")
    except NoTextError:
        return None


def _joined(lines: list[str], *, delsp: bool) -> Iterator[str]:
    """The lines of a "format=flowed" text with those joined that a mail program broke (RFC 3676)."""
    waiting: list[str] = []
    depth = 0
    for line in lines:
        quoted = _QUOTED.fullmatch(line)
        marks, text = (quoted[1], quoted[2]) if quoted is not None else ("", line)
        if waiting and (depth != len(marks) or text == _SIGNATURE_MARK):
            yield "".join(waiting)
            waiting = []
        if not waiting and marks:
            waiting.append(f"{marks} ")
        depth = len(marks)
        goes_on = text.endswith(" ") and text != _SIGNATURE_MARK
        waiting.append(text[:-1] if goes_on and delsp else text)
        if not goes_on:
            yield "".join(waiting)
            waiting = []
    if waiting:
        yield "".join(waiting)


def _without_files(text: str) -> tuple[str, list[tuple[str, bytes]]]:
    """A text without the files that are written into it as uuencode, and those files."""
    files: list[tuple[str, bytes]] = []

    def take(found: re.Match[str]) -> str:
        try:
            content = b"".join(binascii.a2b_uu(line) for line in found[2].splitlines())
        except binascii.Error:
            return found[0]
        files.append((found[1], content))
        return ""

    return _UUENCODED.sub(take, text), files
