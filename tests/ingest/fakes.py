"""Small, deterministic stand-ins at the seams of the pipeline, and a look at the index that is left behind.

Files, Postgres, chunking and the parsers are real; what a test does not have to wait for is a model and a process.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from ingest.catalog import SourceRecord, ensure_source
from ingest.chunking import ChunkPolicy
from ingest.errors import ParseError
from ingest.parsers import ParsedDocument, ParserPolicy
from ingest.parsing import parse_file
from ingest.patience import Patience
from ingest.pipeline import Pipeline
from ingest.refresh import RefreshPolicy, refresh_source
from ingest.reports import Fate, RefreshReport
from ingest.sources import FoundFile, Listing, Source, Unlisted
from ingest.sources.folder import FolderSource
from retrieval.collections import ensure_collection
from retrieval.database import Database
from retrieval.embedders import EmbedderIdentity
from retrieval.errors import ModelError
from retrieval.indexes import ensure_index
from retrieval.listings import LISTING_CHECKS, check_listing
from retrieval.records import PUBLIC
from retrieval.segments import SegmentPolicy
from retrieval.stores.pgvector import PgvectorStore

MAX_FILE_BYTES = 100_000
DAMAGED = b"%damaged%"
UNLUCKY = "unlucky"
SMALL_SEGMENTS = SegmentPolicy(fresh=4, batch=16, fan_in=3, removed=6)
WORDS = EmbedderIdentity(
    model="words",
    fingerprint="0" * 64,
    dimension=8,
    pooling="mean",
    normalized=True,
    query_prefix="",
    document_prefix="",
    precision="fp32",
)


@dataclass(slots=True, kw_only=True)
class WordEmbedder:
    """Counts words for tokens and gives every text a unit vector of its own. Fails on texts that hold `UNLUCKY`.

    embedded: every text that was embedded, in order.
    before: awaited before each batch; where a test lets something happen in mid-run.
    """

    embedded: list[str] = field(default_factory=list)
    before: Callable[[], Awaitable[None]] | None = None
    identity: EmbedderIdentity = WORDS
    cosine_bounds: tuple[float, float] = (0.0, 1.0)
    max_tokens: int = 512
    parallelism: int = 1
    batch_size: int = 4

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def token_ends(self, text: str) -> list[int]:
        return [word.end() for word in re.finditer(r"\S+", text)]

    def embed_query(self, text: str) -> NDArray[np.float32]:
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        vector = np.random.default_rng(seed).standard_normal(self.identity.dimension).astype(np.float32)
        unit: NDArray[np.float32] = vector / np.linalg.norm(vector)
        return unit

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if any(UNLUCKY in text for text in texts):
            raise ModelError("the model words failed on this text")
        self.embedded += texts
        return np.array([self.embed_query(text) for text in texts], dtype=np.float32).reshape(
            len(texts), self.identity.dimension
        )

    def close(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """The bridge to the embedder, without threads."""

    embedder: WordEmbedder

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self.embedder.before is not None:
            await self.embedder.before()
        return self.embedder.embed_documents(texts)


class InlineParser:
    """The real parsers in this process. A file that begins with `DAMAGED` cannot be parsed."""

    async def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        if content.startswith(DAMAGED):
            raise ParseError(f"{file_name} is damaged")
        return parse_file(content, file_name, ParserPolicy())


@dataclass(slots=True)
class WatchedSource:
    """A source that notes what is fetched from it, and which a test can spoil.

    closed_parts: folders that cannot be listed.
    vanishing: files that are there when the source is listed and gone when they are fetched.
    """

    source: Source
    fetched: list[str] = field(default_factory=list)
    closed_parts: tuple[str, ...] = ()
    vanishing: frozenset[str] = frozenset()

    def discover(self, *, below: str = "") -> Listing:
        listing = self.source.discover(below=below)
        return replace(
            listing,
            files=tuple(f for f in listing.files if not f.path.startswith(self.closed_parts or ("\0",))),
            unlisted=(
                *listing.unlisted,
                *(Unlisted(path=p, error="the folder cannot be listed") for p in self.closed_parts),
            ),
        )

    def fetch(self, found: FoundFile, *, max_bytes: int) -> bytes:
        self.fetched.append(found.path)
        if found.path in self.vanishing:
            Path(found.locator).unlink(missing_ok=True)
        return self.source.fetch(found, max_bytes=max_bytes)


@dataclass(slots=True)
class Told:
    """Progress as it was told."""

    files: int | None = None
    outcomes: dict[str, str] = field(default_factory=dict)

    def planned(self, *, files: int) -> None:
        self.files = files

    def finished(self, path: str, fate: Fate, chunks: int) -> None:
        self.outcomes[path] = fate


@dataclass(slots=True, kw_only=True)
class Library:
    """A folder, a collection made from it, and the parts that make it."""

    root: Path
    pipeline: Pipeline
    embedder: WordEmbedder
    source: WatchedSource
    record: SourceRecord

    patience: Patience = field(default_factory=lambda: Patience(total_s=0))

    async def refresh(
        self, *, below: str = "", in_flight: int = 3, retry_failed: bool = False
    ) -> RefreshReport:
        """One run over the folder."""
        return await refresh_source(
            self.pipeline,
            self.source,
            self.record,
            progress=Told(),
            policy=RefreshPolicy(in_flight=in_flight, patience=self.patience, segments=SMALL_SEGMENTS),
            below=below,
            retry_failed=retry_failed,
        )

    def write(self, files: Mapping[str, str | bytes]) -> None:
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)


async def open_library(
    database: Database,
    root: Path,
    *,
    collection: str = "default",
    readers: Sequence[str] | None = None,
    max_tokens: int = 20,
) -> Library:
    """A library over a folder. To open it again with `readers` changes them."""
    made = await ensure_collection(database, collection)
    record = await ensure_source(database, made, root, default_readers=[PUBLIC], readers=readers)
    embedder, store = WordEmbedder(), PgvectorStore()
    pipeline = Pipeline(
        database=database,
        store=store,
        index=await ensure_index(database, made, embedder.identity, store),
        parser=InlineParser(),
        parser_policy=ParserPolicy(),
        embedder=embedder,
        document_embedder=Embedding(embedder),
        chunk_policy=ChunkPolicy(max_tokens=max_tokens),
        max_file_bytes=MAX_FILE_BYTES,
    )
    source = WatchedSource(FolderSource(root))
    return Library(root=root, pipeline=pipeline, embedder=embedder, source=source, record=record)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedText:
    """What the index holds of a document: its text, its chunks in order, who may read it."""

    text: str
    chunks: tuple[str, ...]
    readers: tuple[str, ...]


async def indexed(database: Database, collection: str = "default") -> dict[str, IndexedText]:
    """What a collection answers from, by path. Checks that it is whole: every chunk exact, with words and vector,
    and nothing left over of what went."""
    rows = await database.fetch_all(
        "SELECT c.name AS collection, d.id, d.path, d.readers, r.text FROM documents AS d"
        " JOIN collections AS c ON c.id = d.collection_id"
        " JOIN revisions AS r ON r.document_id = d.id AND r.revision = d.current_revision ORDER BY d.path"
    )
    places = await database.fetch_all(
        "SELECT p.document_id, p.char_start, p.char_end, c.text"
        " FROM chunk_places AS p JOIN chunks AS c ON c.id = p.chunk_id ORDER BY p.document_id, p.ordinal"
    )
    texts = {row["id"]: row["text"] for row in rows}
    for place in places:
        assert texts[place["document_id"]][place["char_start"] : place["char_end"]] == place["text"]
    await _check_whole(database)
    return {
        row["path"]: IndexedText(
            text=row["text"],
            chunks=tuple(place["text"] for place in places if place["document_id"] == row["id"]),
            readers=tuple(row["readers"]),
        )
        for row in rows
        if row["collection"] == collection
    }


async def _check_whole(database: Database) -> None:
    counts = await database.fetch_one(
        "SELECT (SELECT count(*) FROM chunks WHERE id NOT IN (SELECT chunk_id FROM chunk_places)) AS without_place,"
        " (SELECT count(*) FROM (SELECT chunk_id FROM chunk_terms UNION SELECT chunk_id FROM fresh_terms) AS t"
        "   WHERE chunk_id NOT IN (SELECT id FROM chunks)) AS words_of_nothing,"
        " (SELECT count(*) FROM chunks AS c WHERE NOT EXISTS"
        "   (SELECT FROM chunk_terms AS t WHERE t.chunk_id = c.id AND t.document_id = c.document_id)) AS words_missing"
    )
    assert counts == {"without_place": 0, "words_of_nothing": 0, "words_missing": 0}
    for row in await database.fetch_all("SELECT id FROM collections"):
        async with database.snapshot() as connection:
            for kind in LISTING_CHECKS:
                assert await check_listing(connection, kind, row["id"], examples=3) == (0, ()), kind
    async with database.connection() as connection:
        cursor = await connection.execute("SELECT id FROM indexes ORDER BY id")
        with_vector: list[int] = []
        for index in await cursor.fetchall():
            table = sql.Identifier(f"vectors_{index['id']}")
            cursor = await connection.execute(sql.SQL("SELECT chunk_id FROM {}").format(table))
            with_vector += [row["chunk_id"] for row in await cursor.fetchall()]
        cursor = await connection.execute("SELECT id FROM chunks ORDER BY id")
        assert sorted(with_vector) == [row["id"] for row in await cursor.fetchall()]
