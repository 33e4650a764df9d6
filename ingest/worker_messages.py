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

Message = tuple[bytes, bytes]
"""Two parts, to be sent one after the other."""

LENGTHS = struct.Struct("!QQ")
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
