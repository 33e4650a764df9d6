"""How many chunks a second writers publish, one transaction a document, beside a graph of vectors and without one.

    python -m benchmarks.publishing_rate [--documents 1000] [--before 30000] [--writers 1 2 4]

Documents of ten chunks, about 160 words each, drawn by Zipf's law from 50,000 words, with vectors around 2,000 centres;
no embedding is done. First `--before` chunks are published and their segments merged; then the same number of documents
is published by so many writers at once, without a graph, then with one; then the one merger makes segments of them.
Seconds of the processor are Postgres' own and the writers' (this process). An embedded Postgres with its parameters.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from benchmarks.process_meters import cpu_seconds, parent_of
from ingest.catalog import ensure_source
from retrieval.collections import ensure_collection
from retrieval.database import Database
from retrieval.embedders import EmbedderIdentity
from retrieval.indexes import ensure_index
from retrieval.publishing import RevisionDraft, hash_text, publish
from retrieval.records import ChunkDraft
from retrieval.segments import SegmentPolicy, merge_segments
from retrieval.stores import Index
from retrieval.stores.pgvector import PgvectorStore
from service.embedded_postgres import EmbeddedPostgres
from service.migrations import migrate

CHUNKS_A_DOCUMENT = 10
_WORDS, _WORDS_A_CHUNK = 50_000, 160
_CENTRES, _DIMENSION = 2_000, 384
Vectors = NDArray[np.float32]


@dataclass(slots=True)
class Maker:
    """Makes documents with vectors, each another."""

    source_id: UUID
    chance: np.random.Generator
    centres: Vectors
    numbers: Iterator[int]

    def draft(self) -> tuple[RevisionDraft, dict[bytes, Vectors]]:
        number = next(self.numbers)
        texts = [self._text() for _ in range(CHUNKS_A_DOCUMENT)]
        starts = np.cumsum([0, *(len(text) + 1 for text in texts)]).tolist()
        chunks = tuple(
            ChunkDraft(char_start=start, char_end=start + len(text), text=text, headings=(), token_count=1)
            for start, text in zip(starts, texts, strict=False)
        )
        draft = RevisionDraft(
            source_id=self.source_id,
            path=f"{number}.txt",
            media_type="text/plain",
            title=f"Document {number}",
            text="\n".join(texts),
            page_starts=(),
            chunks=chunks,
            text_hashes=tuple(hash_text(chunk.embedding_text(f"Document {number}")) for chunk in chunks),
            content_hash=number.to_bytes(8, "big"),
            size_bytes=1,
            mtime_ns=1,
            recipe="made up",
            readers=("public",),
        )
        near = self.centres[self.chance.integers(_CENTRES, size=len(chunks))]
        vectors = near + 0.05 * self.chance.standard_normal(near.shape, dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return draft, dict(zip(draft.text_hashes, vectors, strict=True))

    def _text(self) -> str:
        ranks = np.minimum(self.chance.zipf(1.3, _WORDS_A_CHUNK), _WORDS)
        return " ".join(f"w{rank:x}q" for rank in ranks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A database with an index, and what fills it."""

    database: Database
    postmaster: int
    collection_id: int
    index: Index
    maker: Maker

    async def publish(self, documents: int, writers: int) -> dict[str, Any]:
        """Publish so many documents by so many writers, each taking the next when it is done with one."""
        made = iter([self.maker.draft() for _ in range(documents)])
        store = PgvectorStore()

        async def write() -> None:
            for draft, vectors in made:
                await publish(self.database, store, self.index, draft, vectors)

        before, started = cpu_seconds(self.postmaster), time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(writers):
                group.create_task(write())
        seconds, used = time.perf_counter() - started, cpu_seconds(self.postmaster).since(before)
        chunks = documents * CHUNKS_A_DOCUMENT
        return {
            "writers": writers,
            "chunks": chunks,
            "chunks_per_s": round(chunks / seconds),
            "postgres_ms_a_chunk": round(1e3 * used.postgres / chunks, 2),
            "writer_ms_a_chunk": round(1e3 * used.main / chunks, 2),
            "load": round(os.getloadavg()[0], 1),
        }

    async def merge(self) -> dict[str, Any]:
        """Make segments of what is fresh."""
        row = await self.database.fetch_one("SELECT count(*) AS n FROM fresh_terms")
        assert row is not None, "an aggregate returns a row"
        before, started = cpu_seconds(self.postmaster), time.perf_counter()
        await merge_segments(self.database, self.collection_id, SegmentPolicy())
        used = cpu_seconds(self.postmaster).since(before)
        return {
            "merged": row["n"],
            "seconds": round(time.perf_counter() - started, 1),
            "postgres_ms_a_chunk": round(1e3 * used.postgres / max(row["n"], 1), 2),
        }


async def measure(dsn: str, given: argparse.Namespace) -> None:
    """Print a JSON object a line for each stretch."""
    async with Database(dsn, max_connections=max(given.writers) + 2) as database:
        collection = await ensure_collection(database, "rate")
        source = await ensure_source(database, collection, Path("/made/up"), default_readers=["public"])
        store = PgvectorStore()
        index = await ensure_index(database, collection, _identity(), store)
        chance = np.random.default_rng(3)
        centres = chance.standard_normal((_CENTRES, _DIMENSION), dtype=np.float32)
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
        maker = Maker(source_id=source.id, chance=chance, centres=centres, numbers=count())
        row = await database.fetch_one("SELECT pg_backend_pid() AS pid")
        assert row is not None, "the server has a process"
        bench = Bench(
            database=database,
            postmaster=parent_of(row["pid"]),
            collection_id=collection.id,
            index=index,
            maker=maker,
        )
        await bench.publish(given.before // CHUNKS_A_DOCUMENT, 2)
        _tell(part="before", **await bench.merge())
        for writers in given.writers:
            _tell(graph=False, **await bench.publish(given.documents, writers))
        await store.optimize(index, database)
        for writers in given.writers:
            _tell(graph=True, **await bench.publish(given.documents, writers))
        _tell(part="after", **await bench.merge())


def _tell(**found: object) -> None:
    print(json.dumps(found), flush=True)


def _identity() -> EmbedderIdentity:
    return EmbedderIdentity(
        model="any",
        fingerprint="0",
        dimension=_DIMENSION,
        pooling="mean",
        normalized=True,
        query_prefix="",
        document_prefix="",
        precision="fp32",
    )


def main() -> None:
    """Measure in a database of this benchmark's own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=1_000)
    parser.add_argument("--before", type=int, default=30_000)
    parser.add_argument("--writers", type=int, nargs="+", default=[1, 2, 4])
    given = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="footnote-rate-"))
    home.chmod(0o711)  # Postgres, which never runs as root, has to be able to reach its data
    try:
        with EmbeddedPostgres(home / "postgres", report=lambda line: None) as server:
            migrate(server.dsn)
            asyncio.run(measure(server.dsn, given))
        server.destroy()
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
