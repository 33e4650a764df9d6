"""Ways to order the candidates of a question, those of the product and those that it is held against."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from psycopg import sql

from evaluation.sets import EvaluationSet
from evaluation.throwaway import Loaded
from retrieval.candidates import Candidates, find_candidates, order_candidates
from retrieval.database import Connection, query
from retrieval.filters import Selection
from retrieval.fusion import FusionPolicy
from retrieval.indexes import active_index
from retrieval.lexical import Bm25Policy
from retrieval.records import Hit, Passage, Scope
from retrieval.reranking import PairScorer, RerankPolicy, rerank
from retrieval.stores import Index
from service.footnote import Footnote

# Of either list: enough for a hundred documents on every set.
_CANDIDATES = 400
_EVERYTHING = Selection(scope=Scope.everything())
_NO_HURRY_MS = 1e12
_GATE = RerankPolicy().decided_margin

Ranking = list[tuple[int, float]]
Rankings = dict[str, dict[str, list[str]]]
"""By way and question: documents, best first."""


def reciprocal_ranks(candidates: Candidates) -> Ranking:
    """Reciprocal rank fusion with the constant of its paper (Cormack, Clarke and Büttcher 2009): 60."""
    scores = dict.fromkeys(candidates.cosines, 0.0)
    for found in (candidates.cosines, candidates.bm25):
        for rank, chunk_id in enumerate(sorted(found, key=lambda i: (-found[i], i)), start=1):
            scores[chunk_id] += 1 / (60 + rank)
    return _ranked(scores)


def min_max(candidates: Candidates) -> Ranking:
    """Both scores rescaled by the question's own extremes, in equal parts."""
    scores = dict.fromkeys(candidates.cosines, 0.0)
    for found in (candidates.cosines, candidates.bm25):
        values = np.array([*found.values()])
        span = float(np.ptp(values)) or 1.0
        for chunk_id, value in found.items():
            scores[chunk_id] += (value - float(values.min())) / span / 2
    return _ranked(scores)


def _ranked(scores: Mapping[int, float]) -> Ranking:
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


WAYS: Mapping[str, FusionPolicy | Callable[[Candidates], Ranking]] = {
    "dense": FusionPolicy.by_dense_weight(1.0),
    "BM25": FusionPolicy.by_dense_weight(0.0),
    "reciprocal ranks (60)": reciprocal_ranks,
    "min-max, halves": min_max,
    "completed scores, .8/.2": FusionPolicy.by_dense_weight(0.8),
    "completed scores, .75/.25": FusionPolicy.by_dense_weight(0.75),
    "the default, without feedback": FusionPolicy(feedback=0.0),
    "feedback .2": FusionPolicy(feedback=0.2),
    "**the default**": FusionPolicy(),
}
RERANKED: Mapping[str, RerankPolicy] = {
    f"the default, reranked: {candidates} read, weight {weight}{'' if gate < 1 else ', no gate'}": RerankPolicy(
        candidates=candidates, weight=weight, decided_margin=gate, budget_ms=_NO_HURRY_MS
    )
    for candidates, weight, gate in (
        (5, 0.25, _GATE),
        (10, 0.15, _GATE),
        (10, 0.25, _GATE),
        (10, 0.25, 9.0),
        (10, 0.35, _GATE),
        (10, 1.0, 9.0),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Set:
    """A set at work: its index, and the document of every chunk."""

    footnote: Footnote
    index: Index
    documents: Mapping[int, str]


async def rank_set(
    footnote: Footnote, loaded: Loaded, asked: EvaluationSet, *, scorer: PairScorer | None
) -> Rankings:
    """Every question's documents in the order of every way; those that rerank only where there is a scorer."""
    async with footnote.database.snapshot() as connection:
        index = await active_index(connection, loaded.collection.id)
        assert index is not None, "it has been loaded"
        work = _Set(footnote=footnote, index=index, documents=await _documents(connection, loaded))
    ways = (*WAYS, *(RERANKED if scorer is not None else ()))
    rankings: Rankings = {way: {} for way in ways}
    for question in asked.questions:
        for way, ranked in (await _rank(work, question.text, scorer)).items():
            rankings[way][question.id] = ranked
    return rankings


async def _documents(connection: Connection, loaded: Loaded) -> dict[int, str]:
    cursor = await connection.execute(
        "SELECT c.id, d.path FROM chunks AS c JOIN documents AS d ON d.id = c.document_id"
        " WHERE c.collection_id = %(collection_id)s",
        {"collection_id": loaded.collection.id},
    )
    return {row["id"]: loaded.ids[row["path"]] for row in await cursor.fetchall()}


async def _rank(work: _Set, text: str, scorer: PairScorer | None) -> dict[str, list[str]]:
    footnote = work.footnote
    vector = asyncio.ensure_future(footnote.embedding.embed_query(text))
    async with footnote.database.snapshot() as connection:
        candidates = await find_candidates(
            connection,
            footnote.store,
            work.index,
            text,
            vector,
            limit=_CANDIDATES,
            selection=_EVERYTHING,
            policy=Bm25Policy(),
        )
        orders = {
            way: await order_candidates(
                connection,
                footnote.store,
                work.index,
                candidates,
                cosine_bounds=footnote.embedder.cosine_bounds,
                policy=how,
            )
            if isinstance(how, FusionPolicy)
            else how(candidates)
            for way, how in WAYS.items()
        }
        default = orders["**the default**"]
        head = [] if scorer is None else await _hits(connection, work, default[:50])
    found = {way: _of_documents(work, [i for i, _ in order]) for way, order in orders.items()}
    if scorer is not None:
        rest = [chunk_id for chunk_id, _ in default[50:]]
        for way, policy in RERANKED.items():
            moved = await rerank(head, text, scorer=scorer, policy=policy)
            found[way] = _of_documents(work, [*(hit.passage.chunk_id for hit in moved), *rest])
    return found


def _of_documents(work: _Set, chunk_ids: Sequence[int]) -> list[str]:
    return list(dict.fromkeys(work.documents[chunk_id] for chunk_id in chunk_ids))[:100]


async def _hits(connection: Connection, work: _Set, order: Ranking) -> list[Hit]:
    cursor = await connection.execute(
        sql.SQL(query("search.passages")).format(condition=_EVERYTHING.condition()),
        {"collection_id": work.index.collection_id, "chunk_ids": [chunk_id for chunk_id, _ in order]},
    )
    rows = {row["chunk_id"]: row for row in await cursor.fetchall()}
    return [
        Hit(
            passage=Passage(
                **{
                    **rows[chunk_id],
                    "headings": tuple(rows[chunk_id]["headings"]),
                    "page_starts": tuple(rows[chunk_id]["page_starts"]),
                }
            ),
            score=score,
            cosine=0.0,
            bm25=0.0,
        )
        for chunk_id, score in order
    ]
