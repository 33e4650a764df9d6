"""Postings: what lists promise of chunks, added up by numpy, is what adding them up one by one gives."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.database import Database
from retrieval.postings import PostingList, by_promise

WEIGHTS = [3.0, 1.0, 0.25]


def promise(posting: int) -> float:
    """The middle of the posting's step of impact."""
    return 0.5 + ((posting >> 25) + 0.5) * 1.4 / 64


def posting(impact: int, offset: int) -> int:
    return impact * 2**25 + offset


postings = st.builds(posting, st.integers(0, 63), st.integers(0, 40) | st.integers(0, 2**25 - 1))
posting_lists = st.lists(
    st.builds(
        PostingList,
        word=st.integers(0, len(WEIGHTS) - 1),
        first_chunk=st.sampled_from([1, 30, 2**40]),
        postings=st.lists(postings, max_size=30).map(lambda found: np.array(found, dtype=np.int32)),
    ),
    max_size=8,
)


@given(posting_lists, st.integers(1, 50))
def test_the_chunks_that_promise_most_come_first(lists: list[PostingList], most: int) -> None:
    promised = defaultdict[int, float](float)
    for each in lists:
        for one in each.postings.tolist():
            promised[each.first_chunk + one % 2**25] += WEIGHTS[each.word] * promise(one)
    found = by_promise(lists, WEIGHTS, most).tolist()
    assert len(set(found)) == len(found) == min(most, len(promised))
    best = sorted(promised.values(), reverse=True)[:most]
    assert [promised[number] for number in found] == pytest.approx(best)


def test_nothing_is_promised_by_no_lists() -> None:
    assert by_promise([], WEIGHTS, 10).tolist() == []


async def test_arrays_of_integers_arrive_as_arrays_of_numpy(database: Database) -> None:
    async with database.connection() as connection:
        cursor = await connection.execute(
            "SELECT '{3,-1,2147483647}'::integer[] AS some, '{}'::integer[] AS none", binary=True
        )
        row = await cursor.fetchone()
    assert row is not None
    assert row["some"].dtype == np.int32
    assert row["some"].tolist() == [3, -1, 2**31 - 1]
    assert row["none"].tolist() == []
