"""The parsers: bytes of a file in, text with blocks and exact offsets out.

A family with one contract (`tests/ingest/test_parsers.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import PurePath
from types import MappingProxyType
from typing import Literal, Protocol

ParserKind = Literal["plain", "markdown", "html", "pdf", "office"]

PARSER_KINDS: Mapping[str, ParserKind] = MappingProxyType(
    {
        ".txt": "plain",
        ".text": "plain",
        ".log": "plain",
        ".md": "markdown",
        ".markdown": "markdown",
        ".html": "html",
        ".htm": "html",
        ".xhtml": "html",
        ".pdf": "pdf",
        ".docx": "office",
    }
)
"""Which parser reads a lower-case extension. A table, so that a folder can be listed without importing any parser."""

BlockKind = Literal["heading", "paragraph", "list_item", "table", "code"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A span of the parsed text.

    level: a heading's level from 1; None for every other kind.
    heading: a heading's words on one line, without markup; None for every other kind.
    """

    kind: BlockKind
    char_start: int
    char_end: int
    level: int | None = None
    heading: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedDocument:
    """What a parser makes of a file.

    text: the readable text; no NUL, no lone surrogate (`ingest.parsers.text.clean`), "\\n" line ends.
    blocks: ascending, not overlapping; what lies between two blocks is white space; no block is blank.
    page_starts: ascending offsets at which pages 1, 2, … begin; empty for a format without pages.
    title: what the document itself says its title is, or None.
    notes: what was left out and why, each a sentence fit to be shown ("page 7 cannot be read").
    """

    text: str
    blocks: tuple[Block, ...]
    page_starts: tuple[int, ...] = ()
    title: str | None = None
    media_type: str = "text/plain"
    notes: tuple[str, ...] = ()


class Parser(Protocol):
    """A parser of some formats. Runs inside a worker process; keeps no state between files."""

    name: str
    """Name and version, kept with the revision so that a better parser can be told from a worse."""

    extensions: frozenset[str]
    """Lower-case file extensions it reads, with the dot."""

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse `content`. Raises `ingest.errors.ParseError` with a reason fit to be shown."""
        ...


def parser_kind(file_name: str) -> ParserKind | None:
    """Which parser reads a file of this name, by its extension; None if none does."""
    return PARSER_KINDS.get(PurePath(file_name).suffix.lower())


@cache
def load_parser(kind: ParserKind) -> Parser:
    """The parser of this kind, built once; its libraries are imported here and not before."""
    match kind:
        case "plain":
            from ingest.parsers.plain import PlainParser

            return PlainParser()
        case "markdown":
            from ingest.parsers.markdown import MarkdownParser

            return MarkdownParser()
        case "html":
            from ingest.parsers.html import HtmlParser

            return HtmlParser()
        case "pdf":
            from ingest.parsers.pdf import PdfParser

            return PdfParser()
        case "office":
            from ingest.parsers.office import OfficeParser

            return OfficeParser()


def parser_for(file_name: str) -> Parser | None:
    """The parser for a file of this name, or None if its extension is not one that Footnote reads."""
    kind = parser_kind(file_name)
    return None if kind is None else load_parser(kind)
