"""Comparing: how differently two indexes of a collection find, before one of them takes the other's place.

Three figures, each from what is at hand. The *neighbours* of chunks in either index, by its own stored vectors, take no
embedder at all. *Sentences* of chunks, as questions to which the answer is known, take the new embedder and, to compare
with, the former one. What *questions* find in both takes both. Only vectors are asked: the half of search that goes by
words is the same for both indexes, and would hide what differs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from retrieval.database import Connection, Database, query
from retrieval.errors import IndexMissingError
from retrieval.filters import Selection
from retrieval.records import Scope
from retrieval.stores import Index, VectorStore

DEPTH = 10
"""How far down lists are compared."""

_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+|\n\s*\n")
_FEWEST_WORDS, _MOST_WORDS = 5, 60
_LONGEST_QUESTION = 500

Vectors = Sequence[NDArray[np.float32]]


class QueryEmbedder(Protocol):
    """Turns a question into a unit vector, float32 of shape (dimension,)."""

    async def embed_query(self, text: str) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of two indexes. `embedder` is its own; None where that is not at hand."""

    index: Index
    store: VectorStore
    embedder: QueryEmbedder | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What was found; shares are from 0 to 1, and None where they could not be had.

    chunks, neighbours: of so many chunks, the share of the ten nearest others that both indexes agree on.
    sentences, found, found_before: of so many sentences, the share for which the new index, and the former one, have
        the document among the ten first.
    questions, in_common: of so many questions, the share of the ten first chunks that both indexes agree on.
    missing: why the former index could not be looked at; None where it could.
    """

    chunks: int = 0
    neighbours: float | None = None
    sentences: int = 0
    found: float | None = None
    found_before: float | None = None
    questions: int = 0
    in_common: float | None = None
    missing: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sampled:
    chunk_id: int
    document_id: UUID
    sentence: str


async def compare_indexes(
    database: Database,
    new: Side,
    former: Side | None,
    *,
    sample: int,
    questions: Sequence[str] = (),
    seed: int = 0,
) -> Comparison:
    """Compare on `sample` chunks, the same ones for the same seed, and on questions; without any, on the sentences.

    `former` is None where the collection has no other index, or its store is not at hand. Raises
    `DatabaseUnavailableError`, `ModelError`, and what the stores raise.
    """
    async with database.connection() as connection:
        sampled = await _sample(connection, new.index, sample, seed)
    sides = [new] if former is None else [new, former]
    of_sentences = await _embed(sides, [chunk.sentence for chunk in sampled])
    of_questions = await _embed(sides, questions) if questions else of_sentences
    shares: list[float] = []
    missing: str | None = None
    async with database.snapshot() as connection:
        visible = await _count(connection, new.index)
        if former is not None:
            try:
                shares = await _neighbours(connection, new, former, sampled, visible)
            except IndexMissingError as exc:
                former, missing = None, str(exc)
        found = await _found(connection, new, of_sentences[0], sampled, visible)
        before = None
        agreed: list[float] = []
        if former is not None:
            before = await _found(connection, former, of_sentences[1], sampled, visible)
            agreed = await _agreement(connection, (new, former), of_questions, visible)
    return Comparison(
        chunks=len(shares),
        neighbours=_mean(shares),
        sentences=len(sampled),
        found=found,
        found_before=before,
        questions=len(agreed),
        in_common=_mean(agreed),
        missing=missing,
    )


def sentence_of(text: str, chance: np.random.Generator) -> str:
    """A sentence of a chunk to ask for it by, picked by `chance`. The chunk's beginning where it has none."""
    sentences = [" ".join(part.split()) for part in _SENTENCE_END.split(text)]
    whole = [s for s in sentences if _FEWEST_WORDS <= len(s.split()) <= _MOST_WORDS]
    chosen = whole[chance.integers(len(whole))] if whole else " ".join(text.split())
    return chosen[:_LONGEST_QUESTION]


async def _sample(connection: Connection, index: Index, size: int, seed: int) -> list[_Sampled]:
    cursor = await connection.execute(
        query("indexes.sampled_chunks"),
        {"collection_id": index.collection_id, "seed": seed, "limit": size},
    )
    return [
        _Sampled(
            chunk_id=row["id"],
            document_id=row["document_id"],
            sentence=sentence_of(row["text"], np.random.default_rng([seed, row["id"]])),
        )
        for row in await cursor.fetchall()
    ]


async def _embed(sides: Sequence[Side], texts: Sequence[str]) -> list[Vectors | None]:
    """The texts as questions, by each side's embedder; None where that is not at hand."""
    by_embedder: dict[QueryEmbedder, Vectors] = {}
    for side in sides:
        if side.embedder is not None and side.embedder not in by_embedder:
            by_embedder[side.embedder] = [await side.embedder.embed_query(text) for text in texts]
    return [None if side.embedder is None else by_embedder[side.embedder] for side in sides]


async def _count(connection: Connection, index: Index) -> int:
    cursor = await connection.execute(query("indexes.count_chunks"), {"collection_id": index.collection_id})
    row = await cursor.fetchone()
    return 0 if row is None else int(row["chunks"])


async def _nearest(
    connection: Connection, side: Side, vector: NDArray[np.float32], limit: int, visible: int
) -> list[int]:
    found = await side.store.nearest(
        side.index,
        vector,
        limit=limit,
        selection=Selection(scope=Scope.everything()),
        visible=visible,
        connection=connection,
    )
    return [chunk_id for chunk_id, _ in found]


async def _neighbours(
    connection: Connection, new: Side, former: Side, sampled: Sequence[_Sampled], visible: int
) -> list[float]:
    """For each chunk that both hold and that has neighbours, the share of them that both agree on."""
    chunk_ids = [chunk.chunk_id for chunk in sampled]
    vectors = [await side.store.vectors(side.index, chunk_ids, connection) for side in (new, former)]
    shares: list[float] = []
    for chunk_id in chunk_ids:
        if chunk_id not in vectors[0] or chunk_id not in vectors[1]:
            continue
        lists = []
        for side, held in zip((new, former), vectors, strict=True):
            nearest = await _nearest(connection, side, held[chunk_id], DEPTH + 1, visible)
            lists.append([other for other in nearest if other != chunk_id][:DEPTH])
        if any(lists):
            shares.append(_share(*lists))
    return shares


async def _found(
    connection: Connection, side: Side, vectors: Vectors | None, sampled: Sequence[_Sampled], visible: int
) -> float | None:
    """The share of sentences whose document is among the first that are found."""
    if vectors is None or not sampled:
        return None
    lists = [await _nearest(connection, side, vector, DEPTH, visible) for vector in vectors]
    documents = await _documents(connection, {chunk_id for found in lists for chunk_id in found})
    hits = [
        chunk.document_id in {documents.get(i) for i in found}
        for chunk, found in zip(sampled, lists, strict=True)
    ]
    return sum(hits) / len(hits)


async def _documents(connection: Connection, chunk_ids: set[int]) -> Mapping[int, UUID]:
    cursor = await connection.execute(query("indexes.documents_of"), {"chunk_ids": sorted(chunk_ids)})
    return {row["id"]: row["document_id"] for row in await cursor.fetchall()}


async def _agreement(
    connection: Connection, sides: tuple[Side, Side], vectors: Sequence[Vectors | None], visible: int
) -> list[float]:
    """For each question, the share of the first chunks that both indexes agree on; none without both embedders."""
    ours, theirs = vectors
    if ours is None or theirs is None:
        return []
    return [
        _share(
            await _nearest(connection, sides[0], one, DEPTH, visible),
            await _nearest(connection, sides[1], other, DEPTH, visible),
        )
        for one, other in zip(ours, theirs, strict=True)
    ]


def _share(one: Sequence[int], other: Sequence[int]) -> float:
    return len({*one} & {*other}) / max(len(one), len(other), 1)


def _mean(shares: Sequence[float]) -> float | None:
    return sum(shares) / len(shares) if shares else None
