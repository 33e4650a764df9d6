"""Which pages of a PDF are pictures of text, and these pages as pictures."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import pypdfium2 as pdfium
from pypdfium2 import raw

from ingest.parsers.pdf.characters import PageText
from ingest.parsers.pdf.pictures import Picture

_HARDLY_ANY = 120
"""Up to how many characters a scanned page may have beside its picture: a stamp, a number, a file's mark."""
_PAGE_FILLING = 0.6
_BROKEN = 0.3
"""From which share of characters of no known meaning on a text layer says nothing."""
_OBJECTS_LOOKED_AT = 3_000
_FEWEST_STROKES = 30
_LONGEST_SIDE = (3_300, 4_500)
"""Pixels of the longer side of a page's picture: least, and most."""
_MOST_PIXELS = 20_000_000
_USUAL_SCALE = 300 / 72
_LARGEST_SCALE = 400 / 72


def is_scanned(page: pdfium.PdfPage, text: PageText) -> bool:
    """Whether a page's text is to be read from its picture, since its text layer has none, hardly any, or nonsense."""
    readable = text.characters - text.unmapped
    if text.unmapped > _BROKEN * text.characters:
        return True
    if readable > _HARDLY_ANY:
        return False
    pictures, strokes = 0.0, 0
    for kind, share in _marks(page, text.width * text.height):
        if kind == raw.FPDF_PAGEOBJ_IMAGE:
            pictures += share
        else:
            strokes += 1
    if readable:
        return pictures >= _PAGE_FILLING
    return pictures > 0.02 or strokes >= _FEWEST_STROKES


def picture_of(page: pdfium.PdfPage) -> Picture | None:
    """The page as it is shown, at a resolution that suits its size and its pictures; None if it is blank."""
    width, height = page.get_size()
    longest = max(width, height)
    native = max(_native_sides(page), default=0.0)
    least, most = _LONGEST_SIDE
    scale = min(max(native, least), most) / longest if native else _USUAL_SCALE
    scale = min(scale, _LARGEST_SCALE, most / longest, (_MOST_PIXELS / (width * height)) ** 0.5)
    bitmap = page.render(scale=scale, grayscale=True)
    pixels = np.array(bitmap.to_numpy(), dtype=np.uint8).reshape(bitmap.height, bitmap.width)
    bitmap.close()
    if int(pixels.max()) - int(pixels.min()) < 30:
        return None
    return Picture(pixels=pixels, pixels_per_point=bitmap.width / width)


def _marks(page: pdfium.PdfPage, page_area: float) -> Iterator[tuple[int, float]]:
    """The kind of each picture and stroke on a page, and the share of the page that a picture's frame covers."""
    kinds = (raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_PATH, raw.FPDF_PAGEOBJ_SHADING)
    for each in islice(page.get_objects(filter=kinds, max_depth=4), _OBJECTS_LOOKED_AT):
        try:
            left, bottom, right, top = each.get_bounds()
        except pdfium.PdfiumError:
            continue
        yield each.type, min((right - left) * (top - bottom) / max(page_area, 1.0), 1.0)


def _native_sides(page: pdfium.PdfPage) -> Iterator[float]:
    """For each large picture of a page: how many pixels the page's longer side would have at the picture's own."""
    longest = max(page.get_size())
    images = page.get_objects(filter=(raw.FPDF_PAGEOBJ_IMAGE,), max_depth=4)
    for image in islice(images, _OBJECTS_LOOKED_AT):
        try:
            left, bottom, right, top = image.get_bounds()
            pixels = max(image.get_px_size())
        except pdfium.PdfiumError:
            continue
        side = max(right - left, top - bottom)
        if side > 0.5 * longest:
            yield pixels / side * longest
