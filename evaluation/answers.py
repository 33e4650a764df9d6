"""Measuring answers: are they right, do their citations stand where the answer stands, are the right ones refused?

    exact_match, f1       of the answer's words against the answer that counts as right which they fit best, in SQuAD's
                          normalisation (Rajpurkar et al., "SQuAD: 100,000+ Questions for Machine Comprehension of
                          Text", 2016): no case, punctuation or articles. Of the short answer where there is one; an
                          answer of whole sentences scores low on both.
    answer_quoted         the answer that counts as right stands within a quote of the answer, where its place is known
                          at that very place, else word for word in a quote from a document that holds it
    citation_precision    share of the citations that are of a document that holds the answer
    citation_recall       share of the documents that hold the answer that are cited
    refusal precision     share of the refused questions that should be; recall: share of those that should be that are

A question that is refused although it has an answer scores 0 in the first three, and has no citations to be precise.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.answer_sets import AnswerableQuestion
from evaluation.measures import Estimate, estimate
from generation.answers import Answer, Citation

QUESTION_MEASURES = ("exact_match", "f1", "answer_quoted", "citation_precision", "citation_recall")

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation, ""))
_Z = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """So many of so many, with the 95 % interval of Wilson (1927). `value` is 0 where there are none."""

    successes: int
    trials: int

    @property
    def value(self) -> float:
        return self.successes / self.trials if self.trials else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        if not self.trials:
            return 0.0, 1.0
        middle = (self.value + _Z**2 / (2 * self.trials)) / (1 + _Z**2 / self.trials)
        spread = math.sqrt(self.value * (1 - self.value) / self.trials + _Z**2 / (4 * self.trials**2))
        half = _Z * spread / (1 + _Z**2 / self.trials)
        return max(0.0, middle - half), min(1.0, middle + half)

    def as_json(self) -> dict[str, Any]:
        low, high = self.interval
        return {
            "share": round(self.value, 4),
            "low": round(low, 4),
            "high": round(high, 4),
            "successes": self.successes,
            "trials": self.trials,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredAnswer:
    """What came of one question. `values`: of the measures that apply to it, by name."""

    question: AnswerableQuestion
    refused: bool
    sentences: int
    citations: int
    values: Mapping[str, float]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFigures:
    """What a set's questions came to. `estimates`: means over the questions that a measure applies to."""

    estimates: Mapping[str, Estimate]
    questions: Mapping[str, int]
    refusal_precision: Share
    refusal_recall: Share
    left_out_refused: Share
    unanswerable_refused: Share
    answered: Share
    sentences: float
    citations: float

    def as_json(self) -> dict[str, Any]:
        return {
            "measures": {
                name: {**value.as_json(), "questions": self.questions[name]}
                for name, value in self.estimates.items()
            },
            "refusal_precision": self.refusal_precision.as_json(),
            "refusal_recall": self.refusal_recall.as_json(),
            "left_out_refused": self.left_out_refused.as_json(),
            "unanswerable_refused": self.unanswerable_refused.as_json(),
            "answerable_answered": self.answered.as_json(),
            "sentences_an_answer": round(self.sentences, 2),
            "citations_an_answer": round(self.citations, 2),
        }


def score_answer(
    question: AnswerableQuestion, answer: Answer, *, ids: Mapping[str, str], seconds: float
) -> ScoredAnswer:
    """Score one answer. `ids`: the documents' ids by their paths in the collection."""
    refused = answer.status == "refused"
    values: dict[str, float] = {}
    if question.answerable and question.answers:
        said = "" if refused else answer.answer if answer.short is None else answer.short.text
        values["exact_match"] = max(float(_words(said) == _words(right)) for right in question.answers)
        values["f1"] = max(_f1(said, right) for right in question.answers)
        values["answer_quoted"] = float(_is_quoted(question, answer.citations, ids))
    if question.answerable and question.documents and not refused:
        cited = [ids.get(citation.path) for citation in answer.citations]
        if cited:
            values["citation_precision"] = sum(name in question.documents for name in cited) / len(cited)
        values["citation_recall"] = len(question.documents & {*cited}) / len(question.documents)
    return ScoredAnswer(
        question=question,
        refused=refused,
        sentences=len(answer.sentences),
        citations=len(answer.citations),
        values=values,
        seconds=seconds,
    )


def sum_up(scored: Sequence[ScoredAnswer], *, seed: int) -> AnswerFigures:
    """The figures of all questions of a set, of which there is at least one.

    left_out_refused: of the questions about documents that were left out. unanswerable_refused: of those that the set
    itself says have no answer, which are often about things that its documents speak of.
    """
    columns = {
        name: {each.question.id: {name: each.values[name]} for each in scored if name in each.values}
        for name in QUESTION_MEASURES
    }
    refused = [each for each in scored if each.refused]
    answered = [each for each in scored if not each.refused]
    to_refuse = [each for each in scored if not each.question.answerable]
    to_answer = [each for each in scored if each.question.answerable]
    rightly_refused = sum(not each.question.answerable for each in refused)
    return AnswerFigures(
        estimates={name: estimate(column, name, seed=seed) for name, column in columns.items() if column},
        questions={name: len(column) for name, column in columns.items()},
        refusal_precision=Share(successes=rightly_refused, trials=len(refused)),
        refusal_recall=Share(successes=rightly_refused, trials=len(to_refuse)),
        left_out_refused=_refused_of([each for each in to_refuse if each.question.left_out]),
        unanswerable_refused=_refused_of([each for each in to_refuse if not each.question.left_out]),
        answered=Share(successes=sum(not each.refused for each in to_answer), trials=len(to_answer)),
        sentences=sum(each.sentences for each in answered) / max(len(answered), 1),
        citations=sum(each.citations for each in answered) / max(len(answered), 1),
    )


def _refused_of(scored: Sequence[ScoredAnswer]) -> Share:
    return Share(successes=sum(each.refused for each in scored), trials=len(scored))


def _is_quoted(question: AnswerableQuestion, citations: Sequence[Citation], ids: Mapping[str, str]) -> bool:
    if question.spans:
        return any(
            ids.get(citation.path) == span.document
            and citation.char_start <= span.start
            and span.end <= citation.char_end
            for citation in citations
            for span in question.spans
        )
    return any(
        (not question.documents or ids.get(citation.path) in question.documents)
        and f" {' '.join(_words(right))} " in f" {' '.join(_words(citation.quote))} "
        for citation in citations
        for right in question.answers
        if _words(right)
    )


def _words(text: str) -> list[str]:
    return _ARTICLES.sub(" ", text.casefold().translate(_PUNCTUATION)).split()


def _f1(said: str, right: str) -> float:
    ours, theirs = _words(said), _words(right)
    if not ours or not theirs:
        return float(ours == theirs)
    common = (Counter(ours) & Counter(theirs)).total()
    if not common:
        return 0.0
    precision, recall = common / len(ours), common / len(theirs)
    return 2 * precision * recall / (precision + recall)
