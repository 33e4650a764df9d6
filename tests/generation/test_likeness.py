from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.likeness import most_alike, share, stems, weights

SENTENCES = [
    "The office opens at nine.",
    "Parents have 26 weeks of leave.",
    "The leave of the other parent is 6 weeks.",
    "The canteen is closed in August.",
]


def test_the_sentence_that_holds_the_rarer_words_comes_first() -> None:
    assert most_alike("In August the canteen does not open.", SENTENCES, 2)[0] == 3


def test_after_the_first_comes_what_holds_the_rest() -> None:
    claim = "Parents have 26 weeks of leave, and the office opens at nine."
    assert set(most_alike(claim, SENTENCES, 2)) == {0, 1}


def test_inflected_words_are_alike() -> None:
    assert stems("reduction") == stems("reducing") == stems("Reduces")


@given(st.text(), st.lists(st.text(), max_size=6), st.integers(min_value=1, max_value=4))
def test_as_many_as_asked_for_are_chosen_each_once(claim: str, sentences: list[str], count: int) -> None:
    chosen = most_alike(claim, sentences, count)
    assert len(chosen) == len(set(chosen)) == min(count, len(sentences))


@given(st.text(), st.lists(st.text(), min_size=1, max_size=5))
def test_the_share_of_a_claim_that_a_source_holds_lies_between_none_and_all(
    claim: str, sentences: list[str]
) -> None:
    held = [stems(sentence) for sentence in sentences]
    assert 0 <= share(stems(claim), held[0], weights(held)) <= 1 + 1e-9
    assert share(stems(claim), stems(claim), weights(held)) == pytest.approx(1.0 if stems(claim) else 0.0)
