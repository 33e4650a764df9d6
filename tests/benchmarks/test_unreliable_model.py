"""The judge of what an unreliable model is shown to say."""

from __future__ import annotations

import pytest

from benchmarks.unreliable_model import judge

DOCUMENT = (
    "The tower\nThe tower in Paris was finished in 1889 by Gustave Eiffel's company and is 330 metres tall."
)


@pytest.mark.parametrize(
    ("sentence", "verdict"),
    [
        ("The tower was finished in 1889.", "stated"),
        ("It is 330 metres tall.", "stated"),
        ("The tower was finished in 1890.", "not stated"),
        ("The tower in London was finished in 1889.", "not stated"),
        ("Tickets for children cost nothing after lunch.", "not stated"),
        ("The company finished the tower within budget.", "doubtful"),
    ],
)
def test_a_sentence_is_stated_where_its_words_numbers_and_names_are(sentence: str, verdict: str) -> None:
    assert judge(sentence, [DOCUMENT])[0] == verdict
    assert judge(sentence, ["Nothing of it.", DOCUMENT])[0] == verdict
