"""Where lexical search takes its candidates from: from Postgres, or, of a large index, from a store that lists words.

Either way each of them is scored in full from its forward list, so the scores are BM25's, and the same. A former index
does not list what was published after it; Postgres does.
"""

from __future__ import annotations

from collections.abc import Mapping

from retrieval.database import Connection
from retrieval.filters import Selection
from retrieval.lexical import MOST_WORDS, Bm25Policy, LexicalQuery, lexical_candidates, lexical_scores
from retrieval.stores import Index, VectorStore

# A store ranks chunks by what nearly is BM25: so many times more than are wanted hold those that are.
_SPARE = 2
_LEAST = 400


async def best_by_words(
    connection: Connection,
    store: VectorStore,
    index: Index,
    asked: LexicalQuery,
    *,
    selection: Selection,
    visible: int,
    limit: int,
    policy: Bm25Policy,
) -> Mapping[int, float]:
    """The `limit` chunks of highest BM25 that the selection holds, best first, ties by chunk id, with their scores.

    `visible`: how many chunks the selection holds, of which only matters whether it is above `policy.scan_below`.
    """
    if visible > policy.scan_below and asked.words and not index.is_former:
        listed = await store.word_candidates(
            index,
            {word.base: word.occurrences for word in asked.words[:MOST_WORDS]},
            limit=max(_SPARE * limit, _LEAST),
            selection=selection,
            connection=connection,
        )
        if listed is not None:
            scores = await lexical_scores(connection, asked, listed)
            best = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
            return {chunk_id: score for chunk_id, score in best[:limit] if score > 0}
    found = await lexical_candidates(
        connection, asked, selection=selection, visible=visible, limit=limit, policy=policy
    )
    return dict(found)
