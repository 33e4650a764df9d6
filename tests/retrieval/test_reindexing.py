from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.errors import IndexBusyError, IndexMismatchError, ModelError
from retrieval.indexes import active_index
from retrieval.lexical import Bm25Policy
from retrieval.readers import set_readers
from retrieval.records import Scope
from retrieval.removing import remove_document
from retrieval.search import SearchPolicy
from retrieval.stores import Index
from retrieval.stores.pgvector import PgvectorStore
from retrieval.stores.qdrant.store import QdrantStore
from tests.retrieval.corpus import Corpus
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
    twenty_documents,
)

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.usefixtures("in_a_hurry")


async def test_the_new_index_answers_and_the_old_embedder_is_answered_from_the_former_one(
    corpus: Corpus,
) -> None:
    before = await hits(corpus, corpus.embedder, "badger number 3 digs")
    with pytest.raises(IndexMismatchError):
        await found(corpus, OTHER, "badger number 3 digs")
    done = await rebuild(corpus)
    assert (done.switched, done.filled) == (True, 40)
    assert done.former is not None
    assert done.former.id == corpus.index.id
    texts = await found(corpus, OTHER, "badger number 3 digs")
    assert (texts[0], len(texts)) == ("badger number 3 digs", 40)
    assert await hits(corpus, corpus.embedder, "badger number 3 digs") == before
    assert await findings(corpus) == set()


async def test_what_is_published_after_the_switch_is_found_by_its_words_with_the_old_embedder(
    corpus: Corpus,
) -> None:
    await rebuild(corpus)
    await into_active(corpus, OTHER, "late.txt", "a heron waits")
    assert (await found(corpus, corpus.embedder, "heron"))[0] == "a heron waits"
    assert (await found(corpus, OTHER, "heron"))[0] == "a heron waits"


async def test_words_that_a_former_index_does_not_list_are_looked_up_in_postgres(module_dsn: str) -> None:
    store = QdrantStore(words=True)
    by_words = SearchPolicy(bm25=Bm25Policy(scan_below=-1))
    async with twenty_documents(module_dsn, store) as corpus:
        await rebuild(corpus)
        await into_active(corpus, OTHER, "late.txt", "a heron waits")
        for embedder in (corpus.embedder, OTHER):
            assert (await found(corpus, embedder, "heron", policy=by_words))[0] == "a heron waits"
    await store.close()


async def test_an_embedder_that_made_no_index_is_refused_also_after_a_switch(in_postgres: Corpus) -> None:
    await rebuild(in_postgres)
    with pytest.raises(IndexMismatchError, match="built with other"):
        await found(in_postgres, THIRD, "badger")


async def test_an_interrupted_rebuild_changes_nothing_and_is_taken_up_again(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.filling._BATCH", 8)
    with pytest.raises(ModelError):
        await rebuild(corpus, bridge=Bridge(OTHER, fail_after=16))
    assert len(await found(corpus, corpus.embedder, "badger")) == 40
    again = Bridge(OTHER)
    done = await rebuild(corpus, bridge=again)
    assert again.embedded == done.filled == 24
    assert len(await found(corpus, OTHER, "badger")) == 40


async def test_a_rebuild_that_was_killed_is_taken_up_again(in_postgres: Corpus, module_dsn: str) -> None:
    corpus = in_postgres
    program = f"""
import asyncio, os
from retrieval.collections import find_collection
from retrieval.database import Database
from retrieval.reindexing import rebuild_index
from retrieval.stores.pgvector import PgvectorStore
from retrieval.stores.qdrant.store import QdrantStore
from tests.retrieval.rebuilding import OTHER, Bridge
import retrieval.filling
retrieval.filling._BATCH = 8

async def main():
    async with Database({module_dsn!r}, max_connections=3) as database:
        collection = await find_collection(database, {corpus.collection.name!r})
        def progress(done, total):
            print(done, flush=True)
            if done == 16:
                os.kill(os.getpid(), {signal.SIGKILL.value})
        await rebuild_index(
            database, PgvectorStore(), collection, OTHER.identity, Bridge(OTHER), progress=progress
        )

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert (process.returncode, out.split()[-1]) == (-signal.SIGKILL, b"16")
    again = Bridge(OTHER)
    for _ in range(50):  # until the server has noticed
        try:
            await rebuild(corpus, bridge=again)
            break
        except IndexBusyError:
            await asyncio.sleep(0.1)
    assert again.embedded == 24
    assert [state for _, state in await states(corpus)] == ["retired", "active"]
    assert await findings(corpus) == set()


async def test_a_run_that_still_writes_to_the_old_index_is_told(corpus: Corpus) -> None:
    await rebuild(corpus)
    with pytest.raises(IndexMismatchError, match="replaced by"):
        await corpus.add("late.txt", "weasel")
    assert len(await found(corpus, OTHER, "weasel")) == 40


async def test_what_is_published_or_deleted_during_the_rebuild_is_not_lost(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.filling._BATCH", 8)

    class Meanwhile(Bridge):
        async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
            if self.embedded == 8:
                await corpus.add("0.txt", "badger number 0 sleeps")
                await corpus.add("19.txt", "otter number 19 sleeps")
                await corpus.add("new.txt", "heron")
            return await super().embed_documents(texts)

    done = await rebuild(corpus, bridge=Meanwhile(OTHER))
    texts = await found(corpus, OTHER, "heron sleeps")
    assert {"heron", "badger number 0 sleeps", "otter number 19 sleeps"} <= set(texts)
    assert len(texts) == 39
    async with corpus.database.connection() as connection:
        assert await corpus.store.count(done.index, connection) == 39
    assert await findings(corpus) == set()


async def test_what_is_published_while_the_switch_is_approved_is_in_the_new_index(corpus: Corpus) -> None:
    async def approve(new: Index, former: Index | None) -> bool:
        await corpus.add("new.txt", "heron")
        return True

    await rebuild(corpus, approve=approve)
    assert (await found(corpus, OTHER, "heron"))[0] == "heron"
    assert await findings(corpus) == set()


async def test_a_publisher_in_the_midst_of_a_transaction_is_waited_for(in_postgres: Corpus) -> None:
    corpus = in_postgres
    written, go_on = asyncio.Event(), asyncio.Event()

    class Slow(PgvectorStore):
        async def write(self, *arguments: object, **more: object) -> None:
            await super().write(*arguments, **more)  # type: ignore[arg-type]
            written.set()
            await go_on.wait()

    publishing = asyncio.create_task(corpus.into(Slow()).add("slow.txt", "heron"))
    await written.wait()
    rebuilding = asyncio.create_task(rebuild(corpus))
    await asyncio.sleep(0.5)
    assert not rebuilding.done()
    go_on.set()
    await publishing
    await rebuilding
    assert (await found(corpus, OTHER, "heron"))[0] == "heron"
    assert await findings(corpus) == set()


async def test_an_index_that_is_not_approved_is_kept_and_nothing_is_embedded_again(corpus: Corpus) -> None:
    async def refuse(new: Index, former: Index | None) -> bool:
        assert former is not None
        assert former.id == corpus.index.id
        return False

    done = await rebuild(corpus, approve=refuse)
    assert not done.switched
    assert await states(corpus) == [(corpus.index.id, "active"), (done.index.id, "building")]
    assert len(await found(corpus, corpus.embedder, "badger")) == 40
    again = Bridge(OTHER)
    assert (await rebuild(corpus, bridge=again)).index == done.index
    assert again.embedded == 0


async def test_one_former_index_is_kept_and_older_ones_are_dropped_and_named(corpus: Corpus) -> None:
    first = corpus.index
    second = (await rebuild(corpus)).index
    done = await rebuild(corpus, THIRD)
    assert done.dropped.dropped == (first,)
    assert await states(corpus) == [(second.id, "retired"), (done.index.id, "active")]
    last = await rebuild(corpus, keep=2)
    assert last.dropped.dropped == ()
    assert [state for _, state in await states(corpus)] == ["retired", "retired", "active"]
    assert len(await found(corpus, OTHER, "badger")) == 40
    assert len(await found(corpus, THIRD, "badger")) == 40


async def test_what_another_embedder_began_is_dropped(in_postgres: Corpus) -> None:
    with pytest.raises(ModelError):
        await rebuild(in_postgres, bridge=Bridge(OTHER, fail_after=0))
    begun = (await states(in_postgres))[-1]
    assert begun[1] == "building"
    done = await rebuild(in_postgres, THIRD)
    assert [index.id for index in done.dropped.dropped] == [begun[0]]
    tables = await in_postgres.database.fetch_all(
        "SELECT to_regclass(%(name)s) AS found", {"name": f"vectors_{begun[0]}"}
    )
    assert tables[0]["found"] is None


async def test_of_two_rebuilds_at_once_one_is_told_to_wait(in_postgres: Corpus) -> None:
    corpus = in_postgres
    begun, go_on = asyncio.Event(), asyncio.Event()

    class Slow(Bridge):
        async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
            begun.set()
            await go_on.wait()
            return await super().embed_documents(texts)

    first = asyncio.create_task(rebuild(corpus, bridge=Slow(OTHER)))
    await begun.wait()
    with pytest.raises(IndexBusyError, match="at work on the indexes of"):
        await rebuild(corpus, THIRD)
    go_on.set()
    assert (await first).switched
    assert [state for _, state in await states(corpus)] == ["retired", "active"]


async def test_a_graph_is_built_before_the_switch(
    in_postgres: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.stores.graphs.EXACT_BELOW", 10)
    graphs: list[object] = []

    async def approve(new: Index, former: Index | None) -> bool:
        row = await in_postgres.database.fetch_one(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%(name)s)",
            {"name": f"vectors_{new.id}_hnsw"},
        )
        graphs.append(row)
        return True

    await rebuild(in_postgres, approve=approve)
    assert graphs == [{"indisvalid": True}]


async def test_what_is_removed_goes_from_former_indexes_too(corpus: Corpus) -> None:
    await rebuild(corpus)
    async with corpus.database.connection() as connection:
        active = await active_index(connection, corpus.collection.id)
        row = await (
            await connection.execute(
                "SELECT id FROM documents WHERE collection_id = %s AND path = '7.txt'", [corpus.collection.id]
            )
        ).fetchone()
        assert active is not None
        assert row is not None
        await remove_document(corpus.database, corpus.store, active, row["id"])
        assert await corpus.store.count(corpus.index, connection) == 38
        assert await corpus.store.count(active, connection) == 38


async def test_an_index_whose_vectors_are_lost_is_built_anew(in_postgres: Corpus) -> None:
    await in_postgres.database.execute(f"DROP TABLE vectors_{in_postgres.index.id}")
    await rebuild(in_postgres)
    assert len(await found(in_postgres, OTHER, "badger")) == 40
    assert await findings(in_postgres) == set()


class _Interrupted(QdrantStore):
    """Lets something happen in the midst of one write, and waits for it a moment."""

    meanwhile: Callable[[], Coroutine[Any, Any, None]] | None = None
    happened: asyncio.Task[None] | None = None

    async def write(self, *told: Any, **named: Any) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            self.happened = asyncio.create_task(meanwhile())
            await asyncio.wait([self.happened], timeout=0.5)
        await super().write(*told, **named)


async def test_readers_that_are_given_while_a_chunk_is_written_are_in_the_new_index_s_copy(
    module_dsn: str,
) -> None:
    """A copy that named too few would hide the document from them, once the new index answers."""
    store = _Interrupted()
    async with twenty_documents(module_dsn, store) as corpus:

        async def publish_and_open(new: object, former: object) -> bool:
            published = await corpus.add("late.txt", "a heron waits", readers=["user:ann"])
            store.meanwhile = lambda: set_readers(
                corpus.database, store, corpus.index, published.document_id, ["user:ann", "user:bob"]
            )
            return True

        assert (await rebuild(corpus, approve=publish_and_open)).switched
        assert store.happened is not None
        await store.happened
        seen = await searcher(corpus, OTHER).search(
            corpus.collection, "heron", k=50, scope=Scope.of(["user:bob"])
        )
        assert "a heron waits" in {hit.passage.text for hit in seen}
        assert await findings(corpus) == set()
    await store.close()
