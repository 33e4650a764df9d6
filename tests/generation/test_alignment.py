from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.alignment import divergence


@pytest.mark.parametrize(
    ("claim", "source"),
    [
        ("The office is not open on Sunday.", "The office is open on Sunday."),
        ("The office is open on Sunday.", "The office isn't open on Sunday."),
        ("Cells lack the receptor.", "Cells carry the receptor."),
        ("The treatment never prevented a relapse.", "The treatment prevented a relapse in most."),
    ],
)
def test_what_one_negates_and_the_other_states_is_apart(claim: str, source: str) -> None:
    assert divergence(claim, source).negations >= 1


@pytest.mark.parametrize(
    ("claim", "source"),
    [
        ("The office isn't open on Sunday.", "On Sunday the office is not open."),
        ("It does not rain in May.", "There is no rain in May."),
        ("The leave is paid.", "The leave is paid, but holidays are not counted."),
    ],
)
def test_what_both_negate_is_not_apart(claim: str, source: str) -> None:
    assert divergence(claim, source).negations == 0


@pytest.mark.parametrize(
    ("claim", "source", "expected"),
    [
        ("Exercise decreases the risk.", "Exercise increased the risk.", 1),
        ("The northern gate is closed.", "The southern gate is open.", 2),
        ("Exercise increases the risk.", "Exercise increased the risk.", 0),
        ("Old rules hold.", "Older rules hold.", 0),
    ],
)
def test_an_opposite_in_the_place_of_a_word_is_found(claim: str, source: str, expected: int) -> None:
    assert divergence(claim, source).opposites == expected


def test_names_that_change_places_are_turned() -> None:
    assert divergence("Rome beat Carthage.", "Carthage beat Rome.").turned > 0
    assert divergence("Rome beat Carthage.", "In 146 Rome beat Carthage.").turned == 0


@given(st.text(), st.text())
def test_any_texts_can_be_compared_and_one_does_not_diverge_from_itself(one: str, other: str) -> None:
    divergence(one, other)
    same = divergence(one, one)
    assert (same.opposites, same.turned) == (0, 0)
