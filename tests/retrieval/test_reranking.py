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
from retrieval.reranking import ReadingPace, RerankPolicy, blend, is_settled, rerank


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
    ("budget_ms", "batches"),
    [(0.0, []), (2_000.0, [2]), (3_400.0, [2]), (3_900.0, [2, 1]), (4_000.0, [2, 2]), (60_000.0, [2] * 5)],
)
async def test_reading_ends_when_half_of_the_next_batch_would_end_too_late(
    budget_ms: float, batches: list[int]
) -> None:
    scorer = LaterIsBetter()
    policy = RerankPolicy(candidates=10, batch=2, budget_ms=budget_ms, decided_margin=1.0)
    # The clock is looked at twice a batch: a batch takes a second, and between two a second goes by.
    clock = ticking(1.0)
    after = await rerank(hits([0.5] * 10), "q", scorer=scorer, policy=policy, clock=lambda: next(clock))
    assert scorer.batches == batches
    assert sum(hit.rerank is not None for hit in after) == sum(batches)


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


class Reading:
    """A scorer with a clock of its own, on which each pair takes a while; it finds every passage as good."""

    def __init__(self, s_per_pair: float) -> None:
        self.s_per_pair = s_per_pair
        self.now = 0.0
        self.batches: list[int] = []

    async def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        self.batches.append(len(pairs))
        self.now += self.s_per_pair * len(pairs)
        return np.zeros(len(pairs), dtype=np.float32)

    def clock(self) -> float:
        return self.now

    async def overrun_s(self, budget_s: float, pace: ReadingPace) -> float:
        """Rerank ten hits; by how much the budget was overrun."""
        self.batches.clear()
        begun = self.now
        policy = RerankPolicy(budget_ms=1_000 * budget_s, decided_margin=1.0)
        await rerank(hits([0.5] * 10), "q", scorer=self, policy=policy, pace=pace, clock=self.clock)
        return self.now - begun - budget_s


async def test_a_request_reads_what_fits_by_the_pace_of_those_before_it() -> None:
    scorer, pace = Reading(s_per_pair=0.125), ReadingPace()
    assert await scorer.overrun_s(0.25, pace) == 0.25, "nothing was known, so a whole batch was read"
    assert scorer.batches == [4]
    assert await scorer.overrun_s(0.25, pace) == 0
    assert scorer.batches == [2]
    assert await scorer.overrun_s(0.125, pace) < 0, "one alone cannot move, so none is read"
    assert scorer.batches == []
    assert await scorer.overrun_s(0.75, pace) == 0
    assert scorer.batches == [4, 2]


@given(st.lists(st.tuples(st.floats(0.001, 0.5), st.floats(0.01, 2.0)), min_size=1, max_size=20))
async def test_the_budget_is_overrun_by_a_batch_at_most(requests: list[tuple[float, float]]) -> None:
    scorer, pace = Reading(s_per_pair=1.0), ReadingPace()
    for s_per_pair, budget_s in requests:
        scorer.s_per_pair = s_per_pair
        overrun = await scorer.overrun_s(budget_s, pace)
        assert overrun <= s_per_pair * (scorer.batches[-1] if scorer.batches else 0) + 1e-9


async def test_a_scorer_that_was_too_slow_is_tried_again_after_a_while() -> None:
    scorer, pace = Reading(s_per_pair=1.0), ReadingPace()
    await scorer.overrun_s(0.5, pace)
    scorer.s_per_pair = 0.01
    read = []
    for _request in range(80):
        await scorer.overrun_s(0.5, pace)
        read.append(sum(scorer.batches))
    assert read[0] == 0
    assert read[-1] == 10


async def test_a_budget_without_end_reads_the_same_at_any_pace() -> None:
    slow = ReadingPace()
    slow.learn(1e6)
    scorer = LaterIsBetter()
    policy = RerankPolicy(candidates=10, budget_ms=1e12, decided_margin=1.0)
    after = await rerank(hits([0.5] * 10), "q", scorer=scorer, policy=policy, pace=slow)
    assert scorer.batches == [4, 4, 2]
    assert after == await rerank(hits([0.5] * 10), "q", scorer=scorer, policy=policy)


@given(scores, st.lists(st.floats(-50, 50), min_size=30, max_size=30), st.floats(0, 1), st.integers(1, 10))
def test_what_is_left_unread_could_not_have_changed_what_is_wanted(
    fused: list[float], read: list[float], weight: float, wanted: int
) -> None:
    before = hits(fused)
    everything = blend(before, read[: len(before)], weight=weight)[:wanted]
    for count in range(len(before) + 1):
        if is_settled(before, read[:count], weight=weight, wanted=wanted):
            assert blend(before, read[:count], weight=weight)[:wanted] == everything


async def test_reading_ends_where_the_wanted_hits_are_settled() -> None:
    scorer = Reading(s_per_pair=0.0)
    policy = RerankPolicy(weight=0.25, decided_margin=1.0)
    before = hits([0.95, 0.94, *[0.2] * 8])
    after = await rerank(before, "q", scorer=scorer, policy=policy, wanted=2)
    assert scorer.batches == [4]
    assert [hit.passage.chunk_id for hit in after[:2]] == [0, 1]
    await rerank(before, "q", scorer=scorer, policy=policy, wanted=3)
    assert sum(scorer.batches) == 4 + 10
