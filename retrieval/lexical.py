"""Lexical search: BM25 in SQL, over title, headings and text.

Score of a chunk c for words w: sum of idf(w) * tf * (k1 + 1) / (tf + k1 * (1 - b + b * |c| / mean |c|)) with
idf(w) = ln(1 + (N - df + 0.5) / (df + 0.5)): Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and
Beyond, 2009, with the idf of Lucene, which is never negative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retrieval.database import Connection, query
from retrieval.records import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Bm25Policy:
    """k1 bounds what repeating a word adds; b is how much long chunks are discounted (0 not at all, 1 fully)."""

    k1: float = 0.9
    b: float = 0.4


async def lexical_candidates(
    connection: Connection, *, collection_id: int, question: str, limit: int, scope: Scope, policy: Bm25Policy
) -> list[tuple[int, float]]:
    """The `limit` chunks of highest BM25 that the scope may see, best first, ties by chunk id."""
    cursor = await connection.execute(
        query("lexical.candidates"),
        {
            "collection_id": collection_id,
            "question": question,
            "limit": limit,
            "principals": None if scope.principals is None else sorted(scope.principals),
            "k1": policy.k1,
            "b": policy.b,
        },
    )
    return [(row["chunk_id"], float(row["bm25"])) for row in await cursor.fetchall()]


async def lexical_scores(
    connection: Connection, *, collection_id: int, question: str, chunk_ids: Sequence[int], policy: Bm25Policy
) -> Mapping[int, float]:
    """BM25 of given chunks; one that shares no word with the question scores 0."""
    if not chunk_ids:
        return {}
    cursor = await connection.execute(
        query("lexical.scores"),
        {
            "collection_id": collection_id,
            "question": question,
            "chunk_ids": list(chunk_ids),
            "k1": policy.k1,
            "b": policy.b,
        },
    )
    found = {row["chunk_id"]: float(row["bm25"]) for row in await cursor.fetchall()}
    return {chunk_id: found.get(chunk_id, 0.0) for chunk_id in chunk_ids}
