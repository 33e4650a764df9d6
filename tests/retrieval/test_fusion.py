"""Fusion is pure: any two lists of scores become one order."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.fusion import FusionPolicy, Weighing, fuse, lean

BOUNDS = (0.4, 0.9)
ATTAINABLE = 80.0

cosines = st.dictionaries(st.integers(1, 30), st.floats(-1, 1), max_size=20)
bm25 = st.just(0.0) | st.floats(1e-3, 60)
bm25s = st.dictionaries(st.integers(1, 30), bm25, max_size=20)
weights = st.floats(0, 1)


def both(scores: list[tuple[float, float]]) -> tuple[dict[int, float], dict[int, float]]:
    return {i: c for i, (c, _) in enumerate(scores)}, {i: b for i, (_, b) in enumerate(scores)}


pairs = st.lists(st.tuples(st.floats(-1, 1), bm25), min_size=1, max_size=20).map(both)


@given(cosines, bm25s, weights)
def test_exactly_the_chunks_with_both_scores_are_ranked_best_first_ties_by_id(
    dense: dict[int, float], lexical: dict[int, float], weight: float
) -> None:
    fused = fuse(
        dense,
        lexical,
        attainable=ATTAINABLE,
        cosine_bounds=BOUNDS,
        policy=FusionPolicy.by_dense_weight(weight),
    )
    assert {chunk_id for chunk_id, _ in fused} == dense.keys() & lexical.keys()
    assert fused == sorted(fused, key=lambda pair: (-pair[1], pair[0]))


def test_the_score_is_the_weighted_sum_of_the_rescaled_scores() -> None:
    fused = fuse(
        {1: 0.9, 2: 0.4, 3: 0.65},
        {1: 0.0, 2: 8.0, 3: 4.0},
        attainable=ATTAINABLE,
        cosine_bounds=BOUNDS,
        policy=FusionPolicy(),
    )
    assert [chunk_id for chunk_id, _ in fused] == [1, 3, 2]
    assert [score for _, score in fused] == pytest.approx([0.75, 0.375 + 0.125, 0.25])


@given(pairs)
def test_all_weight_on_one_list_gives_the_order_of_that_list(
    lists: tuple[dict[int, float], dict[int, float]],
) -> None:
    for weight, scores in zip((1.0, 0.0), lists, strict=True):
        fused = fuse(
            *lists, attainable=ATTAINABLE, cosine_bounds=BOUNDS, policy=FusionPolicy.by_dense_weight(weight)
        )
        in_order = [scores[chunk_id] for chunk_id, _ in fused]
        # Rescaling may make equals of scores that differ by less than floats can tell.
        assert all(later <= earlier + 1e-9 for earlier, later in pairwise(in_order))


@given(pairs, st.floats(0.01, 100))
def test_the_scale_of_bm25_does_not_matter(
    lists: tuple[dict[int, float], dict[int, float]], factor: float
) -> None:
    dense, lexical = lists
    scaled = {chunk_id: score * factor for chunk_id, score in lexical.items()}
    before = dict(
        fuse(dense, lexical, attainable=ATTAINABLE, cosine_bounds=BOUNDS, policy=FusionPolicy(head_size=5))
    )
    after = dict(
        fuse(
            dense,
            scaled,
            attainable=ATTAINABLE * factor,
            cosine_bounds=BOUNDS,
            policy=FusionPolicy(head_size=5),
        )
    )
    assert after == pytest.approx(before, abs=1e-6)


@given(pairs, st.integers(1, 25))
def test_scores_fall_from_head_to_tail_and_the_tail_never_rises_into_the_head(
    lists: tuple[dict[int, float], dict[int, float]], head_size: int
) -> None:
    policy = FusionPolicy(head_size=head_size, tail=Weighing(dense=1.0))
    fused = fuse(*lists, attainable=ATTAINABLE, cosine_bounds=BOUNDS, policy=policy)
    whole = fuse(*lists, attainable=ATTAINABLE, cosine_bounds=BOUNDS, policy=FusionPolicy(head_size=99))
    assert fused[:head_size] == whole[:head_size]
    assert all(later[1] <= earlier[1] + 1e-9 for earlier, later in pairwise(fused))


def test_words_that_even_the_best_chunk_matches_poorly_count_for_less() -> None:
    lists: tuple[dict[int, float], dict[int, float]] = ({1: 0.7, 2: 0.55}, {1: 0.0, 2: 8.0})

    def order(attainable: float) -> list[int]:
        policy = FusionPolicy(head=Weighing(dense=0.7, attainable=0.25))
        fused = fuse(*lists, attainable=attainable, cosine_bounds=BOUNDS, policy=policy)
        return [chunk_id for chunk_id, _ in fused]

    assert (order(8.0), order(800.0)) == ([2, 1], [1, 2])


@given(pairs, st.floats(0, 2), weights)
def test_a_better_cosine_never_costs_a_place(
    lists: tuple[dict[int, float], dict[int, float]], gain: float, weight: float
) -> None:
    dense, lexical = lists
    policy = FusionPolicy.by_dense_weight(weight)
    before = [i for i, _ in fuse(dense, lexical, attainable=ATTAINABLE, cosine_bounds=BOUNDS, policy=policy)]
    after = [
        i
        for i, _ in fuse(
            {**dense, 0: dense[0] + gain}, lexical, attainable=ATTAINABLE, cosine_bounds=BOUNDS, policy=policy
        )
    ]
    assert after.index(0) <= before.index(0)


def test_a_question_without_known_words_is_ordered_by_cosine_alone() -> None:
    fused = fuse(
        {1: 0.5, 2: 0.7}, {1: 0.0, 2: 0.0}, attainable=ATTAINABLE, cosine_bounds=BOUNDS, policy=FusionPolicy()
    )
    assert [chunk_id for chunk_id, _ in fused] == [2, 1]


def test_nothing_fuses_to_nothing() -> None:
    assert fuse({}, {}, attainable=ATTAINABLE, cosine_bounds=BOUNDS, policy=FusionPolicy()) == []


units = st.lists(st.floats(-1, 1), min_size=3, max_size=3).filter(lambda v: np.linalg.norm(v) > 0.1)


@given(units, st.lists(units, min_size=1, max_size=8), st.floats(0, 0.45))
def test_leaning_gives_the_cosines_to_the_mixed_vector(
    question: list[float], chunks: list[list[float]], weight: float
) -> None:
    asked = np.array(question) / np.linalg.norm(question)
    rows = np.array(chunks) / np.linalg.norm(chunks, axis=1, keepdims=True)
    mixed = (1 - weight) * asked + weight * rows[0]
    leaned = lean(dict(enumerate(rows @ asked)), dict(enumerate(rows @ rows[0])), 0, weight)
    assert [*leaned.values()] == pytest.approx(rows @ mixed / np.linalg.norm(mixed), abs=1e-6)


def test_a_chunk_of_unknown_likeness_keeps_its_cosine() -> None:
    assert lean({1: 0.8, 2: 0.6}, {1: 1.0}, 1, 0.3)[2] == 0.6
    assert lean({1: -1.0}, {1: 1.0}, 1, 0.5) == {1: -1.0}
