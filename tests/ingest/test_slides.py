"""PowerPoint presentations: order of slides and shapes, lists, tables, charts, diagrams, notes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import NoTextError, ParseError
from ingest.parsers import ParsedDocument
from ingest.parsers.ooxml.slides import SlidesParser
from ingest.parsers.reading_order import Box, reading_order
from tests.ingest.documents import assert_keeps_contract, blocks_of
from tests.ingest.samples.packages import A, P, R, pptx, relations, shape, slide

C = 'xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart"'
DGM = 'xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram"'


def parse(content: bytes) -> ParsedDocument:
    parsed = SlidesParser().parse(content, file_name="talk.pptx")
    assert_keeps_contract(parsed)
    return parsed


def test_each_slide_is_a_page_that_begins_with_its_title() -> None:
    parsed = parse(
        pptx(shape("Body") + shape("First", placeholder="ctrTitle"), "", shape("Third", placeholder="title"))
    )
    assert blocks_of(parsed) == [("h1", "First"), ("paragraph", "Body"), ("h1", "Third")]
    third = parsed.text.index("Third")
    assert parsed.page_starts == (0, third, third)
    assert parsed.title == "First"


def test_slides_come_in_the_order_of_the_presentation_not_of_their_names() -> None:
    turned = relations(("slide", "slides/slide2.xml"), ("slide", "slides/slide1.xml"))
    content = pptx(shape("was one"), shape("was two"), parts={"ppt/_rels/presentation.xml.rels": turned})
    assert parse(content).text == "was two\n\nwas one"


def test_shapes_are_read_as_they_lie_columns_first() -> None:
    shapes = (
        *(shape("right below", place=(500, 300, 400, 90)), shape("left", place=(0, 200, 400, 200))),
        *(shape("right", place=(500, 200, 400, 90)), shape("across", place=(0, 0, 900, 100))),
    )
    assert parse(pptx("".join(shapes))).text.split("\n\n") == ["across", "left", "right", "right below"]


def test_groups_are_read_through_together() -> None:
    group = (
        '<p:grpSp><p:nvGrpSpPr/><p:grpSpPr><a:xfrm><a:off x="0" y="500"/><a:ext cx="100" cy="100"/></a:xfrm>'
        "</p:grpSpPr>"
        f"{shape('inner', place=(0, 0, 9, 9))}</p:grpSp>"
    )
    content = pptx(group + shape("above", place=(0, 0, 100, 100)) + shape("below", place=(0, 900, 100, 100)))
    assert parse(content).text.split("\n\n") == ["above", "inner", "below"]


def test_a_placeholder_lies_where_its_layout_puts_it() -> None:
    layout = slide(shape("Click", placeholder="body", place=(0, 900, 100, 100)), root="sldLayout")
    content = pptx(
        shape("inherited", placeholder="body") + shape("own", place=(0, 0, 100, 100)),
        parts={
            "ppt/slides/_rels/slide1.xml.rels": relations(
                ("slideLayout", "../slideLayouts/slideLayout1.xml")
            ),
            "ppt/slideLayouts/slideLayout1.xml": layout,
        },
    )
    assert parse(content).text.split("\n\n") == ["own", "inherited"]


def test_lists_have_the_numbers_that_powerpoint_shows() -> None:
    def item(text: str, bullet: str, level: int = 0) -> str:
        return f'<a:p><a:pPr lvl="{level}">{bullet}</a:pPr><a:r><a:t>{text}</a:t></a:r></a:p>'

    number, letters = '<a:buAutoNum type="arabicPeriod"/>', '<a:buAutoNum type="alphaUcParenR" startAt="3"/>'
    body = shape(
        item("one", number),
        item("inner", letters, 1),
        item("next", letters, 1),
        item("two", number),
        item("dot", '<a:buChar char="•"/>'),
        item("plain", "<a:buNone/>"),
    )
    assert blocks_of(parse(pptx(body))) == [
        *(
            ("list_item", "1. one"),
            ("list_item", "C) inner"),
            ("list_item", "D) next"),
            ("list_item", "2. two"),
        ),
        *(("list_item", "dot"), ("paragraph", "plain")),
    ]


def test_a_body_of_several_paragraphs_is_a_list() -> None:
    assert blocks_of(parse(pptx(shape("a", "b", placeholder="body")))) == [
        ("list_item", "a"),
        ("list_item", "b"),
    ]


def test_a_table_keeps_its_merged_cells_in_place() -> None:
    def cell(text: str, attributes: str = "") -> str:
        return f"<a:tc {attributes}><a:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></a:txBody></a:tc>"

    rows = (
        cell("Plan") + cell("Price", 'gridSpan="2"') + cell("", 'hMerge="1"'),
        cell("Basic", 'rowSpan="2"') + cell("monthly") + cell("9"),
        cell("", 'vMerge="1"') + cell("yearly") + cell("90"),
    )
    table = "".join(f"<a:tr>{row}</a:tr>" for row in rows)
    frame = f"<p:graphicFrame><a:graphic><a:tbl><a:tblPr firstRow='1'/>{table}</a:tbl></a:graphic></p:graphicFrame>"
    parsed = parse(pptx(frame))
    assert blocks_of(parsed) == [("table", "Plan | Price\nBasic | monthly | 9\nBasic | yearly | 90")]
    assert parsed.blocks[0].heading == "Plan | Price"


def test_charts_and_diagrams_are_read_once_however_often_they_are_shown() -> None:
    chart = (
        f"<c:chartSpace {C} {A}><c:title><c:tx><c:rich><a:p><a:r><a:t>Sales</a:t></a:r></a:p></c:rich></c:tx></c:title>"
        "<c:ser><c:tx><c:v>Units</c:v></c:tx><c:cat><c:pt idx='0'><c:v>May</c:v></c:pt></c:cat>"
        "<c:val><c:pt idx='0'><c:v>0.30000000000000004</c:v></c:pt></c:val></c:ser></c:chartSpace>"
    )
    points = "".join(
        f"<dgm:pt type='{kind}'><dgm:t><a:bodyPr/><a:p><a:r><a:t>{text}</a:t></a:r></a:p></dgm:t></dgm:pt>"
        for kind, text in (("node", "Plan"), ("parTrans", "no words"), ("node", "Do"))
    )
    frame = (
        f'<p:graphicFrame><a:graphic><c:chart {C} r:id="rId1"/></a:graphic></p:graphicFrame>'
        f'<p:graphicFrame><a:graphic><dgm:relIds {DGM} r:dm="rId2"/></a:graphic></p:graphicFrame>'
    )
    content = pptx(
        frame * 2,
        parts={
            "ppt/slides/_rels/slide1.xml.rels": relations(
                ("chart", "../charts/chart1.xml"), ("diagramData", "../diagrams/data1.xml")
            ),
            "ppt/charts/chart1.xml": chart,
            "ppt/diagrams/data1.xml": f"<dgm:dataModel {DGM} {A}>{points}</dgm:dataModel>",
        },
    )
    assert blocks_of(parse(content)) == [
        *(
            ("paragraph", "Sales"),
            ("table", "| Units\nMay | 0.3"),
            ("list_item", "Plan"),
            ("list_item", "Do"),
        ),
    ]


def test_notes_follow_their_slide_and_are_marked() -> None:
    notes = slide(shape("Say", "this", placeholder="body") + shape("7", placeholder="sldNum"), root="notes")
    content = pptx(
        shape("Shown"),
        shape("Next"),
        parts={
            "ppt/slides/_rels/slide1.xml.rels": relations(("notesSlide", "../notesSlides/notesSlide1.xml")),
            "ppt/notesSlides/notesSlide1.xml": notes,
        },
    )
    assert parse(content).text.split("\n\n") == ["Shown", "Notes: Say", "this", "Next"]


def test_what_stands_on_every_slide_is_left_out() -> None:
    footers = "".join(shape("Confidential", placeholder=kind) for kind in ("ftr", "dt", "sldNum"))
    assert parse(pptx(shape("Words") + footers)).text == "Words"


def test_line_breaks_and_fields_are_read_and_slide_numbers_are_not() -> None:
    paragraph = (
        "<a:p><a:r><a:t>up</a:t></a:r><a:br/><a:r><a:t>down</a:t></a:r><a:fld type='slidenum'><a:t>7</a:t></a:fld>"
        "<a:fld type='datetime1'><a:t> 2024</a:t></a:fld></a:p>"
    )
    assert parse(pptx(shape(paragraph))).text == "up\ndown 2024"


def test_alternatives_are_read_once() -> None:
    mc = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    both = (
        f"<mc:AlternateContent {mc}><mc:Choice>{shape('new')}</mc:Choice>"
        f"<mc:Fallback>{shape('old')}</mc:Fallback></mc:AlternateContent>"
    )
    assert parse(pptx(both)).text == "new"


def test_a_damaged_slide_costs_itself_alone() -> None:
    parsed = parse(pptx(shape("one"), shape("two"), parts={"ppt/slides/slide1.xml": "<p:sld"}))
    assert parsed.text == "two"
    assert len(parsed.page_starts) == 2
    assert "slide 1 was left out: talk.pptx is no PowerPoint presentation, or is damaged" in parsed.notes[0]


def test_a_presentation_of_the_strict_standard_is_read() -> None:
    strict = slide(shape("Strict")).replace(
        "schemas.openxmlformats.org/presentationml/2006/", "purl.oclc.org/ooxml/presentationml/"
    )
    assert parse(pptx("", parts={"ppt/slides/slide1.xml": strict})).text == "Strict"


def test_an_archive_that_is_no_presentation_is_refused_as_such() -> None:
    with pytest.raises(ParseError, match=r"^talk.pptx is no PowerPoint presentation, or is damaged"):
        parse(pptx(parts={"ppt/presentation.xml": "<other/>", "_rels/.rels": relations()}))


def test_slides_without_words_are_skipped() -> None:
    with pytest.raises(NoTextError):
        parse(pptx("", f"<p:pic {P} {R}/>"))


@given(
    st.lists(
        st.none() | st.builds(Box, *[st.integers(0, 100)] * 4),
        max_size=30,
    )
)
def test_every_shape_is_read_once(boxes: list[Box | None]) -> None:
    assert sorted(reading_order(boxes)) == list(range(len(boxes)))


def test_rows_of_wide_shapes_are_read_from_top_to_bottom() -> None:
    boxes = [Box(0, 50, 100, 60), Box(0, 0, 100, 10), Box(0, 20, 45, 40), Box(55, 20, 100, 40)]
    assert reading_order(boxes) == [1, 2, 3, 0]
