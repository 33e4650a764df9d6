"""Bulk loading of a made corpus: rows by COPY, words by the SQL functions of publishing, then segments, then the graph.

What is in the tables afterwards is what publishing document by document leaves, with chunk i of the corpus as chunk
i + 1 of the database.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from pgvector import HalfVector
from psycopg import sql
from psycopg.types.json import Jsonb

from benchmarks.scale_corpus import CHUNKS_A_DOCUMENT, Made, Speller
from benchmarks.scale_selections import attributes
from retrieval.collections import ensure_collection
from retrieval.database import Connection, Database
from retrieval.embedders import EmbedderIdentity
from retrieval.indexes import ensure_index
from retrieval.records import Collection, contextual_text
from retrieval.segments import SegmentPolicy, merge_segments
from retrieval.stores import Index
from retrieval.stores.pgvector import PgvectorStore

COLLECTION = "scale"
_DOCUMENTS_AT_ONCE = 600
# The last ones are too few to make a segment of: nearly as many as searches ever find without one.
_FRESH_DOCUMENTS = 90
_NAMESPACE = UUID("5ca1ab1e-0000-4000-8000-000000000000")
_COUNT_WORDS = """
WITH counted AS MATERIALIZED (
    SELECT c.id, c.document_id, lexical_vector(n.language, r.title || E'\n' || c.text) AS words
    FROM chunks AS c
    JOIN revisions AS r ON r.document_id = c.document_id JOIN collections AS n ON n.id = c.collection_id
    WHERE c.id >= %(first)s AND c.id < %(beyond)s
), listed AS (
    INSERT INTO chunk_terms (chunk_id, document_id, collection_id, length, word_count, checksum, terms)
    SELECT id, document_id, %(collection_id)s, lexical_length(words), length(words),
           lexical_checksum(words), lexical_terms(words)
    FROM counted
)
INSERT INTO fresh_terms (chunk_id, collection_id, length, words)
SELECT id, %(collection_id)s, lexical_length(words), words FROM counted
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A corpus in the database, and how many seconds each part of loading took."""

    collection: Collection
    index: Index
    seconds: dict[str, float]


async def load(
    database: Database, made: Made, speller: Speller, sets: Sequence[str], identity: EmbedderIdentity
) -> Loaded:
    """Put a corpus into an empty database."""
    store = PgvectorStore()
    collection = await ensure_collection(database, COLLECTION)
    index = await ensure_index(database, collection, identity, store)
    row = await database.fetch_one(
        "INSERT INTO sources (collection_id, kind, location, readers)"
        " VALUES (%(id)s, 'folder', '/scale', '{public}') RETURNING id",
        {"id": collection.id},
    )
    assert row is not None, "an insert returns its row"
    seconds = {"rows": 0.0, "words": 0.0, "segments": 0.0, "vectors": 0.0, "graph": 0.0}
    documents = len(made.titles)
    for numbers in _batches(documents):
        batch = list(_documents(numbers, made, speller, sets))
        with _timed(seconds, "rows"):
            await _copy_rows(database, collection, row["id"], batch)
        with _timed(seconds, "words"):
            await _count_words(database, collection, batch)
        with _timed(seconds, "segments"):
            await merge_segments(database, collection.id, SegmentPolicy())
        print(f"loaded {numbers.stop:,} of {documents:,} documents", file=sys.stderr)
    with _timed(seconds, "vectors"):
        await _copy_vectors(database, index, made)
    with _timed(seconds, "graph"):
        await store.optimize(index, database)
    await _settle(database)
    return Loaded(collection=collection, index=index, seconds={k: round(s, 1) for k, s in seconds.items()})


class _timed:  # noqa: N801  # reads as a verb where it stands
    """Adds the seconds of its block to an entry."""

    def __init__(self, seconds: dict[str, float], name: str) -> None:
        self._seconds, self._name = seconds, name

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._seconds[self._name] += time.perf_counter() - self._started


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    id: UUID
    number: int
    set_name: str
    title: str
    first_chunk: int
    texts: list[str]


def _batches(documents: int) -> Iterator[range]:
    settled = max(documents - _FRESH_DOCUMENTS, 0)
    for start in range(0, settled, _DOCUMENTS_AT_ONCE):
        yield range(start, min(start + _DOCUMENTS_AT_ONCE, settled))
    yield range(settled, documents)


def _documents(numbers: range, made: Made, speller: Speller, sets: Sequence[str]) -> Iterator[_Document]:
    for number in numbers:
        first = number * CHUNKS_A_DOCUMENT
        chunks = range(first, min(first + CHUNKS_A_DOCUMENT, len(made)))
        yield _Document(
            id=uuid5(_NAMESPACE, str(number)),
            number=number,
            set_name=sets[made.origins[number]],
            title=speller.join(made.titles[number]),
            first_chunk=first + 1,
            texts=[speller.join(made.words[made.starts[i] : made.starts[i + 1]]) for i in chunks],
        )


async def _copy_rows(
    database: Database, collection: Collection, source_id: UUID, documents: Sequence[_Document]
) -> None:
    async with database.transaction() as connection:
        await _copy(
            connection,
            "documents (id, collection_id, source_id, path, media_type, readers, metadata, current_revision,"
            " content_hash, size_bytes, mtime_ns, recipe)",
            (_document_row(document, collection, source_id) for document in documents),
        )
        await _copy(
            connection,
            "revisions (document_id, revision, title, text, page_starts, content_hash)",
            ((each.id, 1, each.title, "\n\n".join(each.texts), [], b"") for each in documents),
        )
        await _copy(
            connection,
            "chunks (id, collection_id, document_id, text_hash, headings, text, token_count)",
            (row for document in documents for row in _chunk_rows(document, collection)),
        )
        await _copy(
            connection,
            "chunk_places (document_id, ordinal, chunk_id, char_start, char_end)",
            (row for document in documents for row in _place_rows(document)),
        )
        await connection.execute("SELECT setval('chunks_id_seq', (SELECT max(id) FROM chunks))")


async def _copy(connection: Connection, target: str, rows: Iterator[tuple[Any, ...]]) -> None:
    table, _, columns = target.partition(" ")
    names = [sql.Identifier(name) for name in columns.strip("()").replace(" ", "").split(",")]
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), sql.SQL(", ").join(names))
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            await copy.write_row(row)


def _document_row(document: _Document, collection: Collection, source_id: UUID) -> tuple[Any, ...]:
    of = attributes(document.number, document.set_name)
    size = sum(map(len, document.texts))
    return (
        document.id,
        collection.id,
        source_id,
        of.path,
        "text/plain",
        of.readers,
        Jsonb(of.metadata),
        1,
        b"",
        size,
        0,
        "scale",
    )


def _chunk_rows(document: _Document, collection: Collection) -> Iterator[tuple[Any, ...]]:
    for chunk_id, text in enumerate(document.texts, start=document.first_chunk):
        digest = hashlib.sha256(contextual_text(document.title, (), text).encode()).digest()
        yield chunk_id, collection.id, document.id, digest, [], text, len(text.split())


def _place_rows(document: _Document) -> Iterator[tuple[Any, ...]]:
    start = 0
    for ordinal, text in enumerate(document.texts):
        yield document.id, ordinal, document.first_chunk + ordinal, start, start + len(text)
        start += len(text) + 2


async def _count_words(database: Database, collection: Collection, documents: Sequence[_Document]) -> None:
    last = documents[-1]
    async with database.transaction() as connection:
        await connection.execute(
            _COUNT_WORDS,
            {
                "collection_id": collection.id,
                "first": documents[0].first_chunk,
                "beyond": last.first_chunk + len(last.texts),
            },
        )


async def _copy_vectors(database: Database, index: Index, made: Made) -> None:
    statement = sql.SQL("COPY {} (chunk_id, embedding) FROM STDIN WITH (FORMAT BINARY)").format(
        sql.Identifier(f"vectors_{index.id}")
    )
    async with (
        database.transaction() as connection,
        connection.cursor() as cursor,
        cursor.copy(statement) as copy,
    ):
        copy.set_types(["int8", "halfvec"])
        for chunk_id, vector in enumerate(made.vectors, start=1):
            await copy.write_row((chunk_id, HalfVector(vector)))


async def _settle(database: Database) -> None:
    """What autovacuum comes to in time: statistics, and pages marked as visible to all."""
    async with database.connection() as connection:
        await connection.execute("VACUUM (ANALYZE)")
        await connection.execute("CHECKPOINT")
