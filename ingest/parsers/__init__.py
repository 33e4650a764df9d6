"""The parsers: bytes of a file in, text with blocks and exact offsets out.

A family with one contract (`tests/ingest/test_parsers.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import PurePath
from typing import Literal, Protocol

from ingest.parsers.formats import VERSIONS, ParserKind, parser_kind

BlockKind = Literal["heading", "paragraph", "list_item", "table", "code"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A span of the parsed text.

    level: a heading's level from 1; None for every other kind.
    heading: a heading's words on one line, without markup; a table's header row as its text has it, or None where it
    has none: a chunk that holds later rows carries it among its headings. None for every other kind.
    """

    kind: BlockKind
    char_start: int
    char_end: int
    level: int | None = None
    heading: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedDocument:
    """What a parser makes of a file.

    text: the readable text; no NUL, no lone surrogate (`ingest.parsers.text.clean`), "\\n" line ends.
    blocks: ascending, not overlapping; what lies between two blocks is white space; no block is blank.
    page_starts: ascending offsets at which pages 1, 2, … begin; empty for a format without pages.
    line_boxes: where the lines of text stand on their pages, packed (`retrieval.line_boxes`); empty where not known.
    title: what the document itself says its title is, or None.
    notes: what was left out and why, each a sentence fit to be shown ("page 7 cannot be read").
    """

    text: str
    blocks: tuple[Block, ...]
    page_starts: tuple[int, ...] = ()
    line_boxes: bytes = b""
    title: str | None = None
    media_type: str = "text/plain"
    notes: tuple[str, ...] = ()


class Parser(Protocol):
    """A parser of some formats. Runs inside a worker process; keeps no state between files."""

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse `content`. Raises `ingest.errors.ParseError` with a reason fit to be shown, `NoTextError` where the
        file was read well and holds no text."""
        ...


ParsePart = Callable[[bytes, str], ParsedDocument | None]
"""Parses a file inside another (an attachment) by its name; None where no parser reads it. Raises `ParseError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OcrPolicy:
    """How pictures of text are recognised: the path of the `tesseract` program, its version, and the languages to
    expect, by Tesseract's names ("eng", "deu")."""

    program: str
    version: str
    languages: tuple[str, ...] = ("eng",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParserPolicy:
    """Which parser reads what.

    ocr: None where scanned pages and pictures cannot be recognised.
    engines: (extension, parser) pairs that go before the table of formats.
    fallback: whether `unstructured` may try what the parser of a format could not read.
    """

    ocr: OcrPolicy | None = None
    engines: tuple[tuple[str, ParserKind], ...] = ()
    fallback: bool = False

    def kind(self, file_name: str) -> ParserKind | None:
        """Which parser reads a file of this name; None if none does."""
        chosen = dict(self.engines).get(PurePath(file_name).suffix.lower()) or parser_kind(file_name)
        return None if chosen == "image" and self.ocr is None else chosen

    def identity(self, file_name: str) -> str | None:
        """Name and version of all that decides how a file of this name is parsed; None if no parser reads it."""
        kind = self.kind(file_name)
        if kind is None:
            return None
        parts = [VERSIONS[kind]]
        if self.ocr is not None and kind in {"pdf", "image"}:
            parts.append(f"{self.ocr.version} {'+'.join(self.ocr.languages)}")
        if self.fallback:
            parts.append(f"else {VERSIONS['unstructured']}")
        return ", ".join(parts)

    def why_not(self, file_name: str) -> str:
        """Why no parser reads a file of this name, in words for a person."""
        if parser_kind(file_name) == "image":
            return "a picture: its text is read where Tesseract is installed (Debian's package tesseract-ocr)"
        return "no parser reads this kind of file"


@cache
def load_parser(kind: ParserKind, policy: ParserPolicy) -> Parser:  # noqa: PLR0912, PLR0915 (one branch a parser)
    """The parser of this kind, built once; its libraries are imported here and not before."""

    def parse_part(content: bytes, file_name: str) -> ParsedDocument | None:
        part_kind = policy.kind(file_name)
        return (
            None if part_kind is None else load_parser(part_kind, policy).parse(content, file_name=file_name)
        )

    match kind:
        case "plain":
            from ingest.parsers.plain import PlainParser

            return PlainParser()
        case "code":
            from ingest.parsers.code import CodeParser

            return CodeParser()
        case "markdown":
            from ingest.parsers.markup.markdown import MarkdownParser

            return MarkdownParser()
        case "restructuredtext":
            from ingest.parsers.markup.restructuredtext import RestructuredTextParser

            return RestructuredTextParser()
        case "asciidoc":
            from ingest.parsers.markup.asciidoc import AsciiDocParser

            return AsciiDocParser()
        case "org":
            from ingest.parsers.markup.org import OrgParser

            return OrgParser()
        case "html":
            from ingest.parsers.markup.html import HtmlParser

            return HtmlParser()
        case "xml":
            from ingest.parsers.xml.document import XmlParser

            return XmlParser()
        case "json":
            from ingest.parsers.json import JsonParser

            return JsonParser()
        case "csv":
            from ingest.parsers.csv import CsvParser

            return CsvParser()
        case "subtitles":
            from ingest.parsers.subtitles import SubtitlesParser

            return SubtitlesParser()
        case "notebook":
            from ingest.parsers.notebook import NotebookParser

            return NotebookParser()
        case "pdf":
            from ingest.parsers.pdf.document import PdfParser

            return PdfParser(ocr=policy.ocr)
        case "image":
            from ingest.parsers.image import ImageParser

            assert policy.ocr is not None, "without OCR no parser reads pictures"
            return ImageParser(ocr=policy.ocr)
        case "word":
            from ingest.parsers.ooxml.word import OfficeParser

            return OfficeParser()
        case "slides":
            from ingest.parsers.ooxml.slides import SlidesParser

            return SlidesParser()
        case "sheet":
            from ingest.parsers.ooxml.sheet import SheetParser

            return SheetParser()
        case "opendocument":
            from ingest.parsers.opendocument.document import OpenDocumentParser

            return OpenDocumentParser()
        case "rtf":
            from ingest.parsers.rtf.document import RtfParser

            return RtfParser()
        case "legacy_office":
            from ingest.parsers.legacy.office import LegacyOfficeParser

            return LegacyOfficeParser(parse_part=parse_part)
        case "epub":
            from ingest.parsers.epub import EpubParser

            return EpubParser()
        case "mail":
            from ingest.parsers.messages.mail import MailParser

            return MailParser(parse_part=parse_part)
        case "outlook":
            from ingest.parsers.messages.outlook import OutlookParser

            return OutlookParser(parse_part=parse_part)
        case "unstructured":
            from ingest.parsers.unstructured import UnstructuredParser

            return UnstructuredParser()
