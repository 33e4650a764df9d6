"""Cursors: where the next page of a list begins, as an opaque piece of text.

A cursor holds the sort key of the last entry shown, so that entries that come and go meanwhile neither repeat nor hide
others. It grants nothing: whoever sends one sees what their own key may see.
"""

from __future__ import annotations

import base64
import binascii
from uuid import UUID

from retrieval.errors import FootnoteError

_ID_BYTES = 16
_ROW_BYTES = 8
_DIGITS = 9


class CursorError(FootnoteError):
    """A cursor is not one that a list has given out."""


def encode_cursor(path: str, document_id: UUID) -> str:
    """The cursor after the document with this path and id."""
    return base64.urlsafe_b64encode(document_id.bytes + path.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[str, UUID]:
    """The path and id that a cursor stands for. Raises `CursorError`."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        path = raw[_ID_BYTES:].decode()
    except (binascii.Error, ValueError) as exc:
        raise _broken() from exc
    if len(raw) <= _ID_BYTES or "\x00" in path:
        raise _broken()
    return path, UUID(bytes=raw[:_ID_BYTES])


def encode_row_cursor(row: int) -> str:
    """The cursor after the row with this number."""
    return base64.urlsafe_b64encode(row.to_bytes(_ROW_BYTES)).decode().rstrip("=")


def decode_row_cursor(cursor: str) -> int:
    """The number that a cursor stands for. Raises `CursorError`."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as exc:
        raise _broken() from exc
    row = int.from_bytes(raw)
    if len(raw) != _ROW_BYTES or row >= 2**63:
        raise _broken()
    return row


def decode_number(cursor: str, *, of: UUID) -> int:
    """The number that a cursor within one thing stands for. Raises `CursorError`."""
    text, thing = decode_cursor(cursor)
    if thing != of or not text.isdecimal() or len(text) > _DIGITS:
        raise _broken()
    return int(text)


def _broken() -> CursorError:
    return CursorError(
        "the cursor is not one that this service has given out. Take `next` of the page before as it is, "
        "or leave the cursor out to begin with the first page."
    )
