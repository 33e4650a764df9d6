"""Fusion: one order from two lists in which every candidate has both scores.

The cosine is rescaled by fixed bounds of its embedder, not by each question's own extremes, which would make noise of
a question where all candidates are alike. BM25, which has no fixed scale, is divided by the question's best score.
`docs/retrieval.md` has the measurements behind the weights.

Then the best chunk speaks for the question, too (pseudo-relevance feedback, Rocchio 1971; on dense vectors, Li et al.
2021, "Pseudo-Relevance Feedback with Deep Language Models and Dense Retrievers"): the question's vector leans a little
towards that of the chunk that came first, and the candidates are weighed anew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighing:
    """How the two scores are weighed.

    dense: weight of the rescaled cosine; the rest goes to the rescaled BM25.
    attainable: how much of BM25's scale is what the question's words can score at all (1), not the best chunk's score
        (0): above 0, words count for less where even the best chunk matches them poorly.
    """

    dense: float
    attainable: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionPolicy:
    """The first `head_size` chunks are those that `head` puts first; `tail` orders the others.

    At the head the order counts; far down, where lists are read for whether they hold all that is relevant, weak
    matches of words are mostly noise.

    feedback: how far the question's vector leans towards the first chunk's (0 not at all, 1 wholly).
    """

    head: Weighing = Weighing(dense=0.75)
    tail: Weighing = Weighing(dense=0.8, attainable=0.25)
    head_size: int = 30
    feedback: float = 0.1

    @classmethod
    def by_dense_weight(cls, dense: float) -> FusionPolicy:
        """The plain weighted sum throughout: cosine `dense`, BM25 divided by the question's best the rest."""
        return cls(head=Weighing(dense=dense), tail=Weighing(dense=dense), feedback=0.0)


def fuse(
    cosines: Mapping[int, float],
    bm25: Mapping[int, float],
    *,
    attainable: float,
    cosine_bounds: tuple[float, float],
    policy: FusionPolicy,
) -> list[tuple[int, float]]:
    """Order chunk ids by their fused score, best first, ties by id. Only ids with both scores are ranked.

    `attainable`: what a chunk would score by BM25 that had every word of the question without end.
    """
    ids = np.array(sorted(cosines.keys() & bm25.keys()), dtype=np.int64)
    if not len(ids):
        return []
    low, high = cosine_bounds
    dense = (np.array([cosines[i] for i in ids.tolist()]) - low) / (high - low)
    words = np.array([bm25[i] for i in ids.tolist()])
    best = float(words.max())
    share = min(best / attainable, 1.0) if attainable > 0 else 1.0

    def weighed(weighing: Weighing) -> NDArray[np.float64]:
        by_words = words / best * share**weighing.attainable if best > 0 else np.zeros_like(words)
        total: NDArray[np.float64] = weighing.dense * dense + (1 - weighing.dense) * by_words
        return total

    scores = weighed(policy.head)
    order = np.lexsort((ids, -scores))
    head, below = order[: policy.head_size], order[policy.head_size :]
    tail_scores = weighed(policy.tail)
    tail = below[np.lexsort((ids[below], -tail_scores[below]))]
    # Scores fall throughout: the tail begins where the head ends.
    lift = min(float(scores[head[-1]] - tail_scores[tail[0]]), 0.0) if len(tail) else 0.0
    return [
        *zip(ids[head].tolist(), scores[head].tolist(), strict=True),
        *zip(ids[tail].tolist(), (tail_scores[tail] + lift).tolist(), strict=True),
    ]


def lean(
    cosines: Mapping[int, float], likeness: Mapping[int, float], leader: int, weight: float
) -> dict[int, float]:
    """Cosines to the question's vector once it leans towards that of the chunk `leader`.

    `likeness`: cosines of the same chunks to the leader. For unit vectors q and l, the vector (1 - w) q + w l has the
    length sqrt((1 - w)² + w² + 2 w (1 - w) q·l), and its product with a chunk's is the same mixture of both cosines.
    A chunk whose likeness is not known keeps its cosine.
    """
    length = math.sqrt((1 - weight) ** 2 + weight**2 + 2 * weight * (1 - weight) * cosines[leader])
    if length == 0:
        return dict(cosines)  # half of each of two opposite vectors points nowhere
    return {
        chunk_id: ((1 - weight) * cosine + weight * likeness[chunk_id]) / length
        if chunk_id in likeness
        else cosine
        for chunk_id, cosine in cosines.items()
    }
