"""Pictures of text: photographs and scans, one page each, or several in a TIFF file."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from io import BytesIO

import numpy as np
from PIL import Image, ImageOps, ImageSequence, UnidentifiedImageError

from ingest.errors import NoTextError, ParseError
from ingest.parsers import OcrPolicy, ParsedDocument
from ingest.parsers.pdf.layout import PageLayout
from ingest.parsers.pdf.pictures import Picture, read_picture
from ingest.parsers.pdf.writing import write_pages
from ingest.parsers.tesseract import OcrError
from ingest.parsers.text import has_visible_text

MOST_PIXELS = 100_000_000
MOST_PAGES = 2_000
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "DIB", "GIF", "WEBP")
_LONGEST_SIDE = 5_000
_SHORT_SIDE = 1_000
"""Up to how many pixels a picture is enlarged before it is read: letters of less than 20 pixels are hard to tell."""
_DAMAGED = (
    *(OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError),
    *(OverflowError, ZeroDivisionError, NotImplementedError, struct.error, zlib.error),
)
"""What damaged files make Pillow raise."""


class ImageParser:
    """Reads PNG, JPEG, TIFF, BMP, GIF and WebP files; of a moving picture, the first frame.

    ocr: how text is recognised. A pixel of the picture, as viewers show it, counts as a point in the boxes of lines.
    """

    def __init__(self, *, ocr: OcrPolicy) -> None:
        self._ocr = ocr

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse a picture; raises `ParseError` if it is damaged or too large, `NoTextError` if no text is in it."""
        if not content:
            raise ParseError(f"{file_name} is empty")
        layouts: list[PageLayout] = []
        unread: dict[int, str] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            for number, picture in enumerate(_pictures(content, file_name), start=1):
                try:
                    layouts += read_picture(picture, number=number, policy=self._ocr)
                except OcrError as error:
                    unread[number] = str(error)
        if len(unread) == number:
            raise ParseError(f"{file_name} could not be read: {unread[1]}")
        notes = [f"page {page} of {file_name} was left out: {why}" for page, why in unread.items()]
        parsed = write_pages(layouts, pages=number, title=None, media_type=_media_type(content), notes=notes)
        if not has_visible_text(parsed.text):
            raise NoTextError(f"{file_name} contains no text that can be recognised")
        return parsed


def _pictures(content: bytes, file_name: str) -> Iterator[Picture]:
    """The pages of a file, at least one, as they are to be viewed."""
    try:
        with Image.open(BytesIO(content), formats=_FORMATS) as image:
            for count, frame in enumerate(
                ImageSequence.Iterator(image) if image.format == "TIFF" else (image,)
            ):
                if count == MOST_PAGES:
                    raise ParseError(f"{file_name} has more than {MOST_PAGES} pages. Split it")
                if frame.width * frame.height > MOST_PIXELS:
                    raise ParseError(
                        f"{file_name} is too large: {frame.width} × {frame.height} pixels; "
                        f"up to {MOST_PIXELS:,} are read. Save it smaller"
                    )
                yield _grey(frame)
    except UnidentifiedImageError as exc:
        raise ParseError(f"{file_name} is no picture, or is damaged beyond reading") from exc
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise ParseError(
            f"{file_name} is too large: more than {MOST_PIXELS:,} pixels. Save it smaller"
        ) from exc
    except _DAMAGED as exc:
        raise ParseError(f"{file_name} is damaged: its picture cannot be decoded") from exc


def _grey(frame: Image.Image) -> Picture:
    """A frame in grey on white, upright as its file says, neither larger nor (where small) as small as it was."""
    upright = ImageOps.exif_transpose(frame)
    if upright.mode.startswith(("I", "F")):  # 16 bits and more: bring what there is into the range of 8
        values = np.asarray(upright, dtype=np.float64)
        values = values - values.min()
        upright = Image.fromarray((values * (255 / max(values.max(), 1))).astype(np.uint8))
    if "A" in upright.getbands() or "transparency" in upright.info:
        coloured = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured)
    grey = upright.convert("L")
    longest = max(grey.size)
    scale = min(1.0, _LONGEST_SIDE / longest) if longest > _SHORT_SIDE else 2.0
    if scale != 1.0:
        size = max(1, round(grey.width * scale)), max(1, round(grey.height * scale))
        grey = grey.resize(size, Image.Resampling.LANCZOS)
    return Picture(pixels=np.asarray(grey), pixels_per_point=scale)


def _media_type(content: bytes) -> str:
    with Image.open(BytesIO(content), formats=_FORMATS) as image:
        return Image.MIME.get(image.format or "", "image/*")
