"""Reranking: what is read moves, what is not stays, and the clock is obeyed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from retrieval.records import Hit, Passage
from retrieval.reranking import RerankPolicy, blend, rerank


def hits(scores: Sequence[float]) -> list[Hit]:
    """Hits of these fused scores, best first."""
    return [
        Hit(
            passage=Passage(
                chunk_id=number,
                document_id=UUID(int=number),
                revision=1,
                path=f"{number}.txt",
                title="",
                headings=(),
                page_starts=(),
                char_start=0,
                char_end=1,
                text=str(number),
            ),
            score=score,
            cosine=0.0,
            bm25=0.0,
        )
        for number, score in enumerate(sorted(scores, reverse=True))
    ]


class LaterIsBetter:
    """Scores passages by their number, and remembers how many it was given at a time."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    async def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        self.batches.append(len(pairs))
        return np.array([float(text) - 11 for _, text in pairs], dtype=np.float32)


def ticking(step_s: float) -> Iterator[float]:
    now = 0.0
    while True:
        yield now
        now += step_s


scores = st.lists(st.floats(-1, 2), max_size=30)
logits = st.lists(st.floats(-50, 50), max_size=30)


@given(scores, logits, st.floats(0, 1))
def test_blending_orders_what_was_read_and_leaves_the_rest_below_in_its_order(
    fused: list[float], read: list[float], weight: float
) -> None:
    before = hits(fused)
    after = blend(before, read[: len(before)], weight=weight)
    count = min(len(read), len(before))
    assert {hit.passage.chunk_id for hit in after} == {*range(len(before))}
    assert [hit.passage.chunk_id for hit in after[count:]] == [*range(count, len(before))]
    assert [hit.rerank is None for hit in after] == [False] * count + [True] * (len(before) - count)
    assert all(later.score <= earlier.score + 1e-9 for earlier, later in pairwise(after))


@given(st.floats(0, 1), st.floats(-50, 50), st.floats(-50, 50))
def test_a_higher_logit_never_blends_to_less(fused: float, one: float, other: float) -> None:
    lower, higher = (blend(hits([fused]), [logit], weight=0.3)[0].score for logit in sorted((one, other)))
    assert lower <= higher


async def test_candidates_are_read_in_the_order_of_their_promise_until_there_are_enough() -> None:
    scorer = LaterIsBetter()
    policy = RerankPolicy(candidates=6, weight=1.0, batch=4, decided_margin=1.0)
    after = await rerank(hits([0.5] * 10), "q", scorer=scorer, policy=policy)
    assert scorer.batches == [4, 2]
    assert [hit.passage.chunk_id for hit in after] == [5, 4, 3, 2, 1, 0, 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("budget_ms", "batches"), [(0.0, 0), (2_000.0, 1), (3_900.0, 1), (4_000.0, 2), (60_000.0, 5)]
)
async def test_reading_ends_when_the_next_batch_would_end_too_late(budget_ms: float, batches: int) -> None:
    scorer = LaterIsBetter()
    policy = RerankPolicy(candidates=10, batch=2, budget_ms=budget_ms, decided_margin=1.0)
    # The clock is looked at twice a batch: a batch takes a second, and between two a second goes by.
    clock = ticking(1.0)
    after = await rerank(hits([0.5] * 10), "q", scorer=scorer, policy=policy, clock=lambda: next(clock))
    assert len(scorer.batches) == batches
    assert sum(hit.rerank is not None for hit in after) == 2 * batches


async def test_without_time_for_one_batch_the_fused_order_stands() -> None:
    scorer = LaterIsBetter()
    before = hits([0.5, 0.4, 0.3])
    policy = RerankPolicy(budget_ms=-1, decided_margin=1.0)
    assert await rerank(before, "q", scorer=scorer, policy=policy) == before
    assert scorer.batches == []


@pytest.mark.parametrize("fused", [[], [0.5], [0.9, 0.5, 0.4]])
async def test_a_list_that_is_decided_is_not_read(fused: list[float]) -> None:
    scorer = LaterIsBetter()
    assert await rerank(hits(fused), "q", scorer=scorer, policy=RerankPolicy(decided_margin=0.3)) == hits(
        fused
    )
    assert scorer.batches == []
