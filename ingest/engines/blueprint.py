"""The blueprint of a run: what its stages are built from, on whichever machine they run."""

from __future__ import annotations

import importlib.metadata
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from ingest.catalog import SourceRecord
from ingest.chunking import ChunkPolicy
from ingest.errors import EngineUnavailableError
from ingest.parsers import ParserPolicy
from ingest.parsing import ParserPool
from ingest.patience import Patience
from ingest.pipeline import recipe
from ingest.sources import Source, SourceSpec, load_source
from retrieval.database import Database
from retrieval.embedders import Embedder, EmbedderSpec, load_embedder
from retrieval.stores import Index, StoreSpec
from retrieval.tokenizing import TextTokenizer
from retrieval.weights import EMBEDDER_PIN, find_weights

logger = logging.getLogger(__name__)

DISTRIBUTION = "footnote-service"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsingLimits:
    """What one file may take, as `ingest.parsing.ParserPool` has it."""

    time_limit_s: float
    longest_s: float
    memory_limit_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """Plain data that travels to other machines, secrets included: keep it out of logs.

    version: Footnote's own; another one may cut and embed otherwise.
    tokenizer: the embedder's, as tokenizer.json has it, with which texts are cut where no model is loaded.
    weights_dir, weights_cache: where the default embedder's files are looked for on the machine that embeds; its
    `embedder.weights` is of no meaning there.
    """

    source: SourceSpec = field(repr=False)
    record: SourceRecord
    index: Index
    parser_policy: ParserPolicy
    parsing: ParsingLimits
    chunk_policy: ChunkPolicy
    max_file_bytes: int
    embedder: EmbedderSpec = field(repr=False)
    tokenizer: str = field(repr=False)
    weights_dir: Path | None
    weights_cache: Path
    store: StoreSpec = field(repr=False)
    dsn: str = field(repr=False)
    patience: Patience
    version: str = field(default_factory=lambda: importlib.metadata.version(DISTRIBUTION))

    def check_version(self) -> None:
        """Refuse to work for another version of Footnote. Raises `EngineUnavailableError`."""
        here = importlib.metadata.version(DISTRIBUTION)
        if here != self.version:
            raise EngineUnavailableError(
                f"a machine of the cluster has {DISTRIBUTION} {here}, and this run was begun with {self.version}: "
                "they may cut and embed otherwise. Install the same version on all of them."
            )

    def recipe(self, path: str) -> str | None:
        """How a file of this path is made into chunks, or None where no parser reads it."""
        return recipe(path, self.parser_policy, self.chunk_policy)

    def open_source(self) -> Source:
        """The source as this machine sees it. Raises `EngineUnavailableError` where it does not."""
        if self.source.kind == "folder" and not Path(self.source.location).exists():
            raise EngineUnavailableError(
                f"a machine of the cluster does not see '{self.source.location}'. Mount it at the same path on all of "
                "them, or ingest from a bucket (s3://…)."
            )
        return load_source(self.source)

    def parser_pool(self) -> ParserPool:
        """One process that parses; to be entered and left by the caller."""
        return ParserPool(
            self.parser_policy,
            workers=1,
            time_limit_s=self.parsing.time_limit_s,
            longest_s=self.parsing.longest_s,
            memory_limit_bytes=self.parsing.memory_limit_bytes,
        )

    def load_tokenizer(self) -> TextTokenizer:
        """The embedder's tokenizer alone."""
        return TextTokenizer.from_json(self.tokenizer, max_tokens=self.chunk_policy.max_tokens)

    def load_embedder(self) -> Embedder:
        """The embedder, its files found or fetched on this machine; the same one as the index was built with.

        Raises `WeightsError`, `ExtraMissingError`, `EngineUnavailableError`.
        """
        spec = self.embedder
        if spec.kind == "onnx":
            found = find_weights(
                EMBEDDER_PIN, folder=self.weights_dir, cache=self.weights_cache, report=logger.info
            )
            spec = replace(spec, weights=found, threads=1, deferred=False)
        embedder = load_embedder(spec)
        if embedder.identity.digest() != self.index.embedder_hash:
            identity = embedder.identity
            embedder.close()
            raise EngineUnavailableError(
                f"a machine of the cluster embeds with {identity}, and the index was built with "
                f"{self.index.embedder}. Give all of them the same files of the model."
            )
        return embedder

    @asynccontextmanager
    async def open_database(self, *, max_connections: int) -> AsyncIterator[Database]:
        """The database as this machine reaches it."""
        async with Database(self.dsn, max_connections=max_connections) as database:
            yield database
