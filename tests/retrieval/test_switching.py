from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.database import query
from retrieval.dropping import drop_index
from retrieval.errors import IndexBusyError, IndexMismatchError, InvalidRequestError, NotFoundError
from retrieval.indexes import active_index, ensure_index
from retrieval.publishing import publish
from retrieval.records import Scope
from retrieval.removing import remove_document
from retrieval.stores import Index
from retrieval.stores.memory import MemoryStore
from retrieval.switching import Activated, activate_index
from tests.retrieval.corpus import BagOfWords, Corpus, embed
from tests.retrieval.rebuilding import (
    OTHER,
    THIRD,
    Bridge,
    findings,
    found,
    hits,
    into_active,
    rebuild,
    searcher,
    states,
)

pytestmark = pytest.mark.usefixtures("in_a_hurry")


async def activate(
    corpus: Corpus, index_id: int, embedder: BagOfWords, bridge: Bridge | None = None
) -> Activated:
    return await activate_index(
        corpus.database,
        corpus.store,
        index_id,
        identity=embedder.identity,
        embedder=bridge or Bridge(embedder),
        progress=lambda done, total: None,
    )


async def remove(corpus: Corpus, path: str) -> None:
    async with corpus.database.connection() as connection:
        active = await active_index(connection, corpus.collection.id)
    row = await corpus.database.fetch_one(
        "SELECT id FROM documents WHERE collection_id = %(id)s AND path = %(path)s",
        {"id": corpus.collection.id, "path": path},
    )
    assert active is not None
    assert row is not None
    await remove_document(corpus.database, corpus.store, active, row["id"])


async def test_going_back_brings_back_the_same_results(corpus: Corpus) -> None:
    questions = ("badger number 3 digs", "otter", "what swims and digs")
    before = [await hits(corpus, corpus.embedder, question) for question in questions]
    new = (await rebuild(corpus)).index
    done = await activate(corpus, corpus.index.id, corpus.embedder)
    assert (done.former, done.filled) == (new, 0)
    assert await states(corpus) == [(corpus.index.id, "active"), (new.id, "retired")]
    assert [await hits(corpus, corpus.embedder, question) for question in questions] == before
    assert await findings(corpus) == set()


async def test_going_back_takes_in_what_was_published_and_removed_since(corpus: Corpus) -> None:
    await rebuild(corpus)
    await into_active(corpus, OTHER, "late.txt", "a heron waits")
    await into_active(corpus, OTHER, "3.txt", "badger number 3 digs", "otter number 3 dives")
    await remove(corpus, "7.txt")
    bridge = Bridge(corpus.embedder)
    done = await activate(corpus, corpus.index.id, corpus.embedder, bridge)
    assert (done.filled, bridge.embedded) == (2, 2)
    assert (await found(corpus, corpus.embedder, "heron"))[0] == "a heron waits"
    texts = await found(corpus, corpus.embedder, "badger otter")
    assert "otter number 3 dives" in texts
    assert len(texts) == 39
    assert not any("number 7 " in text for text in texts)
    assert await findings(corpus) == set()
    # And forth again: what the other index has not heard of meanwhile is nothing.
    await corpus.add("later.txt", "a stork waits")
    assert (await activate(corpus, done.former.id if done.former else 0, OTHER)).filled == 1
    assert (await found(corpus, OTHER, "stork"))[0] == "a stork waits"


async def test_going_back_takes_in_who_may_read_by_now(corpus: Corpus) -> None:
    await rebuild(corpus)
    index = await ensure_index(corpus.database, corpus.collection, OTHER.identity, corpus.store)
    texts = ["badger number 3 digs", "otter number 3 swims", "both are seen by ann"]
    draft = corpus.draft("3.txt", texts, readers=["user:ann"])
    await publish(corpus.database, corpus.store, index, draft, embed(OTHER, await corpus.missing(draft)))
    await activate(corpus, corpus.index.id, corpus.embedder)
    seen = await searcher(corpus, corpus.embedder).search(
        corpus.collection, "nothing of the kind", k=50, scope=Scope(principals=frozenset({"user:ann"}))
    )
    assert {hit.passage.text for hit in seen} == {*texts}
    assert await findings(corpus) == set()


async def test_an_index_that_answers_is_left_as_it_is(in_postgres: Corpus) -> None:
    done = await activate(in_postgres, in_postgres.index.id, in_postgres.embedder)
    assert (done.former, done.filled) == (None, 0)
    assert await states(in_postgres) == [(in_postgres.index.id, "active")]


async def test_what_cannot_be_activated_is_refused_with_what_to_do(in_postgres: Corpus) -> None:
    corpus = in_postgres
    with pytest.raises(NotFoundError, match="there is no index 2000000000"):
        await activate(corpus, 2_000_000_000, OTHER)

    async def refuse(new: object, former: object) -> bool:
        return False

    unfinished = (await rebuild(corpus, approve=refuse)).index
    with pytest.raises(InvalidRequestError, match=f"footnote reindex --collection {corpus.collection.name}"):
        await activate(corpus, unfinished.id, OTHER)
    await rebuild(corpus)
    with pytest.raises(IndexMismatchError, match=r"embedder\.model .*FOOTNOTE_EMBEDDER__MODEL"):
        await activate(corpus, corpus.index.id, OTHER)
    with pytest.raises(IndexMismatchError, match=r"FOOTNOTE_STORE__KIND.* to pgvector"):
        await activate(corpus.into(MemoryStore()), corpus.index.id, corpus.embedder)
    assert [state for _, state in await states(corpus)] == ["retired", "active"]


@asynccontextmanager
async def searched(corpus: Corpus, embedder: BagOfWords, *, tasks: int = 3) -> AsyncIterator[list[int]]:
    """Searches, one after the other in several tasks; yields how many hits each had. An error fails the test."""
    stop, counts = asyncio.Event(), [len(await found(corpus, embedder, "badger"))]

    async def ask(number: int) -> None:
        while not stop.is_set():
            counts.append(len(await found(corpus, embedder, f"badger number {number} digs")))

    asking = [asyncio.create_task(ask(number)) for number in range(tasks)]
    try:
        yield counts
    finally:
        stop.set()
        await asyncio.gather(*asking)


@asynccontextmanager
async def published_into(corpus: Corpus, *embedders: BagOfWords) -> AsyncIterator[set[str]]:
    """A run that publishes and replaces documents, under whichever embedder the index is of at the time."""
    stop, written = asyncio.Event(), set[str]()

    async def write() -> None:
        number = 0
        while not stop.is_set():
            text = f"heron {number} waits"
            for embedder in embedders:
                with suppress(IndexMismatchError):
                    await into_active(corpus, embedder, f"heron{number % 7}.txt", text, "still")
                    written.add(text)
                    number += 1
                    break
            await asyncio.sleep(0.01)

    writing = asyncio.create_task(write())
    try:
        yield written
    finally:
        stop.set()
        await writing


class Slow(Bridge):
    """Takes its time, so that others come in between."""

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        await asyncio.sleep(0.02)
        return await super().embed_documents(texts)


async def test_searches_go_on_through_a_build_a_switch_a_return_and_a_drop(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.filling._BATCH", 4)
    old = corpus.embedder
    async with searched(corpus, old) as counts, published_into(corpus, old, OTHER) as written:
        new = (await rebuild(corpus, bridge=Slow(OTHER))).index
        async with searched(corpus, OTHER) as counts_of_new:
            await asyncio.sleep(0.3)
            await activate(corpus, corpus.index.id, old, Slow(old))
            await asyncio.sleep(0.3)
        await drop_index(corpus.database, corpus.store, new)
        await asyncio.sleep(0.1)
    assert min(counts) >= 40
    assert min(counts_of_new) >= 40
    assert len(counts) > 20
    assert len(counts_of_new) > 5
    assert len(written) > 10
    assert await states(corpus) == [(corpus.index.id, "active")]
    assert await findings(corpus) == set()


async def test_a_search_is_answered_in_full_until_its_index_is_gone_and_then_told_so(corpus: Corpus) -> None:
    new = (await rebuild(corpus)).index
    await activate(corpus, corpus.index.id, corpus.embedder)
    counts: list[int] = []

    async def ask() -> None:
        with suppress(IndexMismatchError):
            while True:
                counts.append(len(await found(corpus, OTHER, "badger")))

    asking = [asyncio.create_task(ask()) for _ in range(4)]
    await asyncio.sleep(0.2)
    await drop_index(corpus.database, corpus.store, new)
    await asyncio.gather(*asking)
    assert set(counts) == {40}


async def test_publishers_that_never_pause_all_at_once_do_not_keep_a_switch_from_happening(
    in_postgres: Corpus,
) -> None:
    database, stop = in_postgres.database, asyncio.Event()

    async def hold(index: Index) -> None:
        while not stop.is_set():
            async with database.transaction() as connection:
                cursor = await connection.execute(query("indexes.hold_active"), {"index_id": index.id})
                await cursor.fetchall()
                await connection.execute("SELECT pg_sleep(0.1)")

    holding = [asyncio.create_task(hold(in_postgres.index)) for _ in range(6)]
    await asyncio.sleep(0.2)
    try:
        assert (await asyncio.wait_for(rebuild(in_postgres), 20)).switched
    finally:
        stop.set()
        await asyncio.gather(*holding)


async def test_who_comes_second_is_told_that_somebody_is_at_work(in_postgres: Corpus) -> None:
    corpus = in_postgres
    new = (await rebuild(corpus)).index
    await into_active(corpus, OTHER, "late.txt", "a heron waits")
    begun, go_on = asyncio.Event(), asyncio.Event()

    class Held(Bridge):
        async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
            begun.set()
            await go_on.wait()
            return await super().embed_documents(texts)

    going_back = asyncio.create_task(
        activate(corpus, corpus.index.id, corpus.embedder, Held(corpus.embedder))
    )
    await begun.wait()
    with pytest.raises(IndexBusyError):
        await activate(corpus, new.id, OTHER)
    with pytest.raises(IndexBusyError):
        await rebuild(corpus, THIRD)
    go_on.set()
    assert (await going_back).filled == 1
    assert await states(corpus) == [(corpus.index.id, "active"), (new.id, "retired")]
