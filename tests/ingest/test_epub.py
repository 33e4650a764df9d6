"""Books: reading order, headings, notes, protection, and archives that are none."""

from __future__ import annotations

import pytest

from ingest.errors import NoTextError, ParseError
from ingest.parsers import ParsedDocument, ParserPolicy, load_parser
from tests.ingest.documents import assert_keeps_contract, blocks_of, with_part
from tests.ingest.samples.mails import book, xhtml

HEAD = ("paragraph", "Title: A guide\nAuthor: Ann Author")
ENCRYPTION = (
    '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" '
    'xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData>'
    '<enc:EncryptionMethod Algorithm="{method}"/><enc:CipherData><enc:CipherReference URI="{path}"/></enc:CipherData>'
    "</enc:EncryptedData></encryption>"
)


def parse(content: bytes) -> ParsedDocument:
    parsed = load_parser("epub", ParserPolicy()).parse(content, file_name="book.epub")
    assert_keeps_contract(parsed)
    return parsed


def test_chapters_come_in_the_order_of_the_spine_those_outside_it_last() -> None:
    order = [
        '<itemref idref="b" linear="no"/>',
        '<itemref idref="c"/>',
        '<itemref idref="a"/>',
        '<itemref idref="c"/>',
    ]
    parsed = parse(book({"a": "<p>A", "b": "<p>B", "c": "<p>C", "d": "<p>D"}, spine=order))
    assert parsed.title == "A guide"
    assert parsed.media_type == "application/epub+zip"
    assert blocks_of(parsed) == [HEAD, ("paragraph", "C"), ("paragraph", "A"), ("paragraph", "B")]


def test_a_chapter_without_headings_is_called_what_the_contents_call_it() -> None:
    chapters = {
        "own": "<h2>Own</h2><p>1",
        "none": "<p>2",
        "styled": '<p class="h">The  Title</p><p>3',
        "other": "<p>4",
    }
    contents = {
        "own.xhtml": "Not needed",
        "none.xhtml#place": "Second",
        "styled.xhtml": "The title",
        "gone.xhtml": "Gone",
    }
    assert blocks_of(parse(book(chapters, contents=contents)))[1:] == [
        ("h2", "Own"),
        ("paragraph", "1"),
        ("h1", "Second"),
        ("paragraph", "2"),
        ("h1", "The Title"),
        ("paragraph", "3"),
        ("paragraph", "4"),
    ]


def test_the_contents_of_epub_3_have_levels_and_are_no_chapter() -> None:
    inner = '<ol><li><a href="b.xhtml">Inner&#160;part</a></li></ol>'
    navigation = xhtml(
        '<nav epub:type="landmarks"><ol><li><a href="b.xhtml">Start</a></li></ol></nav>'
        f'<nav epub:type="toc"><h1>Contents</h1><ol><li><a href="a.xhtml">First</a>{inner}</li></ol></nav>'
    )
    content = book({"nav": "", "a": "<p>1", "b": "<p>2"}, extra={"OEBPS/nav.xhtml": navigation})
    content = with_part(content, "OEBPS/book.opf", b'<item id="nav"', b'<item id="nav" properties="nav"')
    assert blocks_of(parse(content))[1:] == [
        ("h1", "First"),
        ("paragraph", "1"),
        ("h2", "Inner part"),
        ("paragraph", "2"),
    ]


def test_elements_that_close_themselves_swallow_nothing() -> None:
    body = '<a id="x"/><h1>One<br/>two</h1><div class="s"/><p>Words<span/> and<img src="a"/> more.</p><script/><p>End'
    assert blocks_of(parse(book({"a": body})))[1:] == [
        ("h1", "One two"),
        ("paragraph", "Words and more."),
        ("paragraph", "End"),
    ]


def test_popup_notes_are_shown_and_marks_of_pages_are_not() -> None:
    body = (
        '<p>Text<a epub:type="noteref" href="#n">1</a> and<span epub:type="pagebreak" id="p12">12</span> more.</p>'
        '<aside epub:type="footnote" id="n" hidden=""><p>1 A note.</p></aside><aside hidden=""><p>Hidden.</p></aside>'
    )
    assert blocks_of(parse(book({"a": body})))[1:] == [
        ("paragraph", "Text1 and more."),
        ("paragraph", "1 A note."),
    ]


def test_code_and_tables_keep_their_shape() -> None:
    body = "<pre>  x = 1\n  y</pre><table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>"
    parsed = parse(book({"a": body}))
    assert "  x = 1\n  y" in parsed.text
    assert blocks_of(parsed)[-1] == ("table", "a | b\n1 | 2")


@pytest.mark.parametrize("path", ["OEBPS/a.xhtml", "OEBPS/A.xhtml", "OEBPS/book.opf"])
def test_a_protected_book_is_refused(path: str) -> None:
    method = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
    content = book(
        {"a": "<p>1"}, extra={"META-INF/encryption.xml": ENCRYPTION.format(method=method, path=path)}
    )
    with pytest.raises(ParseError, match=r"^book\.epub is locked by its seller \(DRM\)"):
        parse(content)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("http://www.idpf.org/2008/embedding", "OEBPS/fonts/a.otf"),
        ("http://www.w3.org/2001/04/xmlenc#aes128-cbc", "OEBPS/film.mp4"),
    ],
)
def test_a_book_with_protected_fonts_or_films_is_read(method: str, path: str) -> None:
    content = book(
        {"a": "<p>1"}, extra={"META-INF/encryption.xml": ENCRYPTION.format(method=method, path=path)}
    )
    assert blocks_of(parse(content))[1:] == [("paragraph", "1")]


def test_entities_are_not_resolved() -> None:
    evil = '<!DOCTYPE package [<!ENTITY xxe SYSTEM "file:///etc/passwd"><!ENTITY big "&xxe;&xxe;">]>'
    content = with_part(
        book({"a": "<p>Words &xxe; here"}), "OEBPS/book.opf", b"?><package", f"?>{evil}<package".encode()
    )
    content = with_part(content, "OEBPS/book.opf", b"A guide", b"A &big; guide")
    parsed = parse(content)
    assert "root:" not in parsed.text
    assert parsed.title == "A &big; guide"


def test_references_that_leave_the_archive_find_nothing() -> None:
    content = with_part(
        book({"a": "<p>1", "b": "<p>2"}), "OEBPS/book.opf", b'"a.xhtml"', b'"../../../etc/passwd.xml"'
    )
    parsed = parse(content)
    assert blocks_of(parsed)[1:] == [("paragraph", "2")]
    assert parsed.notes == ("is no EPUB book, or is damaged (../../etc/passwd.xml is missing)",)


def test_a_chapter_that_cannot_be_read_is_noted_and_a_book_of_such_is_refused() -> None:
    whole = book({"a": "<p>1", "b": "<p>2"})
    assert len(parse(with_part(whole, "OEBPS/book.opf", b'"a.xhtml"', b'"gone.xhtml"')).notes) == 1
    with pytest.raises(ParseError, match=r"^book\.epub cannot be read: .*gone\.xhtml is missing"):
        parse(with_part(book({"a": "<p>1"}), "OEBPS/book.opf", b'"a.xhtml"', b'"gone.xhtml"'))


def test_a_book_without_a_container_is_found_by_its_package() -> None:
    content = with_part(book({"a": "<p>1"}), "META-INF/container.xml", b"OEBPS/book.opf", b"elsewhere.opf")
    assert blocks_of(parse(content))[1:] == [("paragraph", "1")]


def test_a_book_of_pictures_contains_no_text() -> None:
    with pytest.raises(NoTextError, match=r"^book\.epub contains no text$"):
        parse(book({"a": '<img src="1.jpg"/>', "b": ""}))


def test_damaged_contents_cost_the_labels_alone() -> None:
    content = with_part(book({"a": "<p>1"}, contents={"a.xhtml": "A"}), "OEBPS/toc.ncx", b"</ncx>", b"</ncx")
    assert blocks_of(parse(content))[1:] == [("paragraph", "1")]
