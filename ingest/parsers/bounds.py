"""What every parser of an office format checks before it hands over a document."""

from __future__ import annotations

from ingest.errors import NoTextError, ParseError
from ingest.parsers import ParsedDocument
from ingest.parsers.text import has_visible_text

MOST_CHARACTERS = 50_000_000


class LockedError(Exception):
    """What is inside a file is encrypted."""


def checked(parsed: ParsedDocument, file_name: str) -> ParsedDocument:
    """`parsed` itself. Raises `NoTextError` if it holds no text, `ParseError` if it holds more than is read."""
    if len(parsed.text) > MOST_CHARACTERS:
        raise ParseError(
            f"{file_name} holds {len(parsed.text):,} characters, which is more than is read ({MOST_CHARACTERS:,})"
        )
    if not has_visible_text(parsed.text):
        raise NoTextError(f"{file_name} contains no text")
    return parsed
