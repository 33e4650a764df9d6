"""Small made-up collections for the tests of the index, and an embedder that needs no weights."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql
from psycopg.conninfo import make_conninfo

from retrieval.collections import ensure_collection
from retrieval.database import Database
from retrieval.embedders import EmbedderIdentity
from retrieval.indexes import ensure_index
from retrieval.publishing import Published, RevisionDraft, hash_text, publish, texts_to_embed
from retrieval.records import ChunkDraft, Collection
from retrieval.stores import Index, VectorStore
from service.migrations import migrate


@contextmanager
def shared_database(postgres_dsn: str) -> Iterator[str]:
    """A migrated database for a whole module, whose tests each keep to collections of their own."""
    name = sql.Identifier(f"test_{uuid4().hex}")
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        dsn = make_conninfo(postgres_dsn, dbname=name.as_string().strip('"'))
        migrate(dsn)
        yield dsn
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


class BagOfWords:
    """An embedder: every word is a fixed random direction, a text the normalised sum of its words."""

    cosine_bounds = (0.0, 1.0)
    max_tokens = 512
    parallelism = 1
    batch_size = 32

    def __init__(self, dimension: int = 64, *, model: str = "bag-of-words") -> None:
        self.identity = EmbedderIdentity(
            model=model,
            fingerprint="0123456789abcdef",
            dimension=dimension,
            pooling="mean",
            normalized=True,
            query_prefix="",
            document_prefix="",
            precision="fp32",
        )

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def token_ends(self, text: str) -> list[int]:
        return [word.end() for word in re.finditer(r"\S+", text)]

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        total = sum((self._direction(word) for word in text.lower().split()), self._direction(""))
        return (total / np.linalg.norm(total)).astype(np.float32)

    def _direction(self, word: str) -> NDArray[np.float64]:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
        return np.random.default_rng(seed).normal(size=self.identity.dimension)

    def close(self) -> None:
        """Nothing to close."""


class QueryBagOfWords:
    """The same, as search calls it."""

    def __init__(self, embedder: BagOfWords) -> None:
        self._embedder = embedder

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        return self._embedder.embed_query(text)

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._embedder.embed_documents(texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """A collection with one source, an index, and what it takes to publish into it."""

    database: Database
    store: VectorStore
    embedder: BagOfWords
    collection: Collection
    source_id: UUID
    index: Index

    def draft(
        self,
        path: str,
        texts: Sequence[str],
        *,
        title: str = "",
        headings: tuple[str, ...] = (),
        readers: Sequence[str] = ("public",),
    ) -> RevisionDraft:
        """A revision whose text is the chunks' texts, a blank line between them; every second chunk begins a page."""
        chunks: list[ChunkDraft] = []
        start = 0
        for text in texts:
            chunks.append(
                ChunkDraft(
                    char_start=start,
                    char_end=start + len(text),
                    text=text,
                    headings=headings,
                    token_count=len(text.split()),
                )
            )
            start += len(text) + 2
        whole = "\n\n".join(texts)
        return RevisionDraft(
            source_id=self.source_id,
            path=path,
            media_type="text/plain",
            title=title,
            text=whole,
            page_starts=tuple(chunk.char_start for chunk in chunks[::2]),
            chunks=tuple(chunks),
            text_hashes=tuple(hash_text(chunk.embedding_text(title)) for chunk in chunks),
            content_hash=hashlib.sha256(f"{title}\n{headings}\n{whole}".encode()).digest(),
            size_bytes=len(whole.encode()),
            mtime_ns=1,
            recipe="made up",
            readers=tuple(readers),
        )

    async def publish(self, draft: RevisionDraft) -> Published:
        """Embed what is missing and publish."""
        return await publish(
            self.database, self.store, self.index, draft, embed(self.embedder, await self.missing(draft))
        )

    async def missing(self, draft: RevisionDraft) -> dict[bytes, str]:
        return await texts_to_embed(self.database, draft)

    async def add(self, path: str, *texts: str, readers: Sequence[str] = ("public",)) -> Published:
        """Publish a document of these chunks."""
        return await self.publish(self.draft(path, texts, readers=readers))

    def into(self, store: VectorStore) -> Corpus:
        """The same corpus, written through another store."""
        return replace(self, store=store)


def embed(embedder: BagOfWords, texts: dict[bytes, str]) -> dict[bytes, NDArray[np.float32]]:
    return {text_hash: embedder.embed_query(text) for text_hash, text in texts.items()}


async def make_corpus(
    database: Database,
    store: VectorStore,
    *,
    name: str | None = None,
    language: str = "english",
    embedder: BagOfWords | None = None,
) -> Corpus:
    """An empty collection with its source and index, of a name of its own where none is given."""
    embedder = embedder or BagOfWords()
    collection = await ensure_collection(database, name or f"made-up-{uuid4().hex}", language=language)
    row = await database.fetch_one(
        "INSERT INTO sources (collection_id, kind, location, readers)"
        " VALUES (%(collection_id)s, 'folder', '/made/up', '{public}') RETURNING id",
        {"collection_id": collection.id},
    )
    assert row is not None
    return Corpus(
        database=database,
        store=store,
        embedder=embedder,
        collection=collection,
        source_id=row["id"],
        index=await ensure_index(database, collection, embedder.identity, store),
    )
