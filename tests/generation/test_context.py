from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from generation.context import choose_context
from generation.evidence import Evidence
from generation.tokens import approximate_tokens
from retrieval.records import Passage
from tests.generation.build import passage


def evidence(*passages: Passage) -> list[Evidence]:
    return [Evidence(passage=p, score=0.9, logit=5.0, sentences=()) for p in passages]


def test_passages_are_numbered_from_one_best_first() -> None:
    first, second = passage("One.", path="a.md"), passage("Two.", path="b.md")
    chosen = choose_context(evidence(first, second), token_budget=1_000)
    assert [(c.number, c.passage) for c in chosen] == [(1, first), (2, second)]


def test_a_passage_that_does_not_fit_makes_room_for_a_shorter_one() -> None:
    first, long, short = (
        passage("One.", path="a.md"),
        passage("Two. " * 400, path="b.md"),
        passage("Three.", path="c.md"),
    )
    chosen = choose_context(evidence(first, long, short), token_budget=100)
    assert [c.passage for c in chosen] == [first, short]


def test_a_passage_within_another_is_left_out() -> None:
    whole, part = passage("One. Two. Three."), passage("Two.", before="One. ")
    assert [c.passage for c in choose_context(evidence(whole, part), token_budget=1_000)] == [whole]


@given(st.integers(min_value=-5, max_value=200))
def test_the_best_passage_is_cut_at_a_sentence_rather_than_left_out(budget: int) -> None:
    text = "The first sentence is here. " * 30
    (chosen,) = choose_context(evidence(passage(text, before="Before. ")), token_budget=budget)
    assert chosen.passage.text.endswith("here.")
    assert ("Before. " + text)[chosen.passage.char_start : chosen.passage.char_end] == chosen.passage.text
    assert approximate_tokens(chosen.passage.text) <= max(budget, 10)


def test_tokens_are_estimated_on_the_high_side_in_every_script() -> None:
    assert approximate_tokens("") == 0
    assert approximate_tokens("Staff get sixteen weeks of leave.") >= 7
    assert approximate_tokens("员工享有十六周的产假。") == 11
