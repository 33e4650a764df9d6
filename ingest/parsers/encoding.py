"""Bytes to text in whatever encoding they turn out to be.

UTF-8 is believed when it fits, since other encodings almost never fit by accident. The rest is charset-normalizer's
guess among the encodings that files really come in, with a rule of our own for short Western texts, where its
statistics have too little to go by (it reads "à la carte" as "ŕ la carte").
"""

from __future__ import annotations

import codecs
import re
import string

import charset_normalizer

from ingest.errors import NoTextError, ParseError
from ingest.parsers.text import clean, has_visible_text

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SIGNATURES = (
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an older office document"),
    (b"{\\rtf", "an RTF document"),
    (b"\x89PNG\r\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"\x1f\x8b\x08", "a gzip archive"),
    (b"\x7fELF", "a program"),
)
# fmt: off
_GUESSED = [
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "iso8859_2", "iso8859_5",
    "iso8859_7", "koi8_r", "koi8_u", "cp866", "cp850", "cp437", "mac_roman", "cp874", "cp932", "euc_jp", "iso2022_jp",
    "gb18030", "big5", "cp949",
]
# fmt: on
_UTF_16 = ["utf_16_le", "utf_16_be"]
_WESTERN_LETTERS = frozenset("ÀÁÂÃÄÅÆÇÈÉÊËÍÎÏÑÒÓÔÕÖØÙÚÛÜßàáâãäåæçèéêëíîïñòóôõöøùúûüÿŒœªºµ")
_SIGN_INSIDE_A_WORD = re.compile(rb"[A-Za-z\xc0-\xff][\xa1-\xac\xae-\xb6\xb8-\xbf][A-Za-z\xc0-\xff]")
"""What Windows-1252 has for a sign, where it must be a letter: "dzi³kuj¹", as Polish looks in it."""
_ASCII = bytes(range(128))
_ASCII_LETTERS = string.ascii_letters.encode()
_HUNGARIAN = frozenset("áéíóöõúüûÁÉÍÓÖÕÚÜÛ")
"""How the letters of Hungarian look when its encoding is taken for the Western one: õ and û are its ő and ű."""
_BROKEN_SHARE = 0.01
_NUL_SHARE = 0.05
"""Share of NUL bytes above which a text is in UTF-16, or none."""
_NOT_TEXT = re.compile("[\0-\x06\x0e-\x1a\x1c-\x1f\x7f]")
_NOT_TEXT_SHARE = 0.005
"""Share of control characters above which a file is no text. Of 148 text files none had any; of 325 binaries read as
Latin-1 only some PDFs, which their signature gives away, stayed below."""


def decode(content: bytes, *, file_name: str, declared: str | None = None) -> str:
    """Decode a text file. `declared` is the encoding that the file itself names, if any.

    A mark at the start decides first, then UTF-8, then `declared`, then a guess. Undecodable bytes of a text that is
    clearly in one encoding become U+FFFD. Raises `ParseError` for what is no text.
    """
    for signature, kind in _SIGNATURES:
        if content.startswith(signature):
            raise ParseError(f"{file_name} looks like {kind}, not text; give it the extension of what it is")
    text = _decoded(content, declared)
    if text is None or _looks_binary(text):
        raise ParseError(f"{file_name} looks binary, not text, in any of the encodings tried")
    return text


def read_text(content: bytes, *, file_name: str, declared: str | None = None) -> str:
    """The text of a file that is text, `clean`; for parsers of formats that people write in an editor.

    Raises `ParseError` for what is empty or no text, `NoTextError` for what leaves no mark on paper.
    """
    if not content:
        raise ParseError(f"{file_name} is empty")
    text = clean(decode(content, file_name=file_name, declared=declared))
    if not has_visible_text(text):
        raise NoTextError(f"{file_name} contains no text")
    return text


def _decoded(content: bytes, declared: str | None) -> str | None:
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, errors="replace")
    if content.count(0) > max(2, len(content) * _NUL_SHARE):
        return _guessed(content)
    if (text := _as_escaped_japanese(content) or _as_utf8(content)) is not None:
        return text
    return _guessed(content) if declared is None else content.decode(declared, errors="replace")


def _as_escaped_japanese(content: bytes) -> str | None:
    """The text if it is ISO-2022-JP, whose bytes are all ASCII and so pass for UTF-8."""
    if b"\x1b$" not in content:
        return None
    try:
        return content.decode("iso2022_jp")
    except UnicodeDecodeError:
        return None


def _as_utf8(content: bytes) -> str | None:
    """The text if it is UTF-8, or is but for a few broken bytes (a cut end, one foreign line)."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("utf-8", errors="replace")
        broken = text.count("\ufffd")
        foreign = len(text) - len(text.encode("ascii", errors="ignore"))
        return text if broken * 4 <= foreign - broken else None


def _guessed(content: bytes) -> str | None:
    if 0 not in content and _is_western(content):
        return content.decode("cp1252")
    guess = _guess(content)
    return str(guess) if guess is not None else _guessed_by_parts(content)


def _guess(content: bytes) -> charset_normalizer.CharsetMatch | None:
    encodings = _UTF_16 + _GUESSED if 0 in content else _GUESSED
    return charset_normalizer.from_bytes(content, cp_isolation=encodings).best()


def _guessed_by_parts(content: bytes) -> str | None:
    """The text in the encoding of a part of it, where a few broken bytes keep the whole from being in any."""
    lines = content.splitlines(keepends=True)
    quarter = -(-len(lines) // 4) or 1
    for first in range(0, len(lines), quarter):
        guess = _guess(b"".join(lines[first : first + quarter]))
        if guess is not None:
            text = content.decode(guess.encoding, errors="replace")
            return text if text.count("\ufffd") <= len(text) * _BROKEN_SHARE else None
    return None


def _is_western(content: bytes) -> bool:
    """Whether what is not ASCII is rare and, as Windows-1252, made of Western European letters and signs."""
    outside_ascii = content.translate(None, delete=_ASCII)
    ascii_letters = len(content) - len(content.translate(None, delete=_ASCII_LETTERS))
    try:
        letters = frozenset(filter(str.isalpha, outside_ascii.decode("cp1252")))
    except UnicodeDecodeError:
        return False
    is_hungarian = letters <= _HUNGARIAN and not letters.isdisjoint("õûÕÛ")
    is_rare = len(outside_ascii) * 3 <= ascii_letters
    return (
        is_rare
        and letters <= _WESTERN_LETTERS
        and not is_hungarian
        and not _SIGN_INSIDE_A_WORD.search(content)
    )


def _looks_binary(text: str) -> bool:
    return len(_NOT_TEXT.findall(text)) > max(1, len(text) * _NOT_TEXT_SHARE)
