"""The vector stores: where an index keeps its vectors. One contract (`tests/retrieval/test_stores.py`).

Postgres stays the authority for what is current and for who may read. Whatever copy a store keeps of that only narrows
down what it looks at: it may look at too much, never at too little, and what it found is confirmed by Postgres.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from retrieval.database import Connection, Database
from retrieval.errors import ExtraMissingError, IndexMismatchError
from retrieval.filters import Selection

StoreKind = Literal["pgvector", "qdrant", "memory"]
WordsKind = Literal["postgres", "qdrant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The vectors of one collection under one embedder identity.

    is_former: it is searched although another one has taken its place; what was published since is not in it.
    """

    id: int
    collection_id: int
    store: StoreKind
    embedder_hash: str
    embedder: str
    dimension: int
    is_former: bool = field(default=False, compare=False)

    def check_dimension(self, vectors: NDArray[np.float32]) -> None:
        """Raise `IndexMismatchError` where `vectors`, of shape (..., n), are not of this index's dimension."""
        if vectors.shape[-1] != self.dimension:
            raise IndexMismatchError(
                f"index {self.id} holds vectors of {self.dimension} dimensions, made with {self.embedder}; "
                f"these have {vectors.shape[-1]}. Configure that embedder again, or build the index anew: "
                "footnote reindex."
            )

    def measure(self, vector: NDArray[np.float32]) -> float:
        """The length of a vector; nan where it is not finite or not of this index's dimension."""
        if vector.shape != (self.dimension,) or not np.isfinite(vector).all():
            return math.nan
        return float(np.linalg.norm(vector))


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldVector:
    """What a store holds for a chunk.

    norm: the vector's length; nan where it is not finite or not of the index's dimension, None where nobody measured.
    document_id, readers: the store's copies; None where it keeps none.
    """

    chunk_id: int
    norm: float | None = None
    document_id: UUID | None = None
    readers: frozenset[str] | None = None


class VectorStore(Protocol):
    """Holds unit vectors by chunk id. `connection` is the caller's Postgres transaction: pgvector writes and reads
    inside it, so that vectors and chunks are published together; stores that live elsewhere ignore it."""

    kind: StoreKind

    async def create(self, index: Index, connection: Connection) -> None:
        """Make room for the vectors of a new index. Doing it twice is no error."""
        ...

    async def drop(self, index: Index, connection: Connection) -> None:
        """Give up an index's vectors. Doing it twice is no error."""
        ...

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
        """Add vectors, float32 of shape (len(chunk_ids), dimension), before the chunks are published.

        Raises `IndexMismatchError` for vectors of another dimension, as `nearest` and `cosines` do.
        """
        ...

    async def forget(self, index: Index, chunk_ids: Sequence[int]) -> None:
        """Drop vectors of chunks that are gone; called after that was committed."""
        ...

    async def set_readers(self, index: Index, document_id: UUID, readers: Sequence[str]) -> None:
        """Update the copy of a document's readers that filters use, where the store keeps one."""
        ...

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
        """The `limit` chunks of highest cosine that the selection holds in the connection's transaction, best first,
        ties by chunk id; fewer only where the index holds no more of them.

        `visible`: how many chunks the selection holds; where that is few, the answer is exact. It need not be exact
        itself, and may be a lower bound.
        """
        ...

    async def word_candidates(
        self,
        index: Index,
        words: Mapping[int, int],
        *,
        limit: int,
        selection: Selection,
        connection: Connection,
    ) -> list[int] | None:
        """Chunks that the selection holds, `limit` of those in which the words weigh most; None where the index lists
        no words. They are candidates: what they score is for the caller to compute.

        words: by `lexical_base`, with how often the question has each.
        """
        ...

    async def cosines(
        self, index: Index, vector: NDArray[np.float32], chunk_ids: Sequence[int], *, connection: Connection
    ) -> Mapping[int, float]:
        """Cosines of given chunks. Chunks that the store does not hold are left out."""
        ...

    async def likeness(
        self, index: Index, chunk_id: int, chunk_ids: Sequence[int], *, connection: Connection
    ) -> Mapping[int, float]:
        """Cosines of given chunks to another chunk. Chunks that the store does not hold are left out; none is known of
        a chunk that it does not hold."""
        ...

    async def vectors(
        self, index: Index, chunk_ids: Sequence[int], connection: Connection
    ) -> Mapping[int, NDArray[np.float32]]:
        """The vectors of given chunks, as exactly as the store keeps them, each of shape (dimension,). Chunks that the
        store does not hold are left out."""
        ...

    async def count(self, index: Index, connection: Connection) -> int: ...

    async def holdings(
        self, index: Index, *, after: int, limit: int, measured: bool, connection: Connection
    ) -> list[HeldVector]:
        """The first `limit` chunks above the id `after` of which the index holds a vector, in the order of their ids.
        `measured`: with their norms, for which a store that lives elsewhere may have to send the vectors.

        Raises `IndexMissingError` where the store has lost the index.
        """
        ...

    async def discard(self, index: Index, chunk_ids: Sequence[int], connection: Connection) -> None:
        """Drop given vectors, whether or not their chunks exist; inside the caller's transaction where that can be."""
        ...

    async def optimize(self, index: Index, database: Database, *, wait: bool = False) -> bool:
        """Do what makes searching an index quick now that it has grown; True where there was something to do.

        May take long; searches and publishers go on meanwhile. `wait`: until another process has done it that is at it.
        """
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSpec:
    """Which store to use. For "qdrant": a server's `url` and `api_key`, or a local `path`.

    words: where lexical search takes its candidates from, in large indexes; "qdrant" only together with that store.
    """

    kind: StoreKind = "pgvector"
    url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    path: Path | None = None
    words: WordsKind = "postgres"


def load_store(spec: StoreSpec) -> VectorStore:
    """Build the store that `spec` names. Raises `ExtraMissingError`, and what the store's constructor raises."""
    match spec.kind:
        case "pgvector":
            from retrieval.stores.pgvector import PgvectorStore

            return PgvectorStore()
        case "qdrant":
            try:
                from retrieval.stores.qdrant.store import QdrantStore
            except ModuleNotFoundError as exc:
                if exc.name is None or not exc.name.startswith("qdrant_client"):
                    raise
                raise ExtraMissingError("qdrant", "store.kind 'qdrant'") from exc
            return QdrantStore(
                url=spec.url, api_key=spec.api_key, path=spec.path, words=spec.words == "qdrant"
            )
        case "memory":
            from retrieval.stores.memory import MemoryStore

            return MemoryStore()
