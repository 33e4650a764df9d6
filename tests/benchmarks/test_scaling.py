"""The arithmetic of docs/scaling.md is what `benchmarks.scaling` computes, from figures that are those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.scaling import main
from benchmarks.scaling_figures import Assumed, Measured, graph_bytes, heap_bytes, most_in_build
from benchmarks.scaling_tables import Table, tables
from retrieval.stores import graphs

PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"


@pytest.mark.parametrize("table", tables(Measured(), Assumed()), ids=lambda table: table.name)
def test_the_page_shows_what_the_script_computes(table: Table) -> None:
    assert str(table) in PAGE.read_text(encoding="utf-8"), (
        "docs/scaling.md differs; run python -m benchmarks.scaling and put this table in:\n" + str(table)
    )


def test_whole_rows_to_a_page_are_the_bytes_that_were_measured() -> None:
    assert [round(graph_bytes(dimension)) for dimension in (384, 1_024)] == [1_170, 2_731]
    assert heap_bytes(384) == pytest.approx(842, rel=0.01)
    assert heap_bytes(1_024) == pytest.approx(2_761, rel=0.01)


@pytest.mark.parametrize("dimension", [384, 1_024])
def test_the_limit_of_a_graph_s_build_is_the_one_in_the_code(dimension: int) -> None:
    beyond = most_in_build(dimension) + 2**20
    wanted = 64 + beyond * (2 * dimension + graphs._LINKS_BYTES) // 2**20
    assert wanted > graphs._MOST_BUILD_MEGABYTES
    within = 64 + most_in_build(dimension) * (2 * dimension + graphs._LINKS_BYTES) // 2**20
    assert within <= graphs._MOST_BUILD_MEGABYTES


def test_a_reader_s_own_prices_and_chunks_change_the_tables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["scaling", "--set", "gib_ram_month=6", "tokens_a_chunk=406"])
    main()
    shown = capsys.readouterr().out
    assert "| `gib_ram_month` | 6 |" in shown
    assert "× 406 tokens" in shown


def test_an_input_that_does_not_exist_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["scaling", "--set", "ram=6"])
    with pytest.raises(SystemExit, match="'ram' is no input"):
        main()
