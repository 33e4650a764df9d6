"""What a vector store holds, against what it should: one vector of unit length for every chunk, no other.

Both sides are read in the order of chunk ids, a bounded number at a time. Postgres is read in one snapshot. A store
that lives elsewhere knows no snapshot: what a publisher has in hand shows there as a vector without chunk, or as a
chunk without vector. Where something is found there it is walked again when those publishers have ended, and only what
both walks find counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID

from retrieval.database import Connection, Database, query
from retrieval.stores import HeldVector, Index, VectorStore

# How far from 1 a vector's length may be: half precision of 4,096 dimensions moves it by less than .001.
_NORM_TOLERANCE = 0.01

_IDS_AT_ONCE = 2_000
# Where a store has to send its vectors to have them measured, one batch in so many is.
_MEASURED_ONE_IN = 20
# For publishers to drop the vectors of what they have replaced, which they do as soon as that is committed.
_SETTLING_S = 1.0
# Paths are for examples: with those of the batch in which this was reached there are enough.
_PATHS_KEPT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrepancies:
    """Where a store differs from Postgres, by chunk ids.

    missing: chunks without a vector. strays: vectors without a chunk.
    wrong: the vector has not the index's dimension, is not finite, not of unit length, or another document's.
    readers: chunks whose copy of the readers is not what Postgres says, with their documents.
    paths: the paths of the documents of some of them.
    """

    missing: set[int] = field(default_factory=set)
    strays: set[int] = field(default_factory=set)
    wrong: set[int] = field(default_factory=set)
    readers: dict[int, UUID] = field(default_factory=dict)
    paths: dict[int, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.missing or self.strays or self.wrong or self.readers)

    def also_in(self, other: Discrepancies) -> Discrepancies:
        """What both have."""
        return Discrepancies(
            missing=self.missing & other.missing,
            strays=self.strays & other.strays,
            wrong=self.wrong & other.wrong,
            readers={i: document for i, document in self.readers.items() if i in other.readers},
            paths=self.paths,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    document_id: UUID
    path: str
    readers: frozenset[str]


async def find_discrepancies(
    database: Database,
    connection: Connection,
    store: VectorStore,
    index: Index,
    *,
    all_measured: bool,
) -> Discrepancies:
    """Walk an index in the caller's snapshot. Raises `IndexMissingError` and what else the store raises.

    `all_measured`: also where a store has to send its vectors for that.
    """
    first = await _walk(connection, store, index, all_measured=all_measured)
    if not first or store.kind == "pgvector":
        return first  # there the snapshot saw both sides at once
    async with database.transaction() as waiting:
        await waiting.execute(query("reconciling.wait_for_publishers"), {"index_id": index.id})
    await asyncio.sleep(_SETTLING_S)
    async with database.snapshot() as later:
        # A snapshot begins with its first statement. It has to be older than what is read from the store: a chunk that
        # goes in between would else be a vector without chunk.
        await later.execute("SELECT 1")
        return first.also_in(await _walk(later, store, index, all_measured=all_measured))


async def _walk(
    connection: Connection, store: VectorStore, index: Index, *, all_measured: bool
) -> Discrepancies:
    found = Discrepancies()
    after = 0
    for number in count():
        measured = all_measured or number % _MEASURED_ONE_IN == 0
        held = await store.holdings(
            index, after=after, limit=_IDS_AT_ONCE, measured=measured, connection=connection
        )
        wanted = await _wanted(connection, index, after)
        # What lies above the last id of a full page has not been read yet on that side.
        ends = [max(ids) for ids in ([h.chunk_id for h in held], wanted) if len(ids) == _IDS_AT_ONCE]
        end = min(ends, default=None)
        _compare(held, wanted, end, found)
        if end is None:
            break
        after = end
    return found


async def _wanted(connection: Connection, index: Index, after: int) -> dict[int, _Wanted]:
    cursor = await connection.execute(
        query("reconciling.vectors_wanted"),
        {"collection_id": index.collection_id, "after": after, "limit": _IDS_AT_ONCE},
    )
    return {
        row["id"]: _Wanted(
            document_id=row["document_id"], path=row["path"], readers=frozenset(row["readers"])
        )
        for row in await cursor.fetchall()
    }


def _compare(
    held: Sequence[HeldVector], wanted: Mapping[int, _Wanted], end: int | None, found: Discrepancies
) -> None:
    here = {vector.chunk_id: vector for vector in held if end is None or vector.chunk_id <= end}
    there = {chunk_id: chunk for chunk_id, chunk in wanted.items() if end is None or chunk_id <= end}
    missing = there.keys() - here.keys()
    found.missing.update(missing)
    found.strays.update(here.keys() - there.keys())
    different = {i for i in here.keys() & there.keys() if _compare_one(here[i], there[i], found)}
    for chunk_id in (missing | different) if len(found.paths) < _PATHS_KEPT else ():
        found.paths[chunk_id] = there[chunk_id].path


def _compare_one(vector: HeldVector, chunk: _Wanted, found: Discrepancies) -> bool:
    """Whether a vector is not what it should be."""
    is_unit = vector.norm is None or abs(vector.norm - 1) <= _NORM_TOLERANCE  # nan is never close
    if not is_unit or vector.document_id not in {None, chunk.document_id}:
        found.wrong.add(vector.chunk_id)
    elif vector.readers not in {None, chunk.readers}:
        found.readers[vector.chunk_id] = chunk.document_id
    else:
        return False
    return True
