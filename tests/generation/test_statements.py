from __future__ import annotations

import pytest

from generation.statements import is_statement


@pytest.mark.parametrize(
    "sentence",
    [
        'The passage "The office opens at nine" is from the passage "The office opens at nine".',
        "two areas, with the Imperial Counties, with the Imperial Counties, with the Imperial Counties",
        "The Sky Digital, the Sky Digital, the Sky Digital, the Sky Digital.",
        "The sentence is from the passages.",
        "These passages “from the handbook” are quoted.",
        "The passages provide a detailed explanation of the rules.",
        "The first passage also mentions that the gate opens at nine.",
        "They also discuss the opening of the gate.",
        "They are cited as a list of the gates.",
        "They include:",
    ],
)
def test_circles_and_talk_of_the_quotations_are_no_statements(sentence: str) -> None:
    assert not is_statement(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "The gate opens at nine.",
        "The passage of the bill took three weeks.",
        "The tolls are from the passage of ships.",
        "Of the first passages of the book, two are lost.",
        "The red gate, the blue gate and the green gate open at nine, at ten and at eleven.",
        "They open the gate at nine.",
        "The passage through the gate is free.",
        "16 weeks.",
        "",
    ],
)
def test_what_says_something_is_one(sentence: str) -> None:
    assert is_statement(sentence)
