"""Search: a question becomes the best passages, each with the scores that put it there.

    embed the question → dense and lexical candidates → both scores for every candidate → fuse → (rerank) → passages

Everything is read in one snapshot of Postgres, so that a search sees one state of the index throughout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.database import Connection, Database, query
from retrieval.embedders import Embedder
from retrieval.errors import InvalidRequestError
from retrieval.fusion import FusionPolicy, blend, fuse
from retrieval.indexes import active_index, check_index
from retrieval.lexical import Bm25Policy, lexical_candidates, lexical_scores
from retrieval.records import Collection, Hit, Passage, Scope, contextual_text
from retrieval.stores import Index, VectorStore

MAX_QUESTION_CHARACTERS = 8_000
MAX_K = 1_000


class QueryEmbedder(Protocol):
    """Turns a question into a unit vector, float32 of shape (dimension,)."""

    async def embed_query(self, text: str) -> NDArray[np.float32]: ...


class PairScorer(Protocol):
    """Scores (question, passage) pairs: raw logits, float32 of shape (len(pairs),)."""

    async def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPolicy:
    """How a search is done.

    candidates: how many each list contributes, at least (never fewer than the `k` asked for).
    rerank_candidates: how many of the fused list the reranker reads; the rest keep their fused places below.
    rerank_weight: what the reranker's score weighs against the fused one (0.3: see docs/retrieval.md).
    """

    candidates: int = 200
    fusion: FusionPolicy = field(default_factory=FusionPolicy)
    bm25: Bm25Policy = field(default_factory=Bm25Policy)
    rerank_candidates: int = 30
    rerank_weight: float = 0.3


def check_question(question: str) -> str:
    """Return the question without surrounding white space, or raise `InvalidRequestError`."""
    cleaned = question.replace("\x00", " ").encode("utf-8", "replace").decode().strip()
    if not cleaned:
        raise InvalidRequestError("the question is empty. Ask something in words.")
    if len(cleaned) > MAX_QUESTION_CHARACTERS:
        raise InvalidRequestError(
            f"the question has {len(cleaned):,} characters; at most {MAX_QUESTION_CHARACTERS:,} are accepted. "
            "Shorten it: long material belongs into the documents."
        )
    return cleaned


def check_k(k: int) -> int:
    """Return `k`, or raise `InvalidRequestError` where it is not between 1 and 1,000."""
    if not 1 <= k <= MAX_K:
        raise InvalidRequestError(f"k is {k}; it must be between 1 and {MAX_K:,}.")
    return k


class Searcher:
    """Searches collections of one database with one embedder, one store and, where given, one reranker."""

    def __init__(
        self,
        *,
        database: Database,
        store: VectorStore,
        embedder: Embedder,
        query_embedder: QueryEmbedder,
        reranker: PairScorer | None,
        policy: SearchPolicy,
    ) -> None:
        self._database = database
        self._store = store
        self._embedder = embedder
        self._query_embedder = query_embedder
        self._reranker = reranker
        self._policy = policy

    async def search(self, collection: Collection, question: str, *, k: int, scope: Scope) -> list[Hit]:
        """The best `k` passages for a question, best first; fewer where the collection has fewer.

        Raises `InvalidRequestError`, `IndexMismatchError`, `DatabaseUnavailableError`, `ModelError`.
        """
        question, k = check_question(question), check_k(k)
        vector = await self._query_embedder.embed_query(question)
        async with self._database.snapshot() as connection:
            index = await active_index(connection, collection.id)
            if index is None:
                return []
            check_index(index, collection.name, self._embedder.identity, self._store)
            cosines, bm25 = await self._candidates(connection, index, question, vector, k, scope)
            fused = fuse(
                cosines, bm25, cosine_bounds=self._embedder.cosine_bounds, policy=self._policy.fusion
            )
            best = fused[: max(k, self._policy.rerank_candidates if self._reranker else 0)]
            passages = await _passages(connection, collection.id, [chunk_id for chunk_id, _ in best], scope)
        hits = [
            Hit(passage=passages[chunk_id], score=score, cosine=cosines[chunk_id], bm25=bm25[chunk_id])
            for chunk_id, score in best
        ]
        if self._reranker is not None and hits:
            hits = await self._rerank(self._reranker, question, hits)
        return hits[:k]

    async def _candidates(
        self,
        connection: Connection,
        index: Index,
        question: str,
        vector: NDArray[np.float32],
        k: int,
        scope: Scope,
    ) -> tuple[Mapping[int, float], Mapping[int, float]]:
        """Both scores of every candidate of either list."""
        limit = max(self._policy.candidates, k)
        nearest = await self._store.nearest(index, vector, limit=limit, scope=scope, connection=connection)
        visible = await _visible(connection, index.collection_id, [i for i, _ in nearest], scope)
        dense = {chunk_id: cosine for chunk_id, cosine in nearest if chunk_id in visible}
        lexical = dict(
            await lexical_candidates(
                connection,
                collection_id=index.collection_id,
                question=question,
                limit=limit,
                scope=scope,
                policy=self._policy.bm25,
            )
        )
        cosines = await self._store.cosines(
            index, vector, [i for i in lexical if i not in dense], connection=connection
        )
        bm25 = await lexical_scores(
            connection,
            collection_id=index.collection_id,
            question=question,
            chunk_ids=[i for i in dense if i not in lexical],
            policy=self._policy.bm25,
        )
        return {**dense, **cosines}, {**lexical, **bm25}

    async def _rerank(self, reranker: PairScorer, question: str, hits: Sequence[Hit]) -> list[Hit]:
        head, tail = hits[: self._policy.rerank_candidates], hits[self._policy.rerank_candidates :]
        logits = await reranker.score([(question, _contextual(hit.passage)) for hit in head])
        reranked = [
            replace(
                hit,
                score=blend(hit.score, float(logit), weight=self._policy.rerank_weight),
                rerank=float(logit),
            )
            for hit, logit in zip(head, logits, strict=True)
        ]
        # A hit that the reranker did not read is blended as if it had scored nothing, which puts it below the others.
        unread = [replace(hit, score=(1 - self._policy.rerank_weight) * hit.score) for hit in tail]
        return [*sorted(reranked, key=lambda hit: -hit.score), *unread]


def _contextual(passage: Passage) -> str:
    return contextual_text(passage.title, passage.headings, passage.text)


async def _visible(
    connection: Connection, collection_id: int, chunk_ids: Sequence[int], scope: Scope
) -> set[int]:
    """Those of the chunks that are current and may be read. A store outside Postgres may lag behind on both."""
    cursor = await connection.execute(
        query("search.visible"),
        {
            "collection_id": collection_id,
            "chunk_ids": list(chunk_ids),
            "principals": None if scope.principals is None else sorted(scope.principals),
        },
    )
    return {row["id"] for row in await cursor.fetchall()}


async def _passages(
    connection: Connection, collection_id: int, chunk_ids: Sequence[int], scope: Scope
) -> dict[int, Passage]:
    cursor = await connection.execute(
        query("search.passages"),
        {
            "collection_id": collection_id,
            "chunk_ids": list(chunk_ids),
            "principals": None if scope.principals is None else sorted(scope.principals),
        },
    )
    return {
        row["chunk_id"]: Passage(
            **{**row, "headings": tuple(row["headings"]), "page_starts": tuple(row["page_starts"])}
        )
        for row in await cursor.fetchall()
    }
