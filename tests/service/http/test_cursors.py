"""Cursors: every one that was given out is understood, everything else is refused in one way."""

from __future__ import annotations

import contextlib
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.http.cursors import CursorError, decode_cursor, encode_cursor

_PATHS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1)


@given(_PATHS, st.uuids())
def test_a_cursor_that_was_given_out_is_understood(path: str, document_id: UUID) -> None:
    cursor = encode_cursor(path, document_id)
    assert cursor.isascii()
    assert decode_cursor(cursor) == (path, document_id)


@given(st.text())
def test_anything_else_is_understood_or_refused_as_a_broken_cursor(text: str) -> None:
    with contextlib.suppress(CursorError):
        path, _ = decode_cursor(text)
        path.encode()
        assert "\x00" not in path


@given(st.binary())
def test_no_bytes_in_a_cursor_make_a_path_that_postgres_cannot_take(raw: bytes) -> None:
    import base64

    with contextlib.suppress(CursorError):
        path, _ = decode_cursor(base64.urlsafe_b64encode(raw).decode())
        path.encode()
        assert "\x00" not in path


@pytest.mark.parametrize("cursor", ["", "x", "%%%", "AAAA", "é", encode_cursor("a\x00b", UUID(int=0))])
def test_a_broken_cursor_says_what_to_do(cursor: str) -> None:
    with pytest.raises(CursorError, match="leave the cursor out"):
        decode_cursor(cursor)
