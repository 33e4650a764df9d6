"""Candidates: the chunks that a dense and a lexical list find for a text, each with both of its scores; their order."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from retrieval.database import Connection, query
from retrieval.filters import Selection
from retrieval.fusion import FusionPolicy, fuse, lean
from retrieval.lexical import Bm25Policy, lexical_scores, read_question
from retrieval.stages import NO_STAGES, Stages
from retrieval.stores import Index, VectorStore
from retrieval.unseen import weigh_among, without_unseen
from retrieval.word_candidates import best_by_words

# Above so many visible chunks neither list is made by looking at each of them; how many more there are does not matter.
_COUNTED = 20_001


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Both scores by chunk id, the same ids in both.

    attainable: what a chunk would score by BM25 that had every word of the text without end.
    """

    cosines: Mapping[int, float]
    bm25: Mapping[int, float]
    attainable: float


async def find_candidates(
    connection: Connection,
    store: VectorStore,
    index: Index,
    text: str,
    vector: Awaitable[NDArray[np.float32]],
    *,
    limit: int,
    selection: Selection,
    policy: Bm25Policy,
    stages: Stages = NO_STAGES,
) -> Candidates:
    """The `limit` best of either list for a text and its vector, all of which the selection holds.

    The vector may still be in the making, by the processor, while the database looks for words.
    A former index has no vectors of what was published after it: what words find of that gets a guessed cosine.
    """
    asked = await read_question(connection, collection_id=index.collection_id, question=text, policy=policy)
    visible = await _count_visible(connection, index, selection, of=asked.chunks)
    # A caller from whom something is kept must not learn from scores what it says.
    is_partial = selection.scope.principals is not None and visible < asked.chunks
    if is_partial and visible <= policy.scan_below:
        asked = await weigh_among(connection, asked, selection=selection, policy=policy)
    with stages.stage("lexical"):
        lexical = await best_by_words(
            connection, store, index, asked, selection=selection, visible=visible, limit=limit, policy=policy
        )
    if is_partial and visible > policy.scan_below:
        asked = await without_unseen(connection, asked, list(lexical), policy=policy)
    embedded = await vector
    with stages.stage("dense"):
        nearest = await store.nearest(
            index, embedded, limit=limit, selection=selection, visible=visible, connection=connection
        )
    dense = dict(nearest)
    cosines = await store.cosines(
        index, embedded, [i for i in lexical if i not in dense], connection=connection
    )
    bm25 = await lexical_scores(connection, asked, [i for i in dense if i not in lexical])
    return Candidates(
        cosines={**guess_cosines(dense, lexical), **dense, **cosines},
        bm25={**lexical, **bm25},
        attainable=asked.attainable,
    )


def guess_cosines(dense: Mapping[int, float], lexical: Mapping[int, float]) -> dict[int, float]:
    """For each chunk of a lexical list, the cosine that stands in the dense list where it stands in its own.

    For chunks of which there is no vector: as good as their words are, no better and no worse.
    """
    cosines = sorted(dense.values(), reverse=True)
    by_words = sorted(lexical, key=lambda chunk_id: (-lexical[chunk_id], chunk_id))
    least = cosines[-1] if cosines else 0.0
    return {
        chunk_id: cosines[rank] if rank < len(cosines) else least for rank, chunk_id in enumerate(by_words)
    }


async def order_candidates(
    connection: Connection,
    store: VectorStore,
    index: Index,
    candidates: Candidates,
    *,
    cosine_bounds: tuple[float, float],
    policy: FusionPolicy,
) -> list[tuple[int, float]]:
    """Chunk ids by their fused scores, best first; the one that comes first has a say in it (`retrieval.fusion`)."""

    def fused(cosines: Mapping[int, float]) -> list[tuple[int, float]]:
        return fuse(
            cosines,
            candidates.bm25,
            attainable=candidates.attainable,
            cosine_bounds=cosine_bounds,
            policy=policy,
        )

    ranked = fused(candidates.cosines)
    if policy.feedback == 0 or len(ranked) < 2:
        return ranked
    leader = ranked[0][0]
    likeness = await store.likeness(
        index, leader, [chunk_id for chunk_id, _ in ranked], connection=connection
    )
    return fused(lean(candidates.cosines, likeness, leader, policy.feedback))


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
