"""PDF: the text of each page in reading order, from its text layer or, of scanned pages, from its picture.

A page is read from its picture where that fills it and there is hardly any text beside it, or where the text layer has
no known meaning. Invisible text is taken: it is what programs for scanning put behind their pictures. What is filled
into forms and written onto pages is taken; comments, attachments and what lies outside a page's visible box are not.
Running heads and feet are read on the page that shows them first; bare page numbers are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain

import pypdfium2 as pdfium
from pypdfium2 import raw

from ingest.errors import NoTextError, ParseError
from ingest.parsers import OcrPolicy, ParsedDocument
from ingest.parsers.pdf.characters import PageText, TurnedText, read_text
from ingest.parsers.pdf.furniture import Edges, repeated_edges
from ingest.parsers.pdf.headings import OutlineEntry
from ingest.parsers.pdf.layout import PageBlock, PageLayout, Paragraph, page_blocks
from ingest.parsers.pdf.lines import lines_of
from ingest.parsers.pdf.pictures import read_picture
from ingest.parsers.pdf.scans import is_scanned, picture_of
from ingest.parsers.pdf.writing import write_pages
from ingest.parsers.tesseract import OcrError
from ingest.parsers.text import has_visible_text, stated_title

MOST_PAGES = 20_000
MOST_CHARACTERS = 50_000_000
_MOST_OUTLINE_ENTRIES = 5_000
_MOST_ANNOTATIONS = 5_000
_ANNOTATIONS_SHOWN = (raw.FPDF_ANNOT_FREETEXT, raw.FPDF_ANNOT_WIDGET)


class PdfParser:
    """Reads PDF files.

    ocr: how pictures of pages are read; without it they are left out, and named in the document's notes.
    """

    def __init__(self, *, ocr: OcrPolicy | None = None) -> None:
        self._ocr = ocr

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse a PDF; raises `ParseError` if it is damaged, locked, endless, or nothing but pictures that cannot be
        read, `NoTextError` if its pages are blank."""
        if not content:
            raise ParseError(f"{file_name} is empty")
        with closing(_open(content, file_name)) as pdf:
            pages = _Pages(file_name=file_name, count=len(pdf))
            if pages.count > MOST_PAGES:
                raise ParseError(
                    f"{file_name} has {pages.count} pages; up to {MOST_PAGES} are read. Split it"
                )
            for number in range(1, pages.count + 1):
                self._read_page(pdf, number, pages)
            title = stated_title(pdf.get_metadata_value("Title"))
            outline = list(_outline(pdf))
        parsed = _written(pages, title, outline)
        if not has_visible_text(parsed.text):
            raise pages.why_no_text()
        return parsed

    def _read_page(self, pdf: pdfium.PdfDocument, number: int, pages: _Pages) -> None:
        try:
            with closing(_shown_page(pdf, number)) as page:
                with closing(page.get_textpage()) as text_page:
                    text = read_text(page, text_page)
                pages.add_text(number, text)
                if is_scanned(page, text):
                    self._read_scan(page, number, pages)
        except pdfium.PdfiumError:
            pages.damaged.append(number)

    def _read_scan(self, page: pdfium.PdfPage, number: int, pages: _Pages) -> None:
        picture = picture_of(page)
        if picture is None:
            return
        if self._ocr is None:
            pages.scanned.append(number)
            return
        try:
            pages.pictures[number] = read_picture(picture, number=number, policy=self._ocr)
        except OcrError as error:
            pages.unread[number] = str(error)


@dataclass(slots=True, kw_only=True)
class _Pages:
    """What was read of a file's pages, by their numbers from 1.

    pictures: the layouts of those read from their pictures. scanned: those that would have to be, without OCR at hand.
    unread: why OCR failed. damaged: those that PDFium cannot read.
    """

    file_name: str
    count: int
    texts: dict[int, PageText] = field(default_factory=dict)
    pictures: dict[int, list[PageLayout]] = field(default_factory=dict)
    scanned: list[int] = field(default_factory=list)
    unread: dict[int, str] = field(default_factory=dict)
    damaged: list[int] = field(default_factory=list)
    characters: int = 0

    def add_text(self, number: int, text: PageText) -> None:
        """Take in a page's text layer."""
        self.texts[number] = text
        self.characters += text.characters
        if self.characters > MOST_CHARACTERS:
            raise ParseError(
                f"{self.file_name} holds more than {MOST_CHARACTERS:,} characters of text. Split it"
            )

    def notes(self) -> list[str]:
        """What was left out, and why."""
        notes = []
        if self.damaged:
            are = "is damaged and was" if len(self.damaged) == 1 else "are damaged and were"
            notes.append(f"{_listed(self.damaged)} of {self.file_name} {are} left out")
        if self.scanned:
            are = "is a scan and was" if len(self.scanned) == 1 else "are scans and were"
            notes.append(
                f"{_listed(self.scanned)} of {self.file_name} {are} left out: "
                "their text is read where Tesseract is installed (Debian's package tesseract-ocr)"
            )
        notes += [
            f"page {number} of {self.file_name} was left out: {why}"
            for number, why in sorted(self.unread.items())
        ]
        return notes

    def why_no_text(self) -> ParseError:
        """Why nothing at all could be read."""
        pages = "1 page" if self.count == 1 else f"{self.count} pages"
        if self.scanned:
            return ParseError(
                f"{self.file_name} has no text layer ({pages}); scanned pages need OCR: install Tesseract (Debian's "
                "package tesseract-ocr)"
            )
        if self.unread:
            return ParseError(
                f"{self.file_name} could not be read ({pages}): {next(iter(self.unread.values()))}"
            )
        if self.damaged:
            return ParseError(f"{self.file_name} is damaged: no page of it can be read ({pages})")
        recognised = " that can be recognised" if self.pictures else ""
        return NoTextError(f"{self.file_name} contains no text{recognised} ({pages})")


def _listed(numbers: Sequence[int]) -> str:
    """Page numbers in words: "page 4", "pages 1-3 and 7"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number])
    named = ["-".join(map(str, run)) for run in runs]
    whole = " and ".join((", ".join(named[:-1]), named[-1])) if len(named) > 1 else named[0]
    return f"page {whole}" if len(numbers) == 1 else f"pages {whole}"


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


def _shown_page(pdf: pdfium.PdfDocument, number: int) -> pdfium.PdfPage:
    """A page with what was filled into its form and written onto it, as part of its text."""
    page = pdf[number - 1]
    if any(kind in _ANNOTATIONS_SHOWN for kind in _annotations(page)):
        changed = raw.FPDFPage_Flatten(page.raw, raw.FLAT_NORMALDISPLAY) == raw.FLATTEN_SUCCESS
        if changed:
            page.close()
            page = pdf[number - 1]
    return page


def _annotations(page: pdfium.PdfPage) -> Iterator[int]:
    for index in range(min(raw.FPDFPage_GetAnnotCount(page.raw), _MOST_ANNOTATIONS)):
        annotation = raw.FPDFPage_GetAnnot(page.raw, index)
        if annotation:
            yield raw.FPDFAnnot_GetSubtype(annotation)
            raw.FPDFPage_CloseAnnot(annotation)


def _outline(pdf: pdfium.PdfDocument) -> Iterator[OutlineEntry]:
    for count, bookmark in enumerate(pdf.get_toc(max_depth=6)):
        if count >= _MOST_OUTLINE_ENTRIES:
            return
        destination = bookmark.get_dest()
        index = destination.get_index() if destination else None
        yield OutlineEntry(bookmark.get_title(), bookmark.level + 1, None if index is None else index + 1)


def _written(pages: _Pages, title: str | None, outline: Sequence[OutlineEntry]) -> ParsedDocument:
    layouts = sorted(
        chain(_laid_out(pages), chain.from_iterable(pages.pictures.values())),
        key=lambda layout: layout.number,
    )
    return write_pages(
        layouts,
        outline=outline,
        pages=pages.count,
        title=title,
        media_type="application/pdf",
        notes=pages.notes(),
    )


def _laid_out(pages: _Pages) -> Iterator[PageLayout]:
    """The layouts of the text layers of all pages that are not read from their pictures."""
    texts = [(number, text) for number, text in pages.texts.items() if not pages.pictures.get(number)]
    edges = repeated_edges(
        [(lines_of(text.texts[0].fragments), _height(text)) if text.texts else ([], 0.0) for _, text in texts]
    )
    for index, (number, text) in enumerate(texts):
        for place, turned in enumerate(text.texts):
            yield PageLayout(
                number=number,
                width=text.width,
                height=text.height,
                is_main=place == 0,
                placement=turned.placement,
                blocks=tuple(_blocks(turned, edges.get(index, Edges()) if place == 0 else Edges())),
            )


def _height(text: PageText) -> float:
    """A page's height in the direction in which its lines follow one another."""
    return text.width if text.texts[0].turn % 2 == 1 else text.height


def _blocks(turned: TurnedText, edges: Edges) -> Iterator[PageBlock]:
    apart = {
        id(fragment) for line in (*edges.head, *edges.foot, *edges.repeated) for fragment in line.fragments
    }
    yield from (Paragraph((line,)) for line in edges.head)
    yield from page_blocks([fragment for fragment in turned.fragments if id(fragment) not in apart])
    yield from (Paragraph((line,)) for line in edges.foot)
