"""CSV: rows as lines, whatever sets their cells apart."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import NoTextError
from ingest.parsers import ParsedDocument
from ingest.parsers.csv import CsvParser
from tests.ingest.documents import assert_keeps_contract, blocks_of


def parse(source: str | bytes) -> ParsedDocument:
    content = source if isinstance(source, bytes) else source.encode()
    parsed = CsvParser().parse(content, file_name="data.csv")
    assert_keeps_contract(parsed)
    return parsed


def header(source: str) -> str | None:
    return parse(source).blocks[0].heading


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_told_from_the_rows(delimiter: str) -> None:
    rows = [["name", "price", "note"], ["Cup", "5", "red"], ["Pot", "7", "blue"]]
    parsed = parse("\r\n".join(delimiter.join(row) for row in rows))
    assert blocks_of(parsed) == [("table", "name | price | note\nCup | 5 | red\nPot | 7 | blue")]
    assert parsed.blocks[0].heading == "name | price | note"


def test_decimal_commas_do_not_cut_cells_and_lists_in_cells_do_not_either() -> None:
    assert parse("a;b\n" + "1,5;2,5\n" * 300).text.startswith("a | b\n1,5 | 2,5\n")
    assert parse("id,tags\n1,a;b\n2,c;d\n").text == "id | tags\n1 | a;b\n2 | c;d"
    assert parse("Report\n\na;b\n1,5;2\n3,4;5\n").text == "Report\na | b\n1,5 | 2\n3,4 | 5"


def test_a_delimiter_that_the_file_states_is_believed() -> None:
    assert parse("sep=:\na:b,c\n1:2,3\n").text == "a | b,c\n1 | 2,3"


def test_quotations_keep_delimiters_and_line_ends_inside_their_cell() -> None:
    assert parse('name,note\nCup,"red, or\nblue ""one"""\n').text == 'name | note\nCup | red, or blue "one"'


def test_a_quotation_that_is_never_closed_costs_no_row() -> None:
    parsed = parse('name,note\nCup,"red\nPot,blue\n' + "Pan,green\n" * 20_000)
    assert parsed.text.startswith('name | note\nCup | "red\nPot | blue\nPan | green\n')
    assert parsed.notes == ("data.csv: a quotation mark in line 2 is never closed",)


def test_ragged_rows_and_empty_cells_keep_their_places() -> None:
    assert parse("1,2,3\na,b,c,d\n,,x\n,,\nlast,,\n").text == "1 | 2 | 3\na | b | c | d\n| | x\nlast"


def test_a_header_is_a_row_of_different_names() -> None:
    assert header("Stanley Cups,,\nTeam,Location,Cups\nBlues,STL,1\n") == "Team | Location | Cups"
    assert header("1,2\n3,4\n") is None
    assert header("a,a\nb,c\n") is None
    assert header("one\ntwo\n") is None


def test_a_column_of_words_is_lines() -> None:
    assert parse('He came, saw\nand\nwent\n"a, b"\nhome\nagain\n').text.split("\n")[0] == "He came, saw"


def test_wide_rows_are_cut_and_said_so() -> None:
    parsed = parse("\n".join([",".join(map(str, range(1500)))] * 3))
    assert parsed.text.split("\n")[0].endswith("| 999")
    assert parsed.notes == ("data.csv: only the first 1,000 of up to 1,500 columns are kept",)


def test_long_tables_go_on_in_blocks_that_know_the_header() -> None:
    parsed = parse("name,price\n" + "A cup of some colour,5\n" * 20_000)
    assert len(parsed.blocks) > 3
    assert {block.heading for block in parsed.blocks} == {"name | price"}
    assert parsed.text.count("\n") == 20_000


def test_old_encodings_are_read() -> None:
    assert parse("Größe;Preis\nklein;5 €\n".encode("cp1252")).text == "Größe | Preis\nklein | 5 €"
    assert parse("a\tb\n1\t2\n".encode("utf-16")).text == "a | b\n1 | 2"


def test_a_table_of_empty_cells_is_skipped() -> None:
    with pytest.raises(NoTextError):
        parse(';;\n;"";\n')


cells = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.just("\n"), max_size=8)


@given(st.lists(st.lists(cells, min_size=2, max_size=4), min_size=1, max_size=6))
def test_no_word_of_a_cell_is_lost(rows: list[list[str]]) -> None:
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    try:
        text = parse(file.getvalue()).text
    except NoTextError:
        return
    for row in rows:
        for cell in row:
            assert all(word in text for word in "".join(c if c.isalnum() else " " for c in cell).split())
