"""Measures: against figures worked out by hand, and intervals that are what they say."""

from __future__ import annotations

import sys
from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.measures import (
    RESAMPLES,
    check_measurable,
    column_of,
    estimate,
    estimate_mean,
    measure_names,
    measure_rankings,
    percentiles,
    resampled_means,
)
from retrieval.errors import ExtraMissingError


def test_ndcg_recall_and_mrr_are_those_worked_out_by_hand() -> None:
    qrels = {"q": {"a": 3, "b": 2, "c": 1, "d": 1}}
    values = measure_rankings({"q": ["x", "b", "a", "y", "c"]}, qrels, k=3)["q"]
    gained = 2 / log2(3) + 3 / log2(4)
    best = 3 / log2(2) + 2 / log2(3) + 1 / log2(4)
    assert values["ndcg@3"] == pytest.approx(gained / best, abs=1e-6)
    assert values["recall@3"] == pytest.approx(2 / 4)
    assert values["recall@100"] == pytest.approx(3 / 4)
    assert values["mrr@3"] == pytest.approx(1 / 2)
    assert values.keys() == set(measure_names(3))


def test_what_stands_below_k_counts_for_nothing_at_k() -> None:
    values = measure_rankings({"q": ["x", "y", "a"]}, {"q": {"a": 1}}, k=2)["q"]
    assert values == {"ndcg@2": 0.0, "recall@2": 0.0, "recall@100": 1.0, "mrr@2": 0.0}


def test_a_question_that_found_nothing_and_one_that_was_not_ranked_count_as_0() -> None:
    values = measure_rankings({"a": [], "b": ["d"]}, {"a": {"d": 1}, "b": {"d": 1}, "c": {"d": 1}}, k=10)
    assert set(values["a"].values()) == set(values["c"].values()) == {0.0}
    assert set(values["b"].values()) == {1.0}


def test_a_relevant_document_that_does_not_exist_counts_as_not_found() -> None:
    values = measure_rankings({"q": ["a"]}, {"q": {"a": 1, "nowhere": 1}}, k=10)["q"]
    assert values["recall@10"] == 0.5
    assert values["ndcg@10"] == pytest.approx(1 / (1 + 1 / log2(3)), abs=1e-6)


def test_the_order_of_a_ranking_counts_whatever_the_ids_are_called() -> None:
    for ranking in (["b", "a"], ["10", "9"], ["z\ty", "😀"]):
        values = measure_rankings({"q": ranking}, {"q": {ranking[1]: 1}}, k=10)["q"]
        assert values["mrr@10"] == 0.5


def test_at_100_recall_is_measured_once() -> None:
    assert measure_names(100) == ("ndcg@100", "recall@100", "mrr@100")
    values = measure_rankings({"q": ["a"]}, {"q": {"a": 1}}, k=100)["q"]
    assert values == {"ndcg@100": 1.0, "recall@100": 1.0, "mrr@100": 1.0}


names = st.text("abcdef", min_size=1, max_size=2)


@given(
    st.lists(names, unique=True, max_size=12),
    st.dictionaries(names, st.integers(1, 4), min_size=1, max_size=6),
)
def test_measures_are_those_of_their_definitions(ranking: list[str], grades: dict[str, int]) -> None:
    k = 5
    values = measure_rankings({"q": ranking}, {"q": grades}, k=k)["q"]
    gains = [grades.get(document, 0) for document in ranking[:k]]
    ideal = sorted(grades.values(), reverse=True)[:k]
    discounted = [sum(g / log2(rank + 2) for rank, g in enumerate(each)) for each in (gains, ideal)]
    assert values[f"ndcg@{k}"] == pytest.approx(discounted[0] / discounted[1], abs=1e-5)
    assert values[f"recall@{k}"] == pytest.approx(sum(map(bool, gains)) / len(grades), abs=1e-5)
    first = next((rank for rank, gain in enumerate(gains, start=1) if gain), None)
    assert values[f"mrr@{k}"] == pytest.approx(1 / first if first else 0, abs=1e-5)


def test_the_interval_holds_the_mean_and_narrows_with_more_questions() -> None:
    chance = np.random.default_rng(1)
    widths = []
    for count in (25, 400):
        values = {f"{n}": {"m": float(value)} for n, value in enumerate(chance.random(count))}
        found = estimate(values, "m", seed=0)
        assert found.low < found.mean < found.high
        assert found.mean == pytest.approx(column_of(values, "m").mean())
        widths.append(found.high - found.low)
    assert widths[1] == pytest.approx(widths[0] / 4, rel=0.35)
    # The standard error of a mean of 400 draws from 0..1, times 2 * 1.96.
    assert widths[1] == pytest.approx(2 * 1.96 * 12**-0.5 / 20, rel=0.15)


def test_an_interval_is_the_same_for_the_same_seed_whatever_order_questions_come_in() -> None:
    values = {f"{n}": {"m": n % 7 / 7} for n in range(50)}
    turned = dict(reversed(values.items()))
    assert estimate(values, "m", seed=1) == estimate(turned, "m", seed=1)
    assert estimate(values, "m", seed=1) != estimate(values, "m", seed=2)
    assert resampled_means(column_of(values, "m"), seed=1).shape == (RESAMPLES,)


def test_one_question_has_an_interval_without_width() -> None:
    found = estimate({"q": {"m": 0.25}}, "m", seed=0)
    assert (found.low, found.mean, found.high) == (0.25, 0.25, 0.25)


def test_in_the_mean_of_sets_each_counts_alike() -> None:
    found = estimate_mean([np.zeros(1_000), np.ones(2)], seed=0)
    assert found.mean == pytest.approx(0.5)
    assert (found.low, found.high) == (0.5, 0.5)


def test_percentiles_are_in_milliseconds() -> None:
    assert percentiles([n / 1_000 for n in range(1, 102)]) == {"p50": 51.0, "p95": 96.0, "p99": 100.0}


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    with pytest.raises(
        ExtraMissingError, match=r"needs the 'eval' extra.*pip install 'footnote-service\[eval\]'"
    ):
        check_measurable()
