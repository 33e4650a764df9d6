from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.database import Database
from retrieval.errors import IndexMismatchError, ModelError
from retrieval.records import Scope
from retrieval.reindexing import rebuild_index
from retrieval.search import Searcher, SearchPolicy
from retrieval.stores import Index, VectorStore
from retrieval.stores.memory import MemoryStore
from retrieval.stores.pgvector import PgvectorStore
from tests.retrieval.corpus import BagOfWords, Corpus, QueryBagOfWords, make_corpus, shared_database

OTHER = BagOfWords(dimension=32, model="other")


class Bridge:
    """Embeds as reindexing calls it; fails after so many texts where it is told to."""

    def __init__(self, embedder: BagOfWords, *, fail_after: int | None = None) -> None:
        self._embedder = embedder
        self._fail_after = fail_after
        self.embedded = 0

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self._fail_after is not None and self.embedded >= self._fail_after:
            raise ModelError("the model is out of breath")
        self.embedded += len(texts)
        return self._embedder.embed_documents(texts)


@pytest.fixture(scope="module")
def module_dsn(postgres_dsn: str) -> Iterator[str]:
    with shared_database(postgres_dsn) as dsn:
        yield dsn


@pytest.fixture(params=["pgvector", "memory"])
async def corpus(module_dsn: str, request: pytest.FixtureRequest) -> object:
    kind: Literal["pgvector", "memory"] = request.param
    store: VectorStore = PgvectorStore() if kind == "pgvector" else MemoryStore()
    async with Database(module_dsn, max_connections=4) as database:
        made = await make_corpus(database, store)
        for number in range(20):
            await made.add(f"{number}.txt", f"badger number {number} digs", f"otter number {number} swims")
        yield made


async def rebuild(corpus: Corpus, bridge: Bridge | None = None) -> Index:
    return await rebuild_index(
        corpus.database,
        corpus.store,
        corpus.collection,
        OTHER.identity,
        bridge or Bridge(OTHER),
        progress=lambda done, total: None,
    )


async def found(corpus: Corpus, embedder: BagOfWords, question: str) -> list[str]:
    searcher = Searcher(
        database=corpus.database,
        store=corpus.store,
        embedder=embedder,
        query_embedder=QueryBagOfWords(embedder),
        reranker=None,
        policy=SearchPolicy(),
    )
    hits = await searcher.search(corpus.collection, question, k=40, scope=Scope.everything())
    return [hit.passage.text for hit in hits]


async def test_the_new_index_answers_and_the_old_embedder_is_refused(corpus: Corpus) -> None:
    with pytest.raises(IndexMismatchError):
        await found(corpus, OTHER, "badger number 3 digs")
    await rebuild(corpus)
    texts = await found(corpus, OTHER, "badger number 3 digs")
    assert (texts[0], len(texts)) == ("badger number 3 digs", 40)
    with pytest.raises(IndexMismatchError, match="built with other"):
        await found(corpus, corpus.embedder, "badger number 3 digs")


async def test_an_interrupted_rebuild_changes_nothing_and_is_taken_up_again(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.reindexing._BATCH", 8)
    with pytest.raises(ModelError):
        await rebuild(corpus, Bridge(OTHER, fail_after=16))
    assert len(await found(corpus, corpus.embedder, "badger")) == 40
    again = Bridge(OTHER)
    await rebuild(corpus, again)
    assert again.embedded == 24
    assert len(await found(corpus, OTHER, "badger")) == 40


async def test_a_run_that_still_writes_to_the_old_index_is_told(corpus: Corpus) -> None:
    await rebuild(corpus)
    with pytest.raises(IndexMismatchError, match="replaced by"):
        await corpus.add("late.txt", "weasel")
    assert len(await found(corpus, OTHER, "weasel")) == 40


async def test_what_is_published_or_deleted_during_the_rebuild_is_not_lost(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.reindexing._BATCH", 8)

    class Meanwhile(Bridge):
        async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
            if self.embedded == 8:
                await corpus.add("0.txt", "badger number 0 sleeps")
                await corpus.add("19.txt", "otter number 19 sleeps")
                await corpus.add("new.txt", "heron")
            return await super().embed_documents(texts)

    new = await rebuild(corpus, Meanwhile(OTHER))
    texts = await found(corpus, OTHER, "heron sleeps")
    assert {"heron", "badger number 0 sleeps", "otter number 19 sleeps"} <= set(texts)
    assert len(texts) == 39
    if corpus.store.kind == "pgvector":
        async with corpus.database.connection() as connection:
            assert await corpus.store.count(new, connection) == 39


async def test_rebuilding_again_drops_what_was_retired(corpus: Corpus) -> None:
    await rebuild(corpus)
    await rebuild(corpus)
    rows = await corpus.database.fetch_all(
        "SELECT state FROM indexes WHERE collection_id = %(id)s ORDER BY id", {"id": corpus.collection.id}
    )
    assert [row["state"] for row in rows] == ["retired", "active"]
    assert len(await found(corpus, OTHER, "badger")) == 40
