"""Pages of PDF files as pictures, places on them marked."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ingest.errors import ParseError
from ingest.parsers import ParserPolicy
from ingest.parsers.page_pictures import PageOrder, Picture
from ingest.parsers.pdf.drawing import draw_page
from ingest.parsing import ParserPool
from tests.ingest.documents import drawn_pdf, pdf

_FILE = pdf([(700, "The first page.")], [(700, "The second page.")])


def opened(picture: Picture) -> Image.Image:
    return Image.open(io.BytesIO(picture.content)).convert("RGB")


def test_a_page_is_drawn_as_wide_as_it_is_ordered() -> None:
    picture = draw_page(_FILE, PageOrder(page=2, width=600), file_name="a.pdf")
    assert opened(picture).width == 600
    assert picture.page_width / picture.page_height == pytest.approx(600 / opened(picture).height, abs=0.01)


def test_places_are_marked_and_what_stands_on_them_stays_dark() -> None:
    def black_square(canvas: Any) -> None:
        canvas.rect(100, 700, 20, 20, fill=1)

    content = drawn_pdf(black_square, size=(600, 800))
    box = (90.0, 70.0, 200.0, 110.0)
    marked = np.asarray(
        opened(draw_page(content, PageOrder(page=1, width=600, boxes=(box,)), file_name="a.pdf"))
    )
    red, green, blue = marked[90, 180]
    assert red > 240
    assert green > 215
    assert blue < 190
    assert marked[90, 110].max() < 40
    assert marked[400, 400].min() > 250


def test_a_page_that_is_very_long_is_drawn_smaller() -> None:
    content = drawn_pdf(lambda canvas: canvas.drawString(10, 10, "far down"), size=(600, 14_000))
    picture = opened(draw_page(content, PageOrder(page=1, width=2000), file_name="a.pdf"))
    assert picture.width * picture.height <= 6_100_000


@pytest.mark.parametrize(
    ("content", "page", "why"),
    [
        (_FILE, 3, "a.pdf has no page 3"),
        (b"no PDF", 1, "a.pdf cannot be drawn"),
        (pdf([(700, "Secret.")], password="x"), 1, "a.pdf is locked with a password"),
    ],
)
def test_what_cannot_be_drawn_says_why(content: bytes, page: int, why: str) -> None:
    with pytest.raises(ParseError, match=why):
        draw_page(content, PageOrder(page=page, width=400), file_name="a.pdf")


async def test_it_is_drawn_in_a_process_that_parses_as_well() -> None:
    async with ParserPool(ParserPolicy(), workers=1) as pool:
        parsed = await pool.parse(_FILE, file_name="a.pdf")
        picture = await pool.draw(_FILE, PageOrder(page=1, width=300), file_name="a.pdf")
        with pytest.raises(ParseError, match="has no page 9"):
            await pool.draw(_FILE, PageOrder(page=9, width=300), file_name="a.pdf")
    assert "The first page." in parsed.text
    assert opened(picture).width == 300
