"""PDF: reading order, paragraphs, headings, tables, scanned pages, and the reasons for refusing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from reportlab.pdfgen.canvas import Canvas

from ingest.errors import NoTextError, ParseError
from ingest.parsers import OcrPolicy, ParsedDocument
from ingest.parsers.pdf.document import PdfParser
from ingest.parsers.tesseract import find_tesseract
from retrieval.line_boxes import LineBox, unpack_line_boxes
from retrieval.records import page_at
from tests.ingest.documents import assert_keeps_contract, blocks_of, drawn_pdf, pdf, picture_of, scanned_pdf

TESSERACT = find_tesseract(None, ("eng",))
needs_tesseract = pytest.mark.skipif(TESSERACT is None, reason="Tesseract is not installed")
LEFT = [
    "the lentils are washed and boiled",
    "in a litre of water and are left to",
    "stand for a day before two litres",
    "more are poured over them slowly",
]
RIGHT = [
    "while they stand, half of the onions",
    "are fried with bay leaves and with",
    "cloves until they are brown, and all",
    "of it goes into the pot with them",
]


def parse(content: bytes, *, ocr: OcrPolicy | None = None) -> ParsedDocument:
    parsed = PdfParser(ocr=ocr).parse(content, file_name="report.pdf")
    assert_keeps_contract(parsed)
    for box in unpack_line_boxes(parsed.line_boxes):
        assert parsed.text[box.char_start : box.char_end].strip()
        assert 0 <= box.left < box.right
        assert 0 <= box.top < box.bottom
    return parsed


def column(
    canvas: Canvas, x: float, y: float, lines: Sequence[str], *, font: str = "Helvetica", size: float = 11
) -> None:
    canvas.setFont(font, size)
    for number, line in enumerate(lines):
        canvas.drawString(x, y - 1.2 * size * number, line)


def boxes_of(parsed: ParsedDocument) -> dict[str, LineBox]:
    return {parsed.text[box.char_start : box.char_end]: box for box in unpack_line_boxes(parsed.line_boxes)}


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


def test_a_sentence_that_runs_over_to_the_next_page_stays_whole() -> None:
    parsed = parse(pdf([(100, "A sentence that goes on")], [(700, "on the next page.")]))
    assert blocks_of(parsed) == [("paragraph", "A sentence that goes on\non the next page.")]
    assert parsed.page_starts == (0, parsed.text.index("on the next"))


@pytest.mark.parametrize("row_by_row", [False, True], ids=["column by column", "line by line"])
def test_columns_are_read_one_after_another_however_the_file_draws_them(row_by_row: bool) -> None:
    def draw(canvas: Canvas) -> None:
        column(canvas, 72, 760, ["A title that stands above both of the columns, from side to side"])
        if row_by_row:
            for number in range(len(LEFT)):
                column(canvas, 72, 720 - 13 * number, LEFT[number : number + 1])
                column(canvas, 320, 720 - 13 * number, RIGHT[number : number + 1])
        else:
            column(canvas, 72, 720, LEFT)
            column(canvas, 320, 726, RIGHT)
        column(canvas, 72, 600, ["A line that stands below both of the columns, from side to side"])

    text = parse(drawn_pdf(draw)).text.replace("\n\n", "\n").split("\n")
    assert text[1:-1] == [*LEFT, *RIGHT]
    assert text[0].startswith("A title")
    assert text[-1].startswith("A line")


def test_what_stands_side_by_side_in_rows_is_a_table() -> None:
    rows = [
        ("Plan", "Price", "Seats"),
        ("Basic", "10.00", "3"),
        ("Team", "250.00", "30"),
        ("All of it", "", "99"),
    ]

    def draw(canvas: Canvas) -> None:
        column(canvas, 72, 760, ["Prices for this year:"])
        for number, row in enumerate(rows):
            for x, cell in zip((72, 220, 360), row, strict=True):
                column(canvas, x, 720 - 18 * number, [cell])

    parsed = parse(drawn_pdf(draw))
    assert blocks_of(parsed) == [
        ("paragraph", "Prices for this year:"),
        ("table", "Plan | Price | Seats\nBasic | 10.00 | 3\nTeam | 250.00 | 30\nAll of it |  | 99"),
    ]
    assert parsed.blocks[1].heading == "Plan | Price | Seats"
    assert boxes_of(parsed)["Team | 250.00 | 30"].right > 365


def test_a_cell_of_several_lines_stays_one() -> None:
    def draw(canvas: Canvas) -> None:
        for y, row in (
            (720, ("Term", "Meaning", "Page")),
            (690, ("Chunk", "A part of a text that is", "12")),
            (660, ("Vector", "Where a chunk stands in", "14")),
        ):
            for x, cell in zip((72, 150, 400), row, strict=True):
                column(canvas, x, y, [cell])
        column(canvas, 150, 677, ["embedded as one"])
        column(canvas, 150, 647, ["a space of meanings"])

    assert parse(drawn_pdf(draw)).text == (
        "Term | Meaning | Page\n"
        "Chunk | A part of a text that is embedded as one | 12\n"
        "Vector | Where a chunk stands in a space of meanings | 14"
    )


def test_a_currency_sign_belongs_to_its_amount() -> None:
    def draw(canvas: Canvas) -> None:
        for number, (label, amount) in enumerate((("Sales", "110"), ("Costs", "62"), ("Income", "48"))):
            column(canvas, 72, 720 - 15 * number, [label])
            column(canvas, 300, 720 - 15 * number, ["$"])
            canvas.drawRightString(360, 720 - 15 * number, amount)

    assert parse(drawn_pdf(draw)).text == "Sales | $110\nCosts | $62\nIncome | $48"


def test_a_word_broken_at_a_line_s_end_is_joined_and_a_compound_keeps_its_hyphen() -> None:
    page = [
        (700, "A retrieval sys-"),
        (686, "tem is long-"),
        (672, "lived if it is well-"),
        (658, "known; a long life is lived by long-lived ones on-"),
        (644, "Line."),
    ]
    parsed = parse(pdf(page))
    assert parsed.text == (
        "A retrieval system is long-lived if it is well-known; a long life is lived by long-lived ones on-\nLine."
    )
    assert list(boxes_of(parsed))[:2] == ["A retrieval sys", "tem is long-"]


def test_headings_are_told_by_larger_and_by_bolder_type() -> None:
    def draw(canvas: Canvas) -> None:
        column(canvas, 72, 780, ["The cook book"], size=24)
        column(canvas, 72, 740, ["Soups"], size=16)
        column(canvas, 72, 715, LEFT)
        column(canvas, 72, 640, ["With onions"], font="Helvetica-Bold")
        column(canvas, 72, 620, RIGHT)
        column(canvas, 72, 560, ["Breads"], size=16)
        column(canvas, 72, 535, LEFT)

    kinds = [(kind, text) for kind, text in blocks_of(parse(drawn_pdf(draw))) if kind != "paragraph"]
    assert kinds == [("h1", "The cook book"), ("h2", "Soups"), ("h3", "With onions"), ("h2", "Breads")]


def test_the_outline_tells_headings_that_type_does_not() -> None:
    def draw(canvas: Canvas) -> None:
        canvas.bookmarkPage("here")
        canvas.addOutlineEntry("Soups", "here", level=0)
        canvas.bookmarkPage("there")
        canvas.addOutlineEntry("1.1 With onions", "there", level=1)
        column(canvas, 72, 740, ["Soups"])
        column(canvas, 72, 715, ["All of these", *LEFT])
        column(canvas, 72, 630, ["1.1 With onions"])
        column(canvas, 72, 605, ["They take time:", *RIGHT])

    kinds = [(kind, text) for kind, text in blocks_of(parse(drawn_pdf(draw))) if kind != "paragraph"]
    assert kinds == [("h1", "Soups"), ("h2", "1.1 With onions")]


def test_running_heads_are_read_once_and_page_numbers_not_at_all() -> None:
    pages = [
        [
            (800, "The cook book, second edition"),
            (700, f"{word} is on this page."),
            (30, f"Page {number} of 3"),
        ]
        for number, word in enumerate(("Soup", "Bread", "Wine"), start=1)
    ]
    parsed = parse(pdf(*pages))
    assert parsed.text == (
        "The cook book, second edition\n\nSoup is on this page.\n\nBread is on this page.\n\nWine is on this page."
    )
    assert [page_at(parsed.page_starts, parsed.text.index(word)) for word in ("Soup", "Bread", "Wine")] == [
        1,
        2,
        3,
    ]


def test_numbers_that_do_not_count_pages_stay() -> None:
    pages = [
        [(800, f"Total for the year: {total}"), (700, "Text of a page.")]
        for total in ("1,200", "1,950", "800")
    ]
    text = parse(pdf(*pages)).text
    assert all(total in text for total in ("1,200", "1,950", "800"))


def test_items_of_a_list_are_blocks_of_their_own() -> None:
    def draw(canvas: Canvas) -> None:
        column(canvas, 72, 740, ["To be bought:"])
        for number, item in enumerate(("lentils", "onions", "butter")):
            column(canvas, 80, 720 - 14 * number, [f"{number + 1}."])
            column(canvas, 105, 720 - 14 * number, [item])

    assert blocks_of(parse(drawn_pdf(draw))) == [
        ("paragraph", "To be bought:"),
        ("list_item", "1. lentils"),
        ("list_item", "2. onions"),
        ("list_item", "3. butter"),
    ]


def test_boxes_are_measured_from_the_upper_left_corner_of_the_page() -> None:
    parsed = parse(pdf([(700, "First line."), (686, "Second line.")]))
    first, second = boxes_of(parsed)["First line."], boxes_of(parsed)["Second line."]
    assert first.page == second.page == 1
    assert first.left == pytest.approx(72, abs=1)
    assert first.right - first.left == pytest.approx(52, abs=5)
    assert first.top < 841.9 - 700 < first.bottom
    assert second.top - first.top == pytest.approx(14, abs=0.1)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_boxes_follow_the_page_s_own_rotation(quarters: int) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.setPageRotation(90 * quarters)
        column(canvas, 72, 500, ["A line of a page that is shown turned."])

    box = unpack_line_boxes(parse(drawn_pdf(draw)).line_boxes)[0]
    width, height = box.right - box.left, box.bottom - box.top
    if quarters % 2:
        width, height = height, width
    assert width > 10 * height
    assert box.bottom < (595 if quarters % 2 == 0 else 842)
    assert {0: box.left, 1: box.top, 2: 595 - box.right, 3: 842 - box.bottom}[quarters] == pytest.approx(
        72, abs=1
    )


def test_text_that_runs_upwards_is_read_apart_from_the_rest() -> None:
    def draw(canvas: Canvas) -> None:
        column(canvas, 72, 700, LEFT)
        canvas.saveState()
        canvas.rotate(90)
        canvas.drawString(200, -30, "A stamp at the margin")
        canvas.restoreState()

    parsed = parse(drawn_pdf(draw))
    assert parsed.text == "\n".join(LEFT) + "\n\nA stamp at the margin"
    box = boxes_of(parsed)["A stamp at the margin"]
    assert box.bottom - box.top > 5 * (box.right - box.left)
    assert box.right < 40


def test_what_lies_outside_the_page_or_is_too_small_to_be_seen_is_left_out() -> None:
    def draw(canvas: Canvas) -> None:
        column(canvas, 72, 700, ["What the page shows."])
        column(canvas, 72, 900, ["What lies above it."])
        column(canvas, 72, 600, ["What nobody can see."], size=1)

    assert parse(drawn_pdf(draw)).text == "What the page shows."


def test_what_is_filled_into_a_form_is_read() -> None:
    def draw(canvas: Canvas) -> None:
        column(canvas, 72, 700, ["Name:"])
        canvas.acroForm.textfield(value="Ada Lovelace", x=120, y=690, width=200, height=24, fontSize=11)

    assert "Ada Lovelace" in parse(drawn_pdf(draw)).text


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


def test_blank_pages_are_no_failure() -> None:
    with pytest.raises(NoTextError, match=r"^report.pdf contains no text \(2 pages\)$"):
        parse(pdf([], []))


def test_what_is_no_pdf_is_refused_as_such() -> None:
    with pytest.raises(ParseError, match=r"^report.pdf is no PDF, or is damaged beyond reading$"):
        parse(b"just words")


def test_without_ocr_a_scan_is_refused_with_what_to_do() -> None:
    scan = scanned_pdf(picture_of("Lentils and onions"), picture_of("boil for an hour."))
    with pytest.raises(
        ParseError,
        match=r"^report.pdf has no text layer \(2 pages\); scanned pages need OCR: install Tesseract \(Debian",
    ) as refusal:
        parse(scan)
    assert not isinstance(refusal.value, NoTextError)


def mixed_pdf() -> bytes:
    """A page of text, two scanned ones, and another page of text."""
    from reportlab.lib.utils import ImageReader

    def scan(words: str) -> Callable[[Canvas], None]:
        def draw(canvas: Canvas) -> None:
            canvas.drawImage(ImageReader(picture_of(words, size=(1240, 1754))), 0, 0, 595, 842)

        return draw

    return drawn_pdf(
        lambda canvas: column(canvas, 72, 700, ["The first page has text."]),
        scan("Lentils and onions"),
        scan("boil for an hour."),
        lambda canvas: column(canvas, 72, 700, ["The last page has text."]),
    )


def test_without_ocr_the_other_pages_are_read_and_the_scanned_ones_named() -> None:
    parsed = parse(mixed_pdf())
    assert parsed.text == "The first page has text.\n\nThe last page has text."
    (note,) = parsed.notes
    assert note.startswith(
        "pages 2-3 of report.pdf are scans and were left out: their text is read where Tesseract"
    )
    assert len(parsed.page_starts) == 4


@needs_tesseract
def test_with_ocr_scanned_pages_are_read_among_the_others() -> None:
    parsed = parse(mixed_pdf(), ocr=TESSERACT)
    assert parsed.text == (
        "The first page has text.\n\nLentils and onions\n\nboil for an hour.\n\nThe last page has text."
    )
    assert parsed.notes == ()
    assert page_at(parsed.page_starts, parsed.text.index("boil")) == 3
    box = boxes_of(parsed)["Lentils and onions"]
    assert box.page == 2
    assert box.left == pytest.approx(80 * 0.48, abs=4)
    assert 20 < box.top < 60 * 0.48 + 20 < box.bottom + 10 < 70


@needs_tesseract
def test_a_page_of_text_with_pictures_is_not_read_from_its_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    from reportlab.lib.utils import ImageReader

    def draw(canvas: Canvas) -> None:
        canvas.drawImage(ImageReader(picture_of("A picture of words")), 0, 0, 595, 842)
        column(canvas, 72, 700, [*LEFT, *RIGHT])

    monkeypatch.setattr(
        "ingest.parsers.pdf.document.read_picture", lambda *_, **__: pytest.fail("read its picture")
    )
    assert parse(drawn_pdf(draw), ocr=TESSERACT).text == "\n".join([*LEFT, *RIGHT])


def test_a_page_on_which_ocr_fails_is_named() -> None:
    broken = OcrPolicy(program="/nowhere/tesseract", version="")
    parsed = parse(mixed_pdf(), ocr=broken)
    assert parsed.notes[0].startswith("page 2 of report.pdf was left out: Tesseract cannot be run")
    with pytest.raises(
        ParseError, match=r"^report.pdf could not be read \(1 page\): Tesseract cannot be run"
    ):
        parse(scanned_pdf(picture_of("Lentils")), ocr=broken)


def test_two_columns_of_a_real_paper_are_read_in_order(evaluation_data: Path) -> None:
    parsed = parse((evaluation_data / "documents/dev/files/un_multi-column-2p.pdf").read_bytes())
    assert "retrieval can be practically implemented using dense representations alone" in parsed.text
    assert parsed.text.index("of improving retrieval.") < parsed.text.index(
        "Retrieval in open-domain QA is usually"
    )
    assert parsed.text.index("state-of-the-art results on multiple") < parsed.text.index(
        "QA datasets, it also suffers"
    )
    assert ("heading", "1 Introduction") in [(block.kind, block.heading) for block in parsed.blocks]
    assert len(parsed.page_starts) == 2


@pytest.mark.parametrize("name", ["mk_SPARSE-2024-INV-1234_borderless_table", "ob_earnings"])
def test_rows_of_a_real_table_keep_their_cells(evaluation_data: Path, name: str) -> None:
    parsed = parse((evaluation_data / f"documents/dev/files/{name}.pdf").read_bytes())
    rows = {
        "mk_SPARSE-2024-INV-1234_borderless_table": "SKU-9201 | Hardware | $32.50 | $25,285.00 | 2024-10-22 | Verified",
        "ob_earnings": "Research and development | 3,423 | 2,532 | 1,892",
    }
    assert rows[name] in parsed.text.split("\n")


def test_every_hostile_file_ends_in_text_or_a_reason(evaluation_data: Path) -> None:
    for path in sorted((evaluation_data / "hostile/dev").glob("*.pdf")):
        reason = f"{path.name} "
        try:
            assert_keeps_contract(PdfParser().parse(path.read_bytes(), file_name=path.name))
        except ParseError as refusal:
            reason = str(refusal)
        assert reason.startswith(f"{path.name} ")
