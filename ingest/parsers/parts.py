"""A document inside another: an attachment of a mail, a chapter of a book."""

from __future__ import annotations

from ingest.parsers import ParsedDocument
from ingest.parsers.text import TextBuilder

DEEPEST_LEVEL = 9


def append_document(builder: TextBuilder, document: ParsedDocument, *, deeper: int) -> None:
    """Append a parsed document block by block, its headings `deeper` levels below their own.

    Its pages, line boxes and title are its own and stay behind.
    """
    for block in document.blocks:
        char_start = block.char_start
        if block.kind == "code":
            # The block begins at its first character that is seen; the indentation before that belongs to the code.
            char_start = document.text.rfind("\n", 0, char_start) + 1
        builder.append(
            block.kind,
            document.text[char_start : block.char_end],
            level=None if block.level is None else min(block.level + deeper, DEEPEST_LEVEL),
            heading=block.heading,
        )
