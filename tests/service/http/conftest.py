"""What the tests of the HTTP service share: a real, built service over a database of the test's own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from ingest.catalog import ensure_source
from retrieval.collections import ensure_collection
from retrieval.indexes import ensure_index
from retrieval.publishing import RevisionDraft, hash_text, publish, texts_to_embed
from retrieval.records import PUBLIC, ChunkDraft
from service.footnote import Footnote
from service.http.app import create_app
from service.identity import Role
from service.keys import create_key

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A running app, a client that holds a key, and a way to put texts into the index."""

    app: FastAPI
    footnote: Footnote
    client: httpx.AsyncClient
    key: str

    async def add(
        self,
        path: str,
        text: str,
        *,
        readers: Sequence[str] = (PUBLIC,),
        collection: str = "default",
        media_type: str = "text/plain",
        modified: datetime = _EPOCH,
        metadata: Mapping[str, str] | None = None,
    ) -> UUID:
        """Publish a text at a path, a new revision where there is one; each of its paragraphs becomes a chunk."""
        return await add_document(
            self.footnote,
            path,
            text,
            readers=readers,
            collection=collection,
            media_type=media_type,
            modified=modified,
            metadata=metadata,
        )

    async def client_as(
        self, *principals: str, role: Role = "reader", collections: Sequence[str] | None = None
    ) -> dict[str, str]:
        """Headers of a caller with these principals, this role, and these collections alone."""
        created = await create_key(
            self.footnote.database, name="someone", principals=principals, role=role, collections=collections
        )
        return {"Authorization": f"Bearer {created.key}"}


async def add_document(
    footnote: Footnote,
    path: str,
    text: str,
    *,
    readers: Sequence[str] = (PUBLIC,),
    collection: str = "default",
    media_type: str = "text/plain",
    modified: datetime = _EPOCH,
    metadata: Mapping[str, str] | None = None,
) -> UUID:
    made = await ensure_collection(footnote.database, collection)
    index = await ensure_index(footnote.database, made, footnote.embedder.identity, footnote.store)
    source = await ensure_source(footnote.database, made, Path("/library"), default_readers=[PUBLIC])
    chunks = tuple(
        ChunkDraft(
            char_start=found.start(),
            char_end=found.end(),
            text=found[0],
            headings=(),
            token_count=footnote.embedder.count_tokens(found[0]),
        )
        for found in re.finditer(r"(?s)\S.*?(?=\n\n|\Z)", text)
    )
    draft = RevisionDraft(
        source_id=source.id,
        path=path,
        media_type=media_type,
        title="",
        text=text,
        page_starts=(),
        chunks=chunks,
        text_hashes=tuple(hash_text(chunk.embedding_text("")) for chunk in chunks),
        content_hash=hashlib.sha256(text.encode()).digest(),
        size_bytes=len(text.encode()),
        mtime_ns=int(modified.timestamp()) * 10**9,
        recipe="one chunk",
        readers=tuple(readers),
        metadata=metadata or {},
    )
    missing = await texts_to_embed(footnote.database, draft)
    vectors = await footnote.embedding.embed_documents(list(missing.values()))
    published = await publish(
        footnote.database, footnote.store, index, draft, dict(zip(missing, vectors, strict=True))
    )
    return published.document_id


@pytest.fixture
async def house(footnote: Footnote) -> AsyncIterator[House]:
    """A running app, reached without a socket."""
    async with open_house(footnote) as opened:
        yield opened


def unopened_app() -> FastAPI:
    """An app that was never started: enough for what its routes look like and for what it says of errors."""

    def never_opened() -> AbstractAsyncContextManager[Footnote]:
        raise AssertionError("this app is not to be started")

    return create_app(never_opened)


@asynccontextmanager
async def open_house(footnote: Footnote) -> AsyncIterator[House]:
    app = create_app(lambda: nullcontext(footnote))
    created = await create_key(footnote.database, name="tests", principals=[])
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app, raise_app_exceptions=False),
            base_url="http://footnote",
            headers={"Authorization": f"Bearer {created.key}"},
        ) as client,
    ):
        yield House(app=app, footnote=footnote, client=client, key=created.key)
