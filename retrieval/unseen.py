"""The unseen: what a caller may not see must not show in the scores of what they may.

BM25 weighs a word by how many chunks hold it. Were chunks counted that are kept from the caller, then whoever can ask,
and read scores, could find out which words stand in them and how often.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from psycopg import sql

from retrieval.database import Connection, query
from retrieval.filters import Selection
from retrieval.lexical import Bm25Policy, LexicalQuery, Totals, Word, attainable_by, counted_word, weigh
from retrieval.term_weights import MOST_MARKED, marked, word_marks


async def weigh_among(
    connection: Connection, asked: LexicalQuery, *, selection: Selection, policy: Bm25Policy
) -> LexicalQuery:
    """The same question, its words weighed as if the chunks that the selection holds were all that there are.

    Each of those chunks is looked at.
    """
    frequencies: Counter[int] = Counter()
    totals = Totals(chunks=0, total_length=0, longest=0)
    for bases in _markable(asked.words):
        cursor = await connection.execute(
            sql.SQL(query("lexical.visible_words")).format(condition=selection.condition()),
            {
                "collection_id": asked.collection_id,
                "marks": word_marks(bases),
                **selection.parameters(),
            },
        )
        rows = await cursor.fetchall()
        for row in rows:
            for base in marked(row["held"], bases):
                frequencies[base] += row["chunks"]
        totals = Totals(
            chunks=sum(row["chunks"] for row in rows),
            total_length=sum(row["total_length"] for row in rows),
            longest=max((row["longest"] for row in rows), default=0),
        )
    words = [
        counted_word(word.lexeme, word.base, word.occurrences, frequencies[word.base], chunks=totals.chunks)
        for word in asked.words
        if frequencies[word.base]
    ]
    return weigh(asked.collection_id, words, totals, policy)


async def without_unseen(
    connection: Connection, asked: LexicalQuery, chunk_ids: Sequence[int], *, policy: Bm25Policy
) -> LexicalQuery:
    """The same question, where what a chunk could score at most counts only words that one of these chunks holds.

    Where there are too many chunks for `weigh_among`: words still weigh what they weigh in the whole collection, but
    one that stands nowhere else than in what is kept from the caller leaves no trace.
    """
    seen: set[int] = set()
    for bases in _markable(asked.words):
        cursor = await connection.execute(
            query("lexical.held_words"), {"marks": word_marks(bases), "chunk_ids": list(chunk_ids)}
        )
        row = await cursor.fetchone()
        seen.update(() if row is None else marked(row["held"], bases))
    held = [word for word in asked.words if word.base in seen]
    return replace(asked, attainable=attainable_by(held, policy))


def _markable(words: Sequence[Word]) -> Iterator[list[int]]:
    """The words' bases, ascending, as many at a time as a sum of marks can tell apart."""
    bases = sorted({word.base for word in words})
    for first in range(0, len(bases), MOST_MARKED):
        yield bases[first : first + MOST_MARKED]
