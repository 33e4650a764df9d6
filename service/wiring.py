"""Wiring: the only place that builds things, and closes them again in the opposite order.

open_database(settings)   the database alone, its server started and its schema checked
open_intake(settings)     what ingestion needs: database, embedder, store, parsers
open_support_check(settings)   what the support check needs: its models, and no database
open_footnote(settings)   everything: also reranker, search, answers
open_audit(settings, …)   where it is noted who asked what
open_tokens(settings)     what verifies tokens of an outside issuer
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field

import httpx2

from generation.answer import whole
from generation.answers import Answer, AnswerPolicy, Rewriting
from generation.caching import AnswerCache
from generation.entailment import FIGURES, EntailmentModel
from generation.events import AnswerEvent
from generation.llms import LLM, load_llms
from generation.rewriting import Turn
from ingest.parsers import ParserPolicy
from ingest.parsing import ParserPool
from ingest.pipeline import Pipeline
from retrieval.batching import EmbeddingBatcher, ReadingBatcher, ScoringBatcher
from retrieval.collections import ensure_collection, find_readable_collection
from retrieval.database import Database
from retrieval.embedders import Embedder, load_embedder
from retrieval.errors import DatabaseUnavailableError
from retrieval.filters import NO_FILTERS, Filters
from retrieval.indexes import ensure_index
from retrieval.kept import Kept, KeptFigures
from retrieval.passages import PassagePolicy
from retrieval.queries import SearchQueries
from retrieval.query_vectors import KeptVectors, RememberingEmbedder
from retrieval.records import Hit, Scope
from retrieval.rerankers import Reranker, load_reranker
from retrieval.search import QueryEmbedder, Searcher, check_k, check_question
from retrieval.stores import VectorStore, load_store
from service.asking import DEFAULT_K, Asking, Question
from service.auditing import Audit
from service.embedded_postgres import EmbeddedPostgres
from service.metering import Meter
from service.migrations import check_schema, migrate
from service.observing import Observer
from service.parsing import parser_policy
from service.quotas import Quotas
from service.sections import CacheSettings
from service.settings import Settings, runtime_directory
from service.signing_keys import SigningKeys
from service.specs import (
    Report,
    answer_policy,
    chunk_policy,
    embedder_spec,
    entailment_weights,
    limits,
    llm_specs,
    prices,
    reranker_spec,
    rewrite_policy,
    search_policy,
    store_spec,
    tracer_spec,
)
from service.tokens import TokenPolicy, Tokens
from service.tracing import load_tracer


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
class SupportCheck:
    """What sentences are checked with (`generation.support`). Owned by `open_support_check`.

    pair_reader: None where likeness alone is checked.
    """

    reranker: Reranker
    scoring: ScoringBatcher
    pair_reader: ReadingBatcher | None
    policy: AnswerPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search found, best first, and what was searched for where other words were looked for."""

    hits: tuple[Hit, ...]
    searched: Rewriting | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Footnote(Intake):
    """The built service: the way in, and the way to answers. Owned by `open_footnote`."""

    reranker: Reranker
    scoring: ScoringBatcher
    searcher: Searcher
    llm: LLM | None
    answer_policy: AnswerPolicy
    answer_cache: AnswerCache | None = None
    query_vectors: KeptVectors | None = None
    pair_reader: ReadingBatcher | None = None
    observer: Observer = field(default_factory=Observer)

    async def search(
        self,
        collection: str,
        question: str,
        *,
        k: int,
        scope: Scope,
        filters: Filters = NO_FILTERS,
        passages: PassagePolicy | None = None,
    ) -> Found:
        """The best `k` passages of a collection for a question; `passages` where not as the settings say."""
        question, k = check_question(question), check_k(k)
        found = await find_readable_collection(self.database, collection, scope=scope)
        words = await self._asking.find_words(question, (), found)
        queries = SearchQueries.of(question) if words is None else words.queries
        hits = await self.searcher.search(
            found, queries, k=k, scope=scope, filters=filters, passages=passages
        )
        return Found(hits=tuple(hits), searched=words)

    async def prepare(
        self,
        collection: str,
        question: str,
        *,
        k: int = DEFAULT_K,
        scope: Scope,
        filters: Filters = NO_FILTERS,
        passages: PassagePolicy | None = None,
        turns: Sequence[Turn] = (),
    ) -> Question:
        """A question to a collection, checked before any work is done; `turns` are the conversation, oldest first.

        With a language model a follow-up is made to stand alone and answered as such; without one it is taken as it is.
        """
        return await self._asking.prepare(
            collection, question, k=k, scope=scope, filters=filters, passages=passages, turns=turns
        )

    def answer(self, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        """The answer as it comes about: every sentence cited, or a refusal. Wrap it in `contextlib.aclosing`."""
        return self._asking.answer(question)

    async def ask(
        self,
        collection: str,
        question: str,
        *,
        k: int = DEFAULT_K,
        scope: Scope,
        filters: Filters = NO_FILTERS,
        passages: PassagePolicy | None = None,
        turns: Sequence[Turn] = (),
    ) -> Answer:
        """The whole answer to a question that is put as to `prepare`."""
        prepared = await self.prepare(
            collection, question, k=k, scope=scope, filters=filters, passages=passages, turns=turns
        )
        async with aclosing(self.answer(prepared)) as events:
            return await whole(events)

    @property
    def meter(self) -> Meter:
        """What answers on a caller's behalf may cost and how long they may take."""
        chosen = self.settings.llm
        models = () if self.llm is None else (self.llm.model, *(m.model or "" for m in chosen.fallbacks))
        return Meter(
            quotas=self.quotas,
            prices=prices(self.settings),
            models=models,
            policy=self.answer_policy,
            rewrites=self.settings.queries.rewrite != "off",
            timeout_s=self.settings.overload.answer_timeout_s,
            observer=self.observer,
        )

    @property
    def quotas(self) -> Quotas:
        """What callers may take."""
        return Quotas(database=self.database, limits=limits(self.settings))

    @property
    def _asking(self) -> Asking:
        method = self.settings.queries.rewrite
        return Asking(
            database=self.database,
            searcher=self.searcher,
            scorer=self.scoring,
            llm=self.llm,
            policy=self.answer_policy,
            pair_reader=self.pair_reader,
            rewrite=None if method == "off" else method,
            rewrite_policy=rewrite_policy(self.settings),
            cache=self.answer_cache,
            observer=self.observer,
        )

    def cache_figures(self) -> dict[str, KeptFigures]:
        """How often what is kept was of use, by what is kept."""
        kept = {"answers": self.answer_cache, "query_vectors": self.query_vectors}
        return {name: cache.figures() for name, cache in kept.items() if cache is not None}

    def waiting(self) -> dict[str, int]:
        """How much waits for the models, by queue."""
        waiting = {**self.embedding.waiting(), "pairs": self.scoring.waiting()}
        return waiting if self.pair_reader is None else waiting | {"support": self.pair_reader.waiting()}


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
async def open_support_check(
    settings: Settings, *, report: Report, needed: bool = True
) -> AsyncIterator[SupportCheck]:
    """The support check as the settings say. Where it is not `needed`, the cross-encoder alone is loaded."""
    async with AsyncExitStack() as stack:
        reranker = await asyncio.to_thread(lambda: load_reranker(reranker_spec(settings, report)))
        stack.callback(reranker.close)
        scoring = await stack.enter_async_context(ScoringBatcher(reranker))
        reads = needed and settings.support.check == "entailment"
        yield SupportCheck(
            reranker=reranker,
            scoring=scoring,
            pair_reader=await stack.enter_async_context(_open_pair_reader(settings, report))
            if reads
            else None,
            policy=answer_policy(settings),
        )


@asynccontextmanager
async def open_tokens(settings: Settings) -> AsyncIterator[Tokens | None]:
    """What verifies tokens of an outside issuer, where the settings name one."""
    chosen = settings.auth
    if chosen.issuer is None or chosen.audience is None or chosen.jwks_url is None:
        yield None  # either all of them are set or none, which the settings see to
        return
    policy = TokenPolicy(
        issuer=chosen.issuer,
        audience=chosen.audience,
        algorithms=chosen.algorithms,
        user_claim=chosen.user_claim,
        groups_claim=chosen.groups_claim,
        role_claim=chosen.role_claim,
        editors=frozenset(chosen.editors),
        admins=frozenset(chosen.admins),
        collections_claim=chosen.collections_claim,
        leeway_s=chosen.leeway_s,
    )
    async with httpx2.AsyncClient() as client:
        keys = SigningKeys(chosen.jwks_url, client, max_age_s=chosen.keys_max_age_s)
        yield Tokens(policy, keys)


def open_audit(settings: Settings, database: Database) -> Audit:
    """The audit as the settings have it; to be entered and left by the caller."""
    chosen = settings.audit
    return Audit(
        database, questions=chosen.questions, retention_days=chosen.retention_days, is_on=chosen.enabled
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
        tracer = load_tracer(tracer_spec(settings))
        stack.push_async_callback(asyncio.to_thread, tracer.close)
        observer = Observer(tracer=tracer)
        intake = await stack.enter_async_context(open_intake(settings, report=report, deferred=False))
        specs = llm_specs(settings)
        check = await stack.enter_async_context(
            open_support_check(settings, report=report, needed=bool(specs))
        )
        llm = load_llms(specs) if specs else None
        if llm is not None:
            stack.push_async_callback(llm.close)
        query_vectors = _kept_vectors(settings.cache)
        yield Footnote(
            settings=settings,
            database=intake.database,
            store=intake.store,
            embedder=intake.embedder,
            embedding=intake.embedding,
            parser_policy=intake.parser_policy,
            reranker=check.reranker,
            scoring=check.scoring,
            searcher=Searcher(
                database=intake.database,
                store=intake.store,
                embedder=intake.embedder,
                query_embedder=watched(
                    intake.embedding
                    if query_vectors is None
                    else RememberingEmbedder(intake.embedding, intake.embedder.identity, query_vectors)
                ),
                reranker=check.scoring if settings.reranker.enabled else None,
                policy=search_policy(settings),
                stages=observer,
            ),
            llm=llm,
            answer_policy=check.policy,
            answer_cache=_answer_cache(settings.cache),
            query_vectors=query_vectors,
            pair_reader=check.pair_reader,
            observer=observer,
        )


def _answer_cache(chosen: CacheSettings) -> AnswerCache | None:
    if not chosen.answers_bytes:
        return None
    return AnswerCache(Kept(max_bytes=chosen.answers_bytes, max_age_s=chosen.max_age_s))


def _kept_vectors(chosen: CacheSettings) -> KeptVectors | None:
    if not chosen.query_vectors_bytes:
        return None
    return Kept(max_bytes=chosen.query_vectors_bytes, max_age_s=chosen.max_age_s)


@asynccontextmanager
async def _open_pair_reader(settings: Settings, report: Report) -> AsyncIterator[ReadingBatcher]:
    """What the support check reads with: only a language model's sentences are checked."""

    def load() -> EntailmentModel:
        threads = settings.embedder.threads or len(os.sched_getaffinity(0))
        return EntailmentModel(entailment_weights(settings, report), threads=threads)

    model = await asyncio.to_thread(load)
    try:
        async with ReadingBatcher(model, figures=FIGURES) as batcher:
            yield batcher
    finally:
        model.close()
