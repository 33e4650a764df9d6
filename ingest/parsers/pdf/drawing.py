"""A page of a PDF as a picture, with places on it marked, as a reader marks a line."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import closing

import pypdfium2 as pdfium
from PIL import Image, ImageChops, ImageDraw
from pypdfium2 import raw

from ingest.errors import ParseError
from ingest.parsers.page_pictures import Box, PageOrder, Picture

_MOST_PIXELS = 6_000_000
_QUALITY = 82
_SMALLEST_SCALE = 0.05
_MARK = (255, 233, 163)
"""What a marked place is multiplied with: text on it stays as dark as it is."""
_FRAME = (185, 137, 0)
_ROOM = 0.18
"""How far a mark reaches beyond its line, in heights of the line."""


def draw_page(content: bytes, order: PageOrder, *, file_name: str) -> Picture:
    """Draw a page of a PDF. Raises `ParseError` where it has no such page, or PDFium cannot read it."""
    try:
        with closing(pdfium.PdfDocument(content)) as pdf:
            if not 1 <= order.page <= len(pdf):
                raise ParseError(f"{file_name} has no page {order.page}")
            pdf.init_forms()
            with closing(pdf[order.page - 1]) as page:
                width, height = page.get_size()
                picture = _render(page, width, height, order.width)
    except pdfium.PdfiumError as exc:
        locked = exc.err_code == raw.FPDF_ERR_PASSWORD
        reason = "is locked with a password" if locked else "cannot be drawn"
        raise ParseError(f"{file_name} {reason}") from exc
    marked = _marked(picture, order.boxes, scale=picture.width / width)
    out = io.BytesIO()
    marked.save(out, "WEBP", quality=_QUALITY, method=2)
    return Picture(content=out.getvalue(), page_width=width, page_height=height)


def _render(page: pdfium.PdfPage, width: float, height: float, pixels: int) -> Image.Image:
    if not (width > 0 and height > 0):
        raise ParseError("the page has no size")
    scale = min(pixels / width, (_MOST_PIXELS / (width * height)) ** 0.5)
    if scale < _SMALLEST_SCALE:
        raise ParseError("the page is too large to be drawn")
    rendered: Image.Image = page.render(scale=scale, rev_byteorder=True).to_pil()
    return rendered.convert("RGB")


def _marked(picture: Image.Image, boxes: Sequence[Box], *, scale: float) -> Image.Image:
    if not boxes:
        return picture
    mark = Image.new("RGB", picture.size, (255, 255, 255))
    drawing = ImageDraw.Draw(mark)
    for left, top, right, bottom in boxes:
        room = min(bottom - top, right - left) * _ROOM
        corners = [
            scale * (left - room),
            scale * (top - room),
            scale * (right + room),
            scale * (bottom + room),
        ]
        drawing.rectangle(corners, fill=_MARK, outline=_FRAME)
    return ImageChops.multiply(picture, mark)
