"""Measuring retrieval: rankings of documents from hits, what cannot be measured, and what is timed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import log2
from uuid import uuid4

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.jsonl import EvaluationDataError
from evaluation.retrieval import QueryStopwatch, check_set, measure_set
from evaluation.sets import EvaluationDocument, EvaluationQuestion, EvaluationSet
from retrieval.records import Collection, Hit, Passage, Scope

COLLECTION = Collection(id=1, name="eval.zoo", language="english", allow_outside=False)


def a_set(**changes: object) -> EvaluationSet:
    plain = EvaluationSet(
        name="zoo",
        documents=tuple(EvaluationDocument(id=f"d{n}", title="", text=f"text {n}") for n in range(4)),
        questions=(EvaluationQuestion(id="q1", text="one"), EvaluationQuestion(id="q2", text="two")),
        qrels={"q1": {"d1": 2}, "q2": {"d2": 1, "d3": 1}},
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def a_hit(path: str, *also_at: str) -> Hit:
    def passage(place: str) -> Passage:
        return Passage(
            chunk_id=1,
            document_id=uuid4(),
            revision=1,
            path=place,
            title="",
            headings=(),
            page_starts=(),
            char_start=0,
            char_end=1,
            text="x",
        )

    return Hit(
        passage=passage(path),
        score=1.0,
        cosine=0.5,
        bm25=0.0,
        also_at=tuple(passage(place) for place in also_at),
    )


class ScriptedSearch:
    """Finds what it was told to find, embeds the question as search does, and notes what it was asked for."""

    def __init__(self, found: Mapping[str, Sequence[Hit]], stopwatch: QueryStopwatch, clock: Clock) -> None:
        self._found = found
        self._stopwatch = stopwatch
        self._clock = clock
        self.asked: list[tuple[str, int]] = []

    async def search(self, collection: Collection, question: str, *, k: int, scope: Scope) -> Sequence[Hit]:
        assert collection == COLLECTION
        assert scope == Scope.everything()
        self.asked.append((question, k))
        await self._stopwatch.embed_query(question)
        self._clock.now += 0.03
        return self._found.get(question, [])[:k]


class Clock:
    """Stands still unless somebody moves it."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class SlowEmbedder:
    """Takes ten milliseconds on the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        self._clock.now += 0.01
        return np.zeros(2, dtype=np.float32)

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self._clock.now += 0.1
        return np.zeros((len(texts), 2), dtype=np.float32)


class Told:
    def __init__(self) -> None:
        self.stages: list[tuple[str, int]] = []
        self.steps = 0

    def begin(self, stage: str, total: int) -> None:
        self.stages.append((stage, total))

    def advance(self) -> None:
        self.steps += 1


class Bench:
    """All that a measurement takes, without a database."""

    def __init__(self, found: Mapping[str, Sequence[Hit]], *, documents: int = 4) -> None:
        self.clock = Clock()
        self.stopwatch = QueryStopwatch(SlowEmbedder(self.clock), self.clock)
        self.search = ScriptedSearch(found, self.stopwatch, self.clock)
        self.told = Told()
        self.ids = {f"path {n}": f"d{n}" for n in range(documents)}

    async def measure(
        self, evaluation_set: EvaluationSet, *, k: int = 10
    ) -> Mapping[str, Mapping[str, float]]:
        self.measured = await measure_set(
            self.search,
            self.stopwatch,
            COLLECTION,
            evaluation_set,
            ids=self.ids,
            k=k,
            seed=0,
            progress=self.told,
            clock=self.clock,
        )
        return self.measured.values


async def test_a_document_stands_where_its_best_passage_does() -> None:
    hits = [a_hit("path 0"), a_hit("path 0"), a_hit("path 1"), a_hit("path 0"), a_hit("path 2")]
    values = await Bench({"one": hits, "two": hits}).measure(a_set())
    assert values["q1"]["mrr@10"] == pytest.approx(1 / 2)
    assert values["q1"]["ndcg@10"] == pytest.approx(1 / log2(3), abs=1e-6)
    assert values["q2"]["mrr@10"] == pytest.approx(1 / 3)
    assert values["q2"]["recall@10"] == pytest.approx(1 / 2)


async def test_a_copy_stands_where_what_it_repeats_does() -> None:
    hits = [a_hit("path 0", "path 3", "path 2"), a_hit("path 1")]
    values = await Bench({"one": hits, "two": hits}).measure(a_set())
    assert values["q1"]["mrr@10"] == pytest.approx(1 / 4)
    assert values["q2"]["ndcg@10"] == pytest.approx((1 / log2(3) + 1 / log2(4)) / (1 + 1 / log2(3)), abs=1e-6)


async def test_where_passages_are_of_few_documents_more_are_asked_for() -> None:
    many = [*[a_hit("path 0")] * 300, *[a_hit(f"path {n}") for n in range(1, 150)]]
    bench = Bench({"one": many, "two": many[:5]}, documents=150)
    values = await bench.measure(a_set())
    deep = [(question, k) for question, k in bench.search.asked if k != 10]
    assert deep == [("one", 200), ("one", 1_000), ("two", 200)]
    assert values["q1"]["recall@100"] == 1.0


async def test_questions_are_timed_as_a_user_would_ask_them_and_embedding_apart() -> None:
    bench = Bench({})
    await bench.measure(a_set(), k=7)
    latency = bench.measured.latency.as_json()
    assert latency["whole"] == {"p50": 40.0, "p95": 40.0, "p99": 40.0}
    assert latency["embedding"]["p50"] == 10.0
    assert latency["search"]["p50"] == 30.0
    # Two to warm up, then each question for the best k, and deep.
    assert [k for _, k in bench.search.asked] == [7, 7, 7, 200, 7, 200]
    assert bench.told.stages == [("asking", 2)]
    assert bench.told.steps == 2


async def test_made_up_passages_count_as_embedding() -> None:
    bench = Bench({})
    await bench.stopwatch.embed_documents(["one", "two"])
    assert bench.stopwatch.take_s() == pytest.approx(0.1)
    assert bench.stopwatch.take_s() == 0.0


async def test_nothing_found_is_measured_as_nothing() -> None:
    values = await Bench({}).measure(a_set())
    assert {value for measures in values.values() for value in measures.values()} == {0.0}


def test_judgements_of_what_is_not_there_are_refused_or_counted() -> None:
    assert check_set(a_set(), allow_missing=False) == 0
    incomplete = a_set(qrels={"q1": {"d1": 1, **{f"x{n}": 1 for n in range(9)}}, "q2": {"d2": 1}})
    with pytest.raises(EvaluationDataError, match=r"'x0', 'x1', .* and 4 more\. .* --allow-missing"):
        check_set(incomplete, allow_missing=False)
    assert check_set(incomplete, allow_missing=True) == 9
    with pytest.raises(EvaluationDataError, match="name questions that it does not have: 'q9'"):
        check_set(a_set(unasked=("q9",)), allow_missing=True)


@pytest.mark.parametrize("text", ["", " \t\n", "\x00", "x" * 8_001])
def test_a_question_that_nobody_could_ask_is_named(text: str) -> None:
    asked = a_set(questions=(EvaluationQuestion(id="q1", text=text), EvaluationQuestion(id="q2", text="two")))
    with pytest.raises(EvaluationDataError, match="the question 'q1' of 'zoo' cannot be asked"):
        check_set(asked, allow_missing=False)
