"""Plain text in any encoding. The revision's text is the file's own; paragraphs are set apart by blank lines."""

from __future__ import annotations

from ingest.parsers import Block, ParsedDocument
from ingest.parsers.encoding import read_text
from ingest.parsers.text import paragraph_spans


class PlainParser:
    """Reads text files."""

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse a text file; raises `ParseError` if it is empty, or binary."""
        text = read_text(content, file_name=file_name)
        blocks = tuple(
            Block(kind="paragraph", char_start=start, char_end=end)
            for start, end in paragraph_spans(text, 0, len(text))
        )
        return ParsedDocument(text=text, blocks=blocks, media_type="text/plain")
