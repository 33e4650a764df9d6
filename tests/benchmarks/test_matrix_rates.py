"""The products that the limit is measured with are computed, and turns are taken in turn."""

from __future__ import annotations

import pytest

from benchmarks import matrix_rates
from benchmarks.embed_cpu import make_lengths, operations
from benchmarks.turns import Timed, median_ratio, take_turns


def test_a_processor_multiplies_integers_and_floats_at_some_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix_rates, "_SECONDS", 0.001)
    assert matrix_rates.int8_rate(tokens=4, width=8, feed_forward=16, threads=2) > 0
    assert matrix_rates.fp32_rate(size=8)["numpy"] > 0


def test_operations_of_a_token_are_two_for_each_weight_and_grow_with_its_text() -> None:
    weights, attention = operations([100])
    assert weights == 100 * 2 * 12 * (4 * 384**2 + 2 * 384 * 1536)
    assert operations([100, 100]) == (2 * weights, 2 * attention)
    assert operations([200]) == (2 * weights, 4 * attention)


def test_lengths_reach_from_the_shortest_to_the_longest_in_no_order() -> None:
    lengths = make_lengths(9)
    assert (min(lengths), max(lengths)) == (128, 512)
    assert lengths != sorted(lengths)


def test_contestants_take_turns_after_one_untimed_run_each() -> None:
    order: list[str] = []
    timed = take_turns({"one": lambda: order.append("one"), "two": lambda: order.append("two")}, rounds=2)
    assert order == ["one", "two"] * 3
    assert {name: len(each.seconds) for name, each in timed.items()} == {"one": 2, "two": 2}


def test_the_ratio_is_of_runs_side_by_side() -> None:
    slower = Timed(seconds=[4, 80, 6], cpu_seconds=[])
    faster = Timed(seconds=[2, 20, 1], cpu_seconds=[])
    assert median_ratio(slower, faster) == 4
