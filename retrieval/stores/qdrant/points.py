"""Points: what a chunk is to Qdrant. Its number is the chunk's; it carries the document and a copy of its readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from retrieval.stores.qdrant.layout import DENSE, WORDS

# Qdrant refuses requests above 32 MB. As JSON a number takes up to 22 bytes.
_MOST_POINTS = 256
_BYTES_A_REQUEST = 8_000_000
_BYTES_A_NUMBER = 22


def points_a_request(dimension: int) -> int:
    """How many points of vectors so long are sent, or asked for, at a time."""
    return max(1, min(_MOST_POINTS, _BYTES_A_REQUEST // (_BYTES_A_NUMBER * dimension)))


def make_points(
    chunk_ids: Sequence[int],
    vectors: NDArray[np.float32],
    words: Mapping[int, models.SparseVector],
    *,
    document_id: UUID,
    readers: Sequence[str],
) -> list[models.PointStruct]:
    """The points of a document's chunks; `vectors` is of shape (len(chunk_ids), dimension)."""
    payload = {"document_id": str(document_id), "readers": list(readers)}
    return [
        models.PointStruct(
            id=chunk_id,
            vector={DENSE: vector, WORDS: words[chunk_id]} if chunk_id in words else {DENSE: vector},
            payload=payload,
        )
        for chunk_id, vector in zip(chunk_ids, vectors.tolist(), strict=True)
    ]
