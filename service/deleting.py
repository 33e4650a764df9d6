"""Deleting a document on a person's word: all of it goes, texts of old revisions included."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from ingest.catalog import ensure_source, find_source
from retrieval.collections import find_collection
from retrieval.database import Database, query
from retrieval.documents import find_document
from retrieval.indexes import active_index
from retrieval.records import Document, Scope
from retrieval.removing import erase_document
from retrieval.stores import load_store
from service.settings import Settings
from service.specs import store_spec


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
    row = await database.fetch_one(query("documents.source"), {"document_id": document_id})
    assert row is not None, "a document has a source"
    state = await find_source(database, row["source_id"])
    collection = await find_collection(database, document.collection)
    if keep_out:
        # First, so that no refresh takes it in again between the two.
        await ensure_source(
            database,
            collection,
            Path(state.source.location),
            default_readers=state.source.readers,
            exclude=[*state.source.exclude, _pattern(document.path)],
        )
    async with database.connection() as connection:
        index = await active_index(connection, collection.id)
    assert index is not None, "a collection that has documents has an index"
    store = load_store(store_spec(settings))
    try:
        await erase_document(database, store, index, document_id)
    finally:
        await store.close()
    there = await asyncio.to_thread(_exists, Path(state.source.location), document.path)
    return Deleted(document=document, location=state.source.location, comes_back=there and not keep_out)


def _pattern(path: str) -> str:
    """The path as a pattern of .gitignore that matches it alone."""
    return "/" + re.sub(r"([\\*?\[\]!# ])", r"\\\1", path)


def _exists(location: Path, path: str) -> bool:
    """Whether the file is there; for a source that is one file, the path is that file's name."""
    return (location if location.is_file() else location / path).exists()
