"""Answering: a passage that speaks of the same and does not say what was asked scores below one that does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.answering import FEATURES, answering_logit, features

PASSAGE = "Leave\nParents may take up to 24 weeks of leave. The office in Berlin was opened in 1998."
READ = (("Parents may take up to 24 weeks of leave.", 6.0), ("The office in Berlin was opened in 1998.", 2.0))


def logit(question: str) -> float:
    return answering_logit(question, PASSAGE, READ)


@pytest.mark.parametrize(
    ("asked", "not_said"),
    [
        ("Who opened the office in Berlin in 1998?", "Who opened the office in Berlin in 1997?"),
        ("When was the office in Berlin opened?", "When was the office in Madrid opened?"),
        ("What may parents take?", "What may parents not take?"),
    ],
)
def test_what_a_question_says_and_the_passage_does_not_counts_against_it(asked: str, not_said: str) -> None:
    assert logit(not_said) < logit(asked) - 0.5


def test_a_passage_of_which_no_sentence_was_read_hardly_answers() -> None:
    unread = answering_logit("What may parents take?", PASSAGE, ())
    assert unread < logit("What may parents take?") - 3


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=300))
def test_any_text_has_features(question: str, passage: str, sentence: str) -> None:
    assert features(question, passage, [(sentence, 1.0)]).shape == (len(FEATURES),)
