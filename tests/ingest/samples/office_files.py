"""Samples of office formats."""

from __future__ import annotations

from ingest.parsers.formats import ParserKind
from tests.ingest.documents import simple_docx
from tests.ingest.samples.binaries import doc
from tests.ingest.samples.packages import odf, pptx, rows, shape, xlsx

SAMPLES: dict[ParserKind, bytes] = {
    "word": simple_docx("The first paragraph.", "", "The second."),
    "slides": pptx(shape("A title", placeholder="title") + shape("One", "Two"), shape("The second slide.")),
    "sheet": xlsx(("Prices", rows(("Plan", "Price"), ("Basic", 9.5)))),
    "opendocument": odf(
        "<text:h text:outline-level='1'>A title</text:h><text:p>Words.</text:p>", kind="text"
    ),
    "rtf": rb"{\rtf1\ansi{\fonttbl{\f0 Arial;}}{\b Bold} words.\par Caf\'e9, \u8364?5.\par}",
    "legacy_office": doc(("A title\r", 1, b""), ("Words.\r", 0, b"")),
}
NO_TEXT: dict[ParserKind, bytes] = {
    "word": simple_docx("", " "),
    "slides": pptx(shape("", placeholder="title"), ""),
    "sheet": xlsx(("Empty", rows(("", None)))),
    "opendocument": odf("<text:p/><text:p> </text:p>", kind="text"),
    "rtf": rb"{\rtf1\ansi{\fonttbl{\f0 Arial;}} \par\par}",
    "legacy_office": doc(("\r", 0, b"")),
}
