"""RTF taken apart: groups, control words, and bytes of text in the encoding of their font."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

_TOKEN = re.compile(
    rb"(?P<open>\{)|(?P<close>\})|\\(?P<word>[a-zA-Z]{1,32})(?P<number>-?[0-9]{1,10})? ?"
    rb"|\\'(?P<hex>[0-9a-fA-F]{2})|\\(?P<symbol>[^a-zA-Z])|[\r\n\0]+|(?P<text>[^\\{}\r\n\0]+)",
    re.DOTALL,
)
_CODE_PAGE_OF_CHARSET: Mapping[int, int] = MappingProxyType(
    {
        **dict(zip((77, 128, 129, 130, 134, 136), (10000, 932, 949, 1361, 936, 950), strict=True)),
        **dict(zip((161, 162, 163, 177, 178, 186), (1253, 1254, 1258, 1255, 1256, 1257), strict=True)),
        **dict(zip((204, 222, 238, 254, 255), (1251, 874, 1250, 437, 850), strict=True)),
    }
)
_NAMES: Mapping[int, str] = MappingProxyType(
    {10000: "mac_roman", 1361: "johab", 936: "gbk", 65001: "utf-8", 10001: "shift_jis", 42: "cp1252"}
)
DEFAULT_CODEC = "cp1252"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of RTF. value: a control word, a symbol, or nothing; number: what stands behind a word."""

    kind: Literal["open", "close", "word", "symbol", "text"]
    value: str = ""
    number: int | None = None
    text: bytes = b""


_OPEN, _CLOSE = Token("open"), Token("close")


def tokens(content: bytes) -> Iterator[Token]:
    """The pieces of an RTF file; bytes that stand behind `\\bin` are left out."""
    place = 0
    while found := _TOKEN.match(content, place):
        place = found.end()
        match found.lastgroup:
            case "open":
                yield _OPEN
            case "close":
                yield _CLOSE
            case "word" | "number":
                number = None if found["number"] is None else int(found["number"])
                word = found["word"].decode("ascii")
                if word == "bin":
                    place += max(0, number or 0)
                else:
                    yield Token("word", word, number)
            case "hex":
                yield Token("text", text=bytes.fromhex(found["hex"].decode("ascii")))
            case "symbol":
                yield Token("symbol", found["symbol"].decode("latin-1"))
            case "text":
                yield Token("text", text=found["text"])


def codec_of_charset(charset: int) -> str | None:
    """The codec of a font's character set; None where the file's own is meant."""
    page = _CODE_PAGE_OF_CHARSET.get(charset)
    return None if page is None else codec_of_page(page)


def codec_of_page(page: int) -> str:
    """The codec of a code page; that of Western Europe where there is none."""
    name = _NAMES.get(page, f"cp{page}")
    try:
        return codecs.lookup(name).name
    except LookupError:
        return DEFAULT_CODEC
