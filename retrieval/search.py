"""Search: a question becomes the best passages, each with the scores that put it there.

    embed, find words → candidates with both scores → fuse, lean, fuse → without copies → (rerank) → turns, neighbours

Everything is read in one snapshot of Postgres, so that a search sees one state of the index throughout. A question in
other words (`SearchQueries`) is searched for once for each of its texts, and the lists are united.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from retrieval.candidates import find_candidates, order_candidates
from retrieval.copies import without_copies
from retrieval.database import Connection, Database, query
from retrieval.embedders import Embedder
from retrieval.errors import InvalidRequestError
from retrieval.filters import NO_FILTERS, Filters, Selection
from retrieval.fusion import FusionPolicy
from retrieval.indexes import index_for_search
from retrieval.lexical import Bm25Policy
from retrieval.neighbours import NO_GAPS, gaps_between, read_gaps
from retrieval.passages import PassagePolicy, select
from retrieval.queries import Combination, SearchQueries, best_of, combine, hypothetical_vector
from retrieval.records import Collection, Hit, Passage, Scope
from retrieval.reranking import PairScorer, ReadingPace, RerankPolicy, rerank
from retrieval.stages import NO_STAGES, Stages
from retrieval.stores import Index, VectorStore

MAX_QUESTION_CHARACTERS = 8_000
MAX_K = 1_000


class QueryEmbedder(Protocol):
    """Turns questions and made-up passages into unit vectors, float32."""

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        """One of shape (dimension,)."""
        ...

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One a row, as documents are embedded: (len(texts), dimension)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPolicy:
    """How a search is done.

    candidates: how many each list contributes, at least (never fewer than the `k` asked for).
    combination: how the lists of several texts become one.
    timeout_s: how long one of its statements may take before Postgres ends it; None sets no limit.
    at_once: how many searches one searcher does at a time; others wait in their order. Fewer than there are
        connections, so that what takes a moment never waits for what takes long.
    """

    candidates: int = 200
    fusion: FusionPolicy = field(default_factory=FusionPolicy)
    bm25: Bm25Policy = field(default_factory=Bm25Policy)
    rerank: RerankPolicy = field(default_factory=RerankPolicy)
    passages: PassagePolicy = field(default_factory=PassagePolicy)
    combination: Combination = "max"
    timeout_s: float | None = 20.0
    at_once: int = 8


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ranking:
    """Chunk ids by their fused scores, best first, with the best of either score under any of the texts."""

    fused: Sequence[tuple[int, float]]
    cosines: dict[int, float]
    bm25: dict[int, float]


@dataclass(frozen=True, slots=True)
class _Vector:
    """One of the vectors that are in the making, to be awaited where it is needed."""

    embedding: asyncio.Task[list[NDArray[np.float32]]]
    at: int

    def __await__(self) -> Generator[Any, None, NDArray[np.float32]]:
        return (yield from self.embedding)[self.at]


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
        stages: Stages = NO_STAGES,
    ) -> None:
        self._database = database
        self._store = store
        self._embedder = embedder
        self._query_embedder = query_embedder
        self._reranker = reranker
        self._policy = policy
        self._turn = asyncio.Semaphore(policy.at_once)
        self._stages = stages
        self._pace = ReadingPace()

    async def search(
        self,
        collection: Collection,
        question: str | SearchQueries,
        *,
        k: int,
        scope: Scope,
        filters: Filters = NO_FILTERS,
        passages: PassagePolicy | None = None,
    ) -> list[Hit]:
        """The best `k` passages for a question, best first; fewer where the collection has fewer.

        `passages`: how hits become the result, where that is not as the searcher's policy says.
        Raises `InvalidRequestError`, `IndexMismatchError`, `DatabaseUnavailableError`, `QueryTimeoutError`,
        `ModelError`.
        """
        k = check_k(k)
        queries = SearchQueries.of(check_question(question)) if isinstance(question, str) else question
        wanted = self._policy.passages if passages is None else passages
        selection = Selection(scope=scope, filters=filters)
        embedding = asyncio.create_task(self._embed(queries))
        try:
            with self._stages.stage("search"):
                hits = await self._find(collection, queries, embedding, k, selection, wanted)
        finally:
            embedding.cancel()
            await asyncio.gather(embedding, return_exceptions=True)
        if self._reranker is not None and hits:
            with self._stages.stage("rerank"):
                hits = await rerank(
                    hits,
                    queries.question,
                    scorer=self._reranker,
                    policy=self._policy.rerank,
                    wanted=k if wanted.takes_the_first else None,
                    pace=self._pace,
                )
        gaps = gaps_between([hit.passage for hit in hits]) if wanted.merge else []
        gap_texts = await read_gaps(self._database, gaps) if gaps else NO_GAPS
        return select(hits, k, replace(wanted, drop_copies=False), gap_texts=gap_texts)

    async def _find(
        self,
        collection: Collection,
        queries: SearchQueries,
        embedding: asyncio.Task[list[NDArray[np.float32]]],
        k: int,
        selection: Selection,
        wanted: PassagePolicy,
    ) -> list[Hit]:
        """The fused list's passages, read in one snapshot."""
        async with self._turn, self._database.snapshot(timeout_s=self._policy.timeout_s) as connection:
            index = await index_for_search(connection, collection, self._embedder.identity, self._store)
            if index is None:
                return []
            ranking = await self._rank(connection, index, queries, embedding, k, selection)
            return await self._distinct(connection, index, ranking, k, selection, wanted)

    async def _embed(self, queries: SearchQueries) -> list[NDArray[np.float32]]:
        """A vector for each text that is searched for."""
        with self._stages.stage("embed"):
            vectors = [await self._query_embedder.embed_query(text) for text in queries.texts]
            if queries.hypothetical:
                made_up = [*await self._query_embedder.embed_documents(queries.hypothetical)]
                vectors = [hypothetical_vector(vector, made_up) for vector in vectors]
            return vectors

    async def _rank(
        self,
        connection: Connection,
        index: Index,
        queries: SearchQueries,
        embedding: asyncio.Task[list[NDArray[np.float32]]],
        k: int,
        selection: Selection,
    ) -> _Ranking:
        """One ranking from the candidates of all texts."""
        limit = max(self._policy.candidates, k)
        found = [
            await find_candidates(
                connection,
                self._store,
                index,
                text,
                _Vector(embedding, at),
                limit=limit,
                selection=selection,
                policy=self._policy.bm25,
                stages=self._stages,
            )
            for at, text in enumerate(queries.texts)
        ]
        rankings = [
            await order_candidates(
                connection,
                self._store,
                index,
                candidates,
                cosine_bounds=self._embedder.cosine_bounds,
                policy=self._policy.fusion,
            )
            for candidates in found
        ]
        return _Ranking(
            fused=rankings[0] if len(rankings) == 1 else combine(rankings, self._policy.combination),
            cosines=best_of([candidates.cosines for candidates in found]),
            bm25=best_of([candidates.bm25 for candidates in found]),
        )

    async def _distinct(
        self,
        connection: Connection,
        index: Index,
        ranking: _Ranking,
        k: int,
        selection: Selection,
        wanted: PassagePolicy,
    ) -> list[Hit]:
        """As many of the best hits as reranking and selecting need, without copies where those are not wanted."""
        needed = max(wanted.handed_in(k), self._policy.rerank.candidates if self._reranker else 0)
        hits: list[Hit] = []
        taken = 0
        while True:
            part = ranking.fused[taken : taken + needed]
            taken += len(part)
            passages = await _passages(connection, index, [chunk_id for chunk_id, _ in part], selection)
            hits += [
                Hit(
                    passage=passages[chunk_id],
                    score=score,
                    cosine=ranking.cosines[chunk_id],
                    bm25=ranking.bm25[chunk_id],
                )
                for chunk_id, score in part
                if chunk_id in passages
            ]
            distinct = without_copies(hits) if wanted.drop_copies else hits
            if len(distinct) >= needed or taken == len(ranking.fused):
                return distinct


async def _passages(
    connection: Connection, index: Index, chunk_ids: Sequence[int], selection: Selection
) -> dict[int, Passage]:
    """Those of the chunks that the selection holds, at their places."""
    cursor = await connection.execute(
        sql.SQL(query("search.passages")).format(condition=selection.condition()),
        {"collection_id": index.collection_id, "chunk_ids": list(chunk_ids), **selection.parameters()},
    )
    return {
        row["chunk_id"]: Passage(
            **{**row, "headings": tuple(row["headings"]), "page_starts": tuple(row["page_starts"])}
        )
        for row in await cursor.fetchall()
    }
