"""Reading points: all that an index holds, in the order of their numbers, or the vectors of given chunks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from retrieval.stores import HeldVector, Index
from retrieval.stores.qdrant.conditions import has_id
from retrieval.stores.qdrant.connecting import Qdrant
from retrieval.stores.qdrant.layout import DENSE
from retrieval.stores.qdrant.points import points_a_request
from retrieval.stores.qdrant.refusals import asking, collection_name

# Without their vectors, so many points are read at a time.
_MOST_POINTS = 10_000

_NOBODY = UUID(int=0)


async def read_holdings(
    qdrant: Qdrant, index: Index, *, after: int, limit: int, measured: bool
) -> list[HeldVector]:
    """The first `limit` points above the number `after`; `measured`: with the lengths of their vectors."""
    held: list[HeldVector] = []
    start: models.ExtendedPointId | None = after + 1
    page = points_a_request(index.dimension) if measured else _MOST_POINTS
    async with asking(qdrant, index):
        while start is not None and len(held) < limit:
            points, start = await qdrant.client.scroll(
                collection_name(index),
                limit=min(limit - len(held), page),
                offset=start,
                with_payload=True,
                with_vectors=[DENSE] if measured else False,
            )
            held += [_held(index, point, measured=measured) for point in points]
    return held


async def read_vector(qdrant: Qdrant, index: Index, chunk_id: int) -> NDArray[np.float32] | None:
    """The vector of a chunk; None where it has none here."""
    async with asking(qdrant, index):
        points, _ = await qdrant.client.scroll(
            collection_name(index), limit=1, offset=chunk_id, with_payload=False, with_vectors=[DENSE]
        )
    return _dense(points[0]) if points and points[0].id == chunk_id else None


async def read_vectors(
    qdrant: Qdrant, index: Index, chunk_ids: Sequence[int]
) -> dict[int, NDArray[np.float32]]:
    """The vectors of chunks, without those that have none here."""
    found: dict[int, NDArray[np.float32]] = {}
    size = points_a_request(index.dimension)
    async with asking(qdrant, index):
        for first in range(0, len(chunk_ids), size):
            points, _ = await qdrant.client.scroll(
                collection_name(index),
                scroll_filter=has_id(chunk_ids[first : first + size]),
                limit=size,
                with_payload=False,
                with_vectors=[DENSE],
            )
            found |= {int(point.id): dense for point in points if (dense := _dense(point)) is not None}
    return found


def _dense(point: models.Record) -> NDArray[np.float32] | None:
    dense = point.vector.get(DENSE) if isinstance(point.vector, dict) else None
    return None if dense is None else np.asarray(dense, dtype=np.float32)


def _held(index: Index, point: models.Record, *, measured: bool) -> HeldVector:
    """What a point holds; of a point that carries no document, or no readers, the nil id and nobody."""
    payload = point.payload or {}
    try:
        document_id = UUID(str(payload.get("document_id")))
    except ValueError:
        document_id = _NOBODY
    readers = payload.get("readers")
    norm = None
    if measured:
        dense = _dense(point)
        norm = math.nan if dense is None else index.measure(dense)
    return HeldVector(
        chunk_id=int(point.id),
        norm=norm,
        document_id=document_id,
        readers=frozenset(readers if isinstance(readers, list) else ()),
    )
