"""Files for the parsers' tests, and the contract that every parsed document keeps."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import docx
from reportlab.lib.pdfencrypt import StandardEncryption
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
        assert (block.kind == "heading") == (block.level is not None) == (block.heading is not None)
        if block.heading is not None and block.level is not None:
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
