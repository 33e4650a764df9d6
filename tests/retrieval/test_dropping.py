from __future__ import annotations

import asyncio

import psycopg
import pytest

from retrieval.dropping import drop_index
from retrieval.errors import IndexBusyError, IndexMismatchError
from retrieval.indexes import index_for_search
from retrieval.stores.memory import MemoryStore
from tests.retrieval.corpus import Corpus
from tests.retrieval.rebuilding import OTHER, findings, found, rebuild, states

pytestmark = pytest.mark.usefixtures("in_a_hurry")


async def test_a_former_index_is_dropped_with_its_vectors_and_the_other_goes_on(corpus: Corpus) -> None:
    new = (await rebuild(corpus)).index
    await drop_index(corpus.database, corpus.store, corpus.index)
    assert await states(corpus) == [(new.id, "active")]
    assert len(await found(corpus, OTHER, "badger")) == 40
    with pytest.raises(IndexMismatchError, match="built with other"):
        await found(corpus, corpus.embedder, "badger")
    assert await findings(corpus) == set()


async def test_the_index_that_answers_is_not_dropped(corpus: Corpus) -> None:
    with pytest.raises(IndexBusyError, match=f"index {corpus.index.id} answers searches"):
        await drop_index(corpus.database, corpus.store, corpus.index)
    assert len(await found(corpus, corpus.embedder, "badger")) == 40


async def test_an_index_in_a_store_that_is_not_at_hand_is_not_dropped(corpus: Corpus) -> None:
    await rebuild(corpus)
    elsewhere = corpus.into(MemoryStore() if corpus.store.kind != "memory" else _Qdrant())
    if corpus.store.kind == "pgvector":
        await drop_index(corpus.database, elsewhere.store, corpus.index)  # Postgres is always at hand
        return
    with pytest.raises(IndexMismatchError, match=f"FOOTNOTE_STORE__KIND.* to {corpus.store.kind}"):
        await drop_index(corpus.database, elsewhere.store, corpus.index)
    assert [state for _, state in await states(corpus)] == ["retired", "active"]


class _Qdrant(MemoryStore):
    kind = "qdrant"


async def test_a_search_that_has_chosen_an_index_is_waited_for(corpus: Corpus) -> None:
    await rebuild(corpus)
    vector = corpus.embedder.embed_query("badger")
    async with corpus.database.snapshot() as connection:
        chosen = await index_for_search(connection, corpus.collection, corpus.embedder.identity, corpus.store)
        assert chosen == corpus.index
        dropping = asyncio.create_task(drop_index(corpus.database, corpus.store, corpus.index))
        await asyncio.sleep(0.5)
        assert not dropping.done()
        assert await corpus.store.cosines(corpus.index, vector, [1, 2], connection=connection) is not None
        assert await corpus.store.count(corpus.index, connection) == 40
    await dropping
    assert [state for _, state in await states(corpus)] == ["active"]


async def test_where_the_database_is_read_for_long_nothing_waits_for_long_and_a_later_drop_succeeds(
    in_postgres: Corpus, module_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.dropping._LOCK_TIMEOUT", "100ms")
    await rebuild(in_postgres)
    async with await psycopg.AsyncConnection.connect(module_dsn) as backup:
        await backup.execute("SELECT count(*) FROM chunks")
        with pytest.raises(IndexBusyError, match="somebody reads the database for long"):
            await drop_index(in_postgres.database, in_postgres.store, in_postgres.index)
        assert len(await found(in_postgres, OTHER, "badger")) == 40
    assert (await states(in_postgres))[0] == (in_postgres.index.id, "building")
    await drop_index(in_postgres.database, in_postgres.store, in_postgres.index)
    assert [state for _, state in await states(in_postgres)] == ["active"]
    assert await findings(in_postgres) == set()
