"""Segments: the inverted index of lexical search, built from what publishers leave, merged as it grows.

Publishers write forward lists and leave their chunks fresh; searches read fresh chunks one by one. Here, fresh chunks
become a segment, small segments become a large one, and what was removed goes out of both. One merger works on a
collection at a time; each step is a transaction, so a search sees the index before it or after it, and a merger that
dies has done whole steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from psycopg.rows import DictRow

from retrieval.database import Connection, Database, query
from retrieval.lexical import Bm25Policy

_OFFSETS = 2**25


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentPolicy:
    """When to work on segments.

    fresh: so many chunks without a segment are worth one; below, searches read them one by one.
    batch: the largest segment made of fresh chunks. While it is made, whoever deletes one of them waits.
    fan_in: so many segments of about one size become one.
    removed: more chunks that have gone from segments are worth writing some anew: a search looks at each of them.
    """

    fresh: int = 1_024
    batch: int = 32_768
    fan_in: int = 6
    removed: int = 8_192


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A part of a collection's inverted index.

    span: how far the last of its chunks is from the first.
    removed: how many of its chunks have gone.
    """

    id: int
    first_chunk: int
    span: int
    chunk_count: int
    removed: int


async def merge_segments(database: Database, collection_id: int, policy: SegmentPolicy) -> int:
    """Do what there is to do for a collection's segments; returns the number of steps.

    Nothing is done where another merger is at work, or where the backlog is not worth it.
    """
    steps = 0
    while await _step(database, collection_id, policy):
        steps += 1
    return steps


def plan_merge(segments: Sequence[Segment], policy: SegmentPolicy) -> list[Segment]:
    """The segments to make one of next: those that have lost much, else a full tier; none where nothing is due."""
    lost = _lost(segments, policy)
    if lost:
        return _within_reach(lost)
    by_tier = sorted(segments, key=lambda segment: (_tier(segment, policy), segment.first_chunk))
    for _, of_tier in groupby(by_tier, key=lambda segment: _tier(segment, policy)):
        tier = list(of_tier)
        for first in range(len(tier) - policy.fan_in + 1):
            together = _within_reach(tier[first:])
            if len(together) >= policy.fan_in:
                return together
    return []


def _lost(segments: Sequence[Segment], policy: SegmentPolicy) -> list[Segment]:
    """Those that have lost most for their size: without them, half of what is allowed is left to count out at most."""
    left = sum(segment.removed for segment in segments)
    lost: list[Segment] = []
    if left > policy.removed:
        for segment in sorted(segments, key=lambda each: each.removed / each.chunk_count, reverse=True):
            if left * 2 <= policy.removed:
                break
            lost.append(segment)
            left -= segment.removed
    return lost


def _tier(segment: Segment, policy: SegmentPolicy) -> int:
    tier, size = 0, policy.fresh * 4
    while segment.chunk_count >= size:
        tier, size = tier + 1, size * policy.fan_in
    return tier


def _within_reach(segments: Sequence[Segment]) -> list[Segment]:
    """As many segments, from the first chunk on, as one can hold: offsets of its chunks are bounded."""
    ordered = sorted(segments, key=lambda segment: segment.first_chunk)
    reach = ordered[0].first_chunk + _OFFSETS
    return [segment for segment in ordered if segment.first_chunk + segment.span < reach]


async def _step(database: Database, collection_id: int, policy: SegmentPolicy) -> bool:
    async with database.transaction() as connection:
        held = await _one(connection, "segments.hold", collection_id=collection_id)
        if not held["held"]:
            return False
        backlog = await _one(connection, "segments.backlog", collection_id=collection_id)
        if backlog["fresh"] >= policy.fresh:
            return await _build(connection, collection_id, policy)
        segments = [
            Segment(**row) for row in await _rows(connection, "segments.state", collection_id=collection_id)
        ]
        chosen = plan_merge(segments, policy)
        if chosen:
            await _merge(connection, collection_id, [segment.id for segment in chosen])
        return bool(chosen)


async def _build(connection: Connection, collection_id: int, policy: SegmentPolicy) -> bool:
    """Make a segment of fresh chunks."""
    taken = await _rows(connection, "segments.take_fresh", collection_id=collection_id, limit=policy.batch)
    if len(taken) < policy.fresh // 2:
        return False  # the others are being deleted just now
    made = await _insert(connection, collection_id, taken)
    bm25 = Bm25Policy()
    chunk_ids = [row["chunk_id"] for row in taken]
    await connection.execute(
        query("segments.fill"),
        {
            "segment_id": made["id"],
            "first_chunk": made["first_chunk"],
            "mean_length": max(made["mean_length"], 1.0),
            "chunk_ids": chunk_ids,
            "k1": bm25.k1,
            "b": bm25.b,
        },
    )
    await connection.execute(query("segments.forget_fresh"), {"chunk_ids": chunk_ids})
    return True


async def _merge(connection: Connection, collection_id: int, segment_ids: Sequence[int]) -> None:
    """Make one segment of some, without the chunks that have gone."""
    members = await _rows(connection, "segments.members", segment_ids=list(segment_ids))
    gone = [row["chunk_id"] for row in members if row["gone"]]
    kept = [row for row in members if not row["gone"]]
    if kept:
        made = await _insert(connection, collection_id, kept)
        await connection.execute(
            query("segments.merge"),
            {
                "segment_id": made["id"],
                "first_chunk": made["first_chunk"],
                "segment_ids": list(segment_ids),
                "gone": gone,
            },
        )
    await connection.execute(query("segments.drop"), {"segment_ids": list(segment_ids)})
    await connection.execute(query("segments.forget_removed"), {"chunk_ids": gone})


async def _insert(connection: Connection, collection_id: int, members: Sequence[DictRow]) -> DictRow:
    return await _one(
        connection,
        "segments.insert",
        collection_id=collection_id,
        chunk_ids=[row["chunk_id"] for row in members],
        lengths=[row["length"] for row in members],
    )


async def _rows(connection: Connection, name: str, **parameters: object) -> list[DictRow]:
    cursor = await connection.execute(query(name), parameters)
    return await cursor.fetchall()


async def _one(connection: Connection, name: str, **parameters: object) -> DictRow:
    (row,) = await _rows(connection, name, **parameters)
    return row
