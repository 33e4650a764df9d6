"""Readable text with exact offsets: what every parser builds.

A parser whose text is the file itself (plain, Markdown) calls `clean` once and points blocks into the result; one that
writes its own text (HTML, PDF, DOCX) appends block by block to a `TextBuilder`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ingest.parsers import Block, BlockKind, ParsedDocument

_FORBIDDEN = re.compile("[\0\ud800-\udfff]")
_PARAGRAPH_END = re.compile(r"\n[^\S\n]*\n\s*")
_WHITE_SPACE = re.compile(r"\s+")
_NO_TITLE = re.compile(
    r"untitled.*|\(anonymous\)|microsoft (?:word|powerpoint|excel) - .*|(?:word|powerpoint) (?:document|presentation)"
    r"|.*\.(?:docx?|pdf|pptx?|xlsx?|odt|rtf|txt|tex|dvi|indd|qxd|pmd|wpd|exe|md|png|jpe?g|tiff?)|\W*",
    re.IGNORECASE,
)
_EDGES = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\u200b\u2060\ufeff"
"""What a block neither begins nor ends with: white space, and characters that take no space at all."""


def clean(text: str) -> str:
    """Replace what a revision's text may not hold, before any offset into it exists.

    NUL and lone surrogates become U+FFFD (Postgres and UTF-8 refuse them); "\\r\\n" and "\\r" become "\\n".
    """
    return _FORBIDDEN.sub("\ufffd", text).replace("\r\n", "\n").replace("\r", "\n")


def one_line(text: str) -> str:
    """`text` with every run of white space as one space, and none at its ends."""
    return _WHITE_SPACE.sub(" ", text).strip()


def plainly(words: str) -> str:
    """Words that quote a file or its name, fit for a line of a log or a terminal: what is not printed as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in words)


def trimmed(text: str, char_start: int, char_end: int) -> tuple[int, int]:
    """Shrink a span of `text` until it neither begins nor ends with white space; empty if it is blank."""
    part = text[char_start:char_end]
    return char_start + len(part) - len(part.lstrip()), char_start + len(part.rstrip())


def has_visible_text(text: str) -> bool:
    """Whether anything in `text` would leave a mark on paper (zero-width and control characters do not)."""
    return any(character.isprintable() and not character.isspace() for character in text)


def stated_title(title: str | None) -> str | None:
    """A title from a file's properties, unless it is blank, a file name, or what a program put there by itself."""
    stated = one_line(clean(title or ""))
    return None if _NO_TITLE.fullmatch(stated) else stated


def paragraph_spans(text: str, char_start: int, char_end: int) -> Iterator[tuple[int, int]]:
    """The spans between blank lines, trimmed, ascending, none blank."""
    cursor = char_start
    for gap in _PARAGRAPH_END.finditer(text, char_start, char_end):
        span = trimmed(text, cursor, gap.start())
        if span[0] < span[1]:
            yield span
        cursor = gap.end()
    span = trimmed(text, cursor, char_end)
    if span[0] < span[1]:
        yield span


class TextBuilder:
    """Assembles a document's text from blocks and keeps their exact offsets.

    Blocks are set apart by an empty line, list items by a line end. Pages are announced with `start_page`; an empty
    page begins where the next one does.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._page_starts: list[int] = []
        self._pages_waiting = 0

    def start_page(self) -> None:
        """Say that what is appended next stands on a new page."""
        self._pages_waiting += 1

    def append(
        self, kind: BlockKind, text: str, *, level: int | None = None, heading: str | None = None
    ) -> Block | None:
        """Append one block and return it; blank text is left out, and None returned.

        `text` is cleaned, and its outer white space dropped. A code block keeps the indentation of its first line. A
        heading without `heading` is its own text; a table's `heading` is its header row.
        """
        block_text = clean(text)
        block_text = block_text.strip("\n").rstrip(_EDGES) if kind == "code" else block_text.strip(_EDGES)
        if not block_text.strip(_EDGES):
            return None
        self._separate(kind)
        char_start = self._length + len(block_text) - len(block_text.lstrip())
        self._write(block_text)
        if heading is not None or kind == "heading":
            heading = one_line(clean(heading or block_text)) or None
        block = Block(kind=kind, char_start=char_start, char_end=self._length, level=level, heading=heading)
        self._blocks.append(block)
        return block

    def build(
        self, *, title: str | None, media_type: str, notes: Sequence[str] = (), line_boxes: bytes = b""
    ) -> ParsedDocument:
        """The document as appended so far. A blank title counts as none."""
        self._start_waiting_pages()
        return ParsedDocument(
            text="".join(self._parts),
            blocks=tuple(self._blocks),
            page_starts=tuple(self._page_starts),
            line_boxes=line_boxes,
            title=one_line(clean(title)) or None if title else None,
            media_type=media_type,
            notes=tuple(notes),
        )

    def _separate(self, kind: BlockKind) -> None:
        if self._blocks:
            in_list = kind == "list_item" and self._blocks[-1].kind == "list_item"
            self._write("\n" if in_list else "\n\n")
        self._start_waiting_pages()

    def _start_waiting_pages(self) -> None:
        self._page_starts.extend([self._length] * self._pages_waiting)
        self._pages_waiting = 0

    def _write(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)
