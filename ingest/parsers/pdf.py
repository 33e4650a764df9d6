"""PDF: its text layer, page by page, in the order in which PDFium gives it."""

from __future__ import annotations

import ctypes
import statistics
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise

import pypdfium2 as pdfium
from pypdfium2 import raw

from ingest.errors import ParseError
from ingest.parsers import ParsedDocument
from ingest.parsers.text import TextBuilder, has_visible_text, stated_title

MOST_PAGES = 20_000
MOST_CHARACTERS = 50_000_000

_HYPHEN_AT_LINE_END = "\ufffe"
"""What PDFium writes for a hyphen at a line's end and the line end after it, both of which the page shows."""
_ENDS_A_SENTENCE = (".", "!", "?", ":", ";", "…")
_LARGE_GAP = 1.3
"""How many times the page's usual distance between lines sets a paragraph apart."""


class PdfParser:
    """Reads the text layer of PDF files; pictures of text are not recognised."""

    name = "pdf/1"
    extensions = frozenset({".pdf"})

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse a PDF; raises `ParseError` if it is damaged, locked, endless, or nothing but pictures."""
        if not content:
            raise ParseError(f"{file_name} is empty")
        with closing(_open(content, file_name)) as pdf:
            page_count = len(pdf)
            if page_count > MOST_PAGES:
                raise ParseError(f"{file_name} has {page_count} pages; up to {MOST_PAGES} are read. Split it")
            builder = TextBuilder()
            unreadable = list(_append_pages(pdf, builder, file_name))
            title = stated_title(pdf.get_metadata_value("Title"))
        pages = "1 page" if page_count == 1 else f"{page_count} pages"
        if len(unreadable) == page_count:
            raise ParseError(f"{file_name} is damaged: no page of it can be read ({pages})")
        notes = [f"page {number} of {file_name} is damaged and was left out" for number in unreadable]
        parsed = builder.build(title=title, media_type="application/pdf", notes=notes)
        if not has_visible_text(parsed.text):
            raise ParseError(
                f"{file_name} has no text layer ({pages}); scanned pages need OCR, which this release does not do"
            )
        return parsed


def _open(content: bytes, file_name: str) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(content)
    except pdfium.PdfiumError as exc:
        if exc.err_code == raw.FPDF_ERR_PASSWORD:
            reason = "is locked with a password; save a copy that opens without one"
        elif exc.err_code == raw.FPDF_ERR_SECURITY:
            reason = "is encrypted in a way that is not supported; save a copy without encryption"
        else:
            reason = "is no PDF, or is damaged beyond reading"
        raise ParseError(f"{file_name} {reason}") from exc


def _append_pages(pdf: pdfium.PdfDocument, builder: TextBuilder, file_name: str) -> Iterator[int]:
    """Append every page's paragraphs; yields the numbers (from 1) of pages that cannot be read."""
    characters = 0
    for index in range(len(pdf)):
        builder.start_page()
        try:
            paragraphs = _read_page(pdf, index)
        except pdfium.PdfiumError:
            yield index + 1
            continue
        characters += sum(map(len, paragraphs))
        if characters > MOST_CHARACTERS:
            raise ParseError(f"{file_name} holds more than {MOST_CHARACTERS:,} characters of text. Split it")
        for paragraph in paragraphs:
            builder.append("paragraph", paragraph)


def _read_page(pdf: pdfium.PdfDocument, index: int) -> list[str]:
    with closing(pdf[index]) as page, closing(page.get_textpage()) as text_page:
        return list(_paragraphs(list(_lines(text_page))))


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of text and the heights, in points, of the baselines on which its first and last character stand."""

    text: str
    first_y: float
    last_y: float


def _lines(text_page: pdfium.PdfTextPage) -> Iterator[_Line]:
    position = 0
    for line in text_page.get_text_range(errors="replace").split("\r\n"):
        # PDFium counts UTF-16 units.
        length = len(line) + sum(1 for character in line if character > "\uffff")
        if not line.isspace() and line:
            text = line.replace(_HYPHEN_AT_LINE_END, "-\n")
            yield _Line(text, _baseline(text_page, position), _baseline(text_page, position + length - 1))
        position += length + len("\r\n")


def _baseline(text_page: pdfium.PdfTextPage, position: int) -> float:
    x, y = ctypes.c_double(), ctypes.c_double()
    index = raw.FPDFText_GetCharIndexFromTextIndex(text_page, position)
    raw.FPDFText_GetCharOrigin(text_page, index, x, y)
    return y.value


def _paragraphs(lines: list[_Line]) -> Iterator[str]:
    """Group lines into paragraphs where the distance between them, or a new column, sets them apart."""
    gaps = [line.last_y - following.first_y for line, following in pairwise(lines)]
    usual = statistics.median([gap for gap in gaps if gap > 1] or [0.0])
    paragraph: list[str] = []
    for line, gap in zip(lines, (0.0, *gaps), strict=False):
        is_apart = gap > usual * _LARGE_GAP or gap < -usual
        if paragraph and usual and is_apart and not _runs_on(paragraph[-1], line.text):
            yield "\n".join(paragraph)
            paragraph.clear()
        paragraph.append(line.text)
    if paragraph:
        yield "\n".join(paragraph)


def _runs_on(line: str, following: str) -> bool:
    """Whether a sentence goes on from one line to the next, as from the foot of a column to the head of another."""
    return following[0].islower() and not line.rstrip().endswith(_ENDS_A_SENTENCE)
