"""Scores of answers: right words, right places, right refusals."""

from __future__ import annotations

from uuid import UUID

import pytest

from evaluation.answer_sets import AnswerableQuestion, Span
from evaluation.answers import ScoredAnswer, Share, score_answer, sum_up
from generation.answers import NO_USAGE, Answer, AnswerSentence, Citation

IDS = {"a.txt": "a", "b.txt": "b"}


def citation(path: str, start: int, quote: str) -> Citation:
    return Citation(
        document_id=UUID(int=1),
        path=path,
        revision=1,
        page=None,
        char_start=start,
        char_end=start + len(quote),
        quote=quote,
    )


def answer(text: str, *citations: Citation) -> Answer:
    sentence = AnswerSentence(
        text=text, supported=True, support=1.0, citations=tuple(range(len(citations))), separator=""
    )
    return Answer(
        status="answered",
        sentences=(sentence,),
        citations=citations,
        missing=None,
        looked_at=(),
        model="m",
        usage=NO_USAGE,
    )


REFUSED = Answer(
    status="refused", sentences=(), citations=(), missing="why", looked_at=(), model="m", usage=NO_USAGE
)


def question(
    *, answerable: bool = True, spans: tuple[Span, ...] = (), left_out: bool = False, name: str = "q"
) -> AnswerableQuestion:
    return AnswerableQuestion(
        id=name,
        text="What do badgers dig?",
        answerable=answerable,
        answers=("The tunnels!", "burrows") if answerable else (),
        documents=frozenset({"a"}) if answerable else frozenset(),
        spans=spans,
        left_out=left_out,
    )


def scored(asked: AnswerableQuestion, given: Answer) -> ScoredAnswer:
    return score_answer(asked, given, ids=IDS, seconds=0.5)


def test_the_words_of_an_answer_are_compared_without_case_signs_and_articles() -> None:
    assert scored(question(), answer("tunnels.")).values["exact_match"] == 1
    values = scored(question(), answer("They dig tunnels")).values
    assert values["exact_match"] == 0
    assert values["f1"] == pytest.approx(0.5)
    assert scored(question(), answer("Nothing of it")).values["f1"] == 0


def test_an_answer_is_quoted_where_it_stands_or_in_its_words_where_its_place_is_unknown() -> None:
    at_its_place = answer("x", citation("a.txt", 10, "dig tunnels below"))
    elsewhere = answer("x", citation("a.txt", 90, "dig the tunnels below"))
    foreign = answer("x", citation("b.txt", 10, "dig tunnels below"))
    known = question(spans=(Span(document="a", start=14, end=21),))
    assert [scored(known, each).values["answer_quoted"] for each in (at_its_place, elsewhere, foreign)] == [
        1,
        0,
        0,
    ]
    assert [
        scored(question(), each).values["answer_quoted"] for each in (at_its_place, elsewhere, foreign)
    ] == [1, 1, 0]
    part_of_a_word = answer("x", citation("a.txt", 0, "burrowss"))
    assert scored(question(), part_of_a_word).values["answer_quoted"] == 0


def test_citations_are_measured_by_their_documents() -> None:
    both = scored(question(), answer("x", citation("a.txt", 0, "x"), citation("b.txt", 0, "x"))).values
    assert (both["citation_precision"], both["citation_recall"]) == (0.5, 1)
    refused = scored(question(), REFUSED).values
    assert refused == {"exact_match": 0, "f1": 0, "answer_quoted": 0}


def test_refusals_are_counted_by_kind() -> None:
    figures = sum_up(
        [
            scored(question(name="1"), answer("tunnels", citation("a.txt", 0, "burrows"))),
            scored(question(name="2"), REFUSED),
            scored(question(name="3", answerable=False), REFUSED),
            scored(question(name="4", answerable=False), answer("x")),
            scored(question(name="5", answerable=False, left_out=True), REFUSED),
        ],
        seed=0,
    )
    assert (figures.refusal_precision.successes, figures.refusal_precision.trials) == (2, 3)
    assert (figures.refusal_recall.successes, figures.refusal_recall.trials) == (2, 3)
    assert (figures.left_out_refused.value, figures.unanswerable_refused.value) == (1, 0.5)
    assert (figures.answered.successes, figures.answered.trials) == (1, 2)
    assert figures.estimates["answer_quoted"].mean == 0.5
    assert figures.as_json()["measures"]["citation_recall"]["questions"] == 1


def test_a_share_has_wilsons_interval() -> None:
    low, high = Share(successes=9, trials=10).interval
    assert (round(low, 3), round(high, 3)) == (0.596, 0.982)
    assert Share(successes=0, trials=0).as_json()["share"] == 0
