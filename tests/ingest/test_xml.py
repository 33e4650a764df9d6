"""XML: articles and documents as prose, data as lines, and nothing ever resolved."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.errors import NoTextError, ParseError
from ingest.parsers import ParsedDocument
from ingest.parsers.xml.document import XmlParser
from tests.ingest.documents import assert_keeps_contract, blocks_of

ARTICLE = """<!DOCTYPE article PUBLIC "-//NLM//DTD JATS" "JATS.dtd"><article xmlns:xlink="http://www.w3.org/1999/xlink">
<front><journal-meta><journal-title-group><journal-title>A Journal</journal-title></journal-title-group></journal-meta>
<article-meta><article-id pub-id-type="doi">10.1/x</article-id><title-group><article-title>On <italic>milk</italic>
</article-title></title-group><contrib-group><contrib><name><surname>Lee</surname><given-names>Ann</given-names></name>
<xref><sup>1</sup></xref></contrib><contrib contrib-type="editor"><name><surname>No</surname></name></contrib>
</contrib-group>
<aff><label>1</label>The University</aff><pub-date><year>2020</year></pub-date><abstract><p>In short.</p></abstract>
<kwd-group><kwd>milk</kwd><kwd>cows</kwd></kwd-group></article-meta></front>
<body><sec><label>1</label><title>Introduction</title><p>CO<sub>2</sub> is a gas [<xref>1</xref>].</p>
<sec><title>Inner</title><table-wrap><label>Table 1</label><caption><title>Herds.</title></caption><table><thead><tr>
<th>Herd</th><th>Cows</th></tr></thead><tbody><tr><td>A</td><td>165</td></tr></tbody></table><table-wrap-foot><fn><p><sup>a</sup>A
note.</p></fn></table-wrap-foot></table-wrap><list><list-item><label>-</label><p>one</p></list-item></list></sec></sec>
</body>
<back><ack><p>Thanks.</p></ack><ref-list><ref><label>1</label><mixed-citation><name><surname>Ott</surname>
<given-names>T</given-names></name>, <source>Nature</source>. <year>2016</year></mixed-citation></ref></ref-list></back>
</article>"""


def parse(source: str | bytes) -> ParsedDocument:
    content = source if isinstance(source, bytes) else source.encode()
    parsed = XmlParser().parse(content, file_name="data.xml")
    assert_keeps_contract(parsed)
    return parsed


def test_an_article_reads_as_it_is_printed() -> None:
    parsed = parse(ARTICLE)
    assert parsed.title == "On milk"
    assert blocks_of(parsed) == [
        ("h1", "On milk"),
        ("paragraph", "Ann Lee"),
        ("paragraph", "The University"),
        ("paragraph", "A Journal, 2020. DOI: 10.1/x"),
        ("h2", "Abstract"),
        ("paragraph", "In short."),
        ("paragraph", "Keywords: milk, cows"),
        ("h2", "1 Introduction"),
        ("paragraph", "CO2 is a gas [1]."),
        ("h3", "Inner"),
        ("paragraph", "Table 1 Herds."),
        ("table", "Herd | Cows\nA | 165"),
        ("list_item", "a A note."),
        ("list_item", "- one"),
        ("h2", "Acknowledgments"),
        ("paragraph", "Thanks."),
        ("h2", "References"),
        ("list_item", "1 Ott T, Nature. 2016"),
    ]
    assert [block.heading for block in parsed.blocks if block.kind == "table"] == ["Herd | Cows"]


def test_data_is_lines_of_names_and_values_a_block_for_each_record() -> None:
    parsed = parse(
        """<shop xmlns="urn:x"><open>yes</open><address><city>Bonn</city></address>
        <item id="1"><name>Cup</name><tag>a</tag><tag>b</tag></item>
        <item><name>Pot</name><price currency="EUR">5</price><size unit="l" value="2"/></item></shop>"""
    )
    assert blocks_of(parsed) == [
        ("code", "open: yes\naddress.city: Bonn"),
        ("code", "item:\nid: 1\nname: Cup\ntag: a, b"),
        ("code", "item:\nname: Pot\nprice: 5 (currency=EUR)\nsize: unit=l, value=2"),
    ]


def test_a_feed_reads_as_its_pages_do() -> None:
    words = "A sentence that is long enough to be read on its own. " * 10
    parsed = parse(
        f"""<rss><channel><title>News</title><item><title>First</title><pubDate>today</pubDate>
        <description>&lt;p&gt;{words}&lt;/p&gt;&lt;ul&gt;&lt;li&gt;one&lt;/ul&gt;</description></item></channel></rss>"""
    )
    assert blocks_of(parsed) == [
        ("h1", "News"),
        ("h2", "First"),
        ("code", "pubDate: today"),
        ("paragraph", words.strip()),
        ("list_item", "one"),
    ]
    assert parsed.title == "News"


def test_a_book_keeps_its_headings_lists_code_and_tables() -> None:
    parsed = parse(
        """<book xmlns="http://docbook.org/ns/docbook"><info><title>The Book</title></info><chapter><title>One</title>
        <para>Hello <emphasis>big</emphasis> world:<itemizedlist><listitem><para>a</para></listitem></itemizedlist>
        after.</para>
        <programlisting>if x:
  y</programlisting><informaltable><tgroup cols="2"><thead><row><entry>A</entry><entry>B</entry></row></thead>
        <tbody><row><entry>1</entry><entry>2</entry></row></tbody></tgroup></informaltable></chapter></book>"""
    )
    assert blocks_of(parsed) == [
        ("h1", "The Book"),
        ("h2", "One"),
        ("paragraph", "Hello big world:"),
        ("list_item", "a"),
        ("paragraph", "after."),
        ("code", "if x:\n  y"),
        ("table", "A | B\n1 | 2"),
    ]


def test_xhtml_is_read_as_the_page_that_it_is() -> None:
    page = '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body><h1>Hi</h1><p>there</p></body></html>'
    assert blocks_of(parse(page)) == [("h1", "Hi"), ("paragraph", "there")]


def test_entities_are_never_resolved(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("hush")
    ten = [f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10)]
    parsed = parse(
        f"""<!DOCTYPE a SYSTEM "{secret.as_uri()}" [<!-- ' ]> --><!ENTITY file SYSTEM "{secret.as_uri()}">
        <!ENTITY e0 "ha">{"".join(ten)}<!ENTITY % p SYSTEM "http://localhost:1/x"> %p;]>
        <a b="&e9;&file;">&file; &e9; &eacute; &#233;</a>"""
    )
    assert parsed.text == "a: &file; &e9; é é (b=&e9;&file;)"


def test_comments_and_instructions_are_left_out_and_character_data_is_not() -> None:
    parsed = parse("<?xml-stylesheet href='x'?><a><!-- no & <b> --><?php no ?><![CDATA[1 < 2 & 3]]></a>")
    assert parsed.text == "a: 1 < 2 & 3"


def test_what_is_broken_is_read_as_far_as_it_goes() -> None:
    parsed = parse("<a><b>one</b><c>two & three</d>")
    assert parsed.text == "b: one\nc: two & three"
    assert parsed.notes == (
        "data.xml is not well formed (line 1: tag name mismatch): some of it may be missing",
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1251"])
def test_a_declared_encoding_is_used(encoding: str) -> None:
    text = "Привет" if encoding == "windows-1251" else "café"
    assert (
        parse(f'<?xml version="1.0" encoding="{encoding}"?><a>{text}</a>'.encode(encoding)).text
        == f"a: {text}"
    )


def test_what_is_no_xml_is_refused() -> None:
    with pytest.raises(ParseError, match=r"^data.xml is damaged: no element of XML"):
        parse("just words")
    with pytest.raises(NoTextError, match=r"^data.xml contains no text$"):
        parse('<!DOCTYPE roottag PUBLIC "-//X//EN" "file:///etc/passwd"><roottag>\n</roottag>')


def test_endless_nesting_is_read_as_far_as_it_is_safe() -> None:
    assert parse("<a>" * 200 + "deep" + "</a>" * 200).text == "deep"
    with pytest.raises(NoTextError):
        parse("<a>" * 100_000 + "deep")


def test_a_real_article_is_read_with_its_tables(evaluation_data: Path) -> None:
    parsed = parse((evaluation_data / "documents/dev/files/do_pone.0234687.nxml").read_bytes())
    assert parsed.title is not None
    assert parsed.title.startswith("Potential to reduce greenhouse gas emissions")
    headings = [block.heading for block in parsed.blocks if block.kind == "heading"]
    assert headings[1:3] == ["Abstract", "Introduction"]
    assert headings[-1] == "References"
    assert sum(block.kind == "table" and block.heading is not None for block in parsed.blocks) == 5
