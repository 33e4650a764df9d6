"""Upkeep: what makes searching a collection quick again after it has grown or shrunk. Nothing is wrong without it."""

from __future__ import annotations

from retrieval.database import Database
from retrieval.segments import SegmentPolicy, merge_segments
from retrieval.stores import Index, VectorStore


async def keep_up(database: Database, store: VectorStore, index: Index, policy: SegmentPolicy) -> bool:
    """Merge a collection's segments and have its store optimize its index; True where there was something to do.

    Safe to be interrupted and to be done by several processes at once; searches and publishers go on meanwhile.
    """
    steps = await merge_segments(database, index.collection_id, policy)
    return await store.optimize(index, database) or steps > 0
