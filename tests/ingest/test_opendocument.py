"""OpenDocument texts, spreadsheets and presentations."""

from __future__ import annotations

import pytest

from ingest.errors import ParseError
from ingest.parsers import ParsedDocument, sheet_tables
from ingest.parsers.opendocument.document import OpenDocumentParser
from tests.ingest.documents import assert_keeps_contract, blocks_of
from tests.ingest.samples.packages import ODF, odf

META = (
    '<office:document-meta xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/"><office:meta><dc:title>Stated</dc:title></office:meta>'
    "</office:document-meta>"
)


def parse(content: bytes, file_name: str = "policy.odt") -> ParsedDocument:
    parsed = OpenDocumentParser().parse(content, file_name=file_name)
    assert_keeps_contract(parsed)
    return parsed


def text(body: str, styles: str = "") -> list[tuple[str, str]]:
    return blocks_of(parse(odf(body, kind="text", styles=styles)))


def cell(words: str, attributes: str = "") -> str:
    return f"<table:table-cell {attributes}><text:p>{words}</text:p></table:table-cell>"


def test_headings_paragraphs_and_sections_come_in_order() -> None:
    body = (
        "<text:h text:outline-level='2'>Scope</text:h><text:section><text:p>Every\n   one<text:s text:c='3'/>here."
        "<text:line-break/>Next<text:tab/>line.</text:p></text:section>"
    )
    assert text(body) == [("h2", "Scope"), ("paragraph", "Every one   here.\nNext\tline.")]


def test_the_title_is_stated_or_styled() -> None:
    styles = "<style:style style:name='P1' style:parent-style-name='Title'/>"
    body = "<text:p text:style-name='P1'>Styled</text:p>"
    assert parse(odf(body, kind="text", styles=styles)).title == "Styled"
    assert parse(odf(body, kind="text", styles=styles, parts={"meta.xml": META})).title == "Stated"


def test_lists_have_the_numbers_that_are_shown() -> None:
    styles = (
        "<text:list-style style:name='L1'><text:list-level-style-number text:level='1' style:num-format='1' "
        "style:num-suffix='.'/><text:list-level-style-number text:level='2' style:num-format='a' style:num-prefix='(' "
        "style:num-suffix=')' text:start-value='2'/></text:list-style><text:list-style style:name='L2'>"
        "<text:list-level-style-bullet text:level='1'/></text:list-style>"
    )
    inner = "<text:list><text:list-item><text:p>inner</text:p></text:list-item></text:list>"
    body = (
        f"<text:list text:style-name='L1'><text:list-item><text:p>one</text:p>{inner}</text:list-item>"
        "<text:list-item><text:p>two</text:p><text:p>more of two</text:p></text:list-item></text:list>"
        "<text:list text:style-name='L2'><text:list-item><text:p>dot</text:p></text:list-item></text:list>"
        "<text:list text:style-name='L1' text:continue-numbering='true'><text:list-item><text:p>three</text:p>"
        "</text:list-item></text:list>"
    )
    assert text(body, styles=styles) == [
        *(
            ("list_item", "1. one"),
            ("list_item", "(b) inner"),
            ("list_item", "2. two"),
            ("list_item", "more of two"),
        ),
        *(("list_item", "dot"), ("list_item", "3. three")),
    ]


def test_headings_are_numbered_as_the_outline_says() -> None:
    levels = "".join(
        f"<text:outline-level-style text:level='{n}' style:num-format='1' text:display-levels='{n}'/>"
        for n in (1, 2)
    )
    body = "".join(f"<text:h text:outline-level='{level}'>x</text:h>" for level in (1, 2, 2, 1, 2))
    found = text(body, styles=f"<text:outline-style>{levels}</text:outline-style>")
    assert [words for _, words in found] == ["1 x", "1.1 x", "1.2 x", "2 x", "2.1 x"]


def test_notes_and_text_boxes_follow_the_paragraph_they_hang_on() -> None:
    body = (
        "<text:p>Claim<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>The note.</text:p>"
        "</text:note-body></text:note> goes on.<draw:frame><draw:text-box><text:p>A box.</text:p></draw:text-box>"
        "</draw:frame></text:p><text:p>After.</text:p>"
    )
    assert [words for _, words in text(body)] == ["Claim goes on.", "A box.", "The note.", "After."]


def test_what_is_not_shown_is_left_out() -> None:
    body = (
        "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes><text:p>Shown<office:annotation><text:p>"
        "comment</text:p></office:annotation></text:p><text:section text:display='none'><text:p>hidden</text:p>"
        "</text:section><text:p><draw:frame><svg:desc>described</svg:desc></draw:frame></text:p>"
    )
    assert text(body) == [("paragraph", "Shown")]


def test_tables_keep_merged_cells_in_place() -> None:
    rows = (
        "<table:table-header-rows><table:table-row>",
        cell("Plan") + cell("Price", "table:number-columns-spanned='2'") + "<table:covered-table-cell/>",
        "</table:table-row></table:table-header-rows><table:table-row>",
        cell("Basic", "table:number-rows-spanned='2'") + cell("month") + cell("9"),
        "</table:table-row><table:table-row>",
        "<table:covered-table-cell/>" + cell("year") + cell("90"),
        "</table:table-row>",
    )
    assert text(f"<table:table>{''.join(rows)}</table:table>") == [
        ("table", "Plan | Price\nBasic | month | 9\nBasic | year | 90")
    ]


def test_headers_and_footers_are_read_once_and_page_numbers_are_not() -> None:
    styles = (
        f"<office:document-styles {ODF}><office:master-styles><style:master-page><style:header><text:p>ACME</text:p>"
        "</style:header><style:header-left><text:p>ACME</text:p></style:header-left><style:footer><text:p>Page "
        "<text:page-number>1</text:page-number> of 9</text:p></style:footer></style:master-page></office:master-styles>"
        "</office:document-styles>"
    )
    parsed = parse(odf("<text:p>Words.</text:p>", kind="text", parts={"styles.xml": styles}))
    assert parsed.text == "Words.\n\nACME"


def test_a_formula_is_read_as_it_was_typed() -> None:
    mathml = (
        '<math xmlns="http://www.w3.org/1998/Math/MathML"><semantics><annotation encoding="StarMath 5.0">E = m c^2'
        "</annotation></semantics></math>"
    )
    body = (
        '<text:p>So:<draw:frame><draw:object xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="./Object 1"/>'
        "</draw:frame></text:p>"
    )
    parsed = parse(odf(body, kind="text", parts={"Object 1/content.xml": mathml}))
    assert parsed.text == "So:\n\nE = m c^2"


def row(*cells: str, attributes: str = "") -> str:
    return f"<table:table-row {attributes}>{''.join(cells)}</table:table-row>"


def test_a_spreadsheet_shows_what_its_cells_show() -> None:
    hiding = "<style:style style:name='ta2'><style:table-properties table:display='false'/></style:style>"
    date = cell("6.5.24", "office:value-type='date' office:date-value='2024-05-06T00:00:00'")
    comment = "<office:annotation><text:p>comment</text:p></office:annotation>"
    share = cell("5 %", "office:value-type='percentage' office:value='0.05'")
    shown = (
        row("<table:table-cell/>", attributes="table:number-rows-repeated='1000000'"),
        row(cell("Plan"), cell("Since"), cell("Note")),
        row(
            cell("Basic", "table:number-rows-spanned='2'"),
            date,
            f"<table:table-cell>{comment}<text:p>x</text:p></table:table-cell>",
        ),
        row("<table:covered-table-cell/>", share),
    )
    body = f"<table:table table:name='Prices'>{''.join(shown)}</table:table>"
    body += f"<table:table table:name='Lists' table:style-name='ta2'>{row(cell('secret'))}</table:table>"
    parsed = parse(odf(body, kind="spreadsheet", styles=hiding), "prices.ods")
    assert blocks_of(parsed) == [
        ("h1", "Prices"),
        ("table", "Plan | Since | Note\nBasic | 2024-05-06 | x\nBasic | 5 %"),
    ]
    assert parsed.notes == ("sheet “Lists” was left out, since the spreadsheet hides it",)


def test_rows_repeated_without_end_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet_tables, "MOST_CELLS", 100_000)
    wide = cell("boom", "table:number-columns-repeated='16384'")
    endless = row(wide, attributes="table:number-rows-repeated='1048576'") * 1000
    parsed = parse(odf(f"<table:table table:name='S'>{endless}</table:table>", kind="spreadsheet"), "a.ods")
    assert "the file was cut at row 7 of sheet “S”" in parsed.notes[0]


def test_a_presentation_has_a_page_a_slide_and_marked_notes() -> None:
    def frame(words: str, kind: str = "", place: str = "") -> str:
        mark = f"presentation:class='{kind}'" if kind else ""
        return (
            f"<draw:frame {mark} {place}><draw:text-box><text:p>{words}</text:p></draw:text-box></draw:frame>"
        )

    low = "svg:x='1cm' svg:y='10cm' svg:width='5cm' svg:height='1cm'"
    high = "svg:x='10mm' svg:y='1in' svg:width='5cm' svg:height='1cm'"
    first = (
        frame("below", place=low)
        + f"<draw:g><draw:custom-shape {high}><text:p>above</text:p></draw:custom-shape></draw:g>"
    )
    first += frame("Title", "title") + frame("7", "page-number")
    first += f"<presentation:notes>{frame('say this', 'notes')}</presentation:notes>"
    parsed = parse(
        odf(f"<draw:page>{first}</draw:page><draw:page>{frame('Second')}</draw:page>", kind="presentation"),
        "talk.odp",
    )
    assert [words for _, words in blocks_of(parsed)] == [
        "Title",
        "above",
        "below",
        "Notes: say this",
        "Second",
    ]
    assert parsed.page_starts == (0, parsed.text.index("Second"))
    assert parsed.title == "Title"


def test_a_locked_file_is_refused_as_such() -> None:
    manifest = "<manifest:manifest xmlns:manifest='m'><manifest:encryption-data/></manifest:manifest>"
    with pytest.raises(ParseError, match=r"^policy.odt is locked with a password"):
        parse(odf("", kind="text", parts={"META-INF/manifest.xml": manifest}))


@pytest.mark.parametrize("kind", ["drawing", "text"])
def test_what_is_no_text_sheet_or_presentation_is_refused(kind: str) -> None:
    parts = {"content.xml": "<broken"} if kind == "text" else {}
    with pytest.raises(ParseError, match=r"^policy.odt is no OpenDocument file, or is damaged"):
        parse(odf("", kind=kind, parts=parts))


def test_a_damaged_spreadsheet_gives_what_could_be_read_of_it() -> None:
    table = f"<table:table table:name='S'>{row(cell('a'), cell('b'))}<broken"
    content = f"<office:document-content {ODF}><office:body><office:spreadsheet>{table}"
    parsed = parse(odf("", kind="spreadsheet", parts={"content.xml": content}), "a.ods")
    assert parsed.text == "S\n\na | b"
    assert "content.xml cannot be read" in parsed.notes[0]
