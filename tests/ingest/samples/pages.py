"""Samples of formats with pages; pictures, which need Tesseract, have tests of their own (`test_image.py`)."""

from __future__ import annotations

from ingest.parsers.formats import ParserKind
from tests.ingest.documents import pdf

SAMPLES: dict[ParserKind, bytes] = {
    "pdf": pdf([(700, "The first page.")], [], [(700, "The third page.")], title="A guide"),
}
NO_TEXT: dict[ParserKind, bytes] = {
    "pdf": pdf([]),
}
