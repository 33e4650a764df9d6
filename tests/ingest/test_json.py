"""JSON: values behind their paths, records as blocks, and what is no JSON as it stands."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import NoTextError
from ingest.parsers import ParsedDocument
from ingest.parsers.json import JsonParser
from tests.ingest.documents import assert_keeps_contract, blocks_of

LONG = "A sentence in a long text. " * 20


def parse(source: str, file_name: str = "data.json") -> ParsedDocument:
    parsed = JsonParser().parse(source.encode(), file_name=file_name)
    assert_keeps_contract(parsed)
    return parsed


def test_each_value_stands_behind_its_path() -> None:
    source = r"""{"name": "Jos\u00e9", "on": true, "off": null, "none": [], "empty": {}, "blank": "",
        "address": {"city": "Bonn", "zip.code": 53111}, "tags": ["a", "b"]}"""
    assert parse(source).text.split("\n") == [
        "name: José",
        "on: true",
        "off: null",
        "none: []",
        "empty: {}",
        'blank: ""',
        "address.city: Bonn",
        "address.zip.code: 53111",
        "tags: a, b",
    ]


def test_each_record_of_a_list_is_a_block() -> None:
    assert blocks_of(parse('[{"id": 1, "sub": [{"x": 1}, {"x": 2}]}, {"id": 2}, "bare"]')) == [
        ("code", "id: 1"),
        ("code", "sub[0].x: 1"),
        ("code", "sub[1].x: 2"),
        ("code", "id: 2"),
        ("code", "bare"),
    ]


def test_each_line_of_ndjson_is_a_block() -> None:
    for name in ("data.ndjson", "data.json"):
        assert blocks_of(parse('{"a": 1}\n\n{"a": 2}\n', name)) == [("code", "a: 1"), ("code", "a: 2")]
    assert parse('{"a":\n1}', "data.jsonl").text == "a: 1"


def test_a_long_text_is_a_paragraph_with_its_lines() -> None:
    parsed = parse(json.dumps({"a": 1, "text": f"First   line.\n{LONG}", "b": 2}))
    assert blocks_of(parsed) == [
        ("code", "a: 1"),
        ("paragraph", f"text: First line.\n{LONG.strip()}"),
        ("code", "b: 2"),
    ]


def test_numbers_stay_as_they_are_written() -> None:
    digits = "1" * 150
    assert (
        parse(f'{{"a": {digits}, "b": 1.50, "c": 1e400, "d": -0}}').text
        == f"a: {digits}\nb: 1.50\nc: 1e400\nd: -0"
    )
    assert "9" * 60 in parse(f"[{'9' * 6000}]").text, "no number is too long to be read"


def test_a_name_that_stands_twice_keeps_both_values() -> None:
    assert parse('{"a": 1, "a": 2}').text == "a: 1\na: 2"


def test_long_lists_of_numbers_and_pictures_are_cut_and_said_so() -> None:
    parsed = parse(
        json.dumps({"vector": list(range(1536)), "picture": "QUJD" * 2000, "at": [[1, 2], [3, 4]]})
    )
    assert "49 … (1,536 numbers)" in parsed.text
    assert "… (8,000 characters)" in parsed.text
    assert parsed.text.endswith("at: 1, 2, 3, 4")
    assert len(parsed.notes) == 2


def test_what_is_cut_off_is_taken_as_it_stands() -> None:
    source = '{\n  "name": "Ann",\n  "tags": ["a"]\n'
    parsed = parse(source)
    assert parsed.text == source
    assert parsed.notes == (
        "data.json is not valid JSON (line 4: Expecting ',' delimiter); it is taken as it stands",
    )


def test_a_broken_line_among_good_ones_costs_nothing_else() -> None:
    parsed = parse('{"a": 1}\n{"a": \n{"a": 3}\n', "data.jsonl")
    assert [text for _, text in blocks_of(parsed)] == ["a: 1", '{"a":', "a: 3"]
    assert parsed.notes == ("data.jsonl: lines that are not valid JSON stand as they are (1 of them)",)


def test_deep_nesting_is_read_or_taken_as_it_stands() -> None:
    assert parse('{"a":' * 200 + "1" + "}" * 200).text.endswith("a.a: 1")
    assert "nested too deeply" in parse(("[" * 80 + "\n") * 100 + "1" + "]" * 8000).notes[0]


def test_paths_do_not_swell_the_text() -> None:
    members = ", ".join(f'"{number}": ""' for number in range(1000))
    assert len(parse(f'{{"{"k" * 10_000}": {{{members}}}}}').text) < 200_000


@pytest.mark.parametrize("source", ["{}", "[]", '""', "null"])
def test_a_file_without_a_value_is_skipped(source: str) -> None:
    with pytest.raises(NoTextError, match=r"^data.json contains no text$"):
        parse(source)


def test_a_lock_file_is_skipped_with_its_reason() -> None:
    with pytest.raises(NoTextError, match=r"^package-lock.json is a lock file"):
        parse('{"packages": {}}', "package-lock.json")


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_any_value_is_read_or_blank(value: Any) -> None:
    source = json.dumps(value)
    with contextlib.suppress(NoTextError):
        assert parse(source).blocks


def test_real_records_are_blocks(evaluation_data: Path) -> None:
    files = evaluation_data / "documents/dev/files"
    by_line = parse((files / "un_spring-weather.html.ndjson").read_text(), "a.ndjson")
    whole = parse((files / "un_spring-weather.html.json").read_text(), "a.json")
    assert by_line.text == whole.text
    assert whole.text.startswith("type: Title\nelement_id: ")
