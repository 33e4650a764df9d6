"""Throw-away collections: loaded once, found again, held against others, and removed without a trace."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.sets import EvaluationDocument, EvaluationQuestion, EvaluationSet
from evaluation.throwaway import (
    CollectionBusyError,
    Loaded,
    Loader,
    drop_collection,
    hold_loaded,
    list_throwaways,
    path_of,
)
from ingest.catalog import ensure_source, list_sources
from ingest.chunking import ChunkPolicy
from retrieval.collections import ensure_collection, find_collection, list_collections
from retrieval.database import Database
from retrieval.errors import FootnoteError, IndexMismatchError, ModelError, NotFoundError
from retrieval.reconciling import check_collection, check_strays
from retrieval.records import Scope
from retrieval.search import Searcher, SearchPolicy
from retrieval.stores.memory import MemoryStore
from retrieval.stores.pgvector import PgvectorStore
from tests.retrieval.corpus import BagOfWords, QueryBagOfWords, make_corpus

STRANGE = ["a/b", "..", "a%2Fb", "q\tn\n", "\x00", "\ud800", "😀", "x" * 500, "CASE", "case"]


class Words:
    """Embeds for a loader, notes what, and can be told to fail."""

    def __init__(self, embedder: BagOfWords) -> None:
        self._embedder = embedder
        self.embedded: list[str] = []
        self.fail_after: int | None = None

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self.fail_after is not None and len(self.embedded) + len(texts) > self.fail_after:
            raise ModelError("the model has had enough")
        self.embedded += texts
        return np.stack([self._embedder.embed_query(text) for text in texts])


class Told:
    """Progress as it was told."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int]] = []
        self.steps = 0

    def begin(self, stage: str, total: int) -> None:
        self.stages.append((stage, total))

    def advance(self) -> None:
        self.steps += 1


def a_set(count: int = 12, *, name: str = "zoo", word: str = "badger") -> EvaluationSet:
    return EvaluationSet(
        name=name,
        documents=tuple(
            EvaluationDocument(id=f"d{n}", title=f"Title {n}", text=f"The {word} of number {n} digs.")
            for n in range(count)
        ),
        questions=(EvaluationQuestion(id="q", text="who digs"),),
        qrels={"q": {"d1": 1}},
    )


@pytest.fixture
def words() -> Words:
    return Words(BagOfWords())


@pytest.fixture
def loader(database: Database, words: Words) -> Loader:
    return Loader(
        database=database,
        store=PgvectorStore(),
        embedder=BagOfWords(),
        document_embedder=words,
        chunk_policy=ChunkPolicy(max_tokens=20),
    )


async def load(loader: Loader, evaluation_set: EvaluationSet, told: Told | None = None) -> Loaded:
    async with hold_loaded(loader, evaluation_set, progress=told or Told()) as loaded:
        return loaded


async def texts_found(loader: Loader, loaded: Loaded, question: str, *, scope: Scope) -> list[str]:
    searcher = Searcher(
        database=loader.database,
        store=loader.store,
        embedder=loader.embedder,
        query_embedder=QueryBagOfWords(BagOfWords()),
        reranker=None,
        policy=SearchPolicy(),
    )
    hits = await searcher.search(loaded.collection, question, k=50, scope=scope)
    return [hit.passage.text for hit in hits]


async def test_documents_go_in_whole_and_are_found_by_their_ids(loader: Loader) -> None:
    told = Told()
    loaded = await load(loader, a_set(), told)
    assert (loaded.documents, loaded.added, loaded.blank, loaded.chunks) == (12, 12, 0, 12)
    assert told.stages == [("loading", 12)]
    assert told.steps == 12
    assert loaded.ids == {f"d{n}": f"d{n}" for n in range(12)}
    found = await texts_found(loader, loaded, "who digs number 7", scope=Scope.everything())
    assert found[0] == "The badger of number 7 digs."
    state = await check_collection(loader.database, loader.store, loaded.collection, depth="deep")
    assert state.findings == ()


async def test_a_second_run_embeds_nothing_and_tells_of_no_loading(loader: Loader, words: Words) -> None:
    first = await load(loader, a_set())
    words.embedded.clear()
    told = Told()
    second = await load(loader, a_set(), told)
    assert second == replace(first, added=0)
    assert words.embedded == []
    assert told.stages == []


async def test_a_load_that_was_interrupted_goes_on_where_it_stopped(loader: Loader, words: Words) -> None:
    words.fail_after = 30
    with pytest.raises(ModelError, match="had enough"):
        await load(loader, a_set(60))
    words.fail_after = None
    loaded = await load(loader, a_set(60))
    assert loaded.chunks == 60
    assert 30 <= loaded.added < 60
    # Nothing is made again but what was in flight when it stopped.
    assert len(words.embedded) == 30 + loaded.added
    assert loaded.added <= 30 + 8


async def test_what_decides_the_content_decides_the_collection(loader: Loader) -> None:
    whole = a_set()
    name = loader.collection_name(whole)
    assert name.startswith("eval.zoo.")
    assert loader.collection_name(whole.sample(1, seed=0)) == name
    assert loader.collection_name(replace(whole, questions=(), qrels={})) == name
    others = [
        loader.collection_name(a_set(word="owl")),
        replace(loader, embedder=BagOfWords(32)).collection_name(whole),
        replace(loader, store=MemoryStore()).collection_name(whole),
        replace(loader, chunk_policy=ChunkPolicy(max_tokens=21)).collection_name(whole),
    ]
    assert len({name, *others}) == 5


async def test_a_set_may_be_called_anything(loader: Loader) -> None:
    for name in ("Ünïcode & 🦡", "", "..", "a" * 200, "eval", "A b", "a-b"):
        loaded = await load(loader, a_set(1, name=name))
        assert loaded.collection.name.startswith("eval.")


async def test_two_names_that_come_to_the_same_share_their_documents(loader: Loader, words: Words) -> None:
    first = await load(loader, a_set(name="A b"))
    second = await load(loader, a_set(name="a-b"))
    assert second.collection == first.collection
    assert (second.added, second.chunks) == (0, 12)
    assert len(words.embedded) == 12


async def test_ids_may_be_anything_and_are_told_apart(loader: Loader) -> None:
    documents = tuple(
        EvaluationDocument(id=name, title="", text=f"text {n}") for n, name in enumerate(STRANGE)
    )
    loaded = await load(loader, replace(a_set(), documents=documents))
    assert sorted(loaded.ids.values()) == sorted(STRANGE)
    assert len({path_of(name) for name in STRANGE}) == len(STRANGE)
    again = await load(loader, replace(a_set(), documents=documents))
    assert again.added == 0


async def test_a_document_without_text_has_its_title_for_one_and_one_without_either_is_blank(
    loader: Loader,
) -> None:
    documents = (
        EvaluationDocument(id="title", title="Badgers", text="  \n"),
        EvaluationDocument(id="blank", title=" ", text="\u200b\t"),
        EvaluationDocument(id="empty", title="", text=""),
        EvaluationDocument(id="nul", title="", text="owls\x00fly \ud800"),
        EvaluationDocument(id="long", title="", text="word " * 100),
    )
    loaded = await load(loader, replace(a_set(), documents=documents))
    assert set(loaded.ids.values()) >= {"title", "nul", "long"}
    assert loaded.documents + loaded.blank == 5
    assert loaded.blank >= 1
    found = await texts_found(loader, loaded, "badgers", scope=Scope.everything())
    assert "Badgers" in found


async def test_a_set_is_nobodys_to_read_but_the_command_lines_and_no_source_of_anybodys(
    loader: Loader,
) -> None:
    loaded = await load(loader, a_set())
    assert await texts_found(loader, loaded, "who digs", scope=Scope.of(["user:ann"])) == []
    assert await list_sources(loader.database) == []


async def test_one_evaluation_at_a_time_is_at_work_on_a_collection(loader: Loader) -> None:
    async with hold_loaded(loader, a_set(), progress=Told()) as loaded:
        with pytest.raises(CollectionBusyError, match="another evaluation is at work"):
            await load(loader, a_set())
        with pytest.raises(CollectionBusyError):
            await drop_collection(loader.database, loader.store, loaded.collection.name)
        await load(loader, a_set(word="owl"))
    await load(loader, a_set())


async def test_a_collection_that_was_dropped_leaves_nothing_behind(loader: Loader) -> None:
    loaded = await load(loader, a_set())
    await drop_collection(loader.database, loader.store, loaded.collection.name)
    with pytest.raises(NotFoundError):
        await find_collection(loader.database, loaded.collection.name)
    assert await list_throwaways(loader.database) == []
    for table in (
        "documents",
        "revisions",
        "chunks",
        "chunk_terms",
        "fresh_terms",
        "segments",
        "removed_terms",
        "sources",
        "indexes",
    ):
        row = await loader.database.fetch_one(f"SELECT count(*) AS left FROM {table}")
        assert row == {"left": 0}, table
    row = await loader.database.fetch_one(
        "SELECT count(*) AS left FROM pg_tables WHERE tablename LIKE 'vectors_%'"
    )
    assert row == {"left": 0}
    assert [*await check_strays(loader.database)] == []
    await drop_collection(loader.database, loader.store, loaded.collection.name)
    assert (await load(loader, a_set())).added == 12


async def test_what_somebody_else_ingested_is_neither_listed_nor_dropped_nor_measured(
    loader: Loader, database: Database, tmp_path: Path
) -> None:
    mine = await make_corpus(database, loader.store, name="eval.mine.0123456789abcdef")
    await mine.add("a.txt", "badgers dig")
    await ensure_collection(database, "empty")
    loaded = await load(loader, a_set())
    assert await list_throwaways(database) == [loaded.collection.name]
    with pytest.raises(FootnoteError, match="has a source of its own"):
        await drop_collection(database, loader.store, mine.collection.name)
    await ensure_source(database, loaded.collection, tmp_path, default_readers=["public"])
    assert await list_throwaways(database) == []
    for attempt in (load(loader, a_set()), drop_collection(database, loader.store, loaded.collection.name)):
        with pytest.raises(FootnoteError, match="neither measured nor removed"):
            await attempt
    assert {row["name"]: row["documents"] for row in await list_collections(database)} == {
        loaded.collection.name: 12,
        mine.collection.name: 1,
        "empty": 0,
    }


async def test_vectors_in_another_store_are_not_left_behind_in_silence(loader: Loader) -> None:
    loaded = await load(loader, a_set())
    with pytest.raises(IndexMismatchError, match="are kept in pgvector; the configured store is memory"):
        await drop_collection(loader.database, MemoryStore(), loaded.collection.name)
    assert (await load(loader, a_set())).added == 0


async def test_a_run_that_is_cancelled_lets_go(loader: Loader) -> None:
    entered = asyncio.Event()

    async def hold() -> None:
        async with hold_loaded(loader, a_set(), progress=Told()):
            entered.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(hold())
    await entered.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (await load(loader, a_set())).added == 0
