"""Term weights: what the words of a question weigh in a chunk, by how often they stand in it and how long it is.

BM25 of a chunk is then one sparse dot product in Postgres: its forward list (a one for each word and frequency class,
`lexical_terms` in SQL) with the weights for its length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection
from psycopg.abc import AdaptContext
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format
from psycopg.types import TypeInfo

_DIMENSIONS = 1_000_000_000
_CLASSES = 10
_EXACT_LENGTHS = 256
_STEP = 16
_LAST_BIN = 303

# pgvector adds up in single precision, where integers are exact up to 2**24.
MOST_MARKED = 24

# How often a word stands in a chunk, for each class of `lexical_class`; a class of several by its middle.
_FREQUENCIES = np.array([1, 2, 3, 4, 5, 6, 7, 8.5, 12, 20], dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class TermWeights:
    """Weights by length of chunk.

    dimensions: of forward lists, ascending, int32 of shape (n,).
    values: float32 of shape (bins, n); row `lexical_bin(length)` is for chunks of that length.
    """

    dimensions: NDArray[np.int32]
    values: NDArray[np.float32]


def bin_of(length: int) -> int:
    """The row for a length: `lexical_bin` in SQL."""
    if length < _EXACT_LENGTHS:
        return length
    return min(_EXACT_LENGTHS + (length - _EXACT_LENGTHS) // _STEP, _LAST_BIN)


def words_of(dimensions: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The words of a forward list, by `lexical_base`, and the frequency class of each."""
    return np.divmod(np.asarray(dimensions, dtype=np.int64), _CLASSES)


def bm25_parts(
    classes: NDArray[np.int64],
    lengths: NDArray[np.float64] | float,
    *,
    mean_length: float,
    k1: float,
    b: float,
) -> NDArray[np.float64]:
    """What a word of each frequency class adds to BM25 in a text so long, idf left out."""
    frequencies = _FREQUENCIES[classes]
    return frequencies * (k1 + 1) / (frequencies + k1 * (1 - b + b * lengths / mean_length))


def bm25_weights(
    bases: Sequence[int], weights: Sequence[float], *, mean_length: float, longest: int, k1: float, b: float
) -> TermWeights:
    """BM25's weights (formula in `lexical.py`) for words given by `lexical_base` and what they weigh."""
    unique, first = np.unique(np.asarray(bases, dtype=np.int64), return_index=True)
    rows = np.arange(bin_of(longest) + 1)
    lengths = np.where(
        rows < _EXACT_LENGTHS, rows, _EXACT_LENGTHS + (rows - _EXACT_LENGTHS) * _STEP + _STEP / 2
    )
    by_class = bm25_parts(np.arange(_CLASSES), lengths[:, np.newaxis], mean_length=mean_length, k1=k1, b=b)
    values = (
        np.asarray(weights, dtype=np.float64)[first][np.newaxis, :, np.newaxis] * by_class[:, np.newaxis, :]
    )
    dimensions = unique[:, np.newaxis] * _CLASSES + np.arange(_CLASSES)
    return TermWeights(
        dimensions=dimensions.ravel().astype(np.int32),
        values=values.reshape(len(rows), -1).astype(np.float32),
    )


def word_marks(bases: Sequence[int]) -> TermWeights:
    """One row of weights, whatever the length, that sums to which words a chunk holds: 2**i for the i-th.

    `bases`: ascending, each once, at most `MOST_MARKED`.
    """
    assert len(bases) <= MOST_MARKED, "a sum of more marks is not exact"
    places = np.asarray(bases, dtype=np.int64)[:, np.newaxis] * _CLASSES + np.arange(_CLASSES)
    marks = np.repeat(2.0 ** np.arange(len(bases)), _CLASSES)
    return TermWeights(
        dimensions=places.ravel().astype(np.int32), values=marks.astype(np.float32)[np.newaxis, :]
    )


def marked(held: float, bases: Sequence[int]) -> list[int]:
    """Those of `bases` whose marks are in a sum of marks."""
    return [base for place, base in enumerate(bases) if int(held) >> place & 1]


class _WeightsDumper(Dumper):
    """Sends weights as an array of pgvector's sparsevec, indexed from 0, in Postgres' binary form."""

    format = Format.BINARY
    element_oid = 0

    def dump(self, obj: TermWeights) -> Buffer:
        bins, width = obj.values.shape
        element = np.dtype(
            [
                ("bytes", ">i4"),
                ("dim", ">i4"),
                ("nnz", ">i4"),
                ("unused", ">i4"),
                ("indices", ">i4", (width,)),
                ("values", ">f4", (width,)),
            ]
        )
        elements = np.zeros(bins, dtype=element)
        elements["bytes"] = element.itemsize - 4
        elements["dim"] = _DIMENSIONS
        elements["nnz"] = width
        elements["indices"] = obj.dimensions
        elements["values"] = obj.values
        # One dimension, no nulls, the type of the elements, how many, counted from 0.
        head = np.array([1, 0, self.element_oid, bins, 0], dtype=">i4")
        return head.tobytes() + elements.tobytes()


async def register_term_weights(connection: AsyncConnection[object]) -> None:
    """Let `TermWeights` be parameters of statements on this connection."""
    info = await TypeInfo.fetch(connection, "sparsevec")
    if info is not None:  # the extension comes with the first migration
        _register(connection, info)


def _register(context: AdaptContext, info: TypeInfo) -> None:
    dumper = type("WeightsDumper", (_WeightsDumper,), {"oid": info.array_oid, "element_oid": info.oid})
    adapters = context.adapters
    assert adapters is not None, "a connection has adapters"
    adapters.register_dumper(TermWeights, dumper)
