"""Fusion: one order from two lists in which every candidate has both scores.

The cosine is rescaled by fixed bounds of its embedder, not by each question's own extremes, which would make noise of
a question where all candidates are alike. BM25, which has no fixed scale, is divided by the question's best score and,
in part, by what a chunk full of all its words would score: where even the best chunk matches the words poorly, words
count for less. `docs/retrieval.md` has the measurements behind the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighing:
    """How the two scores are weighed.

    dense: weight of the rescaled cosine; the rest goes to the rescaled BM25.
    attainable: how much of BM25's scale is what the question's words can score at all (1), not the best chunk's score
        (0).
    sharpness: power of the rescaled BM25; above 1, weak matches count for less.
    """

    dense: float
    attainable: float
    sharpness: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionPolicy:
    """The first `head_size` chunks are those that `head` puts first; `tail` orders the others.

    At the head the order counts; far down, where lists are read for whether they hold all that is relevant, weak
    matches of words are mostly noise.
    """

    head: Weighing = Weighing(dense=0.7, attainable=0.25, sharpness=1.0)
    tail: Weighing = Weighing(dense=0.75, attainable=0.25, sharpness=1.5)
    head_size: int = 100

    @classmethod
    def by_dense_weight(cls, dense: float) -> FusionPolicy:
        """The plain weighted sum throughout: cosine `dense`, BM25 divided by the question's best the rest."""
        plain = Weighing(dense=dense, attainable=0.0, sharpness=1.0)
        return cls(head=plain, tail=plain)


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
    low, high = cosine_bounds
    best = max(bm25.values(), default=0.0)

    def weighed(weighing: Weighing, chunk_id: int) -> float:
        dense = (cosines[chunk_id] - low) / (high - low)
        if best <= 0:
            return weighing.dense * dense
        share = min(best / attainable, 1.0) if attainable > 0 else 1.0
        lexical: float = (bm25[chunk_id] / best) ** weighing.sharpness * share**weighing.attainable
        return weighing.dense * dense + (1 - weighing.dense) * lexical

    ranked = _ranked({i: weighed(policy.head, i) for i in cosines.keys() & bm25.keys()})
    head = ranked[: policy.head_size]
    tail = _ranked({i: weighed(policy.tail, i) for i, _ in ranked[policy.head_size :]})
    # Scores fall throughout: the tail begins where the head ends.
    lift = min(head[-1][1] - tail[0][1], 0.0) if tail else 0.0
    return [*head, *((chunk_id, score + lift) for chunk_id, score in tail)]


def _ranked(scores: Mapping[int, float]) -> list[tuple[int, float]]:
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
