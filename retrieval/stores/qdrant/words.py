"""The words of chunks and questions as Qdrant's sparse vectors: candidates for lexical search, never scores.

A chunk's value for a word is its part of BM25 (formula in `retrieval/lexical.py`) without idf, which Qdrant computes
from its own points. It is fixed when it is written, so it is told by a mean length that is fixed, too. That is near
enough to find the best chunks; what they score is computed in Postgres, from their forward lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qdrant_client import models

from retrieval.database import Connection, query
from retrieval.lexical import Bm25Policy
from retrieval.term_weights import bm25_parts, words_of

# Of chunks of 256 tokens.
_MEAN_LENGTH = 100.0
_POLICY = Bm25Policy()


async def read_words(connection: Connection, chunk_ids: Sequence[int]) -> dict[int, models.SparseVector]:
    """The words of chunks that the caller's transaction has; a chunk without words is left out."""
    cursor = await connection.execute(query("lexical.forward_lists"), {"chunk_ids": list(chunk_ids)})
    return {
        row["chunk_id"]: _of_chunk(row["terms"].indices(), row["length"])
        for row in await cursor.fetchall()
        if row["terms"].indices()
    }


def _of_chunk(dimensions: Sequence[int], length: int) -> models.SparseVector:
    bases, classes = words_of(dimensions)
    parts = bm25_parts(classes, length, mean_length=_MEAN_LENGTH, k1=_POLICY.k1, b=_POLICY.b)
    # Two words of the same hash are one to Qdrant, which takes no index twice.
    values = dict(zip(bases.tolist(), parts.tolist(), strict=True))
    return models.SparseVector(indices=list(values), values=list(values.values()))


def of_question(words: Mapping[int, int]) -> models.SparseVector:
    """The words of a question, given by `lexical_base` with how often it has each."""
    bases = sorted(words)
    return models.SparseVector(indices=bases, values=[float(words[base]) for base in bases])
