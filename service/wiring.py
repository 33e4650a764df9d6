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
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import httpx2

from generation.answers import AnswerPolicy
from generation.caching import AnswerCache
from generation.entailment import FIGURES, EntailmentModel
from generation.llms import load_llms
from retrieval.batching import EmbeddingBatcher, ReadingBatcher, ScoringBatcher
from retrieval.database import Database
from retrieval.embedders import load_embedder
from retrieval.errors import DatabaseUnavailableError
from retrieval.kept import Kept
from retrieval.priority import lower_process
from retrieval.query_vectors import KeptVectors, RememberingEmbedder
from retrieval.rerankers import Reranker, load_reranker
from retrieval.search import QueryEmbedder, Searcher
from retrieval.stores import load_store
from service.auditing import Audit
from service.embedded_postgres import EmbeddedPostgres
from service.footnote import Footnote
from service.indexes import check_same_models
from service.intake import Intake
from service.migrations import check_schema, migrate
from service.observing import Observer
from service.parsing import parser_policy
from service.sections import CacheSettings
from service.settings import Settings, runtime_directory
from service.signing_keys import SigningKeys
from service.specs import (
    Report,
    answer_policy,
    embedder_spec,
    entailment_weights,
    llm_specs,
    reranker_spec,
    search_policy,
    store_spec,
    tracer_spec,
)
from service.tokens import TokenPolicy, Tokens
from service.tracing import load_tracer


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportCheck:
    """What sentences are checked with (`generation.support`). Owned by `open_support_check`.

    pair_reader: None where likeness alone is checked.
    """

    reranker: Reranker
    scoring: ScoringBatcher
    pair_reader: ReadingBatcher | None
    policy: AnswerPolicy


@asynccontextmanager
async def open_database(settings: Settings, *, report: Report, nice: int = 0) -> AsyncIterator[Database]:
    """The database, its embedded server started where none is configured, its schema checked.

    The embedded server migrates itself; an outside one has to be migrated by `footnote migrate`. `nice`: by how much
    this process is to give way to others from now on, until its end (`retrieval.priority`); the server does not.
    """
    async with AsyncExitStack() as stack:
        if settings.database.dsn is None:
            dsn = await stack.enter_async_context(_open_embedded(settings, report))
            lower_process(nice)
        else:
            lower_process(nice)
            dsn = settings.database.dsn.get_secret_value()
            await asyncio.to_thread(check_schema, dsn)
        yield await stack.enter_async_context(
            Database(dsn, max_connections=settings.database.max_connections)
        )


@asynccontextmanager
async def _open_embedded(settings: Settings, report: Report) -> AsyncIterator[str]:
    """The embedded server's DSN, for as long as it is kept running.

    A server has the priority of the thread that starts it, for all who use it, and nobody may raise it again. So one
    thread alone deals with it, from before this process may lower its own priority until the end.
    """
    server = EmbeddedPostgres(
        settings.home / "postgres", report=report, runtime_directory=runtime_directory()
    )
    async with AsyncExitStack() as stack:
        keeper = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="postgres"))
        in_keeper = partial(asyncio.get_running_loop().run_in_executor, keeper)
        await in_keeper(server.__enter__)
        stack.push_async_callback(in_keeper, server.__exit__, None, None, None)
        await in_keeper(_migrate, server)

        async def keep_running(every_s: float = 2.0) -> None:
            while True:
                await asyncio.sleep(every_s)
                await in_keeper(server.ensure_running)

        stack.push_async_callback(_cancel, asyncio.create_task(keep_running()))
        yield server.dsn


def _migrate(server: EmbeddedPostgres) -> None:
    """Bring the schema up to date, on a server that may die at it."""
    try:
        migrate(server.dsn)
    except DatabaseUnavailableError:
        if not server.ensure_running():
            raise  # it lives, and has its reasons
        migrate(server.dsn)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def open_intake(
    settings: Settings, *, report: Report, deferred: bool = True, nice: int = 0
) -> AsyncIterator[Intake]:
    """What ingestion needs: the database, the store and the embedder, but no model that only answers need.

    `deferred`: the embedder's files are verified, and loaded when there is something to embed. `nice`: as for
    `open_database`.
    """
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(settings, report=report, nice=nice))
        embedder = await asyncio.to_thread(
            lambda: load_embedder(embedder_spec(settings, report, deferred=deferred))
        )
        stack.callback(embedder.close)
        store = load_store(store_spec(settings))
        stack.push_async_callback(store.close)
        embedding = await stack.enter_async_context(
            EmbeddingBatcher(embedder, documents_nice=_documents_nice(settings))
        )
        if settings.embedder.kind == "remote":
            stack.callback(
                embedder.close
            )  # before the batcher, which would wait for whoever waits for the server
        yield Intake(
            settings=settings,
            database=database,
            store=store,
            embedder=embedder,
            embedding=embedding,
            parser_policy=await asyncio.to_thread(parser_policy, settings.parsing),
        )


def _documents_nice(settings: Settings) -> int | None:
    """ONNX computes on the thread that calls it; torch on a GPU, or on threads that it keeps for all callers."""
    return settings.ingest.nice if settings.embedder.kind == "onnx" else None


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
    nice: int = 0,
) -> AsyncIterator[Footnote]:
    """The whole service, ready to ingest, search and answer.

    `watched`: puts something between search and the embedder of questions, which measures it. `nice`: as for
    `open_database`.
    """
    async with AsyncExitStack() as stack:
        tracer = load_tracer(tracer_spec(settings))
        stack.push_async_callback(asyncio.to_thread, tracer.close)
        observer = Observer(tracer=tracer)
        intake = await stack.enter_async_context(
            open_intake(settings, report=report, deferred=False, nice=nice)
        )
        if settings.embedder.kind == "remote":
            await check_same_models(intake, report)
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
