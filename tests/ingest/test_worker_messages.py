"""What a worker says is taken as plain data, and only where it makes sense."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import NoTextError, ParseError
from ingest.parsers import Block, BlockKind, ParsedDocument
from ingest.worker_messages import (
    LENGTHS,
    BrokenMessageError,
    Message,
    decode_document,
    decode_facts,
    decode_refusal,
    encode_document,
    encode_refusal,
)

TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=60)


@st.composite
def documents(draw: st.DrawFn) -> ParsedDocument:
    text = draw(TEXT)
    places = sorted(draw(st.sets(st.integers(0, len(text)), max_size=12)))
    kinds = st.sampled_from([kind for kind in get_args(BlockKind) if kind != "heading"])
    blocks = [
        Block(kind=draw(kinds), char_start=start, char_end=end, heading=draw(st.none() | TEXT))
        for start, end in zip(places[::2], places[1::2], strict=False)
    ]
    if blocks:
        blocks[0] = Block(
            kind="heading",
            char_start=blocks[0].char_start,
            char_end=blocks[0].char_end,
            level=draw(st.integers(1, 9)),
            heading="x",
        )
    return ParsedDocument(
        text=text,
        blocks=tuple(blocks),
        page_starts=tuple(sorted(draw(st.lists(st.integers(0, len(text)), max_size=5)))),
        line_boxes=draw(st.binary(max_size=20)),
        title=draw(st.none() | TEXT),
        media_type="text/x-test",
        notes=tuple(draw(st.lists(TEXT, max_size=2))),
    )


def parts(message: Message) -> tuple[dict[str, Any], bytes]:
    told, data = LENGTHS.unpack(message[0][: LENGTHS.size])
    assert (told, data) == (len(message[0]) - LENGTHS.size, len(message[1]))
    return decode_facts(message[0][LENGTHS.size :]), message[1]


@given(parsed=documents())
def test_a_document_arrives_as_it_was_sent(parsed: ParsedDocument) -> None:
    assert decode_document(*parts(encode_document(parsed))) == parsed


@pytest.mark.parametrize("error", [ParseError("a.pdf is damaged"), NoTextError("a\udcff.pdf holds no text")])
def test_a_refusal_arrives_as_it_was_said(error: ParseError) -> None:
    received = decode_refusal(parts(encode_refusal(error))[0])
    assert (type(received), str(received)) == (type(error), str(error))


def test_a_refusal_of_an_unknown_kind_arrives_as_the_kind_it_is_of() -> None:
    class OddError(NoTextError): ...

    assert type(decode_refusal(parts(encode_refusal(OddError("x")))[0])) is NoTextError


@pytest.mark.parametrize(
    "change",
    [
        {"blocks": [["code", 0, 4, None, None]]},
        {"blocks": [["code", 2, 2, None, None]]},
        {"blocks": [["code", 0, 2, None, None], ["code", 1, 3, None, None]]},
        {"blocks": [["code", "0", 2, None, None]]},
        {"blocks": [["nonsense", 0, 2, None, None]]},
        {"blocks": [[["code"], 0, 2, None, None]]},
        {"blocks": [["code", 0, 2]]},
        {"blocks": 7},
        {"blocks": [["code", 0, 1.5, None, None]]},
        {"blocks": [["code", False, True, None, None]]},
        {"blocks": [["code", 0, 2, None, "\ud800"]]},
        {"blocks": [["heading", 0, 2, "1", "x"]]},
        {"page_starts": [0, 9]},
        {"page_starts": [2, 1]},
        {"page_starts": [None]},
        {"text_bytes": None},
        {"title": ["x"]},
        {"notes": 3},
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    facts, data = parts(encode_document(ParsedDocument(text="abc", blocks=())))
    with pytest.raises(BrokenMessageError):
        decode_document(facts | change, data)


@pytest.mark.parametrize("text", [b"a\0b", b"\xff", b"\xed\xa0\x80"])
def test_text_that_no_revision_may_hold_is_refused(text: bytes) -> None:
    facts, _ = parts(encode_document(ParsedDocument(text="abc", blocks=())))
    with pytest.raises(BrokenMessageError):
        decode_document(facts | {"text_bytes": len(text)}, text)


@pytest.mark.parametrize("told", [b"", b"\xff", b"[]", b"[" * 100_000, json.dumps("x").encode()])
def test_a_message_is_an_object(told: bytes) -> None:
    with pytest.raises(BrokenMessageError):
        decode_facts(told)
