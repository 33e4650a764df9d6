"""Deleting a document on a person's word: all of it goes, texts of old revisions included."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from ingest.catalog import SourceRecord, SourceState, find_source
from retrieval.collections import find_collection
from retrieval.database import Database, query
from retrieval.documents import find_document
from retrieval.errors import NotFoundError
from retrieval.indexes import active_index
from retrieval.records import Document, Scope
from retrieval.removing import erase_document, erase_unindexed
from retrieval.stores import VectorStore, load_store
from service.settings import Settings
from service.specs import store_spec
from service.uploads import remove_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """A document that was deleted.

    location: its source's folder.
    comes_back: whether its file is still there, and the next refresh takes it in again as a new document.
    """

    document: Document
    location: str
    comes_back: bool


async def delete_document(
    database: Database, settings: Settings, document_id: UUID, *, keep_out: bool
) -> Deleted:
    """Erase a document. Its file is left alone; `keep_out` excludes it from its source from now on.

    Raises `NotFoundError`.
    """
    document = await find_document(database, document_id, scope=Scope.everything())
    state = await _source_of(database, document_id)
    if keep_out:
        # First, so that no refresh takes it in again between the two.
        await _exclude(database, state, document)
    store = load_store(store_spec(settings))
    try:
        await erase(database, store, document)
    finally:
        await store.close()
    there = await asyncio.to_thread(_exists, state.source, document.path)
    return Deleted(document=document, location=state.source.location, comes_back=there and not keep_out)


async def delete_from_service(database: Database, store: VectorStore, document: Document) -> None:
    """Erase a document for good: a file that was uploaded goes with it, one of another folder is excluded from its
    source from now on. Raises `NotFoundError`."""
    if not await remove_file(database, document.id):
        await _exclude(database, await _source_of(database, document.id), document)
    await erase(database, store, document)


async def erase(database: Database, store: VectorStore, document: Document) -> None:
    """Erase a document, whether or not it was ever in an index. Raises `NotFoundError`."""
    collection = await find_collection(database, document.collection)
    async with database.connection() as connection:
        index = await active_index(connection, collection.id)
    if index is None:
        await erase_unindexed(database, collection.id, document.id)
    else:
        await erase_document(database, store, index, document.id)


async def _source_of(database: Database, document_id: UUID) -> SourceState:
    row = await database.fetch_one(query("documents.source"), {"document_id": document_id})
    if row is None:
        raise NotFoundError(f"there is no document {document_id}.")
    return await find_source(database, row["source_id"])


async def _exclude(database: Database, state: SourceState, document: Document) -> None:
    """In one statement: others may be deleting documents of the same source."""
    await database.execute(
        query("catalog.exclude"), {"source_id": state.source.id, "pattern": _pattern(document.path)}
    )


def _pattern(path: str) -> str:
    """The path as a pattern of .gitignore that matches it alone."""
    return "/" + re.sub(r"([\\*?\[\]!# ])", r"\\\1", path)


def _exists(source: SourceRecord, path: str) -> bool:
    """Whether the file is there; for a source that is one file, the path is that file's name. On another machine it
    counts as there until a refresh finds otherwise."""
    if source.kind != "folder":
        return True
    location = Path(source.location)
    return (location if location.is_file() else location / path).exists()
