"""Evaluation sets: documents, questions, and which documents are relevant to each, from two kinds of folder alike.

    BEIR   corpus.jsonl {_id, title, text}    queries.jsonl {_id, text}    qrels.tsv (question, document, grade)
    qa     docs.jsonl {doc_id, title, text}   questions.jsonl {qid, question, answerable, doc_id or doc_ids}

Every file may be gzipped (`.gz`). Of a BEIR folder the questions with judgements are read, of a `qa` folder the
answerable ones, whose relevant documents are those that hold the answer. The layout of BEIR is that of Thakur et al.,
"BEIR: A Heterogeneous Benchmark for Zero-shot Evaluation of Information Retrieval Models", 2021.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evaluation.jsonl import (
    EvaluationDataError,
    FlawError,
    find_file,
    id_of,
    lines,
    read_rows,
    text_of,
    wanted_file,
)

_GRADE = re.compile(r" *[+-]?[0-9]{1,6} *")
_DIGIT = re.compile("[0-9]")

Qrels = Mapping[str, Mapping[str, int]]
"""By question id: the grade, above 0, of every document that is relevant, by document id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationDocument:
    """A document to be found. `title` is empty where it has none."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationQuestion:
    """Something to ask."""

    id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSet:
    """Documents, and questions each of which has a relevant document.

    qrels: exactly the questions' judgements. A document that they name need not exist (some public sets are like
        that); it counts as not found.
    left_out: how many questions of the folder are not asked, for want of a relevant document.
    unasked: ids of questions that have judgements, and no text in the folder.
    """

    name: str
    documents: tuple[EvaluationDocument, ...]
    questions: tuple[EvaluationQuestion, ...]
    qrels: Qrels
    left_out: int = 0
    unasked: tuple[str, ...] = ()

    def sample(self, limit: int, seed: int) -> EvaluationSet:
        """The same documents with at most `limit` questions, drawn by `seed`; a smaller sample begins a larger one."""
        by_id = sorted(self.questions, key=lambda question: question.id)
        drawn = tuple(random.Random(seed).sample(by_id, len(by_id))[:limit])  # noqa: S311  # not for secrecy
        return replace(
            self, questions=drawn, qrels={question.id: self.qrels[question.id] for question in drawn}
        )

    def corpus_hash(self) -> str:
        """sha256 (hex) of all documents in their order: ids, titles and texts."""
        digest = hashlib.sha256()
        for document in self.documents:
            digest.update(json.dumps([document.id, document.title, document.text]).encode())
            digest.update(b"\n")
        return digest.hexdigest()


def read_set(folder: Path) -> EvaluationSet:
    """Read the evaluation set in a folder, whichever of the two kinds it is. Raises `EvaluationDataError`."""
    if corpus := find_file(folder, "corpus.jsonl"):
        documents = read_rows(corpus, lambda row: read_document(row, "_id"))
        qrels = _read_qrels(find_file(folder, "qrels.tsv", "qrels/test.tsv"), folder)
        asked = read_rows(wanted_file(folder, "queries.jsonl"), lambda row: _question(row, "_id", "text"))
    elif docs := find_file(folder, "docs.jsonl"):
        documents = read_rows(docs, lambda row: read_document(row, "doc_id"))
        rows = read_rows(wanted_file(folder, "questions.jsonl"), _judged)
        asked = {name: question for name, (question, _) in rows.items()}
        qrels = {name: relevant for name, (_, relevant) in rows.items() if relevant}
    else:
        raise EvaluationDataError(
            f"'{folder}' is not an evaluation set: it has neither corpus.jsonl (BEIR) nor docs.jsonl (qa). "
            "Name a folder that has one of them, or the same gzipped."
        )
    return _checked(folder, documents, asked, qrels)


def _checked(
    folder: Path,
    documents: Mapping[str, EvaluationDocument],
    asked: Mapping[str, EvaluationQuestion],
    qrels: Qrels,
) -> EvaluationSet:
    if not documents:
        raise EvaluationDataError(f"'{folder}' holds no documents. Put at least one into its corpus.")
    judged = [name for name in asked if name in qrels]
    if not judged:
        raise EvaluationDataError(
            f"'{folder}' has no question with a relevant document. Check that the ids of the questions and those of "
            "the judgements are of the same set."
        )
    if not any(name in documents for question in judged for name in qrels[question]):
        raise EvaluationDataError(
            f"no relevant document of '{folder}' is in its corpus. Check that the ids of the documents and those of "
            "the judgements are of the same set."
        )
    return EvaluationSet(
        name=folder.resolve().name,
        documents=tuple(documents.values()),
        questions=tuple(asked[name] for name in judged),
        qrels={name: qrels[name] for name in judged},
        left_out=len(asked) - len(judged),
        unasked=tuple(name for name in qrels if name not in asked),
    )


def read_document(row: Mapping[str, Any], key: str) -> tuple[str, EvaluationDocument]:
    """A document and its id, which the row has under `key`. Raises `FlawError`."""
    name = id_of(row, key)
    title = "" if row.get("title") is None else text_of(row, "title")
    return name, EvaluationDocument(id=name, title=title, text=text_of(row, "text"))


def _question(row: Mapping[str, Any], key: str, text_key: str) -> tuple[str, EvaluationQuestion]:
    name = id_of(row, key)
    return name, EvaluationQuestion(id=name, text=text_of(row, text_key))


def _judged(row: Mapping[str, Any]) -> tuple[str, tuple[EvaluationQuestion, dict[str, int]]]:
    """A question of a `qa` folder with its relevant documents: none where it is not to be answered."""
    name, question = _question(row, "qid", "question")
    if not row.get("answerable", True):
        return name, (question, {})
    if "doc_ids" in row:
        listed = row["doc_ids"]
        if not isinstance(listed, list) or not all(isinstance(each, str | int) for each in listed):
            raise FlawError("'doc_ids' is not a list of ids. Write it as a list of strings.")
        return name, (question, {str(each): 1 for each in listed})
    return name, (question, {id_of(row, "doc_id"): 1} if row.get("doc_id") is not None else {})


def _read_qrels(path: Path | None, folder: Path) -> Qrels:
    """Judgements above 0. A first line whose grade is no number is a heading."""
    if path is None:
        raise EvaluationDataError(
            f"'{folder}' has no qrels.tsv. Add one: question id, document id and grade, set apart by tabs."
        )
    qrels: dict[str, dict[str, int]] = {}
    for number, line in lines(path):
        cells = line.rstrip("\r\n").split("\t")
        grade = _grade(cells[2]) if len(cells) == 3 else None
        if grade is None:
            if number == 1 and len(cells) == 3 and not _DIGIT.search(cells[2]):
                continue
            raise EvaluationDataError(
                f"line {number} of '{path}' is not a judgement. Write question id, document id and a whole number "
                "as grade, set apart by tabs."
            )
        if qrels.setdefault(cells[0], {}).setdefault(cells[1], grade) != grade:
            raise EvaluationDataError(
                f"line {number} of '{path}': the document was judged on an earlier line, otherwise. Leave one of both."
            )
    relevant = {
        question: {document: grade for document, grade in grades.items() if grade > 0}
        for question, grades in qrels.items()
    }
    return {question: grades for question, grades in relevant.items() if grades}


def _grade(text: str) -> int | None:
    """A grade, or None where the text is none."""
    return int(text) if _GRADE.fullmatch(text) else None
