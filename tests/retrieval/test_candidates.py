from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from retrieval.candidates import guess_cosines

scores = st.dictionaries(st.integers(1, 40), st.floats(0, 1), max_size=20)


def test_a_guessed_cosine_is_that_of_the_same_rank_in_the_dense_list() -> None:
    dense = {1: 0.6, 2: 0.9, 3: 0.7}
    assert guess_cosines(dense, {7: 2.0, 8: 5.0}) == {8: 0.9, 7: 0.7}
    assert guess_cosines(dense, {4: 1.0, 5: 2.0, 6: 3.0, 7: 4.0, 8: 5.0}) == {
        8: 0.9,
        7: 0.7,
        6: 0.6,
        5: 0.6,
        4: 0.6,
    }
    assert guess_cosines({}, {8: 5.0}) == {8: 0.0}


@given(dense=scores, lexical=scores)
def test_guessed_cosines_are_within_those_of_the_dense_list_and_in_the_order_of_the_words(
    dense: dict[int, float], lexical: dict[int, float]
) -> None:
    guessed = guess_cosines(dense, lexical)
    assert guessed.keys() == lexical.keys()
    assert {*guessed.values()} <= ({*dense.values()} or {0.0})
    by_words = sorted(lexical, key=lambda chunk_id: lexical[chunk_id], reverse=True)
    for better, worse in pairwise(by_words):
        assert guessed[better] >= guessed[worse] or lexical[better] == lexical[worse]
