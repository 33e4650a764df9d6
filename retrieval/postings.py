"""Postings: what the segments' lists say that each chunk has of a question's words, added up.

The lists come from Postgres as they are stored and are added up by numpy, which takes a fifth of the time that grouping
as many rows takes in Postgres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection
from psycopg.adapt import Buffer, Loader
from psycopg.pq import Format

# A posting is impact * 2**25 + offset from the segment's first chunk (migration 0004).
_OFFSET_BITS = 25
_IMPACTS = 64
# Least and greatest impact as the segments' merger writes them down: with k1 = .9.
_LEAST, _GREATEST = 0.5, 1.9
# Chunks whose numbers are further apart than this, on average, are sorted; others are counted through.
_FAR_APART = 64
_HEAD_BYTES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingList:
    """A part of a segment's list of a word. `word`: its number in the question."""

    word: int
    first_chunk: int
    postings: NDArray[np.int32]


def by_promise(lists: Sequence[PostingList], weights: Sequence[float], most: int) -> NDArray[np.int64]:
    """The `most` chunks on the lists that promise most, best first: whose words weigh most, as far as the lists tell.

    `weights`: what each word of the question weighs.
    """
    lists = [each for each in lists if len(each.postings)]
    if not lists:
        return np.empty(0, dtype=np.int64)
    lengths = [len(each.postings) for each in lists]
    postings = np.concatenate([each.postings for each in lists])
    numbers = np.repeat(np.array([each.first_chunk for each in lists]), lengths)
    numbers += postings & (2**_OFFSET_BITS - 1)
    by_impact = _LEAST + (np.arange(_IMPACTS) + 0.5) * ((_GREATEST - _LEAST) / _IMPACTS)
    table = np.outer(weights, by_impact).ravel()
    rows = np.repeat(np.array([each.word * _IMPACTS for each in lists]), lengths)
    rows += postings >> _OFFSET_BITS
    found, sums = _add_up(numbers, table[rows])
    if len(found) > most:
        # To sort them all takes longer than all the rest.
        chosen = np.argpartition(sums, len(sums) - most)[-most:]
        found, sums = found[chosen], sums[chosen]
    return found[np.lexsort((found, -sums))]


def _add_up(
    numbers: NDArray[np.int64], values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The different numbers, ascending, with the sums of their values, which are above 0."""
    first = int(numbers.min())
    if int(numbers.max()) - first > _FAR_APART * len(numbers):
        found, places = np.unique(numbers, return_inverse=True)
        return found, np.asarray(np.bincount(places, values), dtype=np.float64)
    sums = np.asarray(np.bincount(numbers - first, values), dtype=np.float64)
    found = np.flatnonzero(sums > 0).astype(np.int64)
    return found + first, sums[found]


class _ArrayLoader(Loader):
    """Reads an integer[] without nulls in Postgres' binary form as int32 of shape (n,)."""

    format = Format.BINARY

    def load(self, data: Buffer) -> NDArray[np.int32]:
        # Number of dimensions, flags, type of the elements, how many, counted from; then each after its size in bytes.
        # One without elements has no dimension.
        if len(data) < _HEAD_BYTES:
            return np.empty(0, dtype=np.int32)
        elements = np.frombuffer(data, dtype=[("size", ">i4"), ("value", ">i4")], offset=_HEAD_BYTES)
        return elements["value"].astype(np.int32)


def register_postings(connection: AsyncConnection[object]) -> None:
    """Let arrays of integers that are asked for in binary form be arrays of numpy on this connection."""
    connection.adapters.register_loader(connection.adapters.types["int4"].array_oid, _ArrayLoader)
