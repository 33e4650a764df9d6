"""HTML: what a reader of the page sees, in blocks."""

from __future__ import annotations

import pytest

from ingest.errors import ParseError
from ingest.parsers import ParsedDocument
from ingest.parsers.markup.html import HtmlParser, declared_encoding
from tests.ingest.documents import assert_keeps_contract, blocks_of


def parse(page: str | bytes) -> ParsedDocument:
    content = page if isinstance(page, bytes) else page.encode()
    parsed = HtmlParser().parse(content, file_name="page.html")
    assert_keeps_contract(parsed)
    return parsed


def test_inline_elements_do_not_break_words_and_blocks_do() -> None:
    assert blocks_of(parse("<b>fo</b>o <i>bar</i>!<div>next<p>last")) == [
        ("paragraph", "foo bar!"),
        ("paragraph", "next"),
        ("paragraph", "last"),
    ]


def test_white_space_collapses_and_entities_are_decoded() -> None:
    assert parse("<p>\n a&nbsp;&amp;\t b\n<br> c&shy;d &lt;e&gt; </p>").text == "a & b\ncd <e>"


def test_two_line_breaks_part_paragraphs() -> None:
    assert blocks_of(parse("one<br>two<br><br>three")) == [("paragraph", "one\ntwo"), ("paragraph", "three")]


def test_headings_keep_their_level_and_one_line() -> None:
    parsed = parse("<h1>The\n<em>first</em><br>heading</h1><p>x</p><h3>Third&nbsp;level\u200b</h3>")
    assert blocks_of(parsed) == [("h1", "The first heading"), ("paragraph", "x"), ("h3", "Third level")]
    assert parsed.blocks[0].heading == "The first heading"


def test_numbered_items_keep_their_numbers() -> None:
    page = "<ol start=3><li>three<li><p>four</p><p>more</p><ul><li>dot</ul></ol><ol type=a><li>lettered</ol>"
    assert [text for _, text in blocks_of(parse(page))] == ["3. three", "4. four", "more", "dot", "lettered"]
    assert "3. three\n4. four" in parse(page).text


def test_code_keeps_its_white_space() -> None:
    assert blocks_of(parse("<pre>\n  if x:\n\n    <b>y</b> &lt; 1\n</pre>")) == [
        ("code", "if x:\n\n    y < 1"),
    ]
    assert "  if x:" in parse("<p>a</p><pre>\n  if x:\n</pre>").text
    assert parse("<pre><div>one</div><div>two</div></pre>").text == "one\ntwo"


def test_a_table_is_one_block_of_rows() -> None:
    page = """<table><caption>Prices</caption><tr><th>Plan<th>Price<th></th>
        <tr><td rowspan=2>Small<td>5 <b>€</b><td></td><tr><td>6 €<td></tr><tr><td colspan=2>all<td></table>"""
    assert blocks_of(parse(page)) == [
        ("paragraph", "Prices"),
        ("table", "Plan | Price\nSmall | 5 €\n| 6 €\nall"),
    ]


def test_a_table_knows_its_header_rows() -> None:
    head = "<thead><tr><td><td colspan=2>2021<td>2020<tr><td>Item<td>Sold<td>Left<td>Sold</thead>"
    parsed = parse(f"<table>{head}<tr><th>Cups<td>1<td>2<td>3</table>")
    assert [block.heading for block in parsed.blocks] == ["| 2021 | 2020 / Item | Sold | Left | Sold"]
    assert parse("<table><tr><th>a<th>b<tr><td>1<td>2</table>").blocks[0].heading == "a | b"
    assert parse("<table><tr><td>Plan<td>Price<tr><td>Small<td>5</table>").blocks[0].heading == "Plan | Price"
    assert parse("<table><tr><td>1<td>2<tr><td>3<td>4</table>").blocks[0].heading is None


def test_signs_in_columns_of_their_own_join_their_numbers() -> None:
    page = """<table><tr><td><td><td colspan=2>2021<td><td><td colspan=2>2020<td>
        <tr><td>Income<td><td>$<td>5<td><td><td>$<td>(1,234<td>)
        <tr><td>Margin<td><td><td>7<td>%<td><td><td>8<td>%</table>"""
    assert parse(page).text == "| 2021 | 2020\nIncome | $5 | $(1,234)\nMargin | 7% | 8%"


def test_a_table_that_sets_marks_apart_is_a_list() -> None:
    page = "<table><tr><td>•<td>First of all.<tr><td>•<td>Then.</table><table><tr><td>(1)<td>A note.</table>"
    assert blocks_of(parse(page)) == [
        ("list_item", "• First of all."),
        ("list_item", "• Then."),
        ("list_item", "(1) A note."),
    ]


def test_a_table_for_layout_is_read_through() -> None:
    data = "<table><tr><td>x<td>y</table>"
    assert blocks_of(parse(f"<table><tr><td>{data}<td><p>one<p>two</table>")) == [
        ("table", "x | y"),
        ("paragraph", "one"),
        ("paragraph", "two"),
    ]
    assert blocks_of(parse("<table><tr><td><h2>Head</h2>a<td>b</table>"))[0] == ("h2", "Head")
    assert blocks_of(parse("<table><tr><td>only<tr><td>column</table>"))[0] == ("paragraph", "only")


def test_scripts_menus_and_hidden_parts_are_left_out() -> None:
    page = """<head><style>p{}</style></head><nav>Home</nav><div role=navigation>Links</div><p>Seen<p hidden>no
        <p style="color: red; DISPLAY : none">no<template>no</template><svg><title>no</title></svg>
        <select><option>no</select><noscript>no</noscript><script>no</script><dialog>no</dialog><!-- no -->"""
    assert parse(page).text == "Seen"


def test_a_page_of_menus_alone_is_read_all_the_same() -> None:
    assert (
        parse("<nav><ul><li><a href=a>First</a><li><a href=b>Second</a></ul></nav>").text == "First\nSecond"
    )


def test_the_title_is_the_head_s() -> None:
    assert parse("<title> A &amp;\n B </title><p>x").title == "A & B"
    assert parse("<p>x").title is None


@pytest.mark.parametrize(
    ("label", "encoding"),
    [("shift_jis", "cp932"), ("gb2312", "gb18030"), ("iso-8859-1", "cp1252"), ("windows-1251", "cp1251")],
)
def test_a_declared_encoding_is_taken_as_browsers_do(label: str, encoding: str) -> None:
    text = {"cp932": "日本語", "gb18030": "中文", "cp1252": "“é”", "cp1251": "Привет"}[encoding]
    assert parse(f'<meta charset="{label}"><p>'.encode() + text.encode(encoding)).text == text
    legacy = f'<META http-equiv=Content-Type content="text/html; charset={label}"><p>'
    assert parse(legacy.encode() + text.encode(encoding)).text == text


@pytest.mark.parametrize("label", ["rot13", "no-such-thing", "utf-16", "unicode_escape", "x-user-defined"])
def test_an_encoding_that_cannot_be_is_not_believed(label: str) -> None:
    assert parse(f'<meta charset="{label}"><p>plain café'.encode()).text == "plain café"


def test_utf8_that_declares_something_else_is_utf8() -> None:
    assert parse('<meta charset="iso-8859-1"><p>naïve – 日本'.encode()).text == "naïve – 日本"
    assert declared_encoding(b'<?xml version="1.0" encoding="koi8-r"?><html>') == "koi8-r"


def test_a_page_without_words_is_refused() -> None:
    with pytest.raises(ParseError, match=r"^page.html contains no text$"):
        parse('<frameset><frame src="a.html"></frameset>')


def test_a_hundred_thousand_levels_of_nesting_are_read() -> None:
    assert parse("<b>" * 100_000 + "deep").text == "deep"
    assert parse("<table><tr><td>" * 20_000 + "deep").text == "deep"
