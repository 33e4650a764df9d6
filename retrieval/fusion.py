"""Fusion: one order from two lists in which every candidate has both scores.

The cosine is rescaled by fixed bounds of its embedder, not by each question's own extremes, which would make noise
of a question where all candidates are alike; BM25, which has no fixed scale, is divided by the question's best.
`docs/retrieval.md` has the measurements behind the weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionPolicy:
    """Weights of the rescaled cosine and the rescaled BM25; they sum to 1."""

    dense_weight: float = 0.8

    @property
    def lexical_weight(self) -> float:
        return 1.0 - self.dense_weight


def fuse(
    cosines: Mapping[int, float],
    bm25: Mapping[int, float],
    *,
    cosine_bounds: tuple[float, float],
    policy: FusionPolicy,
) -> list[tuple[int, float]]:
    """Order chunk ids by their fused score, best first, ties by id. Only ids with both scores are ranked."""
    low, high = cosine_bounds
    best = max(bm25.values(), default=0.0)
    fused = []
    for chunk_id in cosines.keys() & bm25.keys():
        dense = (cosines[chunk_id] - low) / (high - low)
        lexical = bm25[chunk_id] / best if best > 0 else 0.0
        fused.append((chunk_id, policy.dense_weight * dense + policy.lexical_weight * lexical))
    return sorted(fused, key=lambda pair: (-pair[1], pair[0]))


def blend(fused: float, logit: float, *, weight: float) -> float:
    """Blend a fused score with a cross-encoder's logit, squashed to 0..1: `weight` goes to the cross-encoder."""
    # The logistic function, written so that no logit overflows.
    return (1 - weight) * fused + weight * 0.5 * (1 + math.tanh(logit / 2))
