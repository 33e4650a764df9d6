"""Where the lines of a text stand on its pages, so that a citation can be shown as boxes on a picture of the page."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

_RECORD = np.dtype(
    [
        ("char_start", "<i4"),
        ("char_end", "<i4"),
        ("page", "<i4"),
        ("left", "<f4"),
        ("top", "<f4"),
        ("right", "<f4"),
        ("bottom", "<f4"),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineBox:
    """A line of text on a page.

    char_start, char_end: its span of the revision's text.
    page: 1-based.
    left, top, right, bottom: in points (1/72 inch) from the upper left corner of the page as it is shown, that is
    after the page's own rotation.
    """

    char_start: int
    char_end: int
    page: int
    left: float
    top: float
    right: float
    bottom: float


def pack_line_boxes(boxes: Iterable[LineBox]) -> bytes:
    """Boxes in the form in which a revision keeps them, ascending by `char_start`; none are empty bytes."""
    rows = [(b.char_start, b.char_end, b.page, b.left, b.top, b.right, b.bottom) for b in boxes]
    return zlib.compress(np.array(rows, dtype=_RECORD).tobytes()) if rows else b""


def unpack_line_boxes(
    packed: bytes, *, char_start: int = 0, char_end: int | None = None
) -> Sequence[LineBox]:
    """The boxes of the lines that a span of the text touches; all where no span is given."""
    if not packed:
        return []
    rows = np.frombuffer(zlib.decompress(packed), dtype=_RECORD)
    touched = rows["char_end"] > char_start
    if char_end is not None:
        touched &= rows["char_start"] < char_end
    return [
        LineBox(
            char_start=int(row["char_start"]),
            char_end=int(row["char_end"]),
            page=int(row["page"]),
            left=float(row["left"]),
            top=float(row["top"]),
            right=float(row["right"]),
            bottom=float(row["bottom"]),
        )
        for row in rows[touched]
    ]
