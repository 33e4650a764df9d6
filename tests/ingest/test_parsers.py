"""The contract of the parser family, against every member."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import ParseError
from ingest.parsers import ParserPolicy, load_parser
from ingest.parsers.formats import EXTENSIONS, ParserKind, parser_kind
from tests.ingest.documents import assert_keeps_contract
from tests.ingest.samples import NO_TEXT, SAMPLES, texts

POLICY = ParserPolicy()
KINDS = tuple(SAMPLES)
TEXT_KINDS: tuple[ParserKind, ...] = tuple(texts.SAMPLES)

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
    *(
        "====\n",
        "----\n",
        "== ==\n",
        "+-+-+\n",
        "::\n",
        ".. code:: x\n",
        ":a: b\n",
        "[a]\n",
        "|===\n",
        "....\n",
        "+\n",
    ),
    *(
        "* ",
        "** ",
        "#+BEGIN_SRC\n",
        "#+END_SRC\n",
        ": ",
        "#+TITLE: ",
        "]]",
        "    ",
        "def f():\n",
        "}\n",
        "\u2028",
    ),
    *('{"a":', "[", "]", "}", ",", '"', "\\ud800", "1e9", "null", ";", "sep=;\n", '""', "WEBVTT\n", "1\n"),
    *(
        "00:01.000 --> 00:02.000\n",
        "<v Ann>",
        "<a b='c'>",
        "</a>",
        "<![CDATA[",
        "<!--",
        "<!DOCTYPE a [",
        "&x;",
        "<row>",
    ),
    *(
        "<sec><title>",
        "</title></sec>",
        '{"cells":[{"cell_type":"markdown","source":"',
        '"}]}',
        "<label>",
        "\x1b[1m",
    ),
)
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0" + bytes(range(256)) * 4


def name_for(kind: ParserKind) -> str:
    return next(f"sample{extension}" for extension, reader in EXTENSIONS.items() if reader == kind)


@pytest.mark.parametrize("kind", KINDS)
def test_text_and_blocks_keep_the_contract(kind: ParserKind) -> None:
    parsed = load_parser(kind, POLICY).parse(SAMPLES[kind], file_name=name_for(kind))
    assert_keeps_contract(parsed)
    assert parsed.blocks
    assert "/" in parsed.media_type


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_bytes_give_the_same_document(kind: ParserKind) -> None:
    parser = load_parser(kind, POLICY)
    first = parser.parse(SAMPLES[kind], file_name=name_for(kind))
    assert parser.parse(SAMPLES[kind], file_name=name_for(kind)) == first


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_file_is_refused_by_name(kind: ParserKind) -> None:
    with pytest.raises(ParseError, match=rf"^{name_for(kind)} is empty$"):
        load_parser(kind, POLICY).parse(b"", file_name=name_for(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_without_visible_text_is_refused(kind: ParserKind) -> None:
    with pytest.raises(ParseError, match=r"contains no text|no text layer"):
        load_parser(kind, POLICY).parse(NO_TEXT[kind], file_name=name_for(kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "content", [PNG, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), b"\x00\x01\x02\x03" * 99]
)
def test_a_file_of_another_type_is_refused_with_a_reason(kind: ParserKind, content: bytes) -> None:
    with pytest.raises(ParseError, match=name_for(kind)):
        load_parser(kind, POLICY).parse(content, file_name=name_for(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_off_file_parses_or_is_refused(kind: ParserKind) -> None:
    sample = SAMPLES[kind]
    for length in range(1, len(sample), max(1, len(sample) // 25)):
        parses_or_is_refused(kind, sample[:length])


@pytest.mark.parametrize(
    "make",
    [
        lambda: b"<div>" * 5_000,
        lambda: b"> " * 5_000,
        lambda: b"- " * 5_000,
        lambda: b"[" * 50_000,
        lambda: b'{"a":' * 50_000,
        lambda: b"".join(b" " * depth + b"x:\n\n" for depth in range(1_000)),
    ],
)
@pytest.mark.parametrize("kind", TEXT_KINDS)
def test_deep_nesting_costs_no_stack(kind: ParserKind, make: Callable[[], bytes]) -> None:
    parses_or_is_refused(kind, make() + b"the end")


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(TEXT_KINDS), content=st.binary(max_size=300))
def test_any_bytes_parse_or_are_refused(kind: ParserKind, content: bytes) -> None:
    parses_or_is_refused(kind, content)


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(TEXT_KINDS),
    text=st.lists(
        st.sampled_from(FRAGMENTS),
        max_size=40,
    ).map("".join),
)
def test_any_markup_parses_or_is_refused(kind: ParserKind, text: str) -> None:
    parses_or_is_refused(kind, text.encode())


def parses_or_is_refused(kind: ParserKind, content: bytes) -> None:
    try:
        parsed = load_parser(kind, POLICY).parse(content, file_name="sample")
    except ParseError:
        return
    assert_keeps_contract(parsed)


def test_a_parser_is_found_by_extension_in_any_case() -> None:
    assert parser_kind("Report.PDF") == "pdf"
    assert parser_kind("a.b/notes.Markdown") == "markdown"
    assert parser_kind("archive.tar.gz") is None
    assert parser_kind("README") == "plain"
    assert parser_kind("unknown") is None
    assert POLICY.kind("picture.png") is None, "there is no OCR under this policy"
    assert "Tesseract" in POLICY.why_not("picture.png")
