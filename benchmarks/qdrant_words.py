"""Candidates of lexical search, from Postgres' segments and from Qdrant's sparse vectors: what they miss, and how long.

    python -m benchmarks.qdrant_words --url http://127.0.0.1:6333 [--chunks 100000] [--questions 100]

Chunks are the documents of a set of evaluation data, then mixtures of the first half of one with the second half of
another; one document in ten is for one reader alone. They are published into an embedded Postgres and the Qdrant at
the url, whose collection is dropped afterwards. The truth is a scan that scores every chunk; lists are of 200.
Reads FOOTNOTE_TEST_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import random
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from evaluation.sets import read_set
from ingest.catalog import ensure_source
from retrieval.collections import ensure_collection
from retrieval.database import Connection, Database
from retrieval.embedders import EmbedderIdentity
from retrieval.filters import Selection
from retrieval.indexes import ensure_index
from retrieval.lexical import Bm25Policy, LexicalQuery, lexical_candidates, read_question
from retrieval.publishing import RevisionDraft, hash_text, publish
from retrieval.records import ChunkDraft, Scope
from retrieval.segments import SegmentPolicy, merge_segments
from retrieval.stores import Index
from retrieval.stores.qdrant.store import QdrantStore
from retrieval.word_candidates import best_by_words
from service.embedded_postgres import EmbeddedPostgres
from service.migrations import migrate

DATA = Path(os.environ.get("FOOTNOTE_TEST_DATA", "../shared/data")) / "retrieval" / "squad-20k"
LIMIT = 200
CHUNKS_A_DOCUMENT = 50
SCANNED, LISTED = Bm25Policy(scan_below=2**62), Bm25Policy(scan_below=-1)
SELECTIONS = {
    "all": Selection(scope=Scope.everything()),
    "90 %": Selection(scope=Scope.of([])),
    "10 %": Selection(scope=Scope(principals=frozenset({"user:ann"}))),
}
Ranked = list[tuple[int, float]]
Way = Callable[[Connection, LexicalQuery, Selection], Awaitable[Ranked]]


def chunk_texts(passages: Sequence[str], wanted: int, draw: random.Random) -> Iterator[str]:
    """Passages, then mixtures of two; each begins with its number, so that no two are the same."""
    for number in range(wanted):
        if number < len(passages):
            yield f"{number} {passages[number]}"
        else:
            first, second = draw.choice(passages).split(), draw.choice(passages).split()
            mixed = first[: len(first) // 2] + second[len(second) // 2 :]
            yield f"{number} {' '.join(mixed)}"


def _vector(text: str) -> NDArray[np.float32]:
    """Any unit vector: no vector is looked at here."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    vector = np.random.default_rng(seed).normal(size=8)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def _draft(number: int, texts: Sequence[str], source_id: UUID) -> RevisionDraft:
    starts = np.cumsum([0, *(len(text) + 1 for text in texts)]).tolist()
    chunks = tuple(
        ChunkDraft(char_start=start, char_end=start + len(text), text=text, headings=(), token_count=1)
        for start, text in zip(starts, texts, strict=False)
    )
    return RevisionDraft(
        source_id=source_id,
        path=f"{number}.txt",
        media_type="text/plain",
        title="",
        text="\n".join(texts),
        page_starts=(),
        chunks=chunks,
        text_hashes=tuple(hash_text(chunk.embedding_text("")) for chunk in chunks),
        content_hash=hashlib.sha256(str(number).encode()).digest(),
        size_bytes=1,
        mtime_ns=1,
        recipe="made up",
        readers=("public",) if number % 10 else ("user:ann",),
    )


async def fill(database: Database, store: QdrantStore, texts: Iterator[str]) -> Index:
    """Publish all chunks, fifty a document, and make segments of them."""
    collection = await ensure_collection(database, "words")
    source = await ensure_source(database, collection, Path("/made/up"), default_readers=["public"])
    index = await ensure_index(database, collection, _identity(), store)
    for number in count():
        part = list(islice(texts, CHUNKS_A_DOCUMENT))
        if not part:
            break
        draft = _draft(number, part, source.id)
        vectors = {h: _vector(c.text) for h, c in zip(draft.text_hashes, draft.chunks, strict=True)}
        await publish(database, store, index, draft, vectors)
    await merge_segments(database, collection.id, SegmentPolicy())
    await database.execute("ANALYZE")
    return index


def _identity() -> EmbedderIdentity:
    return EmbedderIdentity(
        model="any",
        fingerprint="0",
        dimension=8,
        pooling="mean",
        normalized=True,
        query_prefix="",
        document_prefix="",
        precision="fp32",
    )


async def measure(
    database: Database, index: Index, way: Way, questions: Sequence[str], selection: Selection
) -> tuple[list[Ranked], list[float]]:
    """What a way finds for each question, and the seconds that it took."""
    found, seconds = [], []
    for question in questions:
        async with database.snapshot() as connection:
            asked = await read_question(
                connection, collection_id=index.collection_id, question=question, policy=LISTED
            )
            started = time.perf_counter()
            found.append(await way(connection, asked, selection))
            seconds.append(time.perf_counter() - started)
    return found, seconds


def overlap(found: Sequence[Ranked], true: Sequence[Ranked], top: int) -> float:
    """How much of the true top is in the found top, on average."""
    shares = [
        len({i for i, _ in a[:top]} & {i for i, _ in b[:top]}) / len(b[:top])
        for a, b in zip(found, true, strict=True)
        if b
    ]
    return float(np.mean(shares))


async def compare(database: Database, store: QdrantStore, index: Index, questions: Sequence[str]) -> None:
    """Print a row for each selection and way."""

    def in_postgres(policy: Bm25Policy) -> Way:
        async def way(connection: Connection, asked: LexicalQuery, selection: Selection) -> Ranked:
            return await lexical_candidates(
                connection, asked, selection=selection, visible=0, limit=LIMIT, policy=policy
            )

        return way

    async def in_qdrant(connection: Connection, asked: LexicalQuery, selection: Selection) -> Ranked:
        best = await best_by_words(
            connection, store, index, asked, selection=selection, visible=0, limit=LIMIT, policy=LISTED
        )
        return list(best.items())

    ways = {"scan": in_postgres(SCANNED), "segments": in_postgres(LISTED), "qdrant": in_qdrant}
    for selection_name, selection in SELECTIONS.items():
        true: list[Ranked] = []
        for name, way in ways.items():
            found, seconds = await measure(database, index, way, questions, selection)
            true = true or found
            median, high = (1e3 * float(np.quantile(seconds, q)) for q in (0.5, 0.95))
            shares = [overlap(found, true, top) for top in (10, LIMIT)]
            print(
                f"{selection_name:5} {name:9} overlap@10 {shares[0]:.3f}  @{LIMIT} {shares[1]:.3f}"
                f"  ms median {median:6.1f}  p95 {high:6.1f}",
                flush=True,
            )


async def run(dsn: str, url: str, api_key: str | None, chunks: int, questions: int) -> None:
    """Publish, compare, and leave nothing behind at the url."""
    evaluation_set = read_set(DATA)
    asked = [question.text for question in evaluation_set.sample(questions, seed=1).questions]
    passages = [document.text for document in evaluation_set.documents]
    store = QdrantStore(url=url, api_key=api_key, words=True)
    async with Database(dsn, max_connections=4) as database:
        index = await fill(database, store, chunk_texts(passages, chunks, random.Random(1)))
        try:
            await compare(database, store, index, asked)
        finally:
            async with database.transaction() as connection:
                await store.drop(index, connection)
            await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", required=True)
    parser.add_argument("--api-key")
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=100)
    chosen = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="footnote-words-"))
    home.chmod(0o711)  # Postgres, which never runs as root, has to be able to reach its data
    try:
        with EmbeddedPostgres(home / "postgres", settings={"fsync": "off"}, report=print) as server:
            migrate(server.dsn)
            asyncio.run(run(server.dsn, chosen.url, chosen.api_key, chosen.chunks, chosen.questions))
        server.destroy()
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
