from __future__ import annotations

import pytest

from generation.answers import AnswerPolicy
from generation.evidence import Evidence, ReadSentence
from generation.extract import extract
from generation.sentences import split_passage
from retrieval.records import Passage
from tests.generation.build import passage

POLICY = AnswerPolicy()


def evidence(p: Passage, *logits: float) -> Evidence:
    sentences = split_passage(p.text)
    read = tuple(ReadSentence(sentence=s, logit=logit) for s, logit in zip(sentences, logits, strict=True))
    return Evidence(passage=p, score=0.9, answering=2.0, sentences=read)


def test_the_best_sentences_are_quoted_in_the_order_of_the_text() -> None:
    p = passage("One is here. Two is here. Three is here. Four is here.", before="Title\n\n")
    answer = extract([evidence(p, 6.0, -5.0, 7.0, 1.0)], policy=POLICY)
    assert [s.text for s in answer] == ["One is here.", "Three is here."]
    assert [(c.char_start, c.char_end, c.quote) for s in answer for c in s.places] == [
        (7, 19, "One is here."),
        (33, 47, "Three is here."),
    ]
    assert all(s.supported and s.support == 1.0 for s in answer)


def test_no_more_sentences_are_quoted_than_the_policy_allows() -> None:
    p = passage("One is here. Two is here. Three is here. Four is here.")
    answer = extract([evidence(p, 6.0, 6.1, 6.2, 6.3)], policy=AnswerPolicy(max_sentences=2))
    assert [s.text for s in answer] == ["Three is here.", "Four is here."]


def test_documents_come_in_the_order_of_their_evidence() -> None:
    first, second = passage("Best is here.", path="b.md"), passage("Next is here.", path="a.md")
    answer = extract([evidence(first, 7.0), evidence(second, 7.5)], policy=POLICY)
    assert [s.places[0].path for s in answer] == ["b.md", "a.md"]


def test_of_two_alike_sentences_that_in_the_better_passage_is_quoted() -> None:
    good = passage("It is 16 weeks. So it stands in the law.", path="a.md")
    poor = passage("It was 16 weeks. Lunch is at noon.", path="b.md")
    policy = AnswerPolicy(max_sentences=2)
    answer = extract([evidence(poor, 5.0, -9.0), evidence(good, 4.9, 6.0)], policy=policy)
    assert [s.text for s in answer] == ["It is 16 weeks.", "So it stands in the law."]


def test_a_sentence_that_stands_in_two_chunks_or_two_documents_is_quoted_once() -> None:
    text = "It is 16 weeks."
    same_place = passage(text, chunk_id=2)
    copy = passage("It  is 16 WEEKS.", path="copy.md")
    answer = extract(
        [evidence(passage(text), 7.0), evidence(same_place, 6.9), evidence(copy, 6.8)], policy=POLICY
    )
    assert len(answer) == 1


def test_the_text_is_on_one_line_and_plain_while_the_quote_is_exact() -> None:
    p = passage("| **Berlin** | see\n[the list](list.md) |", title="")
    (sentence,) = extract(
        [evidence(passage("Flights are booked at least 14 days ahead, as\nsaid.\n"), 5.0)], policy=POLICY
    )
    assert sentence.text == "Flights are booked at least 14 days ahead, as said."
    assert sentence.places[0].quote == "Flights are booked at least 14 days ahead, as\nsaid."
    row, *_ = extract([evidence(p, 5.0, 4.0)], policy=POLICY)
    assert row.text == "Berlin | see"
    assert row.places[0].quote == "| **Berlin** | see"


@pytest.mark.parametrize(
    "line",
    [
        "Compute 2**3**2 first, then x**2 + y**2.",
        "Call f(**these, **those) with care.",
        "Call __init__ and then __del__ of it.",
        "Call `__init__` or `[a](b)` or ``**a** `b` ``.",
        "Use handlers[name](event) here.",
        "|x| is never below zero.",
    ],
)
def test_signs_that_mean_something_are_shown_as_they_stand(line: str) -> None:
    (sentence,) = extract([evidence(passage(line), 5.0)], policy=POLICY)
    assert sentence.text == line


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            "**Note:** see **[the list](list.md)**, ![a picture](p.png) and __what follows here__.",
            "Note: see the list, a picture and what follows here.",
        ),
        ("| | Berlin | 14 | |", "Berlin | 14"),
        ("これは**重要**です。", "これは重要です。"),
    ],
)
def test_marks_of_markdown_are_not_shown(line: str, shown: str) -> None:
    (sentence,) = extract([evidence(passage(line), 5.0)], policy=POLICY)
    assert (sentence.text, sentence.places[0].quote) == (shown, line)


def test_the_page_is_that_on_which_the_sentence_begins() -> None:
    p = passage("On page one. On page two.", page_starts=(0, 13))
    answer = extract([evidence(p, 5.0, 5.0)], policy=POLICY)
    assert [s.places[0].page for s in answer] == [1, 2]


def test_evidence_without_sentences_gives_no_answer() -> None:
    assert (
        extract([Evidence(passage=passage("?"), score=0.9, answering=2.0, sentences=())], policy=POLICY) == ()
    )


def test_code_keeps_its_lines_and_stands_apart_while_the_quote_is_exact() -> None:
    p = passage(
        "It is signed. So it is checked:\n\n```python\n  if mac == sent:\n    take()\n```\n\nAll else is dropped."
    )
    answer = extract([evidence(p, 6.0, -9.0, 7.0, 6.5)], policy=POLICY)
    assert [(s.separator, s.text) for s in answer] == [
        (" ", "It is signed."),
        ("\n\n", "```\nif mac == sent:\n  take()\n```"),
        ("\n\n", "All else is dropped."),
    ]
    assert answer[1].places[0].quote == "  if mac == sent:\n    take()"
