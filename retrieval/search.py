"""Search: a question becomes the best passages, each with the scores that put it there.

    embed the question → dense and lexical candidates → both scores for every candidate → fuse → (rerank) → passages

Everything is read in one snapshot of Postgres, so that a search sees one state of the index throughout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from retrieval.database import Connection, Database, query
from retrieval.embedders import Embedder
from retrieval.errors import InvalidRequestError
from retrieval.filters import NO_FILTERS, Filters, Selection
from retrieval.fusion import FusionPolicy, fuse
from retrieval.indexes import active_index, check_index
from retrieval.lexical import Bm25Policy, lexical_candidates, lexical_scores, read_question
from retrieval.records import Collection, Hit, Passage, Scope
from retrieval.reranking import PairScorer, RerankPolicy, rerank
from retrieval.stores import Index, VectorStore

MAX_QUESTION_CHARACTERS = 8_000
MAX_K = 1_000

# Above so many visible chunks neither list is made by looking at each of them; how many more there are does not matter.
_COUNTED = 20_001


class QueryEmbedder(Protocol):
    """Turns a question into a unit vector, float32 of shape (dimension,)."""

    async def embed_query(self, text: str) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPolicy:
    """How a search is done.

    candidates: how many each list contributes, at least (never fewer than the `k` asked for).
    """

    candidates: int = 200
    fusion: FusionPolicy = field(default_factory=FusionPolicy)
    bm25: Bm25Policy = field(default_factory=Bm25Policy)
    rerank: RerankPolicy = field(default_factory=RerankPolicy)


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

    async def search(
        self,
        collection: Collection,
        question: str,
        *,
        k: int,
        scope: Scope,
        filters: Filters = NO_FILTERS,
    ) -> list[Hit]:
        """The best `k` passages for a question, best first; fewer where the collection has fewer.

        Raises `InvalidRequestError`, `IndexMismatchError`, `DatabaseUnavailableError`, `ModelError`.
        """
        question, k = check_question(question), check_k(k)
        vector = await self._query_embedder.embed_query(question)
        selection = Selection(scope=scope, filters=filters)
        async with self._database.snapshot() as connection:
            index = await active_index(connection, collection.id)
            if index is None:
                return []
            check_index(index, collection.name, self._embedder.identity, self._store)
            cosines, bm25, attainable = await self._candidates(
                connection, index, question, vector, k, selection
            )
            fused = fuse(
                cosines,
                bm25,
                attainable=attainable,
                cosine_bounds=self._embedder.cosine_bounds,
                policy=self._policy.fusion,
            )
            best = fused[: max(k, self._policy.rerank.candidates if self._reranker else 0)]
            passages = await _passages(connection, index, [chunk_id for chunk_id, _ in best], selection)
        hits = [
            Hit(passage=passages[chunk_id], score=score, cosine=cosines[chunk_id], bm25=bm25[chunk_id])
            for chunk_id, score in best
        ]
        if self._reranker is not None:
            hits = await rerank(hits, question, scorer=self._reranker, policy=self._policy.rerank)
        return hits[:k]

    async def _candidates(
        self,
        connection: Connection,
        index: Index,
        question: str,
        vector: NDArray[np.float32],
        k: int,
        selection: Selection,
    ) -> tuple[Mapping[int, float], Mapping[int, float], float]:
        """Both scores of every candidate of either list, and the most that BM25 can be for the question."""
        limit = max(self._policy.candidates, k)
        asked = await read_question(
            connection, collection_id=index.collection_id, question=question, policy=self._policy.bm25
        )
        visible = await _count_visible(connection, index, selection, of=asked.chunks)
        nearest = await self._store.nearest(
            index, vector, limit=limit, selection=selection, visible=visible, connection=connection
        )
        if self._store.kind != "pgvector":
            # What lives elsewhere may lag behind on what is current and who may read it.
            current = await _current(connection, index, [i for i, _ in nearest], selection)
            nearest = [(chunk_id, cosine) for chunk_id, cosine in nearest if chunk_id in current]
        dense = dict(nearest)
        lexical = dict(
            await lexical_candidates(
                connection,
                asked,
                selection=selection,
                visible=visible,
                limit=limit,
                policy=self._policy.bm25,
            )
        )
        cosines = await self._store.cosines(
            index, vector, [i for i in lexical if i not in dense], connection=connection
        )
        bm25 = await lexical_scores(connection, asked, [i for i in dense if i not in lexical])
        return {**dense, **cosines}, {**lexical, **bm25}, asked.attainable


async def _count_visible(connection: Connection, index: Index, selection: Selection, *, of: int) -> int:
    """How many chunks the selection holds, of all that there are; above `_COUNTED` it is a lower bound."""
    if selection.is_everything or of == 0:
        return of
    cursor = await connection.execute(
        sql.SQL(query("search.visible_chunks")).format(condition=selection.condition()),
        {"collection_id": index.collection_id, "limit": _COUNTED, **selection.parameters()},
    )
    row = await cursor.fetchone()
    return 0 if row is None else int(row["chunks"])


async def _current(
    connection: Connection, index: Index, chunk_ids: Sequence[int], selection: Selection
) -> set[int]:
    """Those of the chunks that are current and that the selection holds."""
    cursor = await connection.execute(
        sql.SQL(query("search.visible")).format(condition=selection.condition()),
        {"collection_id": index.collection_id, "chunk_ids": list(chunk_ids), **selection.parameters()},
    )
    return {row["id"] for row in await cursor.fetchall()}


async def _passages(
    connection: Connection, index: Index, chunk_ids: Sequence[int], selection: Selection
) -> dict[int, Passage]:
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
