"""What a worker process and its owner say to each other.

Plain data, never pickled: a worker may have been taken over by a file it read, and unpickling runs what it is told to.

A message is two lengths (8 bytes each), then that much JSON, then that many bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from itertools import pairwise
from types import NoneType
from typing import Any, get_args

from ingest.errors import NoTextError, ParseError
from ingest.parsers import Block, BlockKind, ParsedDocument
from ingest.parsers.page_pictures import PageOrder, Picture

Message = tuple[bytes, bytes]
"""Two parts, to be sent one after the other."""

LENGTHS = struct.Struct("!QQ")
LARGEST_PICTURE_BYTES = 8 * 1024**2
_KINDS = frozenset(get_args(BlockKind))
_ERRORS: Mapping[str, type[ParseError]] = {kind.__name__: kind for kind in (ParseError, NoTextError)}


class BrokenMessageError(Exception):
    """A worker said what no worker says."""


def encode(facts: Mapping[str, Any], data: bytes = b"") -> Message:
    """A message of these facts and these bytes."""
    told = json.dumps(facts, separators=(",", ":")).encode()
    return LENGTHS.pack(len(told), len(data)) + told, data


def encode_document(parsed: ParsedDocument) -> Message:
    """The message that carries a parsed document."""
    text = parsed.text.encode()
    facts = {
        "text_bytes": len(text),
        "blocks": [
            (block.kind, block.char_start, block.char_end, block.level, block.heading)
            for block in parsed.blocks
        ],
        "page_starts": parsed.page_starts,
        "title": parsed.title,
        "media_type": parsed.media_type,
        "notes": parsed.notes,
    }
    return encode(facts, text + parsed.line_boxes)


def want_document(file_name: str) -> dict[str, Any]:
    """What a worker is told of a file that is to be parsed."""
    return {"name": file_name}


def want_picture(file_name: str, order: PageOrder) -> dict[str, Any]:
    """What a worker is told of a file of which a page is to be drawn."""
    return {"name": file_name, "draw": {"page": order.page, "width": order.width, "boxes": [*order.boxes]}}


def wanted_picture(facts: Mapping[str, Any]) -> PageOrder | None:
    """Which page is to be drawn, where that is what is wanted."""
    if "draw" not in facts:
        return None
    told = facts["draw"]
    return PageOrder(page=told["page"], width=told["width"], boxes=tuple(map(tuple, told["boxes"])))


def encode_picture(picture: Picture) -> Message:
    """The message that carries a picture."""
    return encode({"page_width": picture.page_width, "page_height": picture.page_height}, picture.content)


def decode_picture(facts: Mapping[str, Any], data: bytes) -> Picture:
    """The picture that a message carries; what is in it is for a browser to judge. Raises `BrokenMessageError`."""
    width, height = facts.get("page_width"), facts.get("page_height")
    if not (isinstance(width, float) and isinstance(height, float) and width > 0 and height > 0):
        raise BrokenMessageError("a picture of a page without a size")
    if not (data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) <= LARGEST_PICTURE_BYTES):
        raise BrokenMessageError("not a picture, or too large a one")
    return Picture(content=data, page_width=width, page_height=height)


def encode_refusal(error: ParseError) -> Message:
    """The message that carries the reason why a file was not parsed."""
    kind = next(known.__name__ for known in type(error).__mro__ if known.__name__ in _ERRORS)
    return encode({"refused": kind, "reason": str(error)})


def decode_facts(told: bytes | bytearray) -> dict[str, Any]:
    """The first part of a message. Raises `BrokenMessageError`."""
    try:
        facts = json.loads(told)
    except (ValueError, RecursionError) as exc:
        raise BrokenMessageError("not JSON") from exc
    if not isinstance(facts, dict):
        raise BrokenMessageError("not an object")
    return facts


def decode_refusal(facts: Mapping[str, Any]) -> ParseError | None:
    """The reason that a message carries, if it carries one."""
    kind = _ERRORS.get(str(facts.get("refused")))
    return None if kind is None else kind(str(facts.get("reason")))


def decode_document(facts: Mapping[str, Any], data: bytes) -> ParsedDocument:
    """The document that a message carries, its offsets checked. Raises `BrokenMessageError`."""
    try:
        text_bytes = int(facts["text_bytes"])
        text = data[:text_bytes].decode()
        parsed = ParsedDocument(
            text=text,
            blocks=tuple(
                Block(kind=kind, char_start=start, char_end=end, level=level, heading=heading)
                for kind, start, end, level, heading in facts["blocks"]
            ),
            page_starts=tuple(facts["page_starts"]),
            line_boxes=data[text_bytes:],
            title=facts["title"],
            media_type=str(facts["media_type"]),
            notes=tuple(map(str, facts["notes"])),
        )
        sound = "\0" not in text and _is_words(parsed.title) and _in_order(parsed)
    except (KeyError, TypeError, ValueError) as exc:
        raise BrokenMessageError("not a parsed document") from exc
    if not sound:
        raise BrokenMessageError("a parsed document whose blocks or pages are not in its text")
    return parsed


def _is_words(words: object) -> bool:
    """Raises `ValueError` for words that are no Unicode."""
    return words is None or (isinstance(words, str) and words.encode() is not None)


def _in_order(parsed: ParsedDocument) -> bool:
    cursor = 0
    for block in parsed.blocks:
        if block.kind not in _KINDS or not _is_words(block.heading):
            return False
        if not (
            type(block.level) in {int, NoneType} and type(block.char_start) is type(block.char_end) is int
        ):
            return False
        if not cursor <= block.char_start < block.char_end:
            return False
        cursor = block.char_end
    pages = (0, *parsed.page_starts, len(parsed.text))
    return cursor <= len(parsed.text) and all(first <= second for first, second in pairwise(pages))
