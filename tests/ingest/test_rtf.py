"""Rich Text Format: encodings, blocks, what is hidden, files built to break a reader."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import NoTextError, ParseError
from ingest.parsers import ParsedDocument
from ingest.parsers.rtf.document import RtfParser
from tests.ingest.documents import assert_keeps_contract, blocks_of


def parse(body: bytes) -> ParsedDocument:
    parsed = RtfParser().parse(rb"{\rtf1\ansi\ansicpg1252 " + body + b"}", file_name="letter.rtf")
    assert_keeps_contract(parsed)
    return parsed


def test_paragraphs_and_their_signs_are_read() -> None:
    parsed = parse(rb"One\~two\line three\tab four \emdash  \{x\} \'e9\_a\-b\par\pard Next.\par")
    assert parsed.text == "One\u00a0two\nthree\tfour — {x} é-ab\n\nNext."


def test_text_is_decoded_as_its_font_says() -> None:
    fonts = rb"{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Cyr;}{\f2\fcharset128 MS;}{\f3\cpg1250 E;}}"
    assert parse(fonts + rb"\f1 \'cf\'f0 {\f2 \'83\'5c\'81@}\f0 \'e9 {\f3 \'e8}").text == "Пр ソ\u3000é č"


def test_a_font_can_be_said_for_one_script_only() -> None:
    fonts = rb"{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset128 MS;}}"
    assert parse(fonts + rb"{\loch\f0\hich\f0\dbch\f1 \'83\'5c}{\loch\f0 \'e9}").text == "ソé"


def test_unicode_replaces_what_stands_in_for_it() -> None:
    assert parse(rb"\u8364?5 \uc2\u1060xy\uc1 \u-4051? \u55357?\u56832?").text == "€5 Ф\uf02d 😀"


def test_headings_come_from_styles_and_outline_levels() -> None:
    styles = rb"{\stylesheet{\s0 Normal;}{\s1\b heading 2;}{\s2 Title;}{\*\cs10 Default;}}"
    parsed = parse(
        styles + rb"\s2 Policy\par\pard\s1 Scope\par\pard\outlinelevel0 Part\par\pard\outlinelevel9 Body\par"
    )
    assert blocks_of(parsed) == [("h1", "Policy"), ("h2", "Scope"), ("h1", "Part"), ("paragraph", "Body")]
    assert parsed.title == "Policy"


def test_the_stated_title_comes_first() -> None:
    assert parse(rb"{\info{\author Ann}{\title Stated}}Words.").title == "Stated"


def test_list_items_carry_the_label_that_the_file_has() -> None:
    body = rb"{\listtext 1.\tab}\ls1 one\par{\listtext 2.\tab}two\par\pard{\pntext\'b7\tab}dot\par\pard plain\par"
    assert blocks_of(parse(body)) == [
        *(("list_item", "1. one"), ("list_item", "2. two"), ("list_item", "dot"), ("paragraph", "plain")),
    ]


def test_tables_are_rows_with_merged_cells_in_place() -> None:
    body = (
        rb"\trowd\cellx1\cellx2\cellx3\pard\intbl Plan\cell Term\cell Price\cell\row"
        rb"\trowd\clvmgf\cellx1\cellx2\cellx3\intbl Basic\par more\cell month\cell 9\cell\row"
        rb"\trowd\clvmrg\cellx1\cellx2\cellx3\intbl\cell year\cell 90\cell\row"
        rb"\trowd\clmgf\cellx1\clmrg\cellx2\cellx3\intbl Sum\cell\cell 99\cell\row\pard After.\par"
    )
    parsed = parse(body)
    assert blocks_of(parsed) == [
        ("table", "Plan | Term | Price\nBasic more | month | 9\nBasic more | year | 90\nSum |  | 99"),
        ("paragraph", "After."),
    ]
    assert parsed.blocks[0].heading == "Plan | Term | Price"


def test_notes_and_text_boxes_follow_their_paragraph() -> None:
    box = rb"{\shp{\*\shpinst{\sp{\sn a}{\sv 7}}{\shptxt Box.\par}}}"
    body = rb"Claim{\super\chftn{\footnote The note.}} goes on." + box + rb"\par After.\par"
    assert [text for _, text in blocks_of(parse(body))] == ["Claim goes on.", "The note.", "Box.", "After."]


def test_headers_and_footers_come_once_at_the_end() -> None:
    body = rb"{\header ACME\par}{\headerl ACME\par}{\footer Page {\field{\*\fldinst PAGE}{\fldrslt 3}}\par}Words.\par"
    assert parse(body).text == "Words.\n\nACME"


def test_what_is_not_shown_is_left_out() -> None:
    body = (
        rb"Seen{\v hidden}{\deleted gone}{\*\annotation comment}{\*\unknown {words}}{\xe index}{\pict 0123abcd}"
        rb"{\field{\*\fldinst HYPERLINK http://x}{\fldrslt  link}}{\object{\*\objdata 00ff}{\result  shown}}"
    )
    assert parse(body).text == "Seen link shown"


def test_bytes_that_follow_bin_are_no_markup() -> None:
    assert parse(rb"a{\pict\bin6 }}}{\x}b").text == "ab"


def test_the_unicode_one_of_a_pair_is_read() -> None:
    assert parse(rb"{\upr{plain}{\*\ud {\u1060?}}} x").text == "Ф x"


@pytest.mark.parametrize("content", [b"words", b"<rtf>", b"\x00" * 2000 + rb"{\rtf1 x}"])
def test_what_is_no_rtf_is_refused_as_such(content: bytes) -> None:
    with pytest.raises(ParseError, match=r"^letter.rtf is no RTF file"):
        RtfParser().parse(content, file_name="letter.rtf")


def test_groups_without_end_are_refused() -> None:
    with pytest.raises(ParseError, match=r"^letter.rtf is damaged: its groups are nested"):
        parse(b"{" * 1_000_000)


def test_a_file_without_words_is_skipped() -> None:
    with pytest.raises(NoTextError):
        parse(rb"\par{\pict 00ff}\par")


FRAGMENTS = (
    *(
        rb"{",
        rb"}",
        rb"\par ",
        rb"\cell ",
        rb"\row ",
        rb"\trowd",
        rb"\intbl ",
        rb"\clmrg\cellx9 ",
        rb"\'83",
        rb"\u-99999? ",
    ),
    *(
        rb"{\footnote ",
        rb"{\listtext ",
        rb"{\fonttbl",
        rb"\f1\fcharset128 ",
        rb"{\*\ud ",
        rb"\bin99999 ",
        b"\0",
        rb"\*",
        b"x",
    ),
    *(
        rb"{\stylesheet",
        rb"\s1 ",
        rb"{\upr",
        rb"\uc9 ",
        rb"\u8364 ",
        rb"\outlinelevel99999 ",
        rb"{\header ",
        b"\\",
    ),
)


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=40).map(b"".join))
def test_any_markup_parses_or_is_refused(body: bytes) -> None:
    try:
        parse(body)
    except ParseError as exc:
        reason = str(exc)
    else:
        reason = "letter.rtf was read"
    assert reason.startswith("letter.rtf")
