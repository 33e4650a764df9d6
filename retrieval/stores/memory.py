"""Vectors in this process's memory, searched by numpy: the oracle that other stores are held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from retrieval.database import Connection
from retrieval.records import Scope
from retrieval.stores import Index, StoreKind


class MemoryStore:
    """Exact, unsynchronised with Postgres' transactions, and gone when the process ends."""

    kind: StoreKind = "memory"

    def __init__(self) -> None:
        self._vectors: dict[int, dict[int, NDArray[np.float32]]] = {}
        self._documents: dict[int, dict[int, UUID]] = {}
        self._readers: dict[int, dict[UUID, frozenset[str]]] = {}

    async def create(self, index: Index, connection: Connection) -> None:
        for table in (self._vectors, self._documents, self._readers):
            table.setdefault(index.id, {})

    async def drop(self, index: Index, connection: Connection) -> None:
        for table in (self._vectors, self._documents, self._readers):
            table.pop(index.id, None)

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
        for chunk_id, vector in zip(chunk_ids, vectors, strict=True):
            self._vectors[index.id][chunk_id] = vector
            self._documents[index.id][chunk_id] = document_id
        self._readers[index.id][document_id] = frozenset(readers)

    async def forget(self, index: Index, chunk_ids: Sequence[int]) -> None:
        for chunk_id in chunk_ids:
            self._vectors[index.id].pop(chunk_id, None)
            self._documents[index.id].pop(chunk_id, None)

    async def set_readers(self, index: Index, document_id: UUID, readers: Sequence[str]) -> None:
        self._readers[index.id][document_id] = frozenset(readers)

    async def nearest(
        self, index: Index, vector: NDArray[np.float32], *, limit: int, scope: Scope, connection: Connection
    ) -> list[tuple[int, float]]:
        visible = [i for i in self._vectors[index.id] if self._may_see(index, i, scope)]
        scored = await self.cosines(index, vector, visible, connection=connection)
        return sorted(scored.items(), key=lambda pair: (-pair[1], pair[0]))[:limit]

    def _may_see(self, index: Index, chunk_id: int, scope: Scope) -> bool:
        if scope.principals is None:
            return True
        return not scope.principals.isdisjoint(self._readers[index.id][self._documents[index.id][chunk_id]])

    async def cosines(
        self, index: Index, vector: NDArray[np.float32], chunk_ids: Sequence[int], *, connection: Connection
    ) -> Mapping[int, float]:
        held = [i for i in chunk_ids if i in self._vectors[index.id]]
        if not held:
            return {}
        matrix = np.stack([self._vectors[index.id][i] for i in held])
        return dict(zip(held, (matrix @ vector).tolist(), strict=True))

    async def count(self, index: Index, connection: Connection) -> int:
        return len(self._vectors[index.id])

    async def close(self) -> None:
        """Nothing to close."""
