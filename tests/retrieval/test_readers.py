"""The copy of the readers that a store keeps: never narrower than Postgres, whatever fails when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from retrieval.database import Database
from retrieval.errors import IndexMissingError, StoreUnavailableError
from retrieval.readers import set_readers
from retrieval.reconciling import check_collection
from retrieval.records import Scope
from retrieval.removing import remove_document
from retrieval.search import Searcher, SearchPolicy
from retrieval.stores.qdrant.store import QdrantStore
from tests.retrieval.corpus import Corpus, QueryBagOfWords, make_corpus, shared_database


@pytest.fixture(scope="module")
def dsn(postgres_dsn: str) -> Iterator[str]:
    """One database for the module; every test has a collection of its own."""
    with shared_database(postgres_dsn) as shared:
        yield shared


class _Failing(QdrantStore):
    """Remembers whose readers it was told, and fails at chosen calls of it."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, ...]] = []
        self.failing: set[int] = set()
        self.error: Exception = StoreUnavailableError("it is away")

    async def set_readers(self, index: Any, document_id: UUID, readers: Sequence[str]) -> None:
        self.told.append(tuple(readers))
        if len(self.told) in self.failing:
            raise self.error
        await super().set_readers(index, document_id, readers)


@pytest.fixture
def store() -> _Failing:
    return _Failing()


@pytest.fixture
async def corpus(database: Database, store: _Failing) -> Corpus:
    return await make_corpus(database, store)


async def _seen_by(corpus: Corpus, *principals: str) -> list[str]:
    searcher = Searcher(
        database=corpus.database,
        store=corpus.store,
        embedder=corpus.embedder,
        query_embedder=QueryBagOfWords(corpus.embedder),
        reranker=None,
        policy=SearchPolicy(),
    )
    hits = await searcher.search(corpus.collection, "badgers", k=10, scope=Scope.of(principals))
    return sorted(hit.passage.text for hit in hits)


async def _copies(corpus: Corpus) -> set[frozenset[str]]:
    async with corpus.database.snapshot() as connection:
        held = await corpus.store.holdings(
            corpus.index, after=0, limit=100, measured=False, connection=connection
        )
    return {frozenset(vector.readers or ()) for vector in held}


async def _set(corpus: Corpus, document_id: UUID, *readers: str) -> None:
    await set_readers(corpus.database, corpus.store, corpus.index, document_id, readers)


async def test_the_copy_gets_new_readers_before_and_loses_former_ones_after(
    corpus: Corpus, store: _Failing
) -> None:
    published = await corpus.add("a.txt", "badgers dig", readers=["user:ann"])
    await _set(corpus, published.document_id, "user:ann")
    assert store.told == []
    await _set(corpus, published.document_id, "user:ann", "user:bob")
    await _set(corpus, published.document_id, "user:bob")
    assert store.told == [("user:ann", "user:bob"), ("user:bob",)]
    await _set(corpus, published.document_id, "user:eve")
    assert store.told[2:] == [("user:bob", "user:eve"), ("user:eve",)]
    assert await _copies(corpus) == {frozenset({"user:eve"})}
    assert await _seen_by(corpus, "user:eve") == ["badgers dig"]
    assert await _seen_by(corpus, "user:ann", "user:bob") == []


async def test_publishing_tells_the_copy_in_the_same_way(corpus: Corpus, store: _Failing) -> None:
    await corpus.add("a.txt", "badgers dig", "kept", readers=["user:ann"])
    await corpus.add("a.txt", "badgers sleep", "kept", readers=["user:ann"])
    assert store.told == []
    await corpus.add("a.txt", "badgers wake", "kept", readers=["user:bob"])
    assert store.told == [("user:ann", "user:bob"), ("user:bob",)]
    assert await _copies(corpus) == {frozenset({"user:bob"})}


async def test_a_store_that_fails_before_the_commit_changes_nothing(corpus: Corpus, store: _Failing) -> None:
    published = await corpus.add("a.txt", "badgers dig", readers=["user:ann"])
    store.failing = {1, 2}
    with pytest.raises(StoreUnavailableError):
        await _set(corpus, published.document_id, "user:bob")
    with pytest.raises(StoreUnavailableError):
        await corpus.add("a.txt", "badgers sleep", readers=["user:bob"])
    assert await _seen_by(corpus, "user:ann") == ["badgers dig"]
    assert await _seen_by(corpus, "user:bob") == []


@pytest.mark.parametrize("error", [StoreUnavailableError("it is away"), IndexMissingError("it is lost")])
async def test_a_store_that_fails_after_the_commit_shows_nothing_and_hides_nothing(
    corpus: Corpus, store: _Failing, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    published = await corpus.add("a.txt", "badgers dig", readers=["user:ann"])
    store.failing, store.error = {2}, error
    await _set(corpus, published.document_id, "user:bob")
    assert f"former readers in its copy for document {published.document_id}" in caplog.text
    assert await _copies(corpus) == {frozenset({"user:ann", "user:bob"})}
    assert await _seen_by(corpus, "user:bob") == ["badgers dig"]
    assert await _seen_by(corpus, "user:ann") == []
    state = await check_collection(corpus.database, store, corpus.collection)
    assert [finding.kind for finding in state.findings] == ["vector_readers_wrong"]


async def test_a_revision_is_published_although_the_store_fails_after_the_commit(
    corpus: Corpus, store: _Failing, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def away(*_: object) -> None:
        raise IndexMissingError("it is lost")

    await corpus.add("a.txt", "badgers dig", readers=["user:ann"])
    store.failing = {2}
    monkeypatch.setattr(store, "forget", away)
    published = await corpus.add("a.txt", "badgers sleep", readers=["user:bob"])
    assert (published.is_new, published.revision) == (True, 2)
    assert await remove_document(corpus.database, store, corpus.index, published.document_id)
    assert caplog.text.count("were left behind") == 2
    assert await _seen_by(corpus, "user:ann", "user:bob") == []


async def test_the_readers_of_a_document_that_is_not_there_are_let_be(
    corpus: Corpus, store: _Failing
) -> None:
    await _set(corpus, uuid4(), "user:ann")
    assert store.told == []
