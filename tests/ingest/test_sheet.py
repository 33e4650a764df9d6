"""Excel workbooks: what cells show, tables and headers, what is hidden, sheets without bounds."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import NoTextError, ParseError
from ingest.parsers import ParsedDocument, sheet_tables
from ingest.parsers.number_formats import general, shown
from ingest.parsers.ooxml.sheet import SheetParser
from ingest.parsers.sheet_tables import SheetWriter
from ingest.parsers.text import TextBuilder
from tests.ingest.documents import assert_keeps_contract, blocks_of
from tests.ingest.samples.packages import S, archive, relations, rows, worksheet, xlsx


def parse(content: bytes) -> ParsedDocument:
    parsed = SheetParser().parse(content, file_name="prices.xlsx")
    assert_keeps_contract(parsed)
    return parsed


def test_a_sheet_is_a_heading_and_tables_between_empty_rows() -> None:
    content = xlsx(
        (
            "Prices",
            rows(("Plan", "Price"), ("Basic", 9), ("Team", 29.5))
            + rows(("Region", "Tax"), ("EU", 20), first=6),
        )
    )
    parsed = parse(content)
    assert blocks_of(parsed) == [
        *(
            ("h1", "Prices"),
            ("table", "Plan | Price\nBasic | 9\nTeam | 29.5"),
            ("table", "Region | Tax\nEU | 20"),
        ),
    ]
    assert [block.heading for block in parsed.blocks] == ["Prices", "Plan | Price", "Region | Tax"]


def test_figures_after_an_empty_row_belong_to_the_table_above() -> None:
    content = xlsx(("S", rows(("Plan", "Price"), ("Basic", 9)) + rows(("Sum", 9), first=4)))
    assert blocks_of(parse(content))[1:] == [("table", "Plan | Price\nBasic | 9\nSum | 9")]


def test_titles_above_a_table_are_paragraphs() -> None:
    content = xlsx(("S", rows(("Prices of 2024",), ("Plan", "Price"), ("Basic", 9))))
    assert blocks_of(parse(content))[1:] == [
        ("paragraph", "Prices of 2024"),
        ("table", "Plan | Price\nBasic | 9"),
    ]


def test_a_header_of_two_rows_is_kept_whole() -> None:
    parsed = parse(xlsx(("S", rows(("Plan", "Price", None), (None, "month", "year"), ("Basic", 9, 90)))))
    assert parsed.blocks[1].heading == "Plan | Price / | month | year"


def test_tables_side_by_side_are_read_one_after_the_other() -> None:
    content = xlsx(
        ("S", rows(("a", "b", None, "x", "y"), (1, 2, None, 7, 8), (3, 4), (5, 6))),
    )
    assert blocks_of(parse(content))[1:] == [
        ("table", "a | b\n1 | 2\n3 | 4\n5 | 6"),
        ("table", "x | y\n7 | 8"),
    ]


def test_an_empty_column_within_a_table_is_left_out() -> None:
    assert parse(xlsx(("S", rows(("a", None, "b"), (1, None, 2))))).text.endswith("a | b\n1 | 2")


def test_values_are_written_as_their_cells_show_them() -> None:
    cells = (
        '<c r="A1" t="s"><v>0</v></c><c r="B1" t="b"><v>1</v></c><c r="C1" t="e"><v>#N/A</v></c>'
        '<c r="D1" t="str"><f>A1</f><v>text</v></c><c r="E1" s="1"><v>0.0534</v></c><c r="F1" s="2"><v>45107</v></c>'
        '<c r="G1"><v>0.30000000000000004</v></c><c r="H1"><v>7</v></c><c r="I1" t="d"><v>2024-05-06T00:00:00</v></c>'
    )
    content = xlsx(("S", f'<row r="1">{cells}</row>'), strings=("shared",), formats=("0.0%", "d/m/yyyy"))
    assert parse(content).text.endswith(
        "shared | TRUE | #N/A | text | 5.3% | 2023-06-30 | 0.3 | 7 | 2024-05-06"
    )


def test_how_words_are_pronounced_is_left_out() -> None:
    tokyo = "<si><t>東京</t><rPh sb='0' eb='2'><t>トウキョウ</t></rPh></si>"
    strings = f"<sst {S}>{tokyo}<si><r><t>a</t></r><r><t>b</t></r></si></sst>"
    row = '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="s"><v>9</v></c></row>'
    assert parse(xlsx(("S", row), parts={"xl/sharedStrings.xml": strings})).text.endswith("東京 | ab")


def test_a_cell_that_reaches_down_is_written_in_each_of_its_rows() -> None:
    merged = "<mergeCells count='1'><mergeCell ref='A2:A3'/></mergeCells>"
    sheet = worksheet(rows(("Plan", "Term"), ("Basic", "month"), (None, "year")), after=merged)
    parsed = parse(xlsx(("S", ""), parts={"xl/worksheets/sheet1.xml": sheet}))
    assert parsed.text.endswith("Basic | month\nBasic | year")


def test_hidden_sheets_are_left_out_with_a_note() -> None:
    parsed = parse(xlsx(("Shown", rows((1, 2))), ("Lists", rows((3, 4))), hidden=("Lists",)))
    assert parsed.text == "Shown\n\n1 | 2"
    assert parsed.notes == ("sheet “Lists” was left out, since the workbook hides it",)


def test_formulas_without_a_saved_value_are_noted() -> None:
    row = '<row r="1"><c r="A1"><v>1</v></c><c r="B1"><f>A1*2</f></c></row>'
    assert "1 formulas were left out" in parse(xlsx(("S", row))).notes[0]


def test_text_boxes_and_titles_of_charts_follow_the_cells() -> None:
    drawing = (
        '<d:wsDr xmlns:d="http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing" '
        'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><d:sp><d:txBody><a:p><a:r><a:t>A note</a:t>'
        "</a:r></a:p></d:txBody></d:sp></d:wsDr>"
    )
    content = xlsx(
        ("S", rows((1, 2))),
        parts={
            "xl/worksheets/_rels/sheet1.xml.rels": relations(("drawing", "../drawings/drawing1.xml")),
            "xl/drawings/drawing1.xml": drawing,
        },
    )
    assert blocks_of(parse(content))[-1] == ("paragraph", "A note")


def test_cells_far_apart_take_no_more_room_than_their_text() -> None:
    far = '<row r="1"><c r="A1"><v>1</v></c><c r="XFD1"><v>2</v></c></row>'
    far += '<row r="1048576"><c r="B1048576"><v>3</v></c></row>'
    assert parse(xlsx(("S", far))).text == "S\n\n1 | 2\n\n3"


def test_a_sheet_without_end_is_cut_with_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet_tables, "MOST_CELLS", 10)
    parsed = parse(xlsx(("S", rows(*((number, number) for number in range(100)))), ("T", rows((1, 2)))))
    assert parsed.text.count("\n") == 6
    assert "the file was cut at row 6 of sheet “S”" in parsed.notes[0]


def test_a_long_table_goes_on_under_its_header() -> None:
    lines: list[tuple[str, str | float]] = [
        ("Plan", "Price"),
        *(("Basic", number) for number in range(sheet_tables._MOST_ROWS)),
    ]
    parsed = parse(xlsx(("S", rows(*lines))))
    assert [block.heading for block in parsed.blocks] == ["S", "Plan | Price", "Plan | Price"]


def test_a_string_repeated_without_end_is_bounded() -> None:
    def endless() -> Iterator[tuple[int, list[tuple[int, str]]]]:
        for number in range(10**9):
            yield number, [(1, "x" * 100_000)]

    builder = TextBuilder()
    writer = SheetWriter(builder)
    writer.write("S", endless())
    assert writer.is_full
    assert "characters of a file are read" in writer.notes[0]


def test_a_damaged_sheet_gives_what_could_be_read_of_it() -> None:
    good, bad = worksheet(rows(("a", "b"))), worksheet(rows((1, 2), (3, 4)))[:-60]
    parsed = parse(
        xlsx(("A", ""), ("B", ""), parts={"xl/worksheets/sheet1.xml": good, "xl/worksheets/sheet2.xml": bad})
    )
    assert "1 | 2" in parsed.text
    assert "xl/worksheets/sheet2.xml cannot be read" in parsed.notes[0]


def test_an_entity_bomb_does_not_go_off() -> None:
    bomb = "".join(
        f'<!ENTITY {b} "{f"&{a};" * 50}">' for a, b in zip("abcdefghij", "bcdefghijk", strict=True)
    )
    sheet = f'<!DOCTYPE w [<!ENTITY a "lol">{bomb}]>' + worksheet("<row><c t='str'><v>&k;</v></c></row>")
    with pytest.raises((ParseError, NoTextError), match=r"^prices.xlsx"):
        parse(xlsx(("S", ""), parts={"xl/worksheets/sheet1.xml": sheet}))


def test_a_binary_workbook_is_read_like_its_newer_kin() -> None:
    def text(words: str) -> bytes:
        return struct.pack("<I", len(words)) + words.encode("utf-16-le")

    def record(kind: int, content: bytes = b"") -> bytes:
        head = bytes([kind]) if kind < 0x80 else bytes([kind & 0x7F | 0x80, kind >> 7])
        return head + bytes([len(content)]) + content

    sheets = b"".join(
        record(156, struct.pack("<II", hidden, number) + text(f"rId{number}") + text(name))
        for number, (name, hidden) in enumerate((("Prices", 0), ("Lists", 1)), start=1)
    )
    cells = (
        record(0, struct.pack("<I", 0))
        + record(7, struct.pack("<III", 0, 0, 0))
        + record(6, bytes(8) + text("x")),
        record(6, struct.pack("<II", 1, 0) + text("Price")),
        record(0, struct.pack("<I", 1)) + record(6, bytes(8) + text("Basic")),
        record(5, struct.pack("<IId", 1, 1, 0.0534)) + record(2, struct.pack("<III", 2, 0, 1234 << 2 | 3)),
        record(0, struct.pack("<I", 2))
        + record(4, struct.pack("<IIB", 1, 0, 1))
        + record(176, struct.pack("<4I", 1, 2, 0, 0)),
    )
    styles = record(44, struct.pack("<H", 164) + text("0.0%")) + record(617)
    styles += record(47, struct.pack("<HH", 0, 0)) + record(47, struct.pack("<HH", 0, 164)) + record(618)
    content = archive(
        {
            "_rels/.rels": relations(("officeDocument", "xl/workbook.bin")),
            "xl/_rels/workbook.bin.rels": relations(
                *(("worksheet", "worksheets/sheet1.bin"), ("worksheet", "worksheets/sheet2.bin")),
                *(("sharedStrings", "sharedStrings.bin"), ("styles", "styles.bin")),
            ),
            "xl/workbook.bin": record(153, bytes(4)) + sheets,
            "xl/sharedStrings.bin": record(19, b"\0" + text("Plan")),
            "xl/styles.bin": styles,
            "xl/worksheets/sheet1.bin": b"".join(cells),
            "xl/worksheets/sheet2.bin": b"".join(cells),
        }
    )
    parsed = SheetParser().parse(content, file_name="prices.xlsb")
    assert_keeps_contract(parsed)
    assert parsed.text == "Prices\n\nPlan | Price\nBasic | 5.3% | 12.34\nBasic | TRUE"
    assert parsed.notes == ("sheet “Lists” was left out, since the workbook hides it",)


@pytest.mark.parametrize(
    ("value", "code", "expected"),
    [
        *(
            (1.0, "General", "1"),
            (0.1 + 0.2, "General", "0.3"),
            (1e-7, "General", "0.0000001"),
            (2.675, "0.00", "2.68"),
        ),
        *(
            (12553, "#,##0", "12,553"),
            (-1234.5, r"#,##0\ ;\(#,##0\)", "(1,235)"),
            (0, '#,##0;-#,##0;"—"', "—"),
        ),
        *(
            (0.0534, "0.0%", "5.3%"),
            (7, "00000", "00007"),
            (1234567, '#,##0.0,,"M"', "1.2M"),
            (0.5, ".00", ".50"),
        ),
        *((12345, "0.00E+00", "1.23E+04"), (0.25, "# ?/?", "0.25"), (3.5, "0.0##", "3.5"), (-0.2, "0", "0")),
        *(
            (45107, "yyyy-mm-dd", "2023-06-30"),
            (45107.5, "m/d/yy h:mm", "2023-06-30 12:00"),
            (45107, "mmm-yy", "2023-06"),
        ),
        *(
            (0.5, "h:mm", "12:00"),
            (1.5, "[h]:mm:ss", "36:00:00"),
            (45107, "yyyy", "2023"),
            (59, "yyyy-mm-dd", "1900-02-28"),
        ),
        *((1234.567, "[$€-407] #,##0.00", "€ 1,234.57"), (-5, "$#,##0;[Red]-$#,##0", "-$5"), (1, ";;;", "")),
        *((5, "[>3]0.0;0", "5"), (-3, "yyyy", "-3"), (float("inf"), "0", "inf")),
    ],
)
def test_numbers_look_as_their_format_says(value: float, code: str, expected: str) -> None:
    assert shown(value, code) == expected


def test_days_can_be_counted_from_1904() -> None:
    assert shown(0, "yyyy-mm-dd", since_1904=True) == "1904-01-01"


@given(value=st.floats(), code=st.text('0#?.,%E+-;[]hmsyd"\\_*@$ GeneralAM/P', max_size=12))
def test_any_number_in_any_format_is_shown_somehow(value: float, code: str) -> None:
    assert isinstance(shown(value, code), str)


@given(st.integers(-(10**14), 10**14))
def test_whole_numbers_are_written_whole(value: int) -> None:
    assert general(float(value)) == str(value)
