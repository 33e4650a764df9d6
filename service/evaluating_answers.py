"""Measuring answers as its callers ask for it: folders in, figures out, by the service as it is configured.

Everything that can be wrong with what was asked for is found by `prepare_answers`, before anything is loaded.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.answer_sets import AnswerSet, read_answer_set
from evaluation.answers import AnswerFigures, ScoredAnswer, score_answer, sum_up
from evaluation.folders import find_set_folders
from evaluation.jsonl import EvaluationDataError
from evaluation.measures import percentiles
from evaluation.runs import check_savable, write_whole
from evaluation.throwaway import Loader, drop_collection, hold_loaded
from generation.answers import Answer
from retrieval.errors import InvalidRequestError
from retrieval.records import Scope
from retrieval.search import check_question
from service.evaluating import Progress
from service.footnote import Footnote
from service.settings import Settings, keeping_nothing
from service.specs import Report, chunk_policy
from service.wiring import open_footnote


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswersRequest:
    """What to measure, and how.

    leave_out: which share of the documents is taken out first, so that there is something to refuse.
    answerable_only: questions that the set says have no answer are not asked.
    save: a file that gets a line for every question, to be read by a person.
    """

    folders: tuple[Path, ...]
    k: int = 10
    limit: int | None = None
    seed: int = 0
    leave_out: float = 0.0
    answerable_only: bool = False
    save: Path | None = None
    keep: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswersMeasurement:
    """What one set came to. `latency`: milliseconds of an answer, one at a time."""

    name: str
    collection: str
    documents: int
    chunks: int
    questions: int
    figures: AnswerFigures
    latency: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "collection": self.collection,
            "documents": self.documents,
            "chunks": self.chunks,
            "questions": self.questions,
            **self.figures.as_json(),
            "latency_ms": dict(self.latency),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswersEvaluation:
    """What all sets came to."""

    request: AnswersRequest
    settings: Mapping[str, str]
    measurements: tuple[AnswersMeasurement, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "k": self.request.k,
            "limit": self.request.limit,
            "seed": self.request.seed,
            "leave_out": self.request.leave_out,
            "settings": dict(self.settings),
            "sets": [measurement.as_json() for measurement in self.measurements],
            "saved": None if self.request.save is None else str(self.request.save),
        }


def prepare_answers(request: AnswersRequest) -> list[AnswerSet]:
    """Read the sets. Raises `FootnoteError` for whatever could not be measured."""
    if request.save is not None:
        check_savable(request.save)
    return [_prepare_set(folder, request) for folder in find_set_folders(request.folders).sets]


def _prepare_set(folder: Path, request: AnswersRequest) -> AnswerSet:
    answer_set = read_answer_set(folder)
    if request.answerable_only:
        answer_set = answer_set.answerable_only()
    if request.leave_out:
        answer_set = answer_set.leave_out(request.leave_out, request.seed)
    if request.limit is not None:
        answer_set = answer_set.sample(request.limit, request.seed)
    if not answer_set.questions:
        raise EvaluationDataError(f"'{folder}' has no question that could be asked under these options.")
    for question in answer_set.questions:
        try:
            check_question(question.text)
        except InvalidRequestError as exc:
            raise EvaluationDataError(
                f"the question '{question.id}' of '{answer_set.name}' cannot be asked: {exc}"
            ) from exc
    return answer_set


async def measure_answers(
    settings: Settings,
    request: AnswersRequest,
    sets: Sequence[AnswerSet],
    *,
    report: Report,
    progress: Progress,
) -> AnswersEvaluation:
    """Load what is not loaded, ask all questions, one after the other, and score the answers."""
    measurements, lines = [], []
    async with open_footnote(keeping_nothing(settings), report=report) as footnote:
        for answer_set in sets:
            progress.name(answer_set.name)
            measurement, told = await _measure_set(footnote, answer_set, request, progress)
            measurements.append(measurement)
            lines += told
        described = _describe(footnote)
    if request.save is not None:
        write_whole(request.save, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    return AnswersEvaluation(request=request, settings=described, measurements=tuple(measurements))


async def _measure_set(
    footnote: Footnote, answer_set: AnswerSet, request: AnswersRequest, progress: Progress
) -> tuple[AnswersMeasurement, list[dict[str, Any]]]:
    loader = Loader(
        database=footnote.database,
        store=footnote.store,
        embedder=footnote.embedder,
        document_embedder=footnote.embedding,
        chunk_policy=chunk_policy(footnote.settings),
    )
    scored: list[ScoredAnswer] = []
    told: list[dict[str, Any]] = []
    async with hold_loaded(loader, answer_set.corpus, progress=progress) as loaded:
        progress.begin("asking", len(answer_set.questions))
        for question in answer_set.questions:
            started = time.perf_counter()
            answer = await footnote.ask(
                loaded.collection.name, question.text, k=request.k, scope=Scope.everything()
            )
            each = score_answer(question, answer, ids=loaded.ids, seconds=time.perf_counter() - started)
            scored.append(each)
            told.append(_tell(answer_set, each, answer))
            progress.advance()
    if not request.keep:
        await drop_collection(footnote.database, footnote.store, loaded.collection.name)
    measurement = AnswersMeasurement(
        name=answer_set.name,
        collection=loaded.collection.name,
        documents=loaded.documents,
        chunks=loaded.chunks,
        questions=len(scored),
        figures=sum_up(scored, seed=request.seed),
        latency=percentiles([each.seconds for each in scored]),
    )
    return measurement, told


def _tell(answer_set: AnswerSet, scored: ScoredAnswer, answer: Answer) -> dict[str, Any]:
    """A question, what counts as right, and what was answered, for a person to read."""
    question = scored.question
    return {
        "set": answer_set.name,
        "question_id": question.id,
        "question": question.text,
        "answerable": question.answerable,
        "left_out": question.left_out,
        "right": list(question.answers),
        "status": answer.status,
        "answer": answer.answer,
        "missing": answer.missing,
        "best_evidence": round(max((place.score for place in answer.looked_at), default=0.0), 4),
        "dropped": answer.dropped,
        "sentences": [sentence.as_json() for sentence in answer.sentences],
        "quotes": [citation.quote for citation in answer.citations],
        "scores": dict(scored.values),
        "seconds": round(scored.seconds, 3),
    }


def _describe(footnote: Footnote) -> dict[str, str]:
    """What decides the figures, in words."""
    settings = footnote.settings
    return {
        "embedder": str(footnote.embedder.identity),
        "chunking": str(chunk_policy(settings)),
        "store": footnote.store.kind,
        "reranker": footnote.reranker.name,
        "reranking": "on" if settings.reranker.enabled else "off",
        "language model": "none" if footnote.llm is None else footnote.llm.model,
        "answers": str(footnote.answer_policy),
    }
