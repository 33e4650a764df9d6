"""The contract of the parser family, against every member."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import ParseError
from ingest.parsers import PARSER_KINDS, ParserKind, load_parser, parser_for, parser_kind
from tests.ingest.documents import assert_keeps_contract, pdf, simple_docx

KINDS: tuple[ParserKind, ...] = get_args(ParserKind)

SAMPLES: dict[ParserKind, bytes] = {
    "plain": "One line.\r\nAnother, \ud83d\ude00 and a NUL\0.\r\r\nA paragraph.\n".encode(
        "utf-8", "surrogatepass"
    ),
    "markdown": b"---\ntitle: A guide\n---\n# Guide\r\n\r\n*Words*.\n\n- one\n- two\n\n|a|b|\n|-|-|\n|1|2|\n",
    "html": b"<title>A guide</title><h1>Guide</h1><p><b>Words</b>&#13;&#0;.<ul><li>one<li>two</ul><pre> x\n y</pre>",
    "pdf": pdf([(700, "The first page.")], [], [(700, "The third page.")], title="A guide"),
    "office": simple_docx("The first paragraph.", "", "The second."),
}
NO_TEXT: dict[ParserKind, bytes] = {
    "plain": b" \n\t\r\n ",
    "markdown": b"\n \n",
    "html": b"<html><body><script>var x = 1;</script><p> &nbsp; </p></body></html>",
    "pdf": pdf([]),
    "office": simple_docx("", " "),
}
FRAGMENTS = (
    *(
        "# ",
        "\n",
        "\n\n",
        "- ",
        "1. ",
        "word",
        " ",
        "> ",
        "```",
        "|a|b|\n|-|-|\n",
        "\r",
        "\t",
        "\u200b",
        "---\n",
        "é",
    ),
    *(
        "<p>",
        "</p>",
        "<li>",
        "<ol>",
        "<table>",
        "<tr>",
        "<td>",
        "<pre>",
        "<h2>",
        "</h2>",
        "&nbsp;",
        "&#0;",
        "<br>",
    ),
)
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0" + bytes(range(256)) * 4


def name_for(kind: ParserKind) -> str:
    return next(f"sample{extension}" for extension, reader in PARSER_KINDS.items() if reader == kind)


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_of_extensions_is_what_the_parser_says_it_reads(kind: ParserKind) -> None:
    listed = {extension for extension, reader in PARSER_KINDS.items() if reader == kind}
    assert load_parser(kind).extensions == listed
    assert load_parser(kind).name.partition("/")[2], "a name and a version"


@pytest.mark.parametrize("kind", KINDS)
def test_text_and_blocks_keep_the_contract(kind: ParserKind) -> None:
    parsed = load_parser(kind).parse(SAMPLES[kind], file_name=name_for(kind))
    assert_keeps_contract(parsed)
    assert parsed.blocks
    assert "/" in parsed.media_type


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_bytes_give_the_same_document(kind: ParserKind) -> None:
    parser = load_parser(kind)
    first = parser.parse(SAMPLES[kind], file_name=name_for(kind))
    assert parser.parse(SAMPLES[kind], file_name=name_for(kind)) == first


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_file_is_refused_by_name(kind: ParserKind) -> None:
    with pytest.raises(ParseError, match=rf"^{name_for(kind)} is empty$"):
        load_parser(kind).parse(b"", file_name=name_for(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_without_visible_text_is_refused(kind: ParserKind) -> None:
    with pytest.raises(ParseError, match=r"contains no text|no text layer"):
        load_parser(kind).parse(NO_TEXT[kind], file_name=name_for(kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "content", [PNG, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), b"\x00\x01\x02\x03" * 99]
)
def test_a_file_of_another_type_is_refused_with_a_reason(kind: ParserKind, content: bytes) -> None:
    with pytest.raises(ParseError, match=name_for(kind)):
        load_parser(kind).parse(content, file_name=name_for(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_off_file_parses_or_is_refused(kind: ParserKind) -> None:
    sample = SAMPLES[kind]
    for length in range(1, len(sample), max(1, len(sample) // 25)):
        parses_or_is_refused(kind, sample[:length])


@pytest.mark.parametrize("make", [lambda: b"<div>" * 5_000, lambda: b"> " * 5_000, lambda: b"- " * 5_000])
@pytest.mark.parametrize("kind", ["plain", "markdown", "html"])
def test_deep_nesting_costs_no_stack(kind: ParserKind, make: Callable[[], bytes]) -> None:
    parses_or_is_refused(kind, make() + b"the end")


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(["plain", "markdown", "html"]), content=st.binary(max_size=300))
def test_any_bytes_parse_or_are_refused(kind: ParserKind, content: bytes) -> None:
    parses_or_is_refused(kind, content)


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(["plain", "markdown", "html"]),
    text=st.lists(
        st.sampled_from(FRAGMENTS),
        max_size=40,
    ).map("".join),
)
def test_any_markup_parses_or_is_refused(kind: ParserKind, text: str) -> None:
    parses_or_is_refused(kind, text.encode())


def parses_or_is_refused(kind: ParserKind, content: bytes) -> None:
    try:
        parsed = load_parser(kind).parse(content, file_name="sample")
    except ParseError:
        return
    assert_keeps_contract(parsed)


def test_a_parser_is_found_by_extension_in_any_case() -> None:
    assert parser_kind("Report.PDF") == "pdf"
    assert parser_kind("a.b/notes.Markdown") == "markdown"
    assert parser_kind("archive.tar.gz") is None
    assert parser_kind("README") is None
    assert parser_for("picture.png") is None
