"""PDF: pages, paragraphs, titles, and the reasons for refusing."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.errors import ParseError
from ingest.parsers import ParsedDocument
from ingest.parsers.pdf import PdfParser
from retrieval.records import page_at
from tests.ingest.documents import assert_keeps_contract, blocks_of, pdf


def parse(content: bytes) -> ParsedDocument:
    parsed = PdfParser().parse(content, file_name="report.pdf")
    assert_keeps_contract(parsed)
    return parsed


def test_every_page_begins_where_its_text_does_and_empty_pages_count() -> None:
    parsed = parse(pdf([], [(700, "Second page.")], [], [(700, "Fourth page.")], []))
    assert len(parsed.page_starts) == 5
    assert page_at(parsed.page_starts, parsed.text.index("Second")) == 2
    assert page_at(parsed.page_starts, parsed.text.index("Fourth")) == 4
    assert parsed.page_starts[4] == len(parsed.text)


def test_a_larger_gap_between_lines_parts_paragraphs() -> None:
    page = [
        (700, "Heading"),
        (660, "A sentence over"),
        (646, "two lines."),
        (632, "Another."),
        (600, "Next."),
    ]
    assert blocks_of(parse(pdf(page))) == [
        ("paragraph", "Heading"),
        ("paragraph", "A sentence over\ntwo lines.\nAnother."),
        ("paragraph", "Next."),
    ]


def test_a_sentence_that_runs_over_a_gap_stays_whole() -> None:
    page = [(700, "One line."), (686, "A sentence over the"), (640, "gap of a picture."), (626, "More.")]
    assert blocks_of(parse(pdf(page))) == [
        ("paragraph", "One line.\nA sentence over the\ngap of a picture.\nMore."),
    ]


@pytest.mark.parametrize(
    ("stated", "title"),
    [
        ("Annual Report 2024", "Annual Report 2024"),
        ("  An  odd \n title ", "An odd title"),
        ("Why we left Node.js", "Why we left Node.js"),
        ("untitled", None),
        ("Microsoft Word - draft3.doc", None),
        ("scan_0001.PDF", None),
        ("(anonymous)", None),
        ("", None),
    ],
)
def test_a_title_that_a_program_made_up_is_none(stated: str, title: str | None) -> None:
    assert parse(pdf([(700, "Text.")], title=stated)).title == title


def test_a_locked_file_is_refused_as_such() -> None:
    with pytest.raises(ParseError, match=r"^report.pdf is locked with a password; save a copy"):
        parse(pdf([(700, "Secret.")], password="x"))


def test_pictures_of_text_are_refused_as_such() -> None:
    with pytest.raises(
        ParseError, match=r"^report.pdf has no text layer \(2 pages\); scanned pages need OCR"
    ):
        parse(pdf([], []))


def test_what_is_no_pdf_is_refused_as_such() -> None:
    with pytest.raises(ParseError, match=r"^report.pdf is no PDF, or is damaged beyond reading$"):
        parse(b"just words")


def test_a_hyphen_at_a_line_s_end_stays_as_the_page_shows_it(evaluation_data: Path) -> None:
    parsed = parse((evaluation_data / "documents/dev/files/un_multi-column-2p.pdf").read_bytes())
    assert "retrieval can be practically implemented us-\ning dense representations alone" in parsed.text
    assert "\ufffe" not in parsed.text
    assert len(parsed.page_starts) == 2
