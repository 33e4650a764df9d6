"""Plain text: encodings, paragraphs, and what is no text."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import ParseError
from ingest.parsers import ParsedDocument
from ingest.parsers.plain import PlainParser
from ingest.parsers.text import clean
from tests.ingest.documents import blocks_of

RUSSIAN = "Договор аренды помещения вступает в силу с момента подписания обеими сторонами."
JAPANESE = "日本国民は、正当に選挙された国会における代表者を通じて行動する。"
SITES = (
    "Galway, Göttingen, Besançon: 3, rue du Vieux-Moulin-à-Tan; Wöhlergraben 18. ±5 °C in 40 m³ (¾ full). "
)
POLISH = "Zażółć gęślą jaźń, dziękuję bardzo za miłą współpracę."
HUNGARIAN = (
    "Minden emberi lény szabadon születik. Őrült űrhajós repült a fölött, egyenlő méltósággal és joggal."
)


def parse(content: bytes) -> ParsedDocument:
    return PlainParser().parse(content, file_name="notes.txt")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("naïve café – “quoted” for 5 €", "utf-8"),
        ("naïve café", "utf-8-sig"),
        ("naïve café, 日本", "utf-16"),
        ("naïve café, 日本", "utf-32"),
        ("This is a test document to use for unit tests.\nImportant points", "utf-16-be"),
        ("This is a test document to use for unit tests.\nImportant points", "utf-16-le"),
        ("Café à la carte, déjà vu.", "latin-1"),
        ("El niño comió piñas mañana.", "cp1252"),
        ("Müller", "cp1252"),
        ("The “quoted” price is 5 £ – a bargain", "cp1252"),
        (SITES * 3, "latin-1"),
        (SITES * 3, "cp1252"),
        ("Não há informações sobre a situação. Õ", "cp1252"),
        (POLISH, "cp1250"),
        (HUNGARIAN, "cp1250"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (RUSSIAN, "cp866"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (JAPANESE, "iso2022_jp"),
        ("你好，世界。这是中文文本。", "gb2312"),
        ("Καλημέρα κόσμε, τι κάνετε;", "iso8859-7"),
    ],
)
def test_text_is_read_in_its_encoding(text: str, encoding: str) -> None:
    assert parse(text.encode(encoding)).text == text


def test_a_broken_byte_in_utf8_costs_that_byte_alone() -> None:
    assert parse("Größe, Länge\n".encode() * 3 + b"\xff").text == "Größe, Länge\n" * 3 + "\ufffd"


def test_a_broken_byte_in_a_legacy_encoding_costs_little() -> None:
    text = (JAPANESE + "\n") * 20
    content = bytearray(text.encode("shift_jis"))
    content[11] = 0xFF
    found = parse(bytes(content)).text
    assert found.count("\ufffd") <= 2
    assert found.endswith(text[40:])


def test_stray_nuls_and_line_ends_are_cleaned_before_any_offset_exists() -> None:
    parsed = parse(b"one\0\r\n\r\ntwo\rthree")
    assert parsed.text == "one\ufffd\n\ntwo\nthree"
    assert blocks_of(parsed) == [("paragraph", "one\ufffd"), ("paragraph", "two\nthree")]


@given(st.text(st.characters(categories=None) | st.sampled_from("\0\r\n\ud800\udfff")))
def test_clean_text_can_be_stored_and_stays_as_it_is(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode("utf-8")
    assert not set(cleaned) & {"\0", "\r"}
    assert clean(cleaned) == cleaned


def test_lines_of_white_space_part_paragraphs() -> None:
    parsed = parse(b"\n  first\n  line\n \t \n\n second \n")
    assert blocks_of(parsed) == [("paragraph", "first\n  line"), ("paragraph", "second")]


@pytest.mark.parametrize("size", [64, 200, 1000, 100_000])
def test_random_bytes_are_refused(size: int) -> None:
    with pytest.raises(ParseError, match=r"^notes.txt looks binary, not text"):
        parse(random.Random(size).randbytes(size))


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"%PDF-1.7\n", "a PDF"), (b"PK\x03\x04....", "ZIP"), (b"{\\rtf1\\ansi hello}", "an RTF")],
)
def test_a_file_that_is_something_else_is_named_so(content: bytes, kind: str) -> None:
    with pytest.raises(ParseError, match=rf"^notes.txt looks like .*{kind}"):
        parse(content)


def test_a_log_with_terminal_colours_is_text() -> None:
    assert "failed" in parse(b"\x1b[31mfailed\x1b[0m\n" * 50).text


@pytest.mark.parametrize(
    ("name", "beginning"),
    [
        ("ud_Russian_Russky-Cyrillic.txt", "Всеобщая декларация прав человека"),
        ("ud_Japanese_Nihongo-SJIS.txt", "『世界人権宣言』"),
        ("ud_German_Deutsch-Latin1.txt", "Die Allgemeine Erklärung der Menschenrechte"),
        ("ud_Chinese_Mandarin-GB2312.txt", "世界人权宣言"),
        ("ud_French_Francais-Latin1.txt", "Déclaration universelle des droits de l'homme"),
        ("tt_russian.cp866.txt", "Однажды, в студеную зимнюю пору,"),
    ],
)
def test_real_files_in_old_encodings_are_read(evaluation_data: Path, name: str, beginning: str) -> None:
    content = (evaluation_data / "documents/dev/files" / name).read_bytes()
    assert parse(content).text.startswith(beginning)
