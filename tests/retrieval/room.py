"""An index in a store with documents made up of vectors, for the tests of stores."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

from retrieval.database import Connection, Database, query
from retrieval.filters import NO_FILTERS, Filters, Selection
from retrieval.records import Scope
from retrieval.stores import HeldVector, Index, VectorStore
from tests.retrieval.corpus import BagOfWords, Corpus, make_corpus

DIMENSION = 16
EVERYTHING = Scope.everything()


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What filters read of a document; a path of its own where none is given."""

    path: str | None = None
    media_type: str = "text/plain"
    mtime_ns: int = 0
    metadata: Mapping[str, str] | None = None
    readers: Sequence[str] = ("public",)


def unit(*values: float, dimension: int = DIMENSION) -> NDArray[np.float32]:
    """The unit vector in the direction of `values`, padded with zeros."""
    vector = np.zeros(dimension, dtype=np.float32)
    vector[: len(values)] = values
    vector /= np.linalg.norm(vector)
    return vector


def random_units(count: int, *, seed: int, dimension: int = DIMENSION) -> NDArray[np.float32]:
    matrix = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """An index in a store, with the rows in Postgres that a store may rely on."""

    corpus: Corpus
    store: VectorStore
    index: Index

    @property
    def database(self) -> Database:
        return self.corpus.database

    async def add(
        self,
        vectors: Sequence[NDArray[np.float32]] | NDArray[np.float32],
        *,
        readers: Sequence[str] = ("public",),
        about: About | None = None,
        texts: Sequence[str] = (),
    ) -> tuple[UUID, list[int]]:
        """Publish a document with one chunk for each vector; returns its id and theirs."""
        about = about or About(readers=readers)
        async with self.database.transaction() as connection:
            document_id, chunk_ids = await self.rows(connection, len(vectors), about, texts)
            await self.store.write(
                self.index,
                chunk_ids,
                np.stack(list(vectors)),
                document_id=document_id,
                readers=about.readers,
                connection=connection,
            )
        return document_id, chunk_ids

    async def rows(
        self, connection: Connection, count: int, about: About, texts: Sequence[str] = ()
    ) -> tuple[UUID, list[int]]:
        """The rows of a document and its chunks, without vectors."""
        cursor = await connection.execute(
            query("publishing.lock_document"),
            {
                "collection_id": self.index.collection_id,
                "source_id": self.corpus.source_id,
                "path": about.path or os.urandom(8).hex(),
                "media_type": about.media_type,
                "readers": list(about.readers),
                "content_hash": b"",
                "size_bytes": 0,
                "mtime_ns": about.mtime_ns,
                "recipe": "",
                "metadata": Jsonb(dict(about.metadata or {})),
            },
        )
        row = await cursor.fetchone()
        assert row is not None
        chunks = [
            {
                "text_hash": f"{i:08x}",
                "headings": [],
                "text": "",
                "token_count": 1,
                "contextual": texts[i] if texts else "",
            }
            for i in range(count)
        ]
        cursor = await connection.execute(
            query("publishing.insert_chunks"),
            {
                "collection_id": self.index.collection_id,
                "document_id": row["id"],
                "chunks": Jsonb(chunks),
            },
        )
        ids = {bytes(added["text_hash"]).hex(): added["id"] for added in await cursor.fetchall()}
        return row["id"], [ids[f"{i:08x}"] for i in range(count)]

    async def nearest(
        self,
        vector: NDArray[np.float32],
        *,
        limit: int = 10,
        scope: Scope = EVERYTHING,
        filters: Filters = NO_FILTERS,
        visible: int = 0,
    ) -> list[tuple[int, float]]:
        async with self.database.snapshot() as connection:
            return await self.store.nearest(
                self.index,
                vector,
                limit=limit,
                selection=Selection(scope=scope, filters=filters),
                visible=visible,
                connection=connection,
            )

    async def seen(self, *principals: str) -> set[int]:
        """The chunks that a caller of these principals finds."""
        return {i for i, _ in await self.nearest(unit(1), limit=100, scope=Scope.of(principals))}

    async def cosines(self, vector: NDArray[np.float32], chunk_ids: Sequence[int]) -> dict[int, float]:
        async with self.database.snapshot() as connection:
            return dict(await self.store.cosines(self.index, vector, chunk_ids, connection=connection))

    async def count(self) -> int:
        async with self.database.snapshot() as connection:
            return await self.store.count(self.index, connection)

    async def holdings(
        self, *, after: int = 0, limit: int = 1_000, measured: bool = True
    ) -> list[HeldVector]:
        async with self.database.snapshot() as connection:
            return await self.store.holdings(
                self.index, after=after, limit=limit, measured=measured, connection=connection
            )

    async def remove(self, chunk_ids: Sequence[int]) -> None:
        """Take chunks out, as publishing does: rows first, the store when that is committed."""
        await self.database.execute(query("removing.delete_chunks"), {"chunk_ids": list(chunk_ids)})
        await self.store.forget(self.index, chunk_ids)

    async def set_readers(self, document_id: UUID, readers: Sequence[str]) -> None:
        await self.database.execute(
            "UPDATE documents SET readers = %(readers)s WHERE id = %(id)s",
            {"id": document_id, "readers": list(readers)},
        )
        await self.store.set_readers(self.index, document_id, readers)


async def make_room(database: Database, store: VectorStore, *, dimension: int = DIMENSION) -> Room:
    corpus = await make_corpus(database, store, embedder=BagOfWords(dimension))
    return Room(corpus=corpus, store=store, index=corpus.index)
