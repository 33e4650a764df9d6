"""Bytes to text in whatever encoding they turn out to be.

UTF-8 is believed when it fits, since other encodings almost never fit by accident. The rest is charset-normalizer's
guess among the encodings that files really come in, with a rule of our own for short Western texts, where its
statistics have too little to go by (it reads "à la carte" as "ŕ la carte").
"""

from __future__ import annotations

import codecs
import re

import charset_normalizer

from ingest.errors import ParseError

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
_GUESSED = [
    *(
        "cp1252",
        "cp1250",
        "cp1251",
        "cp1253",
        "cp1254",
        "cp1255",
        "cp1256",
        "cp1257",
        "iso8859_2",
        "iso8859_5",
    ),
    *("iso8859_7", "koi8_r", "koi8_u", "cp866", "cp850", "cp437", "mac_roman", "cp874", "cp932", "euc_jp"),
    *("iso2022_jp", "gb18030", "big5", "cp949"),
]
_UTF_16 = ["utf_16_le", "utf_16_be"]
_WESTERN = frozenset(
    "ÀÁÂÃÄÅÆÇÈÉÊËÍÎÏÑÒÓÔÕÖØÙÚÛÜßàáâãäåæçèéêëíîïñòóôõöøùúûüÿŒœ“”‘’„‚–—…€£¥§°©®™«»·•¿¡ªº²³½¼\xa0"
)
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


def _decoded(content: bytes, declared: str | None) -> str | None:
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, errors="replace")
    has_many_nuls = content.count(0) > len(content) * 0.05
    if not has_many_nuls and (text := _as_utf8(content)) is not None and not _is_escaped(declared):
        return text
    if declared is not None and not has_many_nuls:
        return content.decode(declared, errors="replace")
    return _guessed(content)


def _is_escaped(declared: str | None) -> bool:
    """Whether a text in this encoding is all ASCII bytes, and so passes for UTF-8."""
    return declared is not None and declared.startswith(("iso2022", "hz"))


def _as_utf8(content: bytes) -> str | None:
    """The text if it is UTF-8, or is but for a few broken bytes (a cut end, one foreign line)."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("utf-8", errors="replace")
        broken = text.count("\ufffd")
        foreign = len(text) - len(text.encode("ascii", errors="ignore"))
        return text if broken * 10 <= foreign - broken else None


def _guessed(content: bytes) -> str | None:
    encodings = _UTF_16 + _GUESSED if 0 in content else _GUESSED
    guess = charset_normalizer.from_bytes(content, cp_isolation=encodings).best()
    sure = guess is not None and guess.coherence >= 0.3
    if not sure and (western := _as_western(content)) is not None:
        return western
    return None if guess is None else str(guess)


def _as_western(content: bytes) -> str | None:
    """The text as Windows-1252 if its few letters outside ASCII are those of Western European languages."""
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        return None
    foreign = [character for character in text if not character.isascii()]
    letters = sum(1 for character in text if character.isalpha())
    return text if len(foreign) * 4 <= letters and _WESTERN.issuperset(foreign) else None


def _looks_binary(text: str) -> bool:
    return len(_NOT_TEXT.findall(text)) > max(1, len(text) * _NOT_TEXT_SHARE)
