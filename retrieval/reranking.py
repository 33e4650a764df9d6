"""Reranking: a cross-encoder reads question and passage together and moves the head of the fused list.

It reads candidates in the order of their promise for as long as its budget lasts; what it has not read keeps its place
below. Where the fused list is already decided it reads nothing. Its score is blended with the fused one, for alone it
makes rankings worse on some collections (docs/retrieval.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.records import Hit, contextual_text

# Logits of ms-marco cross-encoders lie between these, save for outliers.
_LOWEST_LOGIT, _HIGHEST_LOGIT = -11.0, 11.0


class PairScorer(Protocol):
    """Scores (question, passage) pairs: raw logits, float32 of shape (len(pairs),)."""

    async def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankPolicy:
    """How much is read, and what it counts for.

    candidates: how many of the fused list are read at most.
    weight: of the cross-encoder's score in the blend.
    budget_ms: reading ends when the next batch would end later than this.
    decided_margin: nothing is read where the first hit is ahead of the second by this much of the fused score.
    batch: pairs read at a time, between two looks at the clock.
    """

    candidates: int = 10
    weight: float = 0.25
    budget_ms: float = 400.0
    decided_margin: float = 0.15
    batch: int = 4


async def rerank(
    hits: Sequence[Hit],
    question: str,
    *,
    scorer: PairScorer,
    policy: RerankPolicy,
    clock: Callable[[], float] = time.monotonic,
) -> list[Hit]:
    """Hits in their new order, best first, with what the cross-encoder made of those that it read.

    `hits` come in fused order. `clock` returns seconds. Raises `ModelError`.
    """
    if is_decided(hits, policy):
        return [*hits]
    logits: list[float] = []
    head = hits[: policy.candidates]
    started = clock()
    longest = 0.0
    while len(logits) < len(head):
        begun = clock()
        if begun - started + longest > policy.budget_ms / 1_000:
            break
        batch = head[len(logits) : len(logits) + policy.batch]
        scored = await scorer.score([(question, read_as(hit)) for hit in batch])
        logits += [float(logit) for logit in scored]
        longest = max(longest, clock() - begun)
    return blend(hits, logits, weight=policy.weight) if logits else [*hits]


def is_decided(hits: Sequence[Hit], policy: RerankPolicy) -> bool:
    """Whether reading would hardly change which hit is first."""
    return len(hits) < 2 or hits[0].score - hits[1].score >= policy.decided_margin


def read_as(hit: Hit) -> str:
    """What the cross-encoder reads of a hit: title, headings and text, as they were embedded."""
    passage = hit.passage
    return contextual_text(passage.title, passage.headings, passage.text)


def blend(hits: Sequence[Hit], logits: Sequence[float], *, weight: float) -> list[Hit]:
    """Hits by their blended scores; `logits` are those of the first of them, and the others stay below in their order.

    A logit is rescaled linearly: squashed by the logistic function, most passages that are read would count alike.
    """
    read = [
        replace(hit, score=(1 - weight) * hit.score + weight * _rescaled(logit), rerank=logit)
        for hit, logit in zip(hits, logits, strict=False)
    ]
    # One that was not read is blended as if it had scored nothing, which puts it below all that were.
    unread = [replace(hit, score=(1 - weight) * hit.score) for hit in hits[len(logits) :]]
    return [*sorted(read, key=lambda hit: -hit.score), *unread]


def _rescaled(logit: float) -> float:
    share = (logit - _LOWEST_LOGIT) / (_HIGHEST_LOGIT - _LOWEST_LOGIT)
    return min(max(share, 0.0), 1.0)
