"""Word, PowerPoint and Excel files of the older binary formats, and what else bears their names."""

from __future__ import annotations

import struct

import pytest

from ingest.errors import NoTextError, ParseError
from ingest.parsers import ParsedDocument, ParserPolicy, load_parser
from ingest.parsers.legacy.office import LegacyOfficeParser
from ingest.parsers.legacy.properties import title_of
from tests.ingest.documents import assert_keeps_contract, blocks_of, simple_docx
from tests.ingest.samples.binaries import (
    FOOTNOTE_CALL,
    IN_TABLE,
    ROW_END,
    compound,
    doc,
    doc_streams,
    ppt,
    ppt_shape,
    sprm,
    xls,
)


def parse(content: bytes, file_name: str = "old.doc") -> ParsedDocument:
    parsed = load_parser("legacy_office", ParserPolicy()).parse(content, file_name=file_name)
    assert_keeps_contract(parsed)
    return parsed


def test_headings_come_from_the_styles_of_a_document() -> None:
    parsed = parse(
        doc(
            ("Policy\r", 10, b""),
            ("Scope\r", 1, b""),
            ("Détails – 5 €\r", 0, b""),
            ("Part\r", 0, sprm(0x2640, b"\2")),
        )
    )
    assert blocks_of(parsed) == [
        ("h1", "Policy"),
        ("h1", "Scope"),
        ("paragraph", "Détails – 5 €"),
        ("h3", "Part"),
    ]
    assert parsed.title == "Policy"


def test_tables_of_a_document_keep_their_rows() -> None:
    cells = [("Plan\x07", 0, IN_TABLE), ("Price\x07", 0, IN_TABLE), ("\x07", 0, ROW_END)]
    cells += [
        ("Basic\r", 0, IN_TABLE),
        ("more\x07", 0, IN_TABLE),
        ("9\x07", 0, IN_TABLE),
        ("\x07", 0, ROW_END),
    ]
    parsed = parse(doc(*cells, ("After.\r", 0, b"")))
    assert blocks_of(parsed) == [("table", "Plan | Price\nBasic more | 9"), ("paragraph", "After.")]
    assert parsed.blocks[0].heading == "Plan | Price"


def test_a_note_follows_the_paragraph_that_calls_it() -> None:
    parsed = parse(
        doc((f"Claim{FOOTNOTE_CALL} goes on.\r", 0, b""), ("After.\r", 0, b""), notes=("The note.",))
    )
    assert [text for _, text in blocks_of(parsed)] == ["Claim goes on.", "The note.", "After."]


def test_fields_show_their_result_and_signs_are_written_out() -> None:
    words = "See \x13HYPERLINK \x13 x \x14y\x15 \x14the \x13REF a\x14page\x15\x15\x0bnon\x1ebreaking \ud83d\ude00\r"
    assert parse(doc((words, 0, b""))).text == "See the page\nnon-breaking 😀"


def test_a_locked_document_is_refused_as_such() -> None:
    with pytest.raises(ParseError, match=r"^old.doc is locked with a password"):
        parse(doc(("x\r", 0, b""), flags=0x0100))


def test_a_document_without_its_tables_is_refused_by_name() -> None:
    streams = doc_streams(("x\r", 0, b""))
    del streams["1Table"]
    with pytest.raises(ParseError, match=r"^old.doc is damaged \(KeyError\)"):
        parse(compound(streams))


def test_slides_come_in_order_with_titles_and_notes() -> None:
    first = (
        *(ppt_shape(4, "below", (500, 0, 100, 600)), ppt_shape(4, "above", (100, 0, 100, 200))),
        *(ppt_shape(1, "one\rtwo", (700, 0, 100, 800)), ppt_shape(0, "A title", (0, 0, 100, 90))),
    )
    parsed = parse(
        ppt((first, "say this\rand that"), ((ppt_shape(4, "Second", (0, 0, 9, 9)),), "")), "talk.ppt"
    )
    assert blocks_of(parsed) == [
        *(
            ("h1", "A title"),
            ("paragraph", "above"),
            ("paragraph", "below"),
            ("list_item", "one"),
            ("list_item", "two"),
        ),
        *(("paragraph", "Notes: say this"), ("paragraph", "and that"), ("paragraph", "Second")),
    ]
    assert parsed.page_starts == (0, parsed.text.index("Second"))
    assert parsed.title == "A title"


def test_a_locked_presentation_is_refused_as_such() -> None:
    with pytest.raises(ParseError, match=r"^talk.ppt is locked with a password"):
        parse(ppt(((), ""), token=0xF3D1C4DF), "talk.ppt")


def test_a_workbook_shows_what_its_cells_show() -> None:
    parsed = parse(
        xls([("Plan", "Share"), ("Basic", 0.0534), (), (), ("Note",)], name="Prices"), "prices.xls"
    )
    assert blocks_of(parsed) == [
        ("h1", "Prices"),
        ("table", "Plan | Share\nBasic | 5.3%"),
        ("paragraph", "Note"),
    ]


@pytest.mark.parametrize(
    ("content", "name", "text"),
    [
        (rb"{\rtf1 Rich.\par}", "old.doc", "Rich."),
        (b"<html><body><p>Page.</p></body></html>", "old.doc", "Page."),
        (simple_docx("Newer."), "old.doc", "Newer."),
        (b"Plain words.\n", "old.doc", "Plain words."),
        (doc(("Words.\r", 0, b"")), "old.xls", "Words."),
    ],
)
def test_a_file_is_read_as_what_it_is(content: bytes, name: str, text: str) -> None:
    assert parse(content, name).text.strip() == text


def test_a_fault_in_a_file_of_another_kind_names_the_file() -> None:
    with pytest.raises(ParseError, match=r"^old.doc is damaged: its groups are nested"):
        parse(rb"{\rtf1" + b"{" * 10_000)
    with pytest.raises(NoTextError, match=r"^old.doc contains no text"):
        parse(rb"{\rtf1\par}")


@pytest.mark.parametrize(
    "content", [b"\x00\x01\x02" * 99, compound({"Other": b"x"}), b"\xff\xd8\xff\xe0" * 20]
)
def test_what_is_none_of_them_is_refused(content: bytes) -> None:
    with pytest.raises(ParseError, match=r"^old.doc is no Word, PowerPoint or Excel file"):
        LegacyOfficeParser().parse(content, file_name="old.doc")


def test_the_title_of_the_properties_is_read_and_damage_to_them_costs_the_title_alone() -> None:
    def properties(kind: int, title: bytes, length: int) -> bytes:
        values = struct.pack("<IHH", 2, 1251, 0) + struct.pack("<II", kind, length) + title
        section = struct.pack("<II4I", 24 + len(values), 2, 1, 24, 2, 32) + values
        return bytes(44) + struct.pack("<I", 48) + section

    assert title_of(properties(30, "План\0".encode("cp1251"), 5)) == "План"
    assert title_of(properties(31, "Plan\0".encode("utf-16-le"), 5)) == "Plan"
    assert title_of(properties(30, b"Plan\0", 0xFFFFFFFF)) == "Plan"
    assert title_of(properties(99, b"", 0)) is None
    assert title_of(b"\xff" * 60) is None
    streams = {**doc_streams(("Words.\r", 0, b"")), "\x05SummaryInformation": properties(30, b"Stated\0", 7)}
    assert parse(compound(streams)).title == "Stated"


@pytest.mark.parametrize("step", [97, 101])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "old.doc",
            doc(("Title\r", 1, b""), ("a\x07", 0, IN_TABLE), (f"x{FOOTNOTE_CALL}\r", 0, b""), notes=("n",)),
        ),
        ("talk.ppt", ppt(((ppt_shape(0, "A", (0, 0, 9, 9)), ppt_shape(1, "b\rc", (9, 0, 9, 18))), "notes"))),
        ("prices.xls", xls([("a", 1.5), (None, 2)])),
    ],
)
def test_damage_anywhere_is_survived(name: str, content: bytes, step: int) -> None:
    places = [place for place in range(0, len(content), step) if content[place : place + 16] != bytes(16)]
    for place in places:
        damaged = content[:place] + b"\xff\xfe\x7f" + content[place + 3 :]
        assert outcome(damaged, name).startswith(name)


def outcome(content: bytes, name: str) -> str:
    try:
        parse(content, name)
    except ParseError as exc:
        return str(exc)
    return f"{name} was read"
