"""Lexical search: BM25 over title, headings and text, at a cost that hardly grows with the collection.

Score of a chunk c for words w: sum of qtf(w) * idf(w) * tf * (k1 + 1) / (tf + k1 * (1 - b + b * |c| / mean |c|)) with
idf(w) = ln(1 + (N - df + 0.5) / (df + 0.5)): Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and
Beyond, 2009, with the idf of Lucene, which is never negative, and qtf(w) how often the question has the word.

Where few chunks may be looked at, each of them is scored. Otherwise the chunks in which one of the words weighs most
are candidates, rare words giving more of them than common ones, and each candidate is scored in full from its forward
list (`chunk_terms`). So every score is BM25's; what candidates may miss is measured in docs/retrieval.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql

from retrieval.database import Connection, query
from retrieval.filters import Selection
from retrieval.term_weights import TermWeights, bm25_weights

# Candidates come from so many words at most, the rarest; scores count all words.
MOST_WORDS = 32

# Of a selection, so many candidates are read at first, and at most so many after that.
_PROBE = 2_000
_MOST_READ = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bm25Policy:
    """k1 bounds what repeating a word adds; b is how much long chunks are discounted (0 not at all, 1 fully).

    scan_below: where no more chunks than this may be looked at, each is scored.
    candidates: how many are scored otherwise: at least this many, and `candidates_growth` times the root of how many
    chunks there are.
    """

    k1: float = 0.9
    b: float = 0.4
    scan_below: int = 20_000
    candidates: int = 3_000
    candidates_growth: float = 14.0

    def wanted(self, chunks: int, limit: int) -> int:
        """How many candidates to score where so many chunks may be looked at."""
        return max(self.candidates, limit, int(self.candidates_growth * math.sqrt(chunks)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word of the question that some chunk holds.

    occurrences: how often the question has it.
    frequency: how many chunks hold it.
    weight: idf times occurrences.
    """

    lexeme: str
    base: int
    occurrences: int
    frequency: int
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LexicalQuery:
    """A question as lexical search sees it: its words, rarest first, and what they weigh among so many `chunks`.

    attainable: what a chunk would score that had every word without end.
    """

    collection_id: int
    chunks: int
    words: tuple[Word, ...]
    weights: TermWeights | None
    attainable: float


async def read_question(
    connection: Connection, *, collection_id: int, question: str, policy: Bm25Policy
) -> LexicalQuery:
    """The words of a question with their document frequencies, exact as of the connection's snapshot."""
    cursor = await connection.execute(
        query("lexical.words"), {"collection_id": collection_id, "question": question}
    )
    rows = await cursor.fetchall()
    totals = Totals(
        chunks=rows[0]["chunks"], total_length=rows[0]["total_length"], longest=rows[0]["longest"]
    )
    words = [
        counted_word(row["lexeme"], row["base"], row["occurrences"], row["frequency"], chunks=totals.chunks)
        for row in rows
        if row["lexeme"] is not None and 0 < row["frequency"] <= totals.chunks
    ]
    return weigh(collection_id, words, totals, policy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """How many chunks are counted, how long they are together, and the longest."""

    chunks: int
    total_length: int
    longest: int


def counted_word(lexeme: str, base: int, occurrences: int, frequency: int, *, chunks: int) -> Word:
    """A word that so many of so many chunks hold."""
    idf = math.log1p((chunks - frequency + 0.5) / (frequency + 0.5))
    return Word(
        lexeme=lexeme, base=base, occurrences=occurrences, frequency=frequency, weight=occurrences * idf
    )


def weigh(collection_id: int, words: Sequence[Word], totals: Totals, policy: Bm25Policy) -> LexicalQuery:
    """A question of these words, among so many chunks."""
    words = sorted(words, key=lambda word: (word.frequency, word.lexeme))
    weights = None
    if words:
        weights = bm25_weights(
            [word.base for word in words],
            [word.weight for word in words],
            mean_length=max(totals.total_length / totals.chunks, 1.0),
            longest=totals.longest,
            k1=policy.k1,
            b=policy.b,
        )
    return LexicalQuery(
        collection_id=collection_id,
        chunks=totals.chunks,
        words=tuple(words),
        weights=weights,
        attainable=attainable_by(words, policy),
    )


def attainable_by(words: Sequence[Word], policy: Bm25Policy) -> float:
    """What a chunk would score that had every one of these words without end."""
    return (policy.k1 + 1) * sum(word.weight for word in words)


async def lexical_candidates(
    connection: Connection,
    asked: LexicalQuery,
    *,
    selection: Selection,
    visible: int,
    limit: int,
    policy: Bm25Policy,
) -> list[tuple[int, float]]:
    """The `limit` chunks of highest BM25 that the selection holds, best first, ties by chunk id.

    `visible`: how many chunks the selection holds, of which only matters whether it is above `policy.scan_below`.
    """
    if asked.weights is None:
        return []
    if visible <= policy.scan_below:
        return await _scan(connection, asked, selection, limit)
    if selection.is_everything:
        found, _, _ = await _from_segments(
            connection, asked, selection, limit, policy.wanted(asked.chunks, limit)
        )
        return found
    # How many candidates have to be read to find enough that may be looked at, the first of them tell.
    found, listed, seen = await _from_segments(connection, asked, selection, limit, _PROBE)
    share = max(seen, 1) / max(listed, 1)
    wanted = policy.wanted(int(share * asked.chunks), limit)
    if seen < wanted and listed >= _PROBE // 2:
        budget = min(math.ceil(1.2 * wanted / share), _MOST_READ)
        found, _, _ = await _from_segments(connection, asked, selection, limit, budget)
    return found


async def lexical_scores(
    connection: Connection, asked: LexicalQuery, chunk_ids: Sequence[int]
) -> Mapping[int, float]:
    """BM25 of given chunks; one that shares no word with the question scores 0."""
    if asked.weights is None or not chunk_ids:
        return dict.fromkeys(chunk_ids, 0.0)
    cursor = await connection.execute(
        query("lexical.scores"),
        {"collection_id": asked.collection_id, "chunk_ids": list(chunk_ids), "weights": asked.weights},
    )
    found = {row["chunk_id"]: float(row["bm25"]) for row in await cursor.fetchall()}
    return {chunk_id: found.get(chunk_id, 0.0) for chunk_id in chunk_ids}


def quotas(words: Sequence[Word], budget: int) -> dict[str, int]:
    """How many candidates each word gives: shares of the budget by the cube of its weight, rarest first.

    What a rare word leaves over goes to the others. In trials it took half as many candidates as equal shares.
    """
    shares = [word.weight**3 for word in words]
    given: dict[str, int] = {}
    for place, word in enumerate(words):
        rest = sum(shares[place:])
        quota = min(word.frequency, math.ceil(budget * shares[place] / rest)) if rest > 0 else word.frequency
        given[word.lexeme] = min(quota, budget)
        budget -= given[word.lexeme]
    return {lexeme: quota for lexeme, quota in given.items() if quota > 0}


async def _scan(
    connection: Connection, asked: LexicalQuery, selection: Selection, limit: int
) -> list[tuple[int, float]]:
    if selection.is_everything:
        source = sql.SQL("chunk_terms AS t")
        condition: sql.Composable = sql.SQL("t.collection_id = %(collection_id)s")
    else:
        source = sql.SQL("documents AS d JOIN chunk_terms AS t ON t.document_id = d.id")
        condition = sql.SQL("d.collection_id = %(collection_id)s AND {}").format(selection.condition())
    cursor = await connection.execute(
        sql.SQL(query("lexical.scan")).format(source=source, condition=condition),
        {
            "collection_id": asked.collection_id,
            "weights": asked.weights,
            "limit": limit,
            **selection.parameters(),
        },
    )
    return [(row["chunk_id"], row["bm25"]) for row in await cursor.fetchall() if row["bm25"] > 0]


async def _from_segments(
    connection: Connection, asked: LexicalQuery, selection: Selection, limit: int, budget: int
) -> tuple[list[tuple[int, float]], int, int]:
    """The best candidates, how many candidates there were, and how many of them the selection holds."""
    given = quotas(asked.words[:MOST_WORDS], budget)
    documents = (
        sql.SQL("") if selection.is_everything else sql.SQL("JOIN documents AS d ON d.id = t.document_id")
    )
    cursor = await connection.execute(
        sql.SQL(query("lexical.candidates")).format(documents=documents, condition=selection.condition()),
        {
            "collection_id": asked.collection_id,
            "chunks": asked.chunks,
            "lexemes": list(given),
            "quotas": list(given.values()),
            "weights": asked.weights,
            "limit": limit,
            **selection.parameters(),
        },
    )
    rows = await cursor.fetchall()
    found = [(row["chunk_id"], row["bm25"]) for row in rows if row["bm25"] > 0]
    # Where none of them may be looked at, how many there were is not known: as many as were asked for.
    return found, (rows[0]["listed"] if rows else budget), (rows[0]["visible"] if rows else 0)
