"""Pictures of pages: what is ordered, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MEDIA_TYPE = "image/webp"

Box = tuple[float, float, float, float]
"""left, top, right, bottom; in points from the upper left corner of the page as it is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOrder:
    """Which page to draw.

    page: from 1. width: of the picture, in pixels; it is made smaller where it would have too many.
    boxes: what to mark.
    """

    page: int
    width: int
    boxes: Sequence[Box] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A drawn page, of type `MEDIA_TYPE`; `page_width` and `page_height` are the page's, in points."""

    content: bytes
    page_width: float
    page_height: float
