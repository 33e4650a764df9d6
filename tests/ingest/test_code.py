"""Source code: the file itself, cut where the code has its own paragraphs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import NoTextError
from ingest.parsers import ParsedDocument
from ingest.parsers.code import CodeParser
from tests.ingest.documents import assert_keeps_contract, blocks_of

BODY = "".join(f"        self.field_{number} = {number}\n" for number in range(9))
PYTHON = f'''\
"""A module."""

import os


class First:
    """A class that is too large to stay whole."""

    def one(self):
{BODY}
    @property
    def two(self):
{BODY}
        # A comment after an empty line.
{BODY}

def last():
{BODY}'''


def parse(source: str, file_name: str = "module.py") -> ParsedDocument:
    parsed = CodeParser().parse(source.encode(), file_name=file_name)
    assert_keeps_contract(parsed)
    return parsed


def first_lines(parsed: ParsedDocument) -> list[str]:
    return [text.split("\n")[0] for _, text in blocks_of(parsed)]


def test_the_text_is_the_file() -> None:
    assert parse(PYTHON).text == PYTHON


def test_a_small_file_is_one_block() -> None:
    assert first_lines(parse("x = 1\n\ny = 2\n")) == ["x = 1"]


def test_definitions_stay_whole_and_small_neighbours_together() -> None:
    assert first_lines(parse(PYTHON)) == [
        '"""A module."""',
        "class First:",
        "def one(self):",
        "@property",
        "def last():",
    ]


def test_code_without_empty_lines_is_cut_where_it_returns_to_its_depth() -> None:
    body = "".join(f"  call_number({number});\n" for number in range(20))
    source = f"function one() {{\n{body}}}\nfunction two() {{\n{body}}}\nfunction three() {{\n{body}}}\n"
    assert first_lines(parse(source, "x.js")) == [
        "function one() {",
        "function two() {",
        "function three() {",
    ]


def test_a_branch_goes_with_what_it_belongs_to() -> None:
    body = "".join(f"  call_number({number})\n" for number in range(20))
    source = f"if a then\n{body}else\n{body}end\nif b then\n{body}\nelse\n{body}end\n"
    assert first_lines(parse(source, "x.lua")) == ["if a then", "if b then"]


def test_keys_of_a_configuration_stay_with_what_is_below_them() -> None:
    values = "".join(f"  name_{number}: value {number}\n" for number in range(30))
    assert first_lines(parse(f"first:\n{values}second:\n{values}", "x.yaml")) == ["first:", "second:"]


def test_a_minified_file_is_skipped_with_its_reason() -> None:
    with pytest.raises(NoTextError, match=r"^app.min.js is minified or generated"):
        parse("function b(c){if(c>1)a[c]=b(c-1);d(a)}" * 60_000, "app.min.js")


def test_a_line_of_data_among_code_is_cut_and_said_so() -> None:
    code = "x = 1  # what is read\n" * 500
    parsed = parse(f"{code}DATA = '{'QUJD' * 5000}'\n{code}", "data.py")
    assert len(parsed.text) < len(code) * 2 + 300
    assert parsed.text.endswith(code)
    assert parsed.notes == ("data.py: only the beginning is kept of one long line of data or minified code",)


def test_long_lines_of_prose_are_kept() -> None:
    paragraph = "A paragraph of a thesis, written on one line, as some editors do. " * 200
    assert parse(paragraph, "thesis.tex").text == paragraph
    assert parse("教" * 9000, "thesis.tex").notes == ()


@pytest.mark.parametrize("name", ["pnpm-lock.yaml", "conda-lock.yml"])
def test_a_lock_file_is_skipped_with_its_reason(name: str) -> None:
    with pytest.raises(NoTextError, match=rf"^{name} is a lock file"):
        parse("packages: {}", name)


@given(st.lists(st.sampled_from(["a", "  b", "    c", "", "}", "\te", "else:", "x" * 300])).map("\n".join))
def test_every_line_of_code_is_in_a_block(source: str) -> None:
    if source.strip():
        assert "".join("".join(text for _, text in blocks_of(parse(source))).split()) == "".join(
            source.split()
        )
