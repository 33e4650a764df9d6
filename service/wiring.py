"""Wiring: the only place that builds things, and closes them again in the opposite order.

open_database(settings)   the database alone, its server started and its schema checked
open_intake(settings)     what ingestion needs: database, embedder, store, parsers
open_footnote(settings)   everything: also reranker, search, answers
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from generation.answer import answer_question
from generation.answers import Answer, AnswerPolicy
from generation.llms import LLM, LLMSpec, load_llm
from ingest.chunking import ChunkPolicy
from ingest.parsers import ParserPolicy
from ingest.parsing import ParserPool
from ingest.pipeline import Pipeline
from retrieval.batching import EmbeddingBatcher, ScoringBatcher
from retrieval.collections import ensure_collection, find_collection
from retrieval.database import Database
from retrieval.embedders import Embedder, EmbedderSpec, load_embedder
from retrieval.errors import DatabaseUnavailableError
from retrieval.indexes import ensure_index
from retrieval.neighbours import NO_GAPS, GapTexts, gaps_between, read_gaps
from retrieval.records import Hit, Scope
from retrieval.rerankers import Reranker, RerankerSpec, load_reranker
from retrieval.reranking import RerankPolicy
from retrieval.search import QueryEmbedder, Searcher, SearchPolicy, check_k, check_question
from retrieval.stores import StoreSpec, VectorStore, load_store
from retrieval.weights import EMBEDDER_PIN, RERANKER_PIN, WeightsPin, find_weights
from service.embedded_postgres import EmbeddedPostgres
from service.migrations import check_schema, migrate
from service.parsing import parser_policy
from service.settings import Settings, runtime_directory

Report = Callable[[str], None]

# How many passages an answer is made from where the caller does not say.
DEFAULT_K = 10


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
        return Pipeline(
            database=self.database,
            store=self.store,
            index=await ensure_index(self.database, made, self.embedder.identity, self.store),
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
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Footnote(Intake):
    """The built service: the way in, and the way to answers. Owned by `open_footnote`."""

    reranker: Reranker
    scoring: ScoringBatcher
    searcher: Searcher
    llm: LLM | None
    answer_policy: AnswerPolicy

    async def search(self, collection: str, question: str, *, k: int, scope: Scope) -> list[Hit]:
        """The best `k` passages of a collection for a question."""
        check_question(question)
        check_k(k)
        return await self.searcher.search(
            await find_collection(self.database, collection), question, k=k, scope=scope
        )

    async def ask(self, collection: str, question: str, *, k: int = DEFAULT_K, scope: Scope) -> Answer:
        """Answer a question from a collection, every sentence cited, or refuse."""
        question = check_question(question)
        check_k(k)
        found = await find_collection(self.database, collection)
        hits = await self.searcher.search(found, question, k=k, scope=scope)
        return await answer_question(
            question,
            hits,
            scorer=self.scoring,
            llm=self.llm,
            allow_outside=found.allow_outside,
            policy=self.answer_policy,
            gap_texts=await self._gap_texts(hits),
        )

    async def _gap_texts(self, hits: Sequence[Hit]) -> GapTexts:
        """What stands between neighbouring hits, for a language model to read them as one passage."""
        if self.llm is None:
            return NO_GAPS
        return await read_gaps(self.database, gaps_between([hit.passage for hit in hits]))


@asynccontextmanager
async def open_database(settings: Settings, *, report: Report) -> AsyncIterator[Database]:
    """The database, its embedded server started where none is configured, its schema checked.

    The embedded server migrates itself; an outside one has to be migrated by `footnote migrate`.
    """
    async with AsyncExitStack() as stack:
        if settings.database.dsn is None:
            server = EmbeddedPostgres(
                settings.home / "postgres", report=report, runtime_directory=runtime_directory()
            )
            await asyncio.to_thread(server.__enter__)
            stack.push_async_callback(asyncio.to_thread, server.__exit__, None, None, None)
            await asyncio.to_thread(_migrate, server)
            dsn = server.dsn
            stack.push_async_callback(_cancel, asyncio.create_task(_keep_running(server)))
        else:
            dsn = settings.database.dsn.get_secret_value()
            await asyncio.to_thread(check_schema, dsn)
        yield await stack.enter_async_context(
            Database(dsn, max_connections=settings.database.max_connections)
        )


def _migrate(server: EmbeddedPostgres) -> None:
    """Bring the schema up to date, on a server that may die at it."""
    try:
        migrate(server.dsn)
    except DatabaseUnavailableError:
        if not server.ensure_running():
            raise  # it lives, and has its reasons
        migrate(server.dsn)


async def _keep_running(server: EmbeddedPostgres, *, every_s: float = 2.0) -> None:
    while True:
        await asyncio.sleep(every_s)
        await asyncio.to_thread(server.ensure_running)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def open_intake(settings: Settings, *, report: Report, deferred: bool = True) -> AsyncIterator[Intake]:
    """What ingestion needs: the database, the store and the embedder, but no model that only answers need.

    `deferred`: the embedder's files are verified, and loaded when there is something to embed.
    """
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings, report=report))
        embedder = await asyncio.to_thread(
            lambda: load_embedder(embedder_spec(settings, report, deferred=deferred))
        )
        stack.callback(embedder.close)
        store = load_store(store_spec(settings))
        stack.push_async_callback(store.close)
        yield Intake(
            settings=settings,
            database=database,
            store=store,
            embedder=embedder,
            embedding=await stack.enter_async_context(EmbeddingBatcher(embedder)),
            parser_policy=await asyncio.to_thread(parser_policy, settings.parsing),
        )


@asynccontextmanager
async def open_footnote(
    settings: Settings,
    *,
    report: Report,
    watched: Callable[[QueryEmbedder], QueryEmbedder] = lambda embedder: embedder,
) -> AsyncIterator[Footnote]:
    """The whole service, ready to ingest, search and answer.

    `watched`: puts something between search and the embedder of questions, which measures it.
    """
    async with AsyncExitStack() as stack:
        intake = await stack.enter_async_context(open_intake(settings, report=report, deferred=False))
        reranker = await asyncio.to_thread(lambda: load_reranker(reranker_spec(settings, report)))
        stack.callback(reranker.close)
        scoring = await stack.enter_async_context(ScoringBatcher(reranker))
        llm = None if (spec := llm_spec(settings)) is None else load_llm(spec)
        if llm is not None:
            stack.push_async_callback(llm.close)
        yield Footnote(
            settings=settings,
            database=intake.database,
            store=intake.store,
            embedder=intake.embedder,
            embedding=intake.embedding,
            parser_policy=intake.parser_policy,
            reranker=reranker,
            scoring=scoring,
            searcher=Searcher(
                database=intake.database,
                store=intake.store,
                embedder=intake.embedder,
                query_embedder=watched(intake.embedding),
                reranker=scoring if settings.reranker.enabled else None,
                policy=SearchPolicy(
                    rerank=RerankPolicy(
                        candidates=settings.reranker.candidates,
                        weight=settings.reranker.weight,
                        budget_ms=settings.reranker.budget_ms,
                    )
                ),
            ),
            llm=llm,
            answer_policy=AnswerPolicy(),
        )


def chunk_policy(settings: Settings) -> ChunkPolicy:
    """How texts are cut under these settings."""
    chosen = settings.chunking
    return ChunkPolicy(
        method=chosen.method, max_tokens=chosen.max_tokens, overlap_tokens=chosen.overlap_tokens
    )


def embedder_spec(settings: Settings, report: Report, *, deferred: bool = False) -> EmbedderSpec:
    """The embedder that the settings name, its weights found or fetched."""
    chosen = settings.embedder
    return EmbedderSpec(
        kind=chosen.kind,
        model=chosen.model,
        weights=_weights(EMBEDDER_PIN, settings, report) if chosen.kind == "onnx" else None,
        threads=chosen.threads or len(os.sched_getaffinity(0)),
        deferred=deferred,
        device=chosen.device,
        precision=chosen.precision,
    )


def reranker_spec(settings: Settings, report: Report) -> RerankerSpec:
    """The reranker that the settings name, its weights found or fetched."""
    chosen = settings.reranker
    return RerankerSpec(
        kind=chosen.kind,
        model=chosen.model,
        weights=_weights(RERANKER_PIN, settings, report) if chosen.kind == "onnx" else None,
        threads=settings.embedder.threads or len(os.sched_getaffinity(0)),
        device=chosen.device,
        precision=chosen.precision,
    )


def _weights(pin: WeightsPin, settings: Settings, report: Report) -> Path:
    return find_weights(pin, folder=settings.weights_dir, cache=settings.home / "weights", report=report)


def store_spec(settings: Settings) -> StoreSpec:
    """The vector store that the settings name; Qdrant without a server keeps its data under the data directory."""
    chosen = settings.store
    return StoreSpec(
        kind=chosen.kind,
        url=chosen.url,
        api_key=None if chosen.api_key is None else chosen.api_key.get_secret_value(),
        path=settings.home / "qdrant" if chosen.url is None else None,
    )


def llm_spec(settings: Settings) -> LLMSpec | None:
    """The language model that the settings name, or None where answers are quoted from the sources."""
    chosen = settings.llm
    if chosen.base_url is None or chosen.model is None:
        return None
    return LLMSpec(
        kind="openai_api",
        base_url=chosen.base_url,
        model=chosen.model,
        api_key=None if chosen.api_key is None else chosen.api_key.get_secret_value(),
        location=chosen.location,
        connect_timeout_s=chosen.connect_timeout_s,
        first_token_timeout_s=chosen.first_token_timeout_s,
        total_timeout_s=chosen.total_timeout_s,
    )
