"""The parsers: bytes of a file in, text with blocks and exact offsets out. One contract (`tests/ingest/test_parsers.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

BlockKind = Literal["heading", "paragraph", "list_item", "table", "code"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A span of the parsed text. `level` is the heading's level from 1, and None for every other kind."""

    kind: BlockKind
    char_start: int
    char_end: int
    level: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedDocument:
    """What a parser makes of a file.

    text: the readable text; no NUL, no lone surrogate (`ingest.parsers.text.clean`), "\\n" line ends.
    blocks: ascending, not overlapping; what lies between two blocks is white space; no block is blank.
    page_starts: ascending offsets at which pages 1, 2, … begin; empty for a format without pages.
    title: what the document itself says its title is, or None.
    """

    text: str
    blocks: tuple[Block, ...]
    page_starts: tuple[int, ...] = ()
    title: str | None = None
    media_type: str = "text/plain"


class Parser(Protocol):
    """A parser of some formats. Runs inside a worker process; keeps no state between files."""

    name: str
    """Name and version, kept with the revision so that a better parser can be told from a worse."""

    extensions: frozenset[str]
    """Lower-case file extensions it reads, with the dot."""

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse `content`. Raises `ingest.errors.ParseError` with a reason fit to be shown."""
        ...
