"""Throw-away collections: an evaluation set's documents in the database, found again by the next run.

A collection's name says the set and a hash of all that decides what is in it: documents, embedder, store, chunking.
What is loaded once is not embedded again, and a load that was interrupted goes on where it stopped, for documents are
published one by one and whole. Documents go in as all others do: chunked, embedded, published. They have no file, so
their source has no folder (its location begins with `evaluation:`), and no readers but the command line.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, get_args
from urllib.parse import quote

from evaluation.sets import EvaluationDocument, EvaluationSet
from ingest.catalog import KnownDocument, SourceRecord, ensure_source, known_documents
from ingest.chunking import ChunkPolicy, chunk_document
from ingest.parsers import Block, ParsedDocument
from ingest.parsers.text import clean, one_line, paragraph_spans
from ingest.stages import DocumentEmbedder
from ingest.titles import shorten_title
from retrieval.collections import ensure_collection, find_collection
from retrieval.database import Database, query
from retrieval.embedders import Embedder
from retrieval.errors import FootnoteError, IndexMismatchError, NotFoundError
from retrieval.indexes import IndexState, ensure_index, indexes_in_state
from retrieval.publishing import DocumentChangedError, RevisionDraft, hash_text, publish, texts_to_embed
from retrieval.records import Collection
from retrieval.segments import SegmentPolicy
from retrieval.stores import Index, VectorStore
from retrieval.upkeep import keep_up

_IN_FLIGHT = 8
_ATTEMPTS = 3
# Raised when the same document would be made into other chunks.
_RECIPE = "evaluation/1"


class CollectionBusyError(FootnoteError):
    """Another process is at work on a throw-away collection."""

    retryable = True


class LoadProgress(Protocol):
    """Is told how loading goes on."""

    def begin(self, stage: str, total: int) -> None: ...

    def advance(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Loader:
    """The parts that documents pass through; owned and closed by whoever built them."""

    database: Database
    store: VectorStore
    embedder: Embedder
    document_embedder: DocumentEmbedder
    chunk_policy: ChunkPolicy

    @property
    def recipe(self) -> str:
        return f"{_RECIPE}; {self.chunk_policy}"

    def collection_name(self, evaluation_set: EvaluationSet) -> str:
        """The name of a set's collection under this loader."""
        parts = (
            evaluation_set.corpus_hash(),
            self.embedder.identity.digest(),
            self.store.kind,
            self.recipe,
        )
        digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        return f"eval.{_label(evaluation_set.name)}.{digest[:16]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A set's documents, all of them in a collection.

    added: how many of them this run had to load. blank: how many have neither title nor text, and are in no index.
    ids: the documents' ids by the path that they have in the collection.
    """

    collection: Collection
    documents: int
    added: int
    blank: int
    chunks: int
    ids: Mapping[str, str]


def _label(name: str) -> str:
    """A set's name as far as it is fit for the name of a collection; sets of one label and content are one."""
    return re.sub("[^a-z0-9_-]+", "-", name.lower()).strip("-")[:32] or "set"


def path_of(document_id: str) -> str:
    """What a document is called in the collection: its id, with all escaped that a path could not hold."""
    return quote(document_id, safe=" !$&'()*+,/:;=@[]~", errors="surrogatepass")


@asynccontextmanager
async def hold_loaded(
    loader: Loader, evaluation_set: EvaluationSet, *, progress: LoadProgress
) -> AsyncIterator[Loaded]:
    """A set's documents in their collection, loaded as far as they are not, held against other evaluations.

    Raises `CollectionBusyError` where another evaluation is at work on them, and what publishing raises.
    """
    name = loader.collection_name(evaluation_set)
    collection = await ensure_collection(loader.database, name)
    async with _held(loader.database, collection):
        yield await _load(loader, collection, evaluation_set, progress)


async def drop_collection(database: Database, store: VectorStore, name: str) -> None:
    """Remove a throw-away collection with all that is in it, if it is there.

    Raises `CollectionBusyError`, and `IndexMismatchError` where its vectors are in another store.
    """
    try:
        collection = await find_collection(database, name)
    except NotFoundError:
        return
    async with _held(database, collection):
        await _check_ours(database, collection)
        await _drop(database, store, collection)


async def list_throwaways(database: Database) -> list[str]:
    """The names of all throw-away collections."""
    return [row["name"] for row in await database.fetch_all(query("evaluation.collections"), {})]


@asynccontextmanager
async def _held(database: Database, collection: Collection) -> AsyncIterator[None]:
    key = {"collection_id": collection.id}
    async with database.connection() as connection:
        cursor = await connection.execute(query("evaluation.hold"), key)
        row = await cursor.fetchone()
        if row is None or not row["held"]:
            raise _busy(collection.name)
        try:
            # Whoever held it before may have dropped it.
            if await _current_id(database, collection.name) != collection.id:
                raise _busy(collection.name)
            yield
        finally:
            if not connection.closed:
                await connection.execute(query("evaluation.let_go"), key)


async def _current_id(database: Database, name: str) -> int | None:
    row = await database.fetch_one(query("collections.find"), {"name": name})
    return None if row is None else int(row["id"])


def _busy(name: str) -> CollectionBusyError:
    return CollectionBusyError(
        f"another evaluation is at work on the collection '{name}'. Run this again when it has ended."
    )


async def _check_ours(database: Database, collection: Collection) -> None:
    row = await database.fetch_one(query("evaluation.foreign_source"), {"collection_id": collection.id})
    if row is not None:
        raise FootnoteError(
            f"the collection '{collection.name}' has a source of its own ('{row['location']}'), so it is neither "
            "measured nor removed. Take that source out of it: footnote sources remove."
        )


async def _load(
    loader: Loader, collection: Collection, evaluation_set: EvaluationSet, progress: LoadProgress
) -> Loaded:
    database = loader.database
    await _check_ours(database, collection)
    index = await ensure_index(database, collection, loader.embedder.identity, loader.store)
    location = Path(f"evaluation:{_label(evaluation_set.name)}")
    source = await ensure_source(database, collection, location, default_readers=())
    known = await known_documents(database, source.id)
    written = [document for document in evaluation_set.documents if not _is_blank(document)]
    missing = [document for document in written if not _is_current(document, known, loader.recipe)]
    if missing:
        progress.begin("loading", len(missing))
        await _publish_all(loader, index, source, missing, progress)
    await keep_up(database, loader.store, index, SegmentPolicy())
    row = await database.fetch_one(query("evaluation.chunk_count"), {"collection_id": collection.id})
    return Loaded(
        collection=collection,
        documents=len(written),
        added=len(missing),
        blank=len(evaluation_set.documents) - len(written),
        chunks=0 if row is None else int(row["chunks"]),
        ids={path_of(document.id): document.id for document in written},
    )


async def _publish_all(
    loader: Loader,
    index: Index,
    source: SourceRecord,
    documents: Sequence[EvaluationDocument],
    progress: LoadProgress,
) -> None:
    waiting: Iterator[EvaluationDocument] = iter(documents)

    async def take_next() -> None:
        for document in waiting:
            draft = await asyncio.to_thread(draft_of, document, source, loader)
            await _publish(loader, index, draft)
            progress.advance()

    tasks = [asyncio.create_task(take_next()) for _ in range(_IN_FLIGHT)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _publish(loader: Loader, index: Index, draft: RevisionDraft) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        missing = await texts_to_embed(loader.database, draft)
        embedded = await loader.document_embedder.embed_documents(list(missing.values()))
        try:
            await publish(
                loader.database, loader.store, index, draft, dict(zip(missing, embedded, strict=True))
            )
        except DocumentChangedError:
            if attempt == _ATTEMPTS:
                raise
        else:
            return


def draft_of(document: EvaluationDocument, source: SourceRecord, loader: Loader) -> RevisionDraft:
    """A document as it is published. One without a text has its title for one, since only texts are cited."""
    title, text = _readable(document)
    chunks = chunk_document(
        ParsedDocument(
            text=text,
            blocks=tuple(
                Block(kind="paragraph", char_start=start, char_end=end)
                for start, end in paragraph_spans(text, 0, len(text))
            ),
        ),
        policy=loader.chunk_policy,
        token_ends=loader.embedder.token_ends,
        embed=loader.embedder.embed_documents,
    )
    return RevisionDraft(
        source_id=source.id,
        path=path_of(document.id),
        media_type="text/plain",
        title=title,
        text=text,
        page_starts=(),
        chunks=chunks,
        text_hashes=tuple(hash_text(chunk.embedding_text(title)) for chunk in chunks),
        content_hash=_content_hash(document),
        size_bytes=len(text.encode()),
        mtime_ns=0,
        recipe=loader.recipe,
        readers=source.readers,
    )


def _readable(document: EvaluationDocument) -> tuple[str, str]:
    """Title and text, as they are embedded and indexed."""
    title, text = one_line(clean(document.title)), clean(document.text)
    return (shorten_title(title), text) if text.strip() else ("", title)


def _is_blank(document: EvaluationDocument) -> bool:
    return not _readable(document)[1]


def _is_current(document: EvaluationDocument, known: Mapping[str, KnownDocument], recipe: str) -> bool:
    there = known.get(path_of(document.id))
    return there is not None and (there.content_hash, there.recipe) == (_content_hash(document), recipe)


def _content_hash(document: EvaluationDocument) -> bytes:
    return hashlib.sha256("\0".join(_readable(document)).encode()).digest()


async def _drop(database: Database, store: VectorStore, collection: Collection) -> None:
    key = {"collection_id": collection.id}
    async with database.transaction() as connection:
        await connection.execute(query("indexes.hold_collection"), key)
        for state in get_args(IndexState):
            for index in await indexes_in_state(connection, collection.id, state):
                if index.store != store.kind:
                    raise IndexMismatchError(
                        f"the vectors of '{collection.name}' are kept in {index.store}; the configured store is "
                        f"{store.kind}. Configure the former store to remove them."
                    )
                await store.drop(index, connection)
        await connection.execute(query("evaluation.drop_collection"), key)
