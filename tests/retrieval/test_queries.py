"""What is searched for in a question's stead, and how what is found becomes one list."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from retrieval.queries import Combination, SearchQueries, best_of, combine, hypothetical_vector

FIRST = [(1, 0.9), (2, 0.8), (3, 0.2)]
SECOND = [(4, 0.7), (2, 0.6), (5, 0.4)]

RANKINGS = st.lists(
    st.dictionaries(st.integers(0, 20), st.floats(-1, 1), max_size=8).map(
        lambda scores: sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
    ),
    max_size=4,
)


def test_a_question_alone_is_searched_for_as_it_is() -> None:
    assert SearchQueries.of("How long?").is_plain
    assert not SearchQueries(question="How long?", texts=("Duration",)).is_plain
    assert not SearchQueries(question="How long?", texts=("How long?",), hypothetical=("Long.",)).is_plain


def test_nothing_to_search_for_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to search for"):
        SearchQueries(question="How long?", texts=())


def test_the_maximum_takes_each_chunk_at_its_best() -> None:
    assert combine([FIRST, SECOND], "max") == [(1, 0.9), (2, 0.8), (4, 0.7), (5, 0.4), (3, 0.2)]


def test_the_mean_prefers_what_all_texts_find_and_gives_the_rest_the_end_of_the_list() -> None:
    united = combine([FIRST, SECOND], "mean")
    assert [chunk_id for chunk_id, _ in united] == [2, 1, 4, 3, 5]
    assert dict(united)[2] == pytest.approx(0.7)
    assert dict(united)[1] == pytest.approx((0.9 + 0.4) / 2)


@pytest.mark.parametrize("how", ["max", "mean"])
def test_a_single_list_stays_as_it_is_and_an_empty_one_changes_nothing(how: Combination) -> None:
    assert combine([FIRST], how) == FIRST
    assert combine([FIRST, []], how) == FIRST
    assert combine([], how) == []


@given(RANKINGS, st.sampled_from(["max", "mean"]))
def test_every_chunk_is_ranked_once_within_its_scores_whatever_the_order(
    rankings: list[list[tuple[int, float]]], how: Combination
) -> None:
    united = combine(rankings, how)
    assert {chunk_id for chunk_id, _ in united} == {i for ranking in rankings for i, _ in ranking}
    assert united == sorted(united, key=lambda pair: (-pair[1], pair[0]))
    best = best_of([dict(ranking) for ranking in rankings])
    for chunk_id, score in united:
        assert score <= max(best.values()) + 1e-9
        assert how == "mean" or score == best[chunk_id]
    again = dict(combine(list(reversed(rankings)), how))
    assert again == pytest.approx(dict(united))


@given(npst.arrays(np.float32, (4, 8), elements=st.floats(-1, 1, width=16)))
def test_a_hypothetical_vector_is_a_unit_vector_in_the_mean_direction(
    rows: np.typing.NDArray[np.float32],
) -> None:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (lengths > 1e-3).all():
        return
    rows = (rows / lengths).astype(np.float32)
    vector = hypothetical_vector(rows[0], list(rows[1:]))
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    mean = rows.astype(np.float64).mean(axis=0)
    if np.linalg.norm(mean) > 1e-3:
        assert float(vector @ mean) == pytest.approx(float(np.linalg.norm(mean)), abs=1e-4)


def test_vectors_that_cancel_out_leave_the_question() -> None:
    question = np.array([1, 0], dtype=np.float32)
    assert hypothetical_vector(question, [-question]) is question
    assert hypothetical_vector(question, []).tolist() == [1, 0]
