"""Vectors in this process's memory, searched by numpy: the oracle that other stores are held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from retrieval.database import Connection, Database
from retrieval.errors import IndexMissingError
from retrieval.filters import Selection
from retrieval.stores import HeldVector, Index, StoreKind
from retrieval.visible import visible_chunks


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """The vectors of one index by chunk, the document of each chunk, the readers of each document."""

    vectors: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    documents: dict[int, UUID] = field(default_factory=dict)
    readers: dict[UUID, frozenset[str]] = field(default_factory=dict)


class MemoryStore:
    """Exact, unsynchronised with Postgres' transactions, and gone when the process ends."""

    kind: StoreKind = "memory"

    def __init__(self) -> None:
        self._indexes: dict[int, _Held] = {}

    def _held(self, index: Index) -> _Held:
        if index.id not in self._indexes:
            raise IndexMissingError(
                f"the vectors of index {index.id} are not in this process's memory: they went with the process that "
                "made them. Build the index anew: footnote reindex."
            )
        return self._indexes[index.id]

    async def create(self, index: Index, connection: Connection) -> None:
        self._indexes.setdefault(index.id, _Held())

    async def drop(self, index: Index, connection: Connection) -> None:
        self._indexes.pop(index.id, None)

    async def write(
        self,
        index: Index,
        chunk_ids: Sequence[int],
        vectors: NDArray[np.float32],
        *,
        document_id: UUID,
        readers: Sequence[str],
        connection: Connection,
    ) -> None:
        index.check_dimension(vectors)
        held = self._held(index)
        for chunk_id, vector in zip(chunk_ids, vectors, strict=True):
            held.vectors[chunk_id] = vector
            held.documents[chunk_id] = document_id
        held.readers[document_id] = frozenset(readers)

    async def forget(self, index: Index, chunk_ids: Sequence[int]) -> None:
        held = self._held(index)
        for chunk_id in chunk_ids:
            held.vectors.pop(chunk_id, None)
            held.documents.pop(chunk_id, None)

    async def set_readers(self, index: Index, document_id: UUID, readers: Sequence[str]) -> None:
        self._held(index).readers[document_id] = frozenset(readers)

    async def nearest(
        self,
        index: Index,
        vector: NDArray[np.float32],
        *,
        limit: int,
        selection: Selection,
        visible: int,
        connection: Connection,
    ) -> list[tuple[int, float]]:
        current = await visible_chunks(
            connection, index.collection_id, [*self._held(index).vectors], selection
        )
        scored = await self.cosines(index, vector, sorted(current), connection=connection)
        return sorted(scored.items(), key=lambda pair: (-pair[1], pair[0]))[:limit]

    async def word_candidates(
        self,
        index: Index,
        words: Mapping[int, int],
        *,
        limit: int,
        selection: Selection,
        connection: Connection,
    ) -> list[int] | None:
        return None

    async def cosines(
        self, index: Index, vector: NDArray[np.float32], chunk_ids: Sequence[int], *, connection: Connection
    ) -> Mapping[int, float]:
        index.check_dimension(vector)
        vectors = self._held(index).vectors
        held = [chunk_id for chunk_id in chunk_ids if chunk_id in vectors]
        if not held:
            return {}
        # Not a matrix product, whose last bit depends on where in the matrix a row stands: equal vectors are to tie.
        cosines = (np.stack([vectors[chunk_id] for chunk_id in held]) * vector).sum(axis=1)
        return dict(zip(held, cosines.tolist(), strict=True))

    async def likeness(
        self, index: Index, chunk_id: int, chunk_ids: Sequence[int], *, connection: Connection
    ) -> Mapping[int, float]:
        vector = self._held(index).vectors.get(chunk_id)
        return {} if vector is None else await self.cosines(index, vector, chunk_ids, connection=connection)

    async def vectors(
        self, index: Index, chunk_ids: Sequence[int], connection: Connection
    ) -> Mapping[int, NDArray[np.float32]]:
        held = self._held(index).vectors
        return {chunk_id: held[chunk_id] for chunk_id in chunk_ids if chunk_id in held}

    async def count(self, index: Index, connection: Connection) -> int:
        return len(self._held(index).vectors)

    async def holdings(
        self, index: Index, *, after: int, limit: int, measured: bool, connection: Connection
    ) -> list[HeldVector]:
        held = self._held(index)
        return [
            HeldVector(
                chunk_id=chunk_id,
                norm=index.measure(held.vectors[chunk_id]) if measured else None,
                document_id=held.documents[chunk_id],
                readers=held.readers[held.documents[chunk_id]],
            )
            for chunk_id in sorted(i for i in held.vectors if i > after)[:limit]
        ]

    async def discard(self, index: Index, chunk_ids: Sequence[int], connection: Connection) -> None:
        await self.forget(index, chunk_ids)

    async def optimize(self, index: Index, database: Database, *, wait: bool = False) -> bool:
        return False

    async def close(self) -> None:
        """Nothing to close."""
