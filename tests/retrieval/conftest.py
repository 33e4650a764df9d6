"""The folders of the default models' files, and collections whose index is built anew."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from retrieval.stores import VectorStore
from retrieval.stores.memory import MemoryStore
from retrieval.stores.pgvector import PgvectorStore
from retrieval.stores.qdrant.store import QdrantStore
from retrieval.weights import EMBEDDER_PIN, RERANKER_PIN, WeightsPin, find_weights
from tests.retrieval.corpus import Corpus, shared_database
from tests.retrieval.rebuilding import twenty_documents


@pytest.fixture(scope="session")
def embedder_weights(weights_cache: Path) -> Path:
    return _find(EMBEDDER_PIN, weights_cache)


@pytest.fixture(scope="session")
def reranker_weights(weights_cache: Path) -> Path:
    return _find(RERANKER_PIN, weights_cache)


def _find(pin: WeightsPin, cache: Path) -> Path:
    named = os.environ.get("FOOTNOTE_WEIGHTS_DIR")
    return find_weights(pin, folder=Path(named) if named else None, cache=cache, report=print)


@pytest.fixture(scope="module")
def module_dsn(postgres_dsn: str) -> Iterator[str]:
    """A database for a whole module."""
    with shared_database(postgres_dsn) as dsn:
        yield dsn


@pytest.fixture
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is waited for longer than a test needs."""
    monkeypatch.setattr("retrieval.dropping._GRACE_S", 0.05)
    monkeypatch.setattr("retrieval.dropping._PAUSE_S", 0.05)
    monkeypatch.setattr("retrieval.holdings._SETTLING_S", 0.05)


@pytest.fixture(params=["pgvector", "memory", "qdrant"])
async def corpus(module_dsn: str, request: pytest.FixtureRequest) -> AsyncIterator[Corpus]:
    """Twenty documents, whose vectors are kept in each store in turn."""
    store: VectorStore
    match request.param:
        case "pgvector":
            store = PgvectorStore()
        case "memory":
            store = MemoryStore()
        case _:
            store = QdrantStore()
    async with twenty_documents(module_dsn, store) as made:
        yield made
    await store.close()


@pytest.fixture
async def in_postgres(module_dsn: str) -> AsyncIterator[Corpus]:
    """Twenty documents with their vectors in Postgres, for what does not depend on the store."""
    async with twenty_documents(module_dsn, PgvectorStore()) as made:
        yield made
