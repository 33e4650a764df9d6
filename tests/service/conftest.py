"""The built service over a database of the test's own, with the session's real models."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from generation.answers import AnswerPolicy
from ingest.parsers import ParserPolicy
from retrieval.batching import EmbeddingBatcher, ScoringBatcher
from retrieval.database import Database
from retrieval.embedders import Embedder
from retrieval.rerankers import Reranker
from retrieval.search import Searcher, SearchPolicy
from retrieval.stores.pgvector import PgvectorStore
from service.footnote import Footnote
from service.observing import Observer
from service.sections import DatabaseSettings
from service.settings import Settings

OpenFootnote = Callable[[str], AbstractAsyncContextManager[Footnote]]


@pytest.fixture
def open_footnote_at(embedder: Embedder, reranker: Reranker, tmp_path: Path) -> OpenFootnote:
    """Builds the service over a database, with the session's models, as `service.wiring` does with its own."""

    @asynccontextmanager
    async def open_at(dsn: str) -> AsyncIterator[Footnote]:
        settings = Settings(home=tmp_path, database=DatabaseSettings(dsn=SecretStr(dsn)))
        store = PgvectorStore()
        observer = Observer()
        async with (
            Database(dsn, max_connections=4, connect_timeout_s=10) as database,
            EmbeddingBatcher(embedder, documents_nice=settings.ingest.nice) as embedding,
            ScoringBatcher(reranker) as scoring,
        ):
            yield Footnote(
                settings=settings,
                database=database,
                store=store,
                embedder=embedder,
                reranker=reranker,
                embedding=embedding,
                parser_policy=ParserPolicy(),
                scoring=scoring,
                searcher=Searcher(
                    database=database,
                    store=store,
                    embedder=embedder,
                    query_embedder=embedding,
                    reranker=None,
                    policy=SearchPolicy(),
                    stages=observer,
                ),
                llm=None,
                answer_policy=AnswerPolicy(),
                observer=observer,
            )

    return open_at


@pytest.fixture
async def footnote(dsn: str, open_footnote_at: OpenFootnote) -> AsyncIterator[Footnote]:
    """The built service, nothing in it."""
    async with open_footnote_at(dsn) as built:
        yield built
