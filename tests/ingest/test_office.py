"""Word documents: order, headings, lists with their numbers, tables, notes, and hostile archives."""

from __future__ import annotations

import zipfile
from io import BytesIO
from typing import Any

import docx
import pytest
from docx.oxml.parser import parse_xml

from ingest.errors import ParseError
from ingest.parsers import ParsedDocument
from ingest.parsers.ooxml.word import OfficeParser
from tests.ingest.documents import assert_keeps_contract, blocks_of, saved, simple_docx, with_part

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
PARAGRAPH_END = b"</w:t></w:r></w:p>"


def parse(content: bytes) -> ParsedDocument:
    parsed = OfficeParser().parse(content, file_name="policy.docx")
    assert_keeps_contract(parsed)
    return parsed


def append(document: Any, xml: str) -> None:
    """Put raw WordprocessingML at the end of the body, before its section properties."""
    document.element.body.insert(len(document.element.body) - 1, parse_xml(xml))


def test_headings_paragraphs_and_tables_come_in_document_order() -> None:
    document = docx.Document()
    document.add_heading("Travel policy", 0)
    document.add_heading("Scope", 1)
    document.add_paragraph("Everyone.")
    table = document.add_table(2, 2)
    for cell, text in zip(table._cells, ("Class", "Limit", "A", "100 €"), strict=True):
        cell.text = text
    document.add_heading("Details", 2)
    parsed = parse(saved(document))
    assert blocks_of(parsed) == [
        ("h1", "Travel policy"),
        ("h1", "Scope"),
        ("paragraph", "Everyone."),
        ("table", "Class | Limit\nA | 100 €"),
        ("h2", "Details"),
    ]
    assert parsed.title == "Travel policy"


def test_the_stated_title_comes_before_the_styled_one() -> None:
    document = docx.Document()
    document.core_properties.title = "Stated"
    document.add_heading("Styled", 0)
    assert parse(saved(document)).title == "Stated"


def test_numbered_lists_count_as_word_counts() -> None:
    document = docx.Document()
    for text, style in (
        ("one", "List Number"),
        ("two", "List Number"),
        ("dot", "List Bullet"),
        ("plain", "Normal"),
    ):
        document.add_paragraph(text, style=style)
    assert blocks_of(parse(saved(document))) == [
        ("list_item", "1. one"),
        ("list_item", "2. two"),
        ("list_item", "dot"),
        ("paragraph", "plain"),
    ]


def test_an_outline_level_makes_a_heading() -> None:
    document = docx.Document()
    append(
        document, f"<w:p {W}><w:pPr><w:outlineLvl w:val='2'/></w:pPr><w:r><w:t>Third level</w:t></w:r></w:p>"
    )
    append(document, f"<w:p {W}><w:pPr><w:outlineLvl w:val='9'/></w:pPr><w:r><w:t>Body</w:t></w:r></w:p>")
    assert blocks_of(parse(saved(document))) == [("h3", "Third level"), ("paragraph", "Body")]


def test_merged_cells_keep_their_places_and_repeat_downwards() -> None:
    document = docx.Document()
    table = document.add_table(3, 3)
    table.cell(0, 0).merge(table.cell(0, 1)).text = "wide"
    table.cell(0, 2).merge(table.cell(1, 2)).text = "tall"
    table.cell(1, 0).text = "a"
    inner = table.cell(1, 1).add_table(1, 2)
    inner.cell(0, 0).text = "b"
    inner.cell(0, 1).text = "c"
    table.cell(2, 0).text = "d"
    table.cell(2, 2).text = "e"
    assert blocks_of(parse(saved(document))) == [("table", "wide |  | tall\na | b c | tall\nd |  | e")]


def test_a_table_for_layout_is_read_through() -> None:
    document = docx.Document()
    box = document.add_table(1, 1).cell(0, 0)
    box.text = "First in the box."
    box.add_paragraph("Second in the box.")
    assert [kind for kind, _ in blocks_of(parse(saved(document)))] == ["paragraph", "paragraph"]


def test_what_word_shows_is_read_and_what_it_hides_is_not() -> None:
    document = docx.Document()
    append(
        document,
        f"""<w:p {W} xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"
              xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math">
          <w:r><w:t xml:space="preserve">Seen </w:t></w:r>
          <w:ins><w:r><w:t>inserted</w:t></w:r></w:ins><w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>
          <w:r><w:tab/><w:t>after a tab</w:t><w:br/><w:t>next</w:t><w:noBreakHyphen/><w:t>line</w:t></w:r>
          <w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>
          <w:r><w:instrText>PAGE</w:instrText></w:r><m:oMath><m:r><m:t>x=1</m:t></m:r></m:oMath>
          <w:r><mc:AlternateContent><mc:Choice Requires="wps"><w:txbxContent><w:p><w:r><w:t>In a box.</w:t></w:r></w:p>
          </w:txbxContent></mc:Choice><mc:Fallback><w:txbxContent><w:p><w:r><w:t>In a box.</w:t></w:r></w:p>
          </w:txbxContent></mc:Fallback></mc:AlternateContent></w:r></w:p>""",
    )
    append(
        document,
        f"<w:sdt {W}><w:sdtContent><w:p><w:r><w:t>In a control.</w:t></w:r></w:p></w:sdtContent></w:sdt>",
    )
    assert [text for _, text in blocks_of(parse(saved(document)))] == [
        "Seen inserted\tafter a tab\nnext-linex=1",
        "In a box.",
        "In a control.",
    ]


def test_a_note_follows_the_paragraph_that_calls_it() -> None:
    document = docx.Document()
    append(document, f"<w:p {W}><w:r><w:t>Claim.</w:t><w:footnoteReference w:id='7'/></w:r></w:p>")
    document.add_paragraph("After.")
    paragraph = "<w:p><w:r><w:t>The note.</w:t></w:r></w:p>"
    note = f"<w:footnotes {W}><w:footnote w:id='7'>{paragraph}</w:footnote></w:footnotes>"
    word = "application/vnd.openxmlformats-officedocument.wordprocessingml"
    relationship = (
        '<Relationship Id="rId99" Target="footnotes.xml" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"/></Relationships>'
    )
    override = f'<Override PartName="/word/footnotes.xml" ContentType="{word}.footnotes+xml"/></Types>'
    content = saved(document)
    content = with_part(content, "word/_rels/document.xml.rels", b"</Relationships>", relationship.encode())
    content = with_part(content, "[Content_Types].xml", b"</Types>", override.encode())
    file = BytesIO(content)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("word/footnotes.xml", note)
    assert [text for _, text in blocks_of(parse(file.getvalue()))] == ["Claim.", "The note.", "After."]


def test_a_reference_to_a_lost_part_does_not_cost_the_document() -> None:
    lost = b'<Relationship Id="rId98" Type="http://example.org/image" Target="NULL"/></Relationships>'
    content = with_part(simple_docx("Still here."), "word/_rels/document.xml.rels", b"</Relationships>", lost)
    assert parse(content).text == "Still here."


def with_declarations(declarations: bytes, text: bytes) -> bytes:
    """A document with an internal DTD, whose one paragraph holds `text`."""
    content = simple_docx("Text MARK end.")
    content = with_part(
        content, "word/document.xml", b"<w:document", b"<!DOCTYPE d [%s]><w:document" % declarations
    )
    return with_part(content, "word/document.xml", b"MARK", text)


def test_external_entities_are_not_read() -> None:
    content = with_declarations(b'<!ENTITY x SYSTEM "file:///etc/hostname">', b"&x;")
    assert parse(content).text in ("Text  end.", "Text ", "Text")


def test_an_entity_bomb_does_not_go_off() -> None:
    bomb = b"".join(b'<!ENTITY %c "%s">' % (name, b"&%c;" % (name - 1) * 50) for name in b"bcdefghijkl")
    with pytest.raises(ParseError, match=r"^policy.docx is no Word document, or is damaged"):
        parse(with_declarations(b'<!ENTITY a "lol">' + bomb, b"&l;"))


def test_an_archive_built_to_swell_is_refused_before_it_is_unpacked() -> None:
    file = BytesIO(simple_docx("Text."))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/media/zeros.bin", bytes(60 * 2**20))
    with pytest.raises(
        ParseError, match=r"^policy.docx unpacks to 61 MB from 0.1 MB, which is more than is read"
    ):
        parse(file.getvalue())


def test_a_locked_or_older_document_is_refused_as_such() -> None:
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    with pytest.raises(
        ParseError, match=r"^policy.docx is no Word document but in the format of an older program"
    ):
        parse(ole + bytes(512))
    with pytest.raises(ParseError, match=r"^policy.docx is locked with a password"):
        parse(ole + "EncryptedPackage".encode("utf-16-le"))


def test_an_archive_that_is_no_document_is_refused_as_such() -> None:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "hello")
    with pytest.raises(ParseError, match=r"^policy.docx is no Word document, or is damaged"):
        parse(file.getvalue())


def test_a_table_has_the_header_that_it_repeats_or_that_reads_like_one() -> None:
    document = docx.Document()
    for header, cells in ((True, ("1", "2", "3", "4")), (False, ("Class", "Limit", "A", "100 €"))):
        table = document.add_table(2, 2)
        for cell, text in zip(table._cells, cells, strict=True):
            cell.text = text
        if header:
            table.rows[0]._tr.get_or_add_trPr().append(parse_xml(f"<w:tblHeader {W}/>"))
    plain = document.add_table(2, 2)
    for cell in plain._cells:
        cell.text = "5"
    assert [block.heading for block in parse(saved(document)).blocks] == ["1 | 2", "Class | Limit", None]


def test_headers_and_footers_come_once_at_the_end() -> None:
    document = docx.Document()
    document.add_paragraph("Words.")
    section = document.sections[0]
    section.header.paragraphs[0].text = "ACME"
    section.first_page_header.paragraphs[0].text = "ACME"
    section.footer.paragraphs[0].text = "Page 3 of 9"
    section.different_first_page_header_footer = True
    assert parse(saved(document)).text == "Words.\n\nACME"


def test_equations_are_written_on_one_line() -> None:
    math = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'

    def run(text: str) -> str:
        return f"<m:r><m:t>{text}</m:t></m:r>"

    square = f"<m:sSup><m:e>{run('b')}</m:e><m:sup>{run('2')}</m:sup></m:sSup>"
    root = f"<m:rad><m:deg/><m:e>{square}{run('-4ac')}</m:e></m:rad>"
    solution = f"<m:f><m:num>{run('-b±')}{root}</m:num><m:den>{run('2a')}</m:den></m:f>"
    total = (
        f"<m:nary><m:naryPr><m:chr m:val='∑'/></m:naryPr><m:sub>{run('i=1')}</m:sub><m:sup>{run('n')}</m:sup><m:e>"
        f"<m:sSub><m:e>{run('x')}</m:e><m:sub>{run('i')}</m:sub></m:sSub></m:e></m:nary>"
    )
    brackets = f"<m:d><m:e>{run('x')}</m:e><m:e>{run('y')}</m:e></m:d>"
    call = f"<m:func><m:fName>{run('f')}</m:fName><m:e>{brackets}</m:e></m:func>"
    document = docx.Document()
    for equation in (solution, total, call):
        append(document, f"<w:p {W} {math}><m:oMathPara><m:oMath>{equation}</m:oMath></m:oMathPara></w:p>")
    assert parse(saved(document)).text.split("\n\n") == ["(-b±√(b^2-4ac))/(2a)", "∑_(i=1)^n x_i", "f(x|y)"]


def test_a_document_of_the_strict_standard_is_read() -> None:
    content = with_part(
        simple_docx("Strict."),
        "word/document.xml",
        b"http://schemas.openxmlformats.org/wordprocessingml/2006/main",
        b"http://purl.oclc.org/ooxml/wordprocessingml/main",
    )
    assert parse(content).text == "Strict."


def test_damaged_styles_cost_the_headings_alone() -> None:
    parsed = parse(with_part(simple_docx("Words."), "word/styles.xml", b"</w:styles>", b""))
    assert parsed.text == "Words."
    assert "word/styles.xml is no well-formed XML" in parsed.notes[0]
