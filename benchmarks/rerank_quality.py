"""nDCG@10 that each of the reranker's budgets buys on an evaluation set; run through `benchmarks.rerank`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.fusion import DATA, Told, folder_of, loader_of
from benchmarks.scifact import temporary_home
from evaluation.measures import Values, column_of, estimate_mean, measure_rankings
from evaluation.sets import read_set
from evaluation.throwaway import Loaded, hold_loaded
from retrieval.records import Hit, Scope
from retrieval.reranking import PairScorer, ReadingPace, RerankPolicy, rerank
from retrieval.search import Searcher, SearchPolicy
from service.footnote import Footnote
from service.settings import Settings
from service.wiring import open_footnote

_SEED = 7
_PASSAGES = 50
_NO_HURRY_MS = 1e12


@dataclass(slots=True)
class PacedScorer:
    """Gives scores that are known already, and says on a clock of its own how long they took to read."""

    scores: dict[tuple[str, str], float]
    s_per_character: float
    now: float = 0.0
    pairs: int = 0

    async def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        self.now += self.s_per_character * sum(len(question) + len(passage) for question, passage in pairs)
        self.pairs += len(pairs)
        return np.array([self.scores[pair] for pair in pairs], dtype=np.float32)

    def clock(self) -> float:
        return self.now


class KeepingScorer:
    """Keeps every score that it passes on, and the time that reading took."""

    def __init__(self, scorer: PairScorer) -> None:
        self._scorer = scorer
        self.scores: dict[tuple[str, str], float] = {}
        self.seconds_a_character: list[float] = []

    async def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        begun = time.perf_counter()
        logits = await self._scorer.score(pairs)
        took_s = time.perf_counter() - begun
        self.seconds_a_character.append(took_s / sum(len(question) + len(text) for question, text in pairs))
        self.scores |= dict(zip(pairs, map(float, logits), strict=True))
        return logits


async def quality_of_budgets(name: str, *, questions: int, budgets_ms: Sequence[int]) -> dict[str, Any]:
    """By budget: how many passages are read, nDCG@10, and the difference to reading nothing."""
    if not DATA.is_dir():
        sys.exit(f"The evaluation data is not at '{DATA}'. Set FOOTNOTE_TEST_DATA to its folder.")

    asked = read_set(folder_of(name)).sample(questions, _SEED)
    weights = os.environ.get("FOOTNOTE_WEIGHTS_DIR")
    with temporary_home() as home:
        settings = Settings(home=home, weights_dir=None if weights is None else Path(weights))
        async with open_footnote(settings, report=lambda line: print(line, file=sys.stderr)) as footnote:
            async with hold_loaded(loader_of(footnote), asked, progress=Told(name)) as loaded:
                found = {
                    question.id: (question.text, await _fused(footnote, loaded, question.text))
                    for question in asked.questions
                }
            keeping = KeepingScorer(footnote.scoring)
            whole = RerankPolicy(budget_ms=_NO_HURRY_MS)
            for text, hits in found.values():
                await rerank(hits, text, scorer=keeping, policy=replace(whole, decided_margin=9.0))
    pace = float(np.median(keeping.seconds_a_character))
    ways = {f"{budget_ms} ms": replace(whole, budget_ms=budget_ms) for budget_ms in (0, *budgets_ms)}
    # Whatever the machine's speed.
    ways |= {
        f"{count} read at most": replace(whole, candidates=count) for count in (2, 4, 6, whole.candidates)
    }
    rows: dict[str, tuple[float, Values]] = {}
    for way, policy in ways.items():
        scorer = PacedScorer(keeping.scores, pace)
        known = ReadingPace()
        known.learn(pace)
        ranked = {}
        for question_id, (text, hits) in found.items():
            moved = await rerank(hits, text, scorer=scorer, policy=policy, pace=known, clock=scorer.clock)
            ranked[question_id] = [*dict.fromkeys(loaded.ids[hit.passage.path] for hit in moved)]
        rows[way] = (scorer.pairs / len(found), measure_rankings(ranked, asked.qrels, k=10))
    nothing = column_of(rows["0 ms"][1], "ndcg@10")
    return {
        "set": name,
        "questions": len(found),
        "ms_a_pair": round(
            1_000 * pace * float(np.mean([len(q) + len(text) for q, text in keeping.scores])), 1
        ),
        "quality": {
            way: {
                "read": round(read, 1),
                "ndcg@10": round(float(column_of(values, "ndcg@10").mean()), 4),
                "difference": estimate_mean([column_of(values, "ndcg@10") - nothing], seed=_SEED).as_json(),
            }
            for way, (read, values) in rows.items()
        },
    }


async def _fused(footnote: Footnote, loaded: Loaded, text: str) -> list[Hit]:
    """What search hands the reranker."""
    searcher = Searcher(
        database=footnote.database,
        store=footnote.store,
        embedder=footnote.embedder,
        query_embedder=footnote.embedding,
        reranker=None,
        policy=SearchPolicy(),
    )
    return await searcher.search(loaded.collection, text, k=_PASSAGES, scope=Scope.everything())
