"""Lexical search: BM25 over title, headings and text, at a cost that hardly grows with the collection.

Score of a chunk c for words w: sum of qtf(w) * idf(w) * tf * (k1 + 1) / (tf + k1 * (1 - b + b * |c| / mean |c|)) with
idf(w) = ln(1 + (N - df + 0.5) / (df + 0.5)): Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and
Beyond, 2009, with the idf of Lucene, which is never negative, and qtf(w) how often the question has the word.

Where few chunks may be looked at, each of them is scored. Otherwise the chunks in which one of the words weighs most
are candidates, rare words giving more of them than common ones. What the lists say of a candidate is what it promises;
those that promise most are scored in full from their forward lists (`chunk_terms`). So every score is BM25's; what
candidates may miss is measured in docs/performance.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql

from retrieval.database import Connection, query
from retrieval.filters import Selection
from retrieval.postings import PostingList, by_promise
from retrieval.term_weights import TermWeights, bm25_weights

# Candidates come from so many words at most, the rarest; scores count all words.
MOST_WORDS = 32

# Of candidates that may be looked at, so many are looked for at least, among at most so many.
_LEAST_FOUND = 100
_OF_SELECTION = 4
_MOST_SCORED = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bm25Policy:
    """k1 bounds what repeating a word adds; b is how much long chunks are discounted (0 not at all, 1 fully).

    scan_below: where no more chunks than this may be looked at, each is scored.
    postings: how many of the words' postings are read otherwise, at most; for a selection four times as many, because
        what weighs most in the whole may not be what is in it.
    scored: how many of the chunks on them are scored, those that promise most; for a selection four times as many, and
        as many more as it takes to find enough that may be looked at.
    """

    k1: float = 0.9
    b: float = 0.4
    scan_below: int = 20_000
    postings: int = 400_000
    scored: int = 500


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
    wanted, scored, postings = max(limit, _LEAST_FOUND), max(policy.scored, limit), policy.postings
    most = scored
    if not selection.is_everything:
        scored, postings = _OF_SELECTION * scored, _OF_SELECTION * postings
        most = max(scored, _MOST_SCORED)
    promising = await _by_promise(connection, asked, postings, most=most)
    found = await _best_of(connection, asked, selection, promising[:scored], limit=wanted, with_fresh=True)
    while len(found) < wanted and scored < len(promising):
        # Of those that follow, as large a share may be looked at.
        beyond = scored + math.ceil(1.2 * scored * (wanted - len(found)) / max(len(found), 1))
        found += await _best_of(connection, asked, selection, promising[scored:beyond], limit=wanted)
        scored = beyond
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))[:limit]


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
    """How many candidates each word gives: shares of the budget by the sixth power of its weight, rarest first.

    What a rare word leaves over goes to the others. In trials it took half as many candidates as equal shares.
    """
    shares = [word.weight**6 for word in words]
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


async def _by_promise(connection: Connection, asked: LexicalQuery, budget: int, *, most: int) -> list[int]:
    """Chunks of segments that have one of the question's words, those that promise most first."""
    words = asked.words[:MOST_WORDS]
    given = quotas(words, budget)
    cursor = await connection.execute(
        query("lexical.postings"),
        {
            "collection_id": asked.collection_id,
            "chunks": asked.chunks,
            "lexemes": list(given),
            "quotas": list(given.values()),
        },
        binary=True,
    )
    lists = [PostingList(**row) for row in await cursor.fetchall()]
    weights = [word.weight for word in words if word.lexeme in given]
    promising: list[int] = by_promise(lists, weights, most).tolist()
    return promising


async def _best_of(
    connection: Connection,
    asked: LexicalQuery,
    selection: Selection,
    chunk_ids: Sequence[int],
    *,
    limit: int,
    with_fresh: bool = False,
) -> list[tuple[int, float]]:
    """The best of some chunks that the selection holds, each scored; `with_fresh`: and of all without a segment."""
    visible = sql.SQL("" if selection.is_everything else query("lexical.visible"))
    statement = sql.SQL(query("lexical.candidates")).format(
        fresh=sql.SQL(query("lexical.fresh") if with_fresh else ""),
        visible=visible.format(condition=selection.condition()),
    )
    cursor = await connection.execute(
        statement,
        {
            "collection_id": asked.collection_id,
            "chunk_ids": list(chunk_ids),
            "weights": asked.weights,
            "limit": limit,
            **selection.parameters(),
        },
    )
    return [(row["chunk_id"], row["bm25"]) for row in await cursor.fetchall() if row["bm25"] > 0]
