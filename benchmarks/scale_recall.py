"""How much of the truth search finds: dense, lexical and fused, for each selection; and lexical by candidates."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean, median

import numpy as np
from numpy.typing import NDArray

from benchmarks.scale_corpus import Made
from benchmarks.scale_loading import Loaded
from benchmarks.scale_selections import Named
from benchmarks.scale_truth import Ids, Scores, Truth, best
from retrieval.database import Database
from retrieval.filters import Selection
from retrieval.fusion import fuse, lean
from retrieval.lexical import Bm25Policy, lexical_candidates, read_question
from retrieval.search import Searcher, SearchPolicy
from retrieval.stores import VectorStore

K = 10
# Above so many search does not count on.
_COUNTED = 20_001


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question with its vector and its truth."""

    question: str
    vector: NDArray[np.float32]
    truth: Truth


@dataclass(frozen=True, slots=True, kw_only=True)
class Finder:
    """What is measured. `searcher` is asked for `Asked.question` and has its vector at hand."""

    database: Database
    store: VectorStore
    loaded: Loaded
    searcher: Searcher
    made: Made
    cosine_bounds: tuple[float, float]

    async def dense(self, asked: Asked, selection: Selection, *, visible: int, limit: int) -> list[int]:
        async with self.database.snapshot() as connection:
            found = await self.store.nearest(
                self.loaded.index,
                asked.vector,
                limit=limit,
                selection=selection,
                visible=visible,
                connection=connection,
            )
        return [chunk_id - 1 for chunk_id, _ in found[:K]]

    async def lexical(
        self, asked: Asked, selection: Selection, *, visible: int, limit: int, policy: Bm25Policy
    ) -> list[int]:
        async with self.database.snapshot() as connection:
            words = await read_question(
                connection,
                collection_id=self.loaded.collection.id,
                question=asked.question,
                policy=policy,
            )
            found = await lexical_candidates(
                connection, words, selection=selection, visible=visible, limit=limit, policy=policy
            )
        return [chunk_id - 1 for chunk_id, _ in found[:K]]

    async def fused(self, asked: Asked, selection: Selection) -> list[int]:
        hits = await self.searcher.search(
            self.loaded.collection,
            asked.question,
            k=K,
            scope=selection.scope,
            filters=selection.filters,
        )
        return [hit.passage.chunk_id - 1 for hit in hits]


def share_found(found: Sequence[int], true: Ids, scores: Scores) -> float:
    """How many of the true chunks were found, or others of the same score; 1 where there are none."""
    if not len(true):
        return 1.0
    least = scores[true[-1]]
    return sum(bool(scores[number] >= least) for number in found) / len(true)


def _truly_fused(
    truth: Truth, mask: NDArray[np.bool_], limit: int, bounds: tuple[float, float], made: Made
) -> list[int]:
    """What search would find, were both lists exact."""
    policy = SearchPolicy().fusion
    numbers = {*best(truth.cosines, mask, limit).tolist(), *best(truth.bm25, mask, limit, above=0).tolist()}
    bm25 = {number: float(truth.bm25[number]) for number in numbers}

    def fused(cosines: Mapping[int, float]) -> list[int]:
        ranked = fuse(cosines, bm25, attainable=truth.attainable, cosine_bounds=bounds, policy=policy)
        return [number for number, _ in ranked]

    cosines = {number: float(truth.cosines[number]) for number in numbers}
    leader = next(iter(fused(cosines)), None)
    if leader is None:
        return []
    likeness = {number: float(made.vectors[number] @ made.vectors[leader]) for number in numbers}
    return fused(lean(cosines, likeness, leader, policy.feedback))[:K]


async def measure_recall(
    finder: Finder, asked: Iterable[Asked], named: Sequence[Named], masks: Mapping[str, NDArray[np.bool_]]
) -> list[dict[str, object]]:
    """A row for each selection: its share of the corpus, and the part of the true best ten that was found.

    dense_200 is what search asks for (200 candidates, the first ten of them looked at), dense_10 a search for ten.
    """
    policy, found = SearchPolicy(), defaultdict[tuple[str, str], list[float]](list)
    for each in asked:
        for one in named:
            mask, truth = masks[one.name], each.truth
            visible = min(int(mask.sum()), _COUNTED) if not one.selection.is_everything else len(mask)
            near = best(truth.cosines, mask, K)
            for limit in (policy.candidates, K):
                chunks = await finder.dense(each, one.selection, visible=visible, limit=limit)
                found[one.name, f"dense_{limit}"].append(share_found(chunks, near, truth.cosines))
            chunks = await finder.lexical(
                each, one.selection, visible=visible, limit=policy.candidates, policy=policy.bm25
            )
            alike = best(truth.bm25, mask, K, above=0)
            found[one.name, "lexical"].append(share_found(chunks, alike, truth.bm25))
            true = _truly_fused(truth, mask, policy.candidates, finder.cosine_bounds, finder.made)
            chunks = await finder.fused(each, one.selection)
            found[one.name, "hybrid"].append(len({*chunks} & {*true}) / len(true) if true else 1.0)
    kinds = (f"dense_{policy.candidates}", f"dense_{K}", "lexical", "hybrid")
    return [
        {
            "selection": one.name,
            "visible": round(float(masks[one.name].mean()), 5),
            **{kind: round(mean(found[one.name, kind]), 4) for kind in kinds},
        }
        for one in named
    ]


async def measure_candidates(
    finder: Finder,
    asked: Iterable[Asked],
    named: Sequence[Named],
    masks: Mapping[str, NDArray[np.bool_]],
    budgets: Sequence[tuple[int, int]],
) -> list[dict[str, object]]:
    """A row for each budget of postings read and chunks scored: overlap with exact BM25, and median milliseconds."""
    found = defaultdict[tuple[tuple[int, int], str], list[float]](list)
    spent = defaultdict[tuple[int, int], list[float]](list)
    for each in asked:
        for budget in budgets:
            postings, scored = budget
            policy = replace(Bm25Policy(), postings=postings, scored=scored, scan_below=0)
            for one in named:
                mask = masks[one.name]
                started = time.perf_counter()
                chunks = await finder.lexical(each, one.selection, visible=len(mask), limit=K, policy=policy)
                if one.selection.is_everything:
                    spent[budget].append(time.perf_counter() - started)
                alike = best(each.truth.bm25, mask, K, above=0)
                found[budget, one.name].append(share_found(chunks, alike, each.truth.bm25))
    return [
        {
            "postings": budget[0],
            "scored": budget[1],
            **{one.name: round(mean(found[budget, one.name]), 4) for one in named},
            "ms": round(1000 * median(spent[budget]), 1),
        }
        for budget in budgets
    ]
