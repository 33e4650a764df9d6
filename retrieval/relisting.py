"""Relisting: make lexical search find every chunk by its words again, and no other.

What is wrong with a forward list is mended from the chunk's text. A segment of which anything is wrong is given up: in
one transaction its chunks become fresh, what was counted out of it is so no more, and it goes. Until a merger has made
new segments of them, searches read those chunks one by one: slower, and right at any time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, LiteralString
from uuid import UUID

from psycopg import sql

from retrieval.database import Connection, Database, query
from retrieval.listings import allow_memory, found_chunks, wrong_segments
from retrieval.records import contextual_text
from retrieval.segments import SegmentPolicy, merge_segments

_CHUNKS_AT_ONCE = 2_000

# For a merger to end: a large segment takes minutes.
_MERGER_PATIENCE_S = 300.0
# For publishers to end that are at work on documents of a segment.
_PUBLISHER_PATIENCE_S = 5.0
_PAUSE_S = 0.1
# A segment may have become part of another one since it was looked at.
_ROUNDS = 3

_OF_FORWARD_LISTS: tuple[LiteralString, ...] = (
    "words_missing",
    "words_misfiled",
    "words_miscounted",
    "fresh_wrong",
)
_OF_LISTS: tuple[LiteralString, ...] = ("chunk_unlisted", "chunk_listed_twice", "removed_extra")


async def relist(database: Database, collection_id: int) -> None:
    """Mend all that `listings.py` finds. Documents on which somebody is at work are passed over."""
    await _recount(database, collection_id)
    given_up = False
    for _ in range(_ROUNDS):
        async with database.snapshot() as connection:
            await allow_memory(connection)
            wrong = await wrong_segments(connection, collection_id)
        done = [await _in_turn(database, collection_id, segment_id) for segment_id in wrong]
        given_up = given_up or any(done)
        if not any(done):
            break
    async with database.snapshot() as connection:
        is_left = any([await found_chunks(connection, kind, collection_id) for kind in _OF_LISTS])
    if is_left:
        await _in_turn(database, collection_id, None)
    if given_up:
        await merge_segments(database, collection_id, SegmentPolicy())


async def recount(connection: Connection, chunk_ids: Sequence[int], contexts: Sequence[str]) -> None:
    """Make forward lists anew from what is embedded of chunks, whose documents the caller holds."""
    await connection.execute(
        query("listings.recount"), {"chunk_ids": list(chunk_ids), "texts": list(contexts)}
    )


async def _recount(database: Database, collection_id: int) -> None:
    """Make anew the forward lists that are lost or are not what they say."""
    async with database.snapshot() as connection:
        found = [await found_chunks(connection, kind, collection_id) for kind in _OF_FORWARD_LISTS]
    chunk_ids = sorted({chunk_id for ids in found for chunk_id in ids})
    for part in _parts(chunk_ids):
        async with database.transaction() as connection:
            documents = await _ids(connection, "listings.documents_of_chunks", chunk_ids=part)
            held = {*await _ids(connection, "reconciling.hold_documents", document_ids=documents)}
            texts = await _contexts(connection, part)
            mended = [chunk_id for chunk_id, (document_id, _) in texts.items() if document_id in held]
            await recount(connection, mended, [texts[chunk_id][1] for chunk_id in mended])


async def _in_turn(database: Database, collection_id: int, segment_id: int | None) -> bool:
    """Give up a segment, or none, and list every chunk once; False where it was gone or others were at work."""
    deadline = asyncio.get_running_loop().time() + _MERGER_PATIENCE_S
    while True:
        async with database.transaction() as connection:
            cursor = await connection.execute(query("segments.hold"), {"collection_id": collection_id})
            row = await cursor.fetchone()
            if row is not None and row["held"]:
                return await _list_once(connection, collection_id, segment_id)
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(_PAUSE_S)


async def _list_once(connection: Connection, collection_id: int, segment_id: int | None) -> bool:
    """The same as the one merger, in its transaction.

    Words are counted first, which takes long where a segment is large. Then the documents are held: a chunk that was
    deleted while it becomes fresh here would be counted out of a segment that is gone.
    """
    collection = {"collection_id": collection_id}
    await connection.execute(query("listings.make_room"))
    unlisted = await found_chunks(connection, "chunk_unlisted", collection_id, given_up=segment_id)
    for part in _parts(unlisted):
        texts = await _contexts(connection, part)
        await connection.execute(
            query("listings.count_words"),
            {"chunk_ids": list(texts), "texts": [context for _, context in texts.values()]},
        )
    held, is_all = await _hold(connection, patience_s=0.0 if segment_id is None else _PUBLISHER_PATIENCE_S)
    if segment_id is not None:
        dropped = is_all and await _ids(connection, "listings.drop_segment", segment_id=segment_id)
        if not dropped:
            return False
    await connection.execute(query("listings.forget_listed_fresh"), collection)
    await connection.execute(query("listings.list_recounted"), {"document_ids": held})
    await connection.execute(query("listings.make_fresh"), {"document_ids": held})
    statement = "DELETE FROM removed_terms WHERE chunk_id IN ({})"
    extra = sql.SQL(query("listings.removed_extra"))
    await connection.execute(sql.SQL(statement).format(extra), collection)
    return True


async def _hold(connection: Connection, *, patience_s: float) -> tuple[list[UUID], bool]:
    """Hold the documents of the chunks that were counted until the end of the transaction; whether these are all.

    It never waits for a lock, and so takes part in no deadlock: it asks again, and keeps what it has.
    """
    deadline = asyncio.get_running_loop().time() + patience_s
    held: set[UUID] = set()
    while True:
        wanted = {*await _ids(connection, "listings.recounted_documents")}
        held |= {*await _ids(connection, "reconciling.hold_documents", document_ids=sorted(wanted - held))}
        if wanted <= held or asyncio.get_running_loop().time() >= deadline:
            return sorted(held), wanted <= held
        await asyncio.sleep(_PAUSE_S)


async def _contexts(connection: Connection, chunk_ids: Sequence[int]) -> dict[int, tuple[UUID, str]]:
    """The documents of chunks and what is indexed of them: title, headings and text."""
    cursor = await connection.execute(query("listings.contexts"), {"chunk_ids": list(chunk_ids)})
    return {
        row["id"]: (row["document_id"], contextual_text(row["title"], row["headings"], row["text"]))
        for row in await cursor.fetchall()
    }


async def _ids(connection: Connection, name: LiteralString, **parameters: object) -> list[Any]:
    cursor = await connection.execute(query(name), parameters)
    return [row["id"] for row in await cursor.fetchall()]


def _parts(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), _CHUNKS_AT_ONCE):
        yield ids[start : start + _CHUNKS_AT_ONCE]
