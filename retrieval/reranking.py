"""Reranking: a cross-encoder reads question and passage together and moves the head of the fused list.

It reads candidates in the order of their promise for as long as its budget lasts, or until what is left could not come
among those that are wanted; what it has not read keeps its place below. Where the fused list is already decided it
reads nothing. Its score is blended with the fused one, for alone it makes rankings worse on some collections
(docs/retrieval.md).
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
# One that was read alone stays where it is.
_FEWEST = 2


class PairScorer(Protocol):
    """Scores (question, passage) pairs: raw logits, float32 of shape (len(pairs),)."""

    async def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankPolicy:
    """How much is read, and what it counts for.

    candidates: how many of the fused list are read at most.
    weight: of the cross-encoder's score in the blend.
    budget_ms: reading ends when the next batch would end later than this; a batch that would is halved first.
    decided_margin: nothing is read where the first hit is ahead of the second by this much of the fused score.
    batch: pairs read at a time, between two looks at the clock, at most.
    """

    candidates: int = 10
    weight: float = 0.25
    budget_ms: float = 400.0
    decided_margin: float = 0.15
    batch: int = 4


class ReadingPace:
    """How fast a scorer reads, in seconds a character, learned from what it has read lately.

    Without it the first batch of every request would be read whatever it took. Of a passage that is longer than the
    model reads the rest counts as well: what is wrong then ends reading early rather than late.
    """

    def __init__(self) -> None:
        self.s_per_character = 0.0  # nothing has been read yet

    def learn(self, s_per_character: float) -> None:
        """Take one batch into account: three parts in ten, so that one moment's hindrance is soon forgotten."""
        known = self.s_per_character
        self.s_per_character = s_per_character if known == 0.0 else 0.7 * known + 0.3 * s_per_character

    def doubt(self) -> None:
        """Nothing was read because it would have taken too long: after some such requests, one finds out anew."""
        self.s_per_character *= 0.98


async def rerank(
    hits: Sequence[Hit],
    question: str,
    *,
    scorer: PairScorer,
    policy: RerankPolicy,
    wanted: int | None = None,
    pace: ReadingPace | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> list[Hit]:
    """Hits in their new order, best first, with what the cross-encoder made of those that it read.

    `hits` come in fused order. Only the first `wanted` of the result matter to the caller: reading ends where it could
    change nothing about them. `pace` is kept by the caller from request to request; where it is wrong, the budget is
    overrun by a batch at most. `clock` returns seconds. Raises `ModelError`.
    """
    if is_decided(hits, policy):
        return [*hits]
    pace = pace or ReadingPace()
    pairs = [(question, read_as(hit)) for hit in hits[: policy.candidates]]
    logits: list[float] = []
    ends = clock() + policy.budget_ms / 1_000
    slowest = 0.0
    while len(logits) < len(pairs) and not is_settled(hits, logits, weight=policy.weight, wanted=wanted):
        begun = clock()
        unread = pairs[len(logits) :]
        # A batch of this request that was slow tells more than what was usual before.
        size = _fitting(unread[: policy.batch], ends - begun, max(pace.s_per_character, slowest))
        if size < (1 if logits else _FEWEST):
            break
        logits += [float(logit) for logit in await scorer.score(unread[:size])]
        took = (clock() - begun) / _characters(unread[:size])
        pace.learn(took)
        slowest = max(slowest, took)
    if not logits:
        pace.doubt()
        return [*hits]
    return blend(hits, logits, weight=policy.weight)


def _fitting(batch: Sequence[tuple[str, str]], left_s: float, s_per_character: float) -> int:
    """How many pairs of the batch can be read in the time that is left: all, half of them and so on, or none."""
    size = len(batch)
    while size and _characters(batch[:size]) * s_per_character > left_s:
        size //= 2
    return size


def _characters(pairs: Sequence[tuple[str, str]]) -> int:
    return sum(len(question) + len(passage) for question, passage in pairs)


def is_settled(hits: Sequence[Hit], logits: Sequence[float], *, weight: float, wanted: int | None) -> bool:
    """Whether the first `wanted` hits are what they are, however well the next ones would do.

    No hit that has not been read can come to more than the first of them with the highest logit there is.
    """
    if wanted is None or not wanted <= len(logits) < len(hits):
        return False
    last_wanted = blend(hits, logits, weight=weight)[wanted - 1].score
    return last_wanted >= (1 - weight) * hits[len(logits)].score + weight


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
