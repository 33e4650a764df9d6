"""Pictures: their text, pages, boxes, and the reasons for refusing."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import pytest
from PIL import Image

from ingest.errors import NoTextError, ParseError
from ingest.parsers import OcrPolicy, ParsedDocument
from ingest.parsers.image import ImageParser
from ingest.parsers.tesseract import find_tesseract
from retrieval.line_boxes import unpack_line_boxes
from retrieval.records import page_at
from tests.ingest.documents import assert_keeps_contract, encoded, picture_of

TESSERACT = find_tesseract(None, ("eng",))
needs_tesseract = pytest.mark.skipif(TESSERACT is None, reason="Tesseract is not installed")
NOBODY = OcrPolicy(program="/nowhere/tesseract", version="")
PICTURE = picture_of("Lentils and onions", "boil for an hour.", size=(620, 220))


def parse(content: bytes, name: str = "scan.png") -> ParsedDocument:
    parsed = ImageParser(ocr=TESSERACT or NOBODY).parse(content, file_name=name)
    assert_keeps_contract(parsed)
    return parsed


@needs_tesseract
@pytest.mark.parametrize(
    ("kind", "media_type"),
    [
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("TIFF", "image/tiff"),
        ("BMP", "image/bmp"),
        ("GIF", "image/gif"),
        ("WEBP", "image/webp"),
    ],
)
def test_every_kind_of_picture_is_read(kind: str, media_type: str) -> None:
    parsed = parse(encoded(PICTURE, kind))
    assert parsed.text == "Lentils and onions\nboil for an hour."
    assert parsed.media_type == media_type
    assert parsed.page_starts == (0,)


@needs_tesseract
def test_each_line_has_its_box_in_pixels() -> None:
    parsed = parse(encoded(PICTURE, "PNG"))
    boxes = unpack_line_boxes(parsed.line_boxes)
    assert [parsed.text[box.char_start : box.char_end] for box in boxes] == parsed.text.split("\n")
    for number, box in enumerate(boxes):
        assert box.page == 1
        assert 70 < box.left < 95
        assert 50 + 80 * number < box.top < box.bottom < 130 + 80 * number


@needs_tesseract
def test_a_tiff_file_has_pages() -> None:
    second = picture_of("Serve with bread.")
    parsed = parse(encoded(PICTURE, "TIFF", save_all=True, append_images=[second]))
    assert len(parsed.page_starts) == 2
    assert page_at(parsed.page_starts, parsed.text.index("Serve")) == 2


@needs_tesseract
@pytest.mark.parametrize(
    "changed",
    [
        lambda picture: picture.convert("1"),
        lambda picture: picture.convert("P"),
        lambda picture: picture.convert("CMYK"),
        lambda picture: Image.merge(
            "LA", (picture.point(lambda _: 0), picture.point(lambda value: 255 - value))
        ),
        lambda picture: picture.convert("I;16").point(lambda value: value * 200),
    ],
    ids=["black and white", "palette", "inks", "transparent", "16 bits"],
)
def test_any_kind_of_pixels_is_read(changed: Callable[[Image.Image], Image.Image]) -> None:
    assert "Lentils and onions" in parse(encoded(changed(PICTURE), "TIFF")).text


@needs_tesseract
def test_a_photograph_is_read_as_its_camera_was_held() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    parsed = parse(encoded(PICTURE.rotate(90, expand=True), "JPEG", exif=exif))
    assert parsed.text == "Lentils and onions\nboil for an hour."
    assert unpack_line_boxes(parsed.line_boxes)[0].left < 95


@needs_tesseract
def test_a_page_on_its_side_is_read_and_its_boxes_stand_upright() -> None:
    lines = [f"Sentence number {number} of a page of plain words" for number in range(14)]
    sideways = picture_of(*lines, size=(1240, 1240)).rotate(90, expand=True)
    parsed = parse(encoded(sideways, "PNG"))
    assert parsed.text.split("\n") == lines
    box = unpack_line_boxes(parsed.line_boxes)[0]
    assert box.bottom - box.top > 5 * (box.right - box.left)
    assert box.left < 120


@needs_tesseract
def test_a_page_askew_is_read_line_by_line() -> None:
    lines = [f"Sentence number {number} of a page of plain words" for number in range(14)]
    askew = picture_of(*lines, size=(1240, 1240)).rotate(3, fillcolor=255)
    assert parse(encoded(askew, "PNG")).text.split("\n") == lines


@needs_tesseract
def test_a_picture_without_text_is_no_failure() -> None:
    with pytest.raises(NoTextError, match=r"^scan.png contains no text that can be recognised$"):
        parse(encoded(picture_of(), "PNG"))


def test_an_empty_file_is_refused_by_name() -> None:
    with pytest.raises(ParseError, match=r"^scan.png is empty$"):
        parse(b"")


@pytest.mark.parametrize(
    "content", [b"just words", b"%PDF-1.4", b"<svg xmlns='http://www.w3.org/2000/svg'/>"]
)
def test_what_is_no_picture_is_refused_as_such(content: bytes) -> None:
    with pytest.raises(ParseError, match=r"^scan.png is no picture, or is damaged beyond reading$"):
        parse(content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "GIF", "WEBP"])
def test_a_cut_off_file_is_refused_as_damaged(kind: str) -> None:
    content = encoded(PICTURE, kind)
    with pytest.raises(ParseError, match=r"^scan.png is (damaged|no picture)"):
        parse(content[: len(content) // 2])


def test_a_bomb_is_refused_by_its_size_alone() -> None:
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    with pytest.raises(ParseError, match=r"^scan.png is too large: .* pixels.*Save it smaller$"):
        parse(content)


def test_a_failing_program_is_the_files_failure() -> None:
    with pytest.raises(ParseError, match=r"^scan.png could not be read: Tesseract cannot be run"):
        ImageParser(ocr=NOBODY).parse(encoded(PICTURE, "PNG"), file_name="scan.png")
