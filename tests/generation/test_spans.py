"""Short answers: what was asked for is found where it can only be that, and nothing is guessed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from generation.spans import asked_for, find_span


class Scorer:
    """A sentence answers by `loss` less where something was taken out of it."""

    def __init__(self, loss: float = 3.0) -> None:
        self.loss = loss
        self.calls = 0

    async def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        self.calls += 1
        return np.array([5.0 - self.loss * ("…" in sentence) for _, sentence in pairs], dtype=np.float32)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("When did the crisis begin?", "date"),
        ("In what year was it built?", "date"),
        ("How many people live there?", "number"),
        ("What percentage of them voted?", "number"),
        ("Who wrote it?", "name"),
        ("By whom was it written?", "name"),
        ("Where was she born?", "name"),
        ("Why is the sky blue?", None),
        ("What is a badger?", None),
        ("", None),
    ],
)
def test_what_is_asked_for_shows_in_the_first_words(question: str, kind: str | None) -> None:
    assert asked_for(question) == kind


@pytest.mark.parametrize(
    ("question", "sentence", "text"),
    [
        (
            "When did the oil crisis begin?",
            "The crisis began in October 1973 with an embargo.",
            "October 1973",
        ),
        ("When was the treaty signed?", "It was signed on 5 March 1998.", "5 March 1998"),
        ("In which century did it end?", "It ended in the 14th century.", "the 14th century"),
        ("How many people live in Fresno?", "Fresno has 494,665 people within its bounds.", "494,665"),
        ("How many weeks of leave are there?", "Staff take up to sixteen weeks of leave.", "sixteen"),
        (
            "Who founded the school?",
            "The school was founded by Anna von Stein in the city.",
            "Anna von Stein",
        ),
    ],
)
async def test_the_one_span_that_can_be_meant_is_found(question: str, sentence: str, text: str) -> None:
    span = await find_span(question, sentence, Scorer())
    assert span is not None
    assert (span.text, sentence[span.start : span.end]) == (text, text)


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("When was it built?", "It was begun in 1889 and finished in 1891."),
        ("When was it built?", "It was built long ago."),
        ("When did the war of 1812 end?", "The war of 1812 ended badly."),
        ("How many birds are there?", "There are 40 insects and 50 birds and 60 birds of prey."),
        ("How many birds are there?", "About 300 metres away stands a tree."),
        ("Why was it built in 1889?", "It was built in 1889 for the fair."),
    ],
)
async def test_nothing_is_given_where_none_or_several_can_be_meant(question: str, sentence: str) -> None:
    assert await find_span(question, sentence, Scorer()) is None


async def test_a_number_without_which_the_sentence_answers_as_well_is_not_given() -> None:
    sentence, question = "Fresno has 494,665 people within its bounds.", "How many people live in Fresno?"
    assert await find_span(question, sentence, Scorer(loss=0.2)) is None


async def test_what_needs_no_model_asks_none() -> None:
    scorer = Scorer()
    await find_span("When was it?", "It was in 1998.", scorer)
    await find_span("Why was it?", "It was 300 people.", scorer)
    assert scorer.calls == 0


@given(st.text(max_size=200), st.text(max_size=400))
async def test_any_text_is_taken(question: str, sentence: str) -> None:
    span = await find_span(f"How many {question}", sentence, Scorer())
    assert span is None or sentence[span.start : span.end] == span.text


@pytest.mark.parametrize(
    "sentence",
    [
        "The lift is out of service from 3 to 9 May.",
        "The lift is out of service from 3–9 May.",
        "The lift is out of service from May 3 to 9.",
        "The lift is out of service between the 3rd and the 9th of May.",
    ],
)
async def test_one_end_of_a_period_is_no_answer(sentence: str) -> None:
    assert await find_span("When is the lift out of service?", sentence, Scorer()) is None


async def test_a_sentence_s_full_stop_is_no_part_of_a_date() -> None:
    span = await find_span("When is the lift mended?", "The lift is mended on 9 May.", Scorer())
    assert span is not None
    assert span.text == "9 May"
