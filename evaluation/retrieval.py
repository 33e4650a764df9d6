"""Measuring retrieval: a set's questions are put to the product's own search, and its rankings to the judgements.

Every question is searched twice: first as a user would, for the best `k` passages, which is timed; then deep, for a
ranking of a hundred documents. A document stands where its best passage does, or what that is a copy of.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from evaluation.jsonl import EvaluationDataError
from evaluation.measures import (
    DEPTH,
    Estimate,
    Values,
    estimate,
    measure_names,
    measure_rankings,
    percentiles,
)
from evaluation.sets import EvaluationSet
from retrieval.errors import InvalidRequestError
from retrieval.records import Collection, Hit, Scope
from retrieval.search import MAX_K, QueryEmbedder, check_question

# Passages asked for, so that their documents number `DEPTH`; more where the first were of fewer documents.
_PASSAGES = (200, MAX_K)
_WARM_UPS = 3
_NAMED = 5


class Search(Protocol):
    """Finds the best `k` passages of a collection for a question, best first, as `retrieval.search.Searcher`."""

    async def search(
        self, collection: Collection, question: str, *, k: int, scope: Scope
    ) -> Sequence[Hit]: ...


class QueryStopwatch:
    """A `QueryEmbedder` that notes how long each question took. For one question at a time."""

    def __init__(self, embedder: QueryEmbedder, clock: Callable[[], float] = time.perf_counter) -> None:
        self._embedder = embedder
        self._clock = clock
        self._spent_s = 0.0

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        """As the embedder's."""
        started = self._clock()
        try:
            return await self._embedder.embed_query(text)
        finally:
            self._spent_s += self._clock() - started

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """As the embedder's, and timed as well: only made-up passages are embedded by a search."""
        started = self._clock()
        try:
            return await self._embedder.embed_documents(texts)
        finally:
            self._spent_s += self._clock() - started

    def take_s(self) -> float:
        """Seconds spent on embedding since this was last asked."""
        spent, self._spent_s = self._spent_s, 0.0
        return spent


class MeasureProgress(Protocol):
    """Is told how measuring goes on."""

    def begin(self, stage: str, total: int) -> None: ...

    def advance(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Milliseconds of searches for the best k passages, one at a time, as p50, p95 and p99.

    whole: from question to passages. embedding: of that, embedding the question. search: of that, the rest. Each has
    percentiles of its own, so that they do not add up.
    """

    whole: Mapping[str, float]
    embedding: Mapping[str, float]
    search: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        return {"whole": self.whole, "embedding": self.embedding, "search": self.search}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a set's questions scored, one by one and on the average, and how long searches took."""

    values: Values
    estimates: Mapping[str, Estimate]
    latency: Latency


def check_set(evaluation_set: EvaluationSet, *, allow_missing: bool) -> int:
    """How many judged documents are not in the corpus, where that is allowed.

    Raises `EvaluationDataError` for judgements of documents and questions that there are not, and for questions that
    nobody could ask.
    """
    name = evaluation_set.name
    if evaluation_set.unasked:
        raise EvaluationDataError(
            f"the judgements of '{name}' name questions that it does not have: {_some(evaluation_set.unasked)}. "
            "Add the questions, or take out their judgements."
        )
    there = {document.id for document in evaluation_set.documents}
    missing = sorted({d for grades in evaluation_set.qrels.values() for d in grades if d not in there})
    if missing and not allow_missing:
        raise EvaluationDataError(
            f"the judgements of '{name}' name documents that it does not have: {_some(missing)}. Add the documents, "
            "take out the judgements, or count them as not found: --allow-missing."
        )
    for question in evaluation_set.questions:
        try:
            check_question(question.text)
        except InvalidRequestError as exc:
            raise EvaluationDataError(
                f"the question '{question.id}' of '{name}' cannot be asked: {exc}"
            ) from exc
    return len(missing)


async def measure_set(
    searcher: Search,
    stopwatch: QueryStopwatch,
    collection: Collection,
    evaluation_set: EvaluationSet,
    *,
    ids: Mapping[str, str],
    k: int,
    seed: int,
    progress: MeasureProgress,
    clock: Callable[[], float] = time.perf_counter,
) -> Measured:
    """Ask all questions of a set. `ids`: the documents' ids by their paths in the collection."""
    scope = Scope.everything()
    for question in evaluation_set.questions[:_WARM_UPS]:
        await searcher.search(collection, question.text, k=k, scope=scope)
    rankings: dict[str, list[str]] = {}
    whole: list[float] = []
    embedding: list[float] = []
    progress.begin("asking", len(evaluation_set.questions))
    for question in evaluation_set.questions:
        stopwatch.take_s()
        started = clock()
        await searcher.search(collection, question.text, k=k, scope=scope)
        whole.append(clock() - started)
        embedding.append(stopwatch.take_s())
        rankings[question.id] = await _rank_documents(searcher, collection, question.text, ids)
        progress.advance()
    values = measure_rankings(rankings, evaluation_set.qrels, k=k)
    return Measured(
        values=values,
        estimates={name: estimate(values, name, seed=seed) for name in measure_names(k)},
        latency=Latency(
            whole=percentiles(whole),
            embedding=percentiles(embedding),
            search=percentiles([total - part for total, part in zip(whole, embedding, strict=True)]),
        ),
    )


async def _rank_documents(
    searcher: Search, collection: Collection, question: str, ids: Mapping[str, str]
) -> list[str]:
    """The first `DEPTH` documents for a question, by their best passages."""
    ranking: list[str] = []
    for passages in _PASSAGES:
        hits = await searcher.search(collection, question, k=passages, scope=Scope.everything())
        places = [place for hit in hits for place in (hit.passage, *hit.also_at)]
        ranking = list(dict.fromkeys(ids[place.path] for place in places))
        if len(ranking) >= min(DEPTH, len(ids)) or len(hits) < passages:
            break
    return ranking[:DEPTH]


def _some(names: Sequence[str]) -> str:
    told = ", ".join(repr(name) for name in names[:_NAMED])
    return told if len(names) <= _NAMED else f"{told} and {len(names) - _NAMED:,} more"
