"""Files for the parsers' tests, and the contract that every parsed document keeps."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import docx
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from ingest.parsers import ParsedDocument


def assert_keeps_contract(parsed: ParsedDocument) -> None:
    """What `ParsedDocument` promises to whoever cuts it into chunks and whoever follows a citation."""
    parsed.text.encode("utf-8")
    assert "\0" not in parsed.text
    assert "\r" not in parsed.text
    cursor = 0
    for block in parsed.blocks:
        assert parsed.text[cursor : block.char_start].strip() == ""
        assert block.char_start < block.char_end
        assert parsed.text[block.char_start : block.char_end].strip()
        assert (block.kind == "heading") == (block.level is not None)
        assert block.heading is not None or block.kind != "heading"
        if block.kind == "table" and block.heading is not None:
            assert block.heading.strip()
            assert "\n" not in block.heading
        elif block.heading is not None:
            assert block.kind == "heading"
            assert block.level is not None
            assert block.level >= 1
            assert block.heading == " ".join(block.heading.split()) != ""
        cursor = block.char_end
    assert not parsed.text[cursor:].strip()
    assert list(parsed.page_starts) == sorted(parsed.page_starts)
    assert not parsed.page_starts or parsed.page_starts[0] == 0
    assert all(start <= len(parsed.text) for start in parsed.page_starts)
    assert parsed.title is None or parsed.title == " ".join(parsed.title.split()) != ""


def blocks_of(parsed: ParsedDocument) -> list[tuple[str, str]]:
    """Each block as (kind, text); a heading's kind is "h" and its level."""
    return [
        (f"h{block.level}" if block.level else block.kind, parsed.text[block.char_start : block.char_end])
        for block in parsed.blocks
    ]


def pdf(*pages: Sequence[tuple[float, str]], title: str | None = None, password: str | None = None) -> bytes:
    """A PDF whose pages hold lines of text, each at a height in points from the foot of the page."""
    file = BytesIO()
    canvas = Canvas(file, encrypt=StandardEncryption(password) if password else None)
    if title is not None:
        canvas.setTitle(title)
    for page in pages:
        for height, line in page:
            canvas.drawString(72, height, line)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def drawn_pdf(*pages: Callable[[Canvas], None], size: tuple[float, float] = (595, 842)) -> bytes:
    """A PDF of this size in points, each of whose pages a function draws."""
    file = BytesIO()
    canvas = Canvas(file, pagesize=size)
    for draw in pages:
        draw(canvas)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def picture_of(*lines: str, size: tuple[int, int] = (1240, 600), letters: int = 44) -> Image.Image:
    """A picture of lines of text, black on white, as a scanner at 150 dots per inch would make."""
    picture = Image.new("L", size, 255)
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        draw.text((80, 60 + 80 * number), line, fill=0, font=ImageFont.load_default(letters))
    return picture


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """A picture's bytes in a format by Pillow's name."""
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def scanned_pdf(*pictures: Image.Image) -> bytes:
    """A PDF whose pages are filled by pictures."""

    def page(picture: Image.Image) -> Callable[[Canvas], None]:
        def draw(canvas: Canvas) -> None:
            canvas.setPageSize((picture.width * 0.48, picture.height * 0.48))
            canvas.drawImage(ImageReader(picture), 0, 0, picture.width * 0.48, picture.height * 0.48)

        return draw

    return drawn_pdf(*map(page, pictures))


def saved(document: Any) -> bytes:
    """The bytes of a python-docx document."""
    file = BytesIO()
    document.save(file)
    return file.getvalue()


def simple_docx(*paragraphs: str) -> bytes:
    """A Word document of plain paragraphs."""
    document = docx.Document()
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    return saved(document)


def with_part(archive: bytes, name: str, old: bytes, new: bytes) -> bytes:
    """A copy of an archive in one part of which `old` is replaced by `new`."""
    file = BytesIO()
    with (
        zipfile.ZipFile(BytesIO(archive)) as source,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for member in source.namelist():
            content = source.read(member)
            if member == name:
                assert old in content
                content = content.replace(old, new)
            target.writestr(member, content)
    return file.getvalue()
