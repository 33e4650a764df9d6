"""Plain text in any encoding. The revision's text is the file's own; paragraphs are set apart by blank lines."""

from __future__ import annotations

from ingest.errors import ParseError
from ingest.parsers import Block, ParsedDocument
from ingest.parsers.encoding import decode
from ingest.parsers.text import clean, has_visible_text, paragraph_spans


class PlainParser:
    """Reads text files."""

    name = "plain/1"
    extensions = frozenset({".txt", ".text", ".log"})

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse a text file; raises `ParseError` if it is empty, or binary."""
        if not content:
            raise ParseError(f"{file_name} is empty")
        text = clean(decode(content, file_name=file_name))
        if not has_visible_text(text):
            raise ParseError(f"{file_name} contains no text")
        blocks = tuple(
            Block(kind="paragraph", char_start=start, char_end=end)
            for start, end in paragraph_spans(text, 0, len(text))
        )
        return ParsedDocument(text=text, blocks=blocks, media_type="text/plain")
