"""The pipeline: one file, from its bytes to a published revision.

    fetch → compare → parse → chunk → embed → publish

Every step may fail for this file alone; what concerns all files (the database is away) ends the run.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ingest.catalog import KnownDocument, SourceRecord, touch_document
from ingest.chunking import ChunkPolicy, chunk_document
from ingest.parsers import ParsedDocument, ParserPolicy
from ingest.sources import FoundFile, Source
from ingest.titles import title_of
from retrieval.database import Database
from retrieval.embedders import Embedder
from retrieval.publishing import (
    DocumentChangedError,
    Published,
    RevisionDraft,
    hash_text,
    publish,
    texts_to_embed,
)
from retrieval.stores import Index, VectorStore

Outcome = Literal["added", "updated", "unchanged"]

# Another run may publish the same document in between; more often than this means that something else is wrong.
_ATTEMPTS = 3


class DocumentEmbedder(Protocol):
    """Embeds texts, in order, as unit rows: float32 of shape (len(texts), dimension)."""

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


class DocumentParser(Protocol):
    """Parses a file's content away from this process. Raises `ParseError`."""

    async def parse(self, content: bytes, *, file_name: str) -> ParsedDocument: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """What became of a file."""

    outcome: Outcome
    chunks: int


def recipe(path: str, parsers: ParserPolicy, chunking: ChunkPolicy) -> str | None:
    """How a file of this name is made into chunks, or None where no parser reads it.

    A document is made anew when its recipe changes, even if its file did not.
    """
    identity = parsers.identity(path)
    return None if identity is None else f"{identity}; {chunking}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The parts that a file passes through; owned and closed by whoever built them."""

    database: Database
    store: VectorStore
    index: Index
    parser: DocumentParser
    parser_policy: ParserPolicy
    embedder: Embedder
    document_embedder: DocumentEmbedder
    chunk_policy: ChunkPolicy
    max_file_bytes: int

    def recipe(self, path: str) -> str | None:
        """How a file of this path is made into chunks, or None where no parser reads it."""
        return recipe(path, self.parser_policy, self.chunk_policy)

    async def index_file(
        self, source: Source, record: SourceRecord, found: FoundFile, known: KnownDocument | None
    ) -> Indexed:
        """Bring one file into the index. Raises `ParseError`, `FileUnreadableError`, `ModelError` for this file,
        `DatabaseUnavailableError` for all."""
        content = await asyncio.to_thread(source.fetch, found, max_bytes=self.max_file_bytes)
        content_hash = hashlib.sha256(content).digest()
        made_by = self.recipe(found.path)
        assert made_by is not None, "files without a parser are skipped by the plan"
        if known is not None and (known.content_hash, known.recipe) == (content_hash, made_by):
            await touch_document(self.database, known, size_bytes=found.size_bytes, mtime_ns=found.mtime_ns)
            return Indexed(outcome="unchanged", chunks=0)
        parsed = await self.parser.parse(content, file_name=PurePosixPath(found.path).name)
        draft = await asyncio.to_thread(self._draft, record, found, parsed, content_hash, made_by)
        if not (await self._publish(draft)).is_new:
            return Indexed(outcome="unchanged", chunks=0)
        return Indexed(outcome="added" if known is None else "updated", chunks=len(draft.chunks))

    def _draft(
        self,
        record: SourceRecord,
        found: FoundFile,
        parsed: ParsedDocument,
        content_hash: bytes,
        made_by: str,
    ) -> RevisionDraft:
        chunks = chunk_document(
            parsed,
            policy=self.chunk_policy,
            token_ends=self.embedder.token_ends,
            embed=self.embedder.embed_documents,
        )
        title = title_of(parsed.title, found.path)
        return RevisionDraft(
            source_id=record.id,
            path=found.path,
            media_type=parsed.media_type,
            title=title,
            text=parsed.text,
            page_starts=parsed.page_starts,
            line_boxes=parsed.line_boxes,
            chunks=chunks,
            text_hashes=tuple(hash_text(chunk.embedding_text(title)) for chunk in chunks),
            content_hash=content_hash,
            size_bytes=found.size_bytes,
            mtime_ns=found.mtime_ns,
            recipe=made_by,
            readers=record.readers,
            metadata=record.metadata,
        )

    async def _publish(self, draft: RevisionDraft) -> Published:
        for attempt in range(1, _ATTEMPTS + 1):
            missing = await texts_to_embed(self.database, draft)
            embedded = await self.document_embedder.embed_documents(list(missing.values()))
            vectors = dict(zip(missing, embedded, strict=True))
            try:
                return await publish(self.database, self.store, self.index, draft, vectors)
            except DocumentChangedError:
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError("the last attempt returns or raises")
