"""What the tests of reindexing, switching, dropping and comparing share: a small collection and its embedders."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
from numpy.typing import NDArray

from retrieval.database import Database
from retrieval.errors import ModelError
from retrieval.indexes import IndexState, ensure_index, index_records
from retrieval.publishing import publish
from retrieval.reconciling import check_collection
from retrieval.records import Hit, Scope
from retrieval.reindexing import Approval, Rebuilt, approve_any, rebuild_index
from retrieval.search import Searcher, SearchPolicy
from retrieval.stores import VectorStore
from tests.retrieval.corpus import BagOfWords, Corpus, QueryBagOfWords, embed, make_corpus

OTHER = BagOfWords(dimension=32, model="other")
THIRD = BagOfWords(dimension=16, model="third")
PLAIN = SearchPolicy()


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


@asynccontextmanager
async def twenty_documents(dsn: str, store: VectorStore) -> AsyncIterator[Corpus]:
    """A collection of twenty documents of two chunks each."""
    async with Database(dsn, max_connections=12) as database:
        made = await make_corpus(database, store)
        for number in range(20):
            await made.add(f"{number}.txt", f"badger number {number} digs", f"otter number {number} swims")
        yield made


async def rebuild(
    corpus: Corpus,
    embedder: BagOfWords = OTHER,
    *,
    bridge: Bridge | None = None,
    approve: Approval = approve_any,
    keep: int = 1,
) -> Rebuilt:
    return await rebuild_index(
        corpus.database,
        corpus.store,
        corpus.collection,
        embedder.identity,
        bridge or Bridge(embedder),
        progress=lambda done, total: None,
        approve=approve,
        keep=keep,
    )


def searcher(corpus: Corpus, embedder: BagOfWords, policy: SearchPolicy = PLAIN) -> Searcher:
    return Searcher(
        database=corpus.database,
        store=corpus.store,
        embedder=embedder,
        query_embedder=QueryBagOfWords(embedder),
        reranker=None,
        policy=policy,
    )


async def hits(
    corpus: Corpus, embedder: BagOfWords, question: str, *, policy: SearchPolicy = PLAIN
) -> list[Hit]:
    return await searcher(corpus, embedder, policy).search(
        corpus.collection, question, k=50, scope=Scope.everything()
    )


async def found(
    corpus: Corpus, embedder: BagOfWords, question: str, *, policy: SearchPolicy = PLAIN
) -> list[str]:
    return [hit.passage.text for hit in await hits(corpus, embedder, question, policy=policy)]


async def states(corpus: Corpus) -> list[tuple[int, IndexState]]:
    records = await index_records(corpus.database, collection=corpus.collection)
    return [(record.index.id, record.state) for record in records]


async def into_active(corpus: Corpus, embedder: BagOfWords, path: str, *texts: str) -> None:
    """Publish as a process does that is configured with this embedder."""
    index = await ensure_index(corpus.database, corpus.collection, embedder.identity, corpus.store)
    draft = corpus.draft(path, texts)
    vectors = embed(embedder, await corpus.missing(draft))
    await publish(corpus.database, corpus.store, index, draft, vectors)


async def findings(corpus: Corpus) -> set[str]:
    state = await check_collection(corpus.database, corpus.store, corpus.collection, depth="deep")
    return {finding.kind for finding in state.findings if not finding.is_notice}
