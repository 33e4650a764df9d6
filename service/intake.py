"""The way into the index: what files need to be taken in, built once and shared."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.parsers import ParserPolicy
from ingest.parsing import ParserPool
from ingest.pipeline import Pipeline
from retrieval.batching import EmbeddingBatcher
from retrieval.collections import ensure_collection
from retrieval.database import Database
from retrieval.embedders import Embedder
from retrieval.indexes import ensure_index
from retrieval.sameness import check_same_model
from retrieval.stores import VectorStore
from service.outside import check_embedder_allowed
from service.settings import Settings
from service.specs import (
    chunk_policy,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """The way into the index. Owned by `open_intake`; nothing here needs closing by its users."""

    settings: Settings
    database: Database
    store: VectorStore
    embedder: Embedder
    embedding: EmbeddingBatcher
    parser_policy: ParserPolicy

    async def pipeline(self, collection: str, parser: ParserPool) -> Pipeline:
        """The way of files into a collection, which is made where it does not exist."""
        made = await ensure_collection(self.database, collection)
        check_embedder_allowed(self.settings, made)
        index = await ensure_index(self.database, made, self.embedder.identity, self.store)
        if self.settings.embedder.kind == "remote":
            await check_same_model(self.database, self.store, index, made.name, self.embedding)
        return Pipeline(
            database=self.database,
            store=self.store,
            index=index,
            parser=parser,
            parser_policy=self.parser_policy,
            embedder=self.embedder,
            document_embedder=self.embedding,
            chunk_policy=chunk_policy(self.settings),
            max_file_bytes=self.settings.ingest.max_file_bytes,
        )

    def parser_pool(self) -> ParserPool:
        """Worker processes that parse; to be entered and left by the caller."""
        return ParserPool(
            self.parser_policy,
            workers=self.settings.ingest.parse_workers,
            time_limit_s=self.settings.ingest.parse_timeout_s,
            longest_s=self.settings.parsing.ocr_timeout_s,
            memory_limit_bytes=self.settings.parsing.memory_bytes,
            nice=self.settings.ingest.nice,
        )
