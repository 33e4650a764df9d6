"""Sets of questions to be answered: each with the answers that count as right, and where they stand, or none.

    docs.jsonl {doc_id, title, text}
    questions.jsonl {qid, question, answerable, answers, doc_id or doc_ids, answer_start or answer_starts}

The layout of `qa` folders (`evaluation.sets`); offsets are code points of the document's text. A question that is not
`answerable` should be refused. A dataset's offset at which its text does not hold the answer is passed over.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evaluation.jsonl import EvaluationDataError, FlawError, id_of, read_rows, text_of, wanted_file
from evaluation.sets import EvaluationDocument, EvaluationSet, read_document
from ingest.parsers.text import clean


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A place in a document's text, [start, end) in code points."""

    document: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerableQuestion:
    """Something to ask. `answers`, `spans` and `documents` are empty where it should be refused, or none are known.

    documents: ids of those that hold the answer.
    left_out: it has an answer, but the documents that hold it were taken out of the set (`AnswerSet.leave_out`).
    """

    id: str
    text: str
    answerable: bool
    answers: tuple[str, ...]
    documents: frozenset[str]
    spans: tuple[Span, ...]
    left_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSet:
    """Documents, and questions about them. `corpus` is their documents as a set for retrieval holds them."""

    name: str
    corpus: EvaluationSet
    questions: tuple[AnswerableQuestion, ...]

    def sample(self, limit: int, seed: int) -> AnswerSet:
        """The same documents with at most `limit` questions, drawn by `seed`; a smaller sample begins a larger one."""
        by_id = sorted(self.questions, key=lambda question: question.id)
        drawn = random.Random(seed).sample(by_id, len(by_id))[:limit]  # noqa: S311  # not for secrecy
        return replace(self, questions=tuple(drawn))

    def answerable_only(self) -> AnswerSet:
        """The same set without the questions that it says have no answer."""
        return replace(self, questions=tuple(each for each in self.questions if each.answerable))

    def leave_out(self, share: float, seed: int) -> AnswerSet:
        """The set without a share of its documents, those of one title together, drawn by `seed`.

        Questions about what has gone should be refused then. Those that need documents of both kinds are not asked.
        """
        titles = {document.id: document.title or document.id for document in self.corpus.documents}
        ordered = sorted({*titles.values()})
        drawn = random.Random(seed).sample(ordered, round(share * len(ordered)))  # noqa: S311  # not for secrecy
        gone = frozenset(name for name, title in titles.items() if title in {*drawn})
        kept = tuple(document for document in self.corpus.documents if document.id not in gone)
        if not kept:
            raise EvaluationDataError(
                f"nothing is left of '{self.name}' when {share:.0%} of its documents are left out. Leave out fewer."
            )
        asked = [_without(question, gone) for question in self.questions]
        return replace(
            self,
            corpus=replace(self.corpus, documents=kept),
            questions=tuple(question for question in asked if question is not None),
        )


def _without(question: AnswerableQuestion, gone: frozenset[str]) -> AnswerableQuestion | None:
    """A question where these documents have gone; None where only some of those that it needs have."""
    if not question.documents & gone:
        return question
    if question.documents - gone:
        return None
    return AnswerableQuestion(
        id=question.id,
        text=question.text,
        answerable=False,
        answers=(),
        documents=frozenset(),
        spans=(),
        left_out=True,
    )


def read_answer_set(folder: Path) -> AnswerSet:
    """Read the set in a `qa` folder. Raises `EvaluationDataError`."""
    documents = read_rows(wanted_file(folder, "docs.jsonl"), lambda row: read_document(row, "doc_id"))
    if not documents:
        raise EvaluationDataError(f"'{folder}' holds no documents. Put at least one into its corpus.")
    questions = read_rows(wanted_file(folder, "questions.jsonl"), lambda row: _read_question(row, documents))
    if not questions:
        raise EvaluationDataError(f"'{folder}' holds no questions. Put at least one into questions.jsonl.")
    name = folder.resolve().name
    return AnswerSet(
        name=name,
        corpus=EvaluationSet(name=name, documents=tuple(documents.values()), questions=(), qrels={}),
        questions=tuple(questions.values()),
    )


def _read_question(
    row: Mapping[str, Any], documents: Mapping[str, EvaluationDocument]
) -> tuple[str, AnswerableQuestion]:
    name = id_of(row, "qid")
    answerable = bool(row.get("answerable", True))
    answers = tuple(_listed(row, "answers", str)) if answerable else ()
    relevant = _relevant(row) if answerable else []
    return name, AnswerableQuestion(
        id=name,
        text=text_of(row, "question"),
        answerable=answerable,
        answers=tuple(answer for answer in answers if answer.strip()),
        documents=frozenset(relevant),
        spans=tuple(_spans(row, answers, relevant, documents)),
    )


def _relevant(row: Mapping[str, Any]) -> list[str]:
    if "doc_ids" in row:
        return [str(name) for name in _listed(row, "doc_ids", str | int)]
    return [id_of(row, "doc_id")] if row.get("doc_id") is not None else []


def _spans(
    row: Mapping[str, Any],
    answers: Sequence[str],
    relevant: Sequence[str],
    documents: Mapping[str, EvaluationDocument],
) -> Iterator[Span]:
    """Where the answers stand in the text that is ingested, as far as the row says so and its document agrees.

    Line ends of two characters are one there, so that what follows them moves.
    """
    starts = _listed(row, "answer_starts", int)
    document = documents.get(relevant[0]) if len(relevant) == 1 else None
    if document is None:
        return
    for answer, start in zip(answers, starts, strict=False):
        end = start + len(answer)
        if start >= 0 and answer.strip() and document.text[start:end] == answer:
            moved = len(clean(document.text[:start]))
            yield Span(document=document.id, start=moved, end=moved + len(clean(answer)))


def _listed(row: Mapping[str, Any], key: str, kind: Any) -> list[Any]:
    listed = row.get(key)
    if listed is None:
        return []
    if not isinstance(listed, list) or not all(isinstance(each, kind) for each in listed):
        raise FlawError(f"its '{key}' is not a list as it should be. See docs/evaluation.md for the layout.")
    return listed
