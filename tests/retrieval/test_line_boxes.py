"""Line boxes: packing and finding them by a span of text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from retrieval.line_boxes import LineBox, pack_line_boxes, unpack_line_boxes

_POINTS = st.floats(0, 2000, width=32)


@st.composite
def boxes(draw: st.DrawFn) -> list[LineBox]:
    """The boxes of the lines of a text, ascending, some of them empty-handed neighbours."""
    made, start = [], 0
    for length in draw(st.lists(st.integers(1, 40), max_size=20)):
        start += draw(st.integers(0, 3))
        left, top, width, height = (draw(_POINTS) for _ in range(4))
        made.append(
            LineBox(
                char_start=start,
                char_end=start + length,
                page=draw(st.integers(1, 20_000)),
                left=left,
                top=top,
                right=left + width,
                bottom=top + height,
            )
        )
        start += length
    return made


def in_record(box: LineBox) -> tuple[int, int, int, float]:
    return box.char_start, box.char_end, box.page, box.left


@given(boxes())
def test_what_is_packed_is_unpacked(made: list[LineBox]) -> None:
    assert list(map(in_record, unpack_line_boxes(pack_line_boxes(made)))) == list(map(in_record, made))


@given(boxes(), st.integers(0, 500), st.integers(0, 500))
def test_a_span_gives_the_lines_that_it_touches(made: list[LineBox], one: int, other: int) -> None:
    start, end = sorted((one, other))
    found = unpack_line_boxes(pack_line_boxes(made), char_start=start, char_end=end)
    touched = [box for box in made if box.char_start < end and box.char_end > start]
    assert list(map(in_record, found)) == list(map(in_record, touched))


def test_no_boxes_are_no_bytes() -> None:
    assert pack_line_boxes([]) == b""
    assert unpack_line_boxes(b"", char_start=3, char_end=9) == []
