"""The pipeline: one file, from its bytes to a published revision.

    fetch → compare → parse → chunk → embed → publish

Every step may fail for this file alone; what concerns all files (the database is away) ends the run.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from ingest.catalog import KnownDocument, SourceRecord, touch_document
from ingest.chunking import ChunkPolicy
from ingest.parsers import ParserPolicy
from ingest.sources import FoundFile, Source
from ingest.stages import DocumentEmbedder, DocumentParser, draft_file, embed_draft, read_file
from retrieval.database import Database
from retrieval.embedders import Embedder
from retrieval.publishing import DocumentChangedError, Published, RevisionDraft, publish
from retrieval.stores import Index, VectorStore

Outcome = Literal["added", "updated", "unchanged"]

# Another run may publish the same document in between; more often than this means that something else is wrong.
_ATTEMPTS = 3


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
        read = await read_file(
            source,
            found,
            known,
            recipe=self.recipe,
            parser=self.parser,
            max_bytes=self.max_file_bytes,
        )
        if read.parsed is None:
            assert known is not None, "only what is known can be unchanged"
            found = read.found
            await touch_document(self.database, known, size_bytes=found.size_bytes, mtime_ns=found.mtime_ns)
            return Indexed(outcome="unchanged", chunks=0)
        draft = await asyncio.to_thread(
            draft_file,
            record,
            read,
            policy=self.chunk_policy,
            token_ends=self.embedder.token_ends,
            embed=self.embedder.embed_documents,
        )
        if not (await self._publish(draft)).is_new:
            return Indexed(outcome="unchanged", chunks=0)
        return Indexed(outcome="added" if known is None else "updated", chunks=len(draft.chunks))

    async def _publish(self, draft: RevisionDraft) -> Published:
        for attempt in range(1, _ATTEMPTS + 1):
            vectors = await embed_draft(self.database, draft, self.document_embedder)
            try:
                return await publish(self.database, self.store, self.index, draft, vectors)
            except DocumentChangedError:
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError("the last attempt returns or raises")
