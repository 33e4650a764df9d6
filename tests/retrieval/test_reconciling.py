"""A real index is damaged in every way there is a word for: it is found, named rightly, mended, and found no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from psycopg import sql

from retrieval.database import Database
from retrieval.embedders import EmbedderIdentity
from retrieval.errors import StoreUnavailableError
from retrieval.exactness import ChunkAtPlace, CurrentText, inspect
from retrieval.lexical import Bm25Policy, read_question
from retrieval.mending import Mender, mend_strays
from retrieval.publishing import hash_text
from retrieval.reconciling import Depth, Finding, check_collection, check_strays
from retrieval.records import contextual_text
from retrieval.reindexing import Approval, approve_any, rebuild_index
from retrieval.removing import remove_document
from retrieval.stores import Index, VectorStore
from retrieval.stores.memory import MemoryStore
from retrieval.stores.pgvector import PgvectorStore
from retrieval.stores.qdrant.store import QdrantStore
from tests.retrieval.corpus import BagOfWords, Corpus, make_corpus, shared_database

CATS = "cats sleep for most of the day and cats purr"
DOGS = "dogs bark at the moon"
OWLS = "owls hunt at night 🦉 in the woods"


@dataclass(frozen=True, slots=True)
class Bridge:
    """Embeds as mending calls it."""

    embedder: BagOfWords
    embedded: list[str] = field(default_factory=list)

    async def embed_documents(self, texts: list[str] | Any) -> NDArray[np.float32]:
        self.embedded.extend(texts)
        return self.embedder.embed_documents(texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ward:
    """A corpus of two documents, and the doctor's instruments."""

    corpus: Corpus
    bridge: Bridge
    cats: UUID
    owls: UUID

    @property
    def database(self) -> Database:
        return self.corpus.database

    async def findings(self, depth: Depth = "usual") -> tuple[Finding, ...]:
        state = await check_collection(self.database, self.corpus.store, self.corpus.collection, depth=depth)
        return (*state.findings, *await check_strays(self.database))

    async def kinds(self, depth: Depth = "usual") -> dict[str, int]:
        return {finding.kind: finding.count for finding in await self.findings(depth)}

    def mender(self, identity: EmbedderIdentity | None = None) -> Mender:
        return Mender(
            database=self.database,
            store=self.corpus.store,
            collection=self.corpus.collection,
            embedder=self.bridge,
            identity=identity or self.corpus.embedder.identity,
        )

    async def mend(self, *, deep: bool = False) -> None:
        kinds = set(await self.kinds("deep" if deep else "usual"))
        await mend_strays(self.database, kinds)
        await self.mender().mend(kinds, deep=deep)

    async def damage(self, statement: str, **parameters: object) -> None:
        """Run a statement past every constraint that Postgres would hold it to."""
        parameters = {
            "cats": self.cats,
            "owls": self.owls,
            "collection": self.corpus.collection.id,
        } | parameters
        async with self.database.transaction() as connection:
            await connection.execute("SET LOCAL session_replication_role = replica")
            cursor = await connection.execute(sql.SQL(statement), parameters)
            assert cursor.rowcount > 0, "it damages something"

    async def chunk(self, text: str) -> int:
        row = await self.database.fetch_one("SELECT id FROM chunks WHERE text = %(text)s", {"text": text})
        assert row is not None
        return int(row["id"])

    async def frequencies(self, question: str) -> dict[str, int]:
        """In how many chunks a search takes each word of a question to be."""
        async with self.database.snapshot() as connection:
            asked = await read_question(
                connection,
                collection_id=self.corpus.collection.id,
                question=question,
                policy=Bm25Policy(),
            )
        return {word.lexeme: word.frequency for word in asked.words}

    async def marked(self) -> set[str]:
        """Paths of the documents that the next refresh makes anew."""
        rows = await self.database.fetch_all(
            "SELECT path FROM documents WHERE recipe = '' AND content_hash = ''::bytea"
        )
        return {row["path"] for row in rows}

    @property
    def vectors(self) -> str:
        return f"vectors_{self.corpus.index.id}"


async def make_ward(database: Database, store: VectorStore) -> Ward:
    corpus = await make_corpus(database, store, name="zoo")
    await corpus.publish(corpus.draft("cats.txt", [CATS, "outdated"], title="Cats"))
    cats = await corpus.publish(
        corpus.draft("cats.txt", [CATS, DOGS, CATS], title="Cats", headings=("A", "A"))
    )
    owls = await corpus.add("birds/owls.txt", OWLS)
    gone = await corpus.add("gone.txt", "dodos")
    await remove_document(database, store, corpus.index, gone.document_id)
    return Ward(corpus=corpus, bridge=Bridge(corpus.embedder), cats=cats.document_id, owls=owls.document_id)


@pytest.fixture(scope="module")
def dsn(postgres_dsn: str) -> Iterator[str]:
    """One database for all these tests, emptied before each: most of the time saved."""
    with shared_database(postgres_dsn) as shared:
        yield shared


@pytest.fixture
async def empty(database: Database) -> Database:
    async with database.transaction() as connection:
        cursor = await connection.execute("SELECT relname FROM pg_class WHERE relname ~ '^vectors_[0-9]+$'")
        for row in await cursor.fetchall():
            await connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(row["relname"])))
        await connection.execute("TRUNCATE collections, removed_terms, segments CASCADE")
    return database


@pytest.fixture
async def ward(empty: Database) -> Ward:
    return await make_ward(empty, PgvectorStore())


@pytest.mark.parametrize("depth", ["quick", "usual", "deep"])
async def test_a_sound_index_has_no_findings_and_its_figures_agree(ward: Ward, depth: Depth) -> None:
    state = await check_collection(ward.database, ward.corpus.store, ward.corpus.collection, depth=depth)
    counts = state.counts
    assert (state.findings, await check_strays(ward.database)) == ((), ())
    assert (counts.documents, counts.revisions, counts.places, counts.chunks, counts.vectors) == (
        2,
        2,
        4,
        3,
        3,
    )
    words = await ward.database.fetch_one("SELECT sum(length(words)) AS n FROM fresh_terms")
    assert words == {"n": counts.words}


UNLIST_DOGS = "DELETE FROM fresh_terms WHERE chunk_id = {dogs}"

# What is done to the database; what the doctor calls it, and how many; which documents are made anew from their files.
DAMAGES: dict[str, tuple[str, dict[str, int], set[str]]] = {
    "a forward list is lost": (
        "DELETE FROM chunk_terms WHERE chunk_id = {dogs}",
        {"words_missing": 1},
        set(),
    ),
    "all forward lists are lost": ("DELETE FROM chunk_terms", {"words_missing": 3}, set()),
    "a forward list is another document's": (
        "UPDATE chunk_terms SET document_id = %(owls)s WHERE chunk_id = {dogs}",
        {"words_misfiled": 1},
        set(),
    ),
    "a forward list is another collection's": (
        "UPDATE chunk_terms SET collection_id = 4711 WHERE chunk_id = {dogs}",
        {"words_misfiled": 1},
        set(),
    ),
    "a forward list is empty": (
        "UPDATE chunk_terms SET terms = '{{}}/1000000000' WHERE chunk_id = {dogs}",
        {"words_miscounted": 1, "fresh_wrong": 1},
        set(),
    ),
    "a frequency is wrong": (
        "UPDATE chunk_terms SET terms = lexical_terms('appl:1,2,3 b:4 c:5 d:6') WHERE chunk_id = {dogs}",
        {"fresh_wrong": 1},
        set(),
    ),
    "a length is wrong": (
        "UPDATE chunk_terms SET length = length + 1 WHERE chunk_id = {dogs}",
        {"fresh_wrong": 1},
        set(),
    ),
    "words that are not the chunk's": (
        "UPDATE fresh_terms SET words = 'nothing:1' WHERE chunk_id = {dogs}",
        {"fresh_wrong": 1},
        set(),
    ),
    "words in another collection": (
        "UPDATE fresh_terms SET collection_id = 4711 WHERE chunk_id = {dogs}",
        {"chunk_unlisted": 1},
        set(),
    ),
    "a chunk is not listed": (UNLIST_DOGS, {"chunk_unlisted": 1}, set()),
    "no chunk is listed": ("DELETE FROM fresh_terms", {"chunk_unlisted": 3}, set()),
    "a chunk that is there is counted out": (
        (
            "INSERT INTO removed_terms SELECT chunk_id, collection_id, length, terms FROM chunk_terms"
            " WHERE chunk_id = {dogs}"
        ),
        {"removed_extra": 1},
        set(),
    ),
    "a chunk that never was is counted out": (
        "INSERT INTO removed_terms VALUES (4711, %(collection)s, 1, '{{}}/1000000000')",
        {"removed_extra": 1},
        set(),
    ),
    "words of a chunk that is gone": (
        "INSERT INTO fresh_terms VALUES (4711, %(collection)s, 1, 'word:1')",
        {"words_without_chunk": 1},
        set(),
    ),
    "a forward list of a chunk that is gone": (
        "INSERT INTO chunk_terms VALUES (4711, %(cats)s, %(collection)s, 0, 0, 0, '{{}}/1000000000')",
        {"words_without_chunk": 1},
        set(),
    ),
    "a segment of a collection that is gone": (
        (
            "INSERT INTO segments (collection_id, first_chunk, chunk_count, total_length, max_length, members)"
            " VALUES (4711, 1, 1, 1, 1, '{{0}}')"
        ),
        {"segment_without_collection": 1},
        set(),
    ),
    "lists of segments that are gone": (
        "INSERT INTO segment_terms SELECT 4711 + n, 0, 1, 'word', '{{0}}' FROM generate_series(1, 3) AS n",
        {"segment_without_collection": 3},
        set(),
    ),
    "a chunk of no collection is counted out": (
        "INSERT INTO removed_terms VALUES (4711, 4711, 1, '{{}}/1000000000')",
        {"segment_without_collection": 1},
        set(),
    ),
    "a vector is lost": (
        "DELETE FROM {vectors} WHERE chunk_id = {dogs}",
        {"vector_missing": 1},
        set(),
    ),
    "all vectors are lost": ("DELETE FROM {vectors}", {"vector_missing": 3}, set()),
    "a vector of nothing": (
        "INSERT INTO {vectors} SELECT 4711, embedding FROM {vectors} LIMIT 1",
        {"vector_without_chunk": 1},
        set(),
    ),
    "a vector that is not of unit length": (
        "UPDATE {vectors} SET embedding = embedding + embedding WHERE chunk_id = {dogs}",
        {"vector_wrong": 1},
        set(),
    ),
    "a text is cut": (
        "UPDATE revisions SET text = left(text, 60) WHERE document_id = %(cats)s AND superseded_at IS NULL",
        {"place_wrong": 2, "pages_wrong": 1},
        {"cats.txt"},
    ),
    "a place is moved": (
        "UPDATE chunk_places SET char_start = char_start + 1 WHERE document_id = %(owls)s",
        {"place_wrong": 1},
        {"birds/owls.txt"},
    ),
    "a place runs past the text": (
        "UPDATE chunk_places SET char_end = char_end + 1 WHERE document_id = %(owls)s",
        {"place_wrong": 1},
        {"birds/owls.txt"},
    ),
    "two places are the same": (
        "UPDATE chunk_places SET char_start = 0, char_end = 44 WHERE document_id = %(cats)s AND ordinal = 2",
        {"place_wrong": 1},
        {"cats.txt"},
    ),
    "an ordinal is missing": (
        "UPDATE chunk_places SET ordinal = 9 WHERE document_id = %(cats)s AND ordinal = 2",
        {"place_gap": 1},
        {"cats.txt"},
    ),
    "a chunk's text is another": (
        "UPDATE chunks SET text = replace(text, 'bark', 'sing') WHERE text LIKE 'dogs%%'",
        {"place_wrong": 1, "chunk_altered": 1},
        {"cats.txt"},
    ),
    "a title is another": (
        "UPDATE revisions SET title = 'Dogs' WHERE document_id = %(cats)s AND superseded_at IS NULL",
        {"chunk_altered": 2},
        {"cats.txt"},
    ),
    "pages out of order": (
        "UPDATE revisions SET page_starts = '{{5,0}}' WHERE document_id = %(owls)s",
        {"pages_wrong": 1},
        {"birds/owls.txt"},
    ),
    "a page past the text": (
        "UPDATE revisions SET page_starts = '{{0,5000}}' WHERE document_id = %(owls)s",
        {"pages_wrong": 1},
        {"birds/owls.txt"},
    ),
    "a document loses its places": (
        "DELETE FROM chunk_places WHERE document_id = %(owls)s",
        {"document_without_chunks": 1, "chunk_without_place": 1},
        {"birds/owls.txt"},
    ),
    "a chunk loses its place": (
        "DELETE FROM chunk_places WHERE document_id = %(cats)s AND ordinal = 1",
        {"chunk_without_place": 1, "place_gap": 1},
        {"cats.txt"},
    ),
    "a chunk is lost": (
        "DELETE FROM chunks WHERE text LIKE 'owls%%'",
        {"place_without_chunk": 1, "words_without_chunk": 1, "vector_without_chunk": 1},
        {"birds/owls.txt"},
    ),
    "a chunk in another collection": (
        "UPDATE chunks SET collection_id = 4711 WHERE text LIKE 'owls%%'",
        {"chunk_in_other_collection": 1, "words_misfiled": 1},
        {"birds/owls.txt"},
    ),
    "a current revision is lost": (
        "DELETE FROM revisions WHERE document_id = %(cats)s AND superseded_at IS NULL",
        {"document_without_revision": 1},
        set(),
    ),
    "a current revision counts as superseded": (
        "UPDATE revisions SET superseded_at = now() WHERE document_id = %(cats)s",
        {"revision_superseded": 1},
        set(),
    ),
    "an old revision counts as current": (
        "UPDATE revisions SET superseded_at = NULL WHERE document_id = %(cats)s",
        {"revision_not_superseded": 1},
        set(),
    ),
    "a removed document keeps a chunk": (
        "UPDATE documents SET current_revision = NULL, removed_at = now() WHERE id = %(owls)s",
        {"chunk_of_removed_document": 1, "revision_not_superseded": 1},
        set(),
    ),
    "a document is lost": (
        "DELETE FROM documents WHERE id = %(owls)s",
        {
            "chunk_without_document": 1,
            "revision_without_document": 1,
            "place_without_document": 1,
            "vector_without_chunk": 1,
        },
        set(),
    ),
    "a table of vectors is left behind": (
        "CREATE TABLE vectors_4711 AS SELECT * FROM {vectors}",
        {"table_without_index": 1},
        set(),
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
async def test_damage_is_found_by_its_name_mended_and_found_no_more(ward: Ward, name: str) -> None:
    statement, expected, anew = DAMAGES[name]
    await ward.damage(statement.format(vectors=ward.vectors, dogs=await ward.chunk(DOGS)))
    findings = await ward.findings()
    assert {finding.kind: finding.count for finding in findings} == expected
    for finding in findings:
        assert 0 < len(finding.examples) <= 5
        assert not any(word in example for example in finding.examples for word in ("sleep", "bark", "hunt"))
    await ward.mend()
    assert await ward.marked() == anew
    if anew:
        await refresh(ward, anew)
    assert await ward.findings("deep") == ()


async def refresh(ward: Ward, paths: set[str]) -> None:
    """What a refresh does with documents that are marked."""
    if "cats.txt" in paths:
        await ward.corpus.publish(
            ward.corpus.draft("cats.txt", [CATS, DOGS, CATS], title="Cats", headings=("A", "A"))
        )
    if "birds/owls.txt" in paths:
        await ward.corpus.add("birds/owls.txt", OWLS)


async def test_a_deep_look_finds_words_that_are_not_those_of_the_text(ward: Ward) -> None:
    owl = await ward.chunk(OWLS)
    await ward.damage(
        "UPDATE fresh_terms SET length = 1, words = 'nothing:1' WHERE chunk_id = %(owl)s", owl=owl
    )
    await ward.damage(
        "UPDATE chunk_terms SET (length, word_count, checksum, terms)"
        " = (1, 1, lexical_checksum('nothing:1'), lexical_terms('nothing:1')) WHERE chunk_id = %(owl)s",
        owl=owl,
    )
    assert await ward.kinds() == {}
    assert await ward.kinds("deep") == {"words_wrong": 1}
    await ward.mend(deep=True)
    assert (await ward.kinds("deep"), await ward.marked(), ward.bridge.embedded) == ({}, set(), [])
    assert await ward.frequencies("owls nothing") == {"owl": 1}


async def test_everything_at_once_is_mended_at_once(ward: Ward) -> None:
    for name in (
        "a chunk is not listed",
        "a vector of nothing",
        "an ordinal is missing",
        "a document is lost",
    ):
        await ward.damage(DAMAGES[name][0].format(vectors=ward.vectors, dogs=await ward.chunk(DOGS)))
    await ward.damage(f"DELETE FROM {ward.vectors} WHERE chunk_id < 4711")
    await ward.mend()
    await refresh(ward, {"cats.txt"})
    assert await ward.findings("deep") == ()


async def test_a_lost_vector_is_embedded_from_title_headings_and_text_and_is_the_same(ward: Ward) -> None:
    async def embeddings() -> list[dict[str, Any]]:
        async with ward.database.connection() as connection:
            table = sql.Identifier(ward.vectors)
            cursor = await connection.execute(
                sql.SQL("SELECT chunk_id, embedding::text FROM {} ORDER BY 1").format(table)
            )
            return [dict(row) for row in await cursor.fetchall()]

    before = await embeddings()
    await ward.damage(f"DELETE FROM {ward.vectors}")
    await ward.mend()
    assert sorted(ward.bridge.embedded) == sorted(["Cats\nA\n" + CATS, "Cats\nA\n" + DOGS, OWLS])
    assert await embeddings() == before


async def test_vectors_of_another_embedder_are_not_mixed_in(ward: Ward) -> None:
    await ward.damage(f"DELETE FROM {ward.vectors}")
    await ward.mender(BagOfWords(model="other").identity).mend({"vector_missing"}, deep=False)
    assert (await ward.kinds(), ward.bridge.embedded) == ({"vector_missing": 3}, [])


async def test_the_number_of_a_lost_revision_goes_to_no_other_text(ward: Ward) -> None:
    await ward.damage(DAMAGES["a current revision is lost"][0])
    await ward.mend()
    published = await ward.corpus.publish(ward.corpus.draft("cats.txt", ["cats have changed"]))
    assert (published.document_id, published.revision) == (ward.cats, 3)
    assert await ward.findings("deep") == ()


async def test_a_document_that_somebody_is_at_work_on_is_passed_over(ward: Ward, dsn: str) -> None:
    await ward.damage(DAMAGES["a text is cut"][0])
    await ward.damage(DAMAGES["an old revision counts as current"][0])
    await ward.damage(UNLIST_DOGS.format(dogs=await ward.chunk(DOGS)))
    before = await ward.kinds()
    async with await psycopg.AsyncConnection.connect(dsn) as other:
        await other.execute("SELECT FROM documents WHERE id = %s FOR UPDATE", [ward.cats])
        await asyncio.wait_for(ward.mend(), 10)
    assert await ward.kinds() == before
    await ward.mend()
    await refresh(ward, {"cats.txt"})
    assert await ward.findings("deep") == ()


async def test_a_lost_table_is_a_finding_that_only_a_reindex_mends(ward: Ward) -> None:
    await ward.database.execute(f"DROP TABLE {ward.vectors}")
    [finding] = await ward.findings()
    assert (finding.kind, finding.count) == ("index_missing", 1)
    await ward.mend()
    assert await ward.kinds() == {"index_missing": 1}
    await rebuild(ward)
    assert [finding.is_notice for finding in await ward.findings("deep")] == [True]  # the former one


async def test_chunks_without_any_index_are_a_finding(ward: Ward) -> None:
    await ward.damage("DELETE FROM indexes")
    assert await ward.kinds() == {"index_missing": 1, "table_without_index": 1}


async def test_an_index_in_another_store_is_said_to_be_there(ward: Ward) -> None:
    elsewhere = replace(ward, corpus=ward.corpus.into(MemoryStore()))
    assert await elsewhere.kinds() == {"index_elsewhere": 1}


async def rebuild(ward: Ward, approve: Approval = approve_any) -> None:
    corpus = ward.corpus
    await rebuild_index(
        corpus.database,
        corpus.store,
        corpus.collection,
        corpus.embedder.identity,
        ward.bridge,
        progress=lambda done, total: None,
        approve=approve,
    )


async def test_former_and_unfinished_indexes_are_noted_and_left_alone(ward: Ward) -> None:
    async def refuse(new: Index, former: Index | None) -> bool:
        return False

    await rebuild(ward)
    await rebuild(ward, refuse)
    findings = await ward.findings()
    assert {finding.kind for finding in findings} == {"index_retired", "index_building"}
    assert all(finding.is_notice for finding in findings)
    await ward.mend()
    assert {*await ward.kinds()} == {"index_retired", "index_building"}
    tables = await ward.database.fetch_all("SELECT relname FROM pg_class WHERE relname ~ '^vectors_[0-9]+$'")
    assert len(tables) == 3


# Stores that know nothing of Postgres' transactions.


@pytest.fixture(params=["memory", "qdrant"])
async def outside(
    empty: Database, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Ward]:
    monkeypatch.setattr("retrieval.holdings._SETTLING_S", 0.1)
    store: VectorStore = MemoryStore() if request.param == "memory" else QdrantStore()
    yield await make_ward(empty, store)
    await store.close()


async def test_vectors_in_another_store_are_held_against_the_chunks(outside: Ward, monkeypatch: Any) -> None:
    corpus, store, index = outside.corpus, outside.corpus.store, outside.corpus.index
    monkeypatch.setattr("retrieval.holdings._IDS_AT_ONCE", 2)
    monkeypatch.setattr("retrieval.holdings._MEASURED_ONE_IN", 1)
    assert await outside.findings("deep") == ()
    dogs, cats, owls = [await outside.chunk(text) for text in (DOGS, CATS, OWLS)]
    unit = np.zeros((1, 64), dtype=np.float32)
    unit[0, 0] = 1

    async def write(chunk_id: int, vector: NDArray[np.float32], document_id: UUID, *readers: str) -> None:
        async with outside.database.transaction() as connection:
            await store.write(
                index, [chunk_id], vector, document_id=document_id, readers=readers, connection=connection
            )

    await write(owls + 100, unit, uuid4(), "public")
    await write(owls + 101, unit, uuid4(), "public")
    await write(cats, unit * np.float32(0.5), outside.cats, "public")
    await store.forget(index, [dogs])
    await store.set_readers(index, outside.owls, ["user:ann"])
    assert await outside.kinds() == {
        "vector_missing": 1,
        "vector_without_chunk": 2,
        "vector_wrong": 1,
        "vector_readers_wrong": 1,
    }
    await outside.mend()
    assert await outside.findings("deep") == ()
    await write(owls, unit, uuid4(), "public")  # of an earlier database, whose ids were the same
    assert await outside.kinds() == {"vector_wrong": 1}
    await outside.mend()
    assert await outside.findings("deep") == ()
    assert corpus.store is store


async def test_a_store_that_is_away_is_a_finding_beside_the_others(outside: Ward) -> None:
    class Away(MemoryStore):
        async def holdings(self, *_: Any, **__: Any) -> Any:
            raise StoreUnavailableError("it is away")

    away = Away()
    away.kind = outside.corpus.store.kind
    ward = replace(outside, corpus=outside.corpus.into(away))
    await ward.damage(UNLIST_DOGS.format(dogs=await ward.chunk(DOGS)))
    state = await check_collection(ward.database, away, ward.corpus.collection)
    assert {finding.kind: finding.count for finding in state.findings} == {
        "chunk_unlisted": 1,
        "store_unavailable": 1,
    }
    assert state.counts.vectors is None


async def _publish_until(done: asyncio.Event, ward: Ward, number: int) -> None:
    turn = 0
    while not done.is_set():
        texts = [f"lynx {number} says {turn % 7}", f"lynx {number} keeps silent", f"turn {turn}"]
        published = await ward.corpus.add(f"{number}.txt", *texts)
        if turn % 5 == 4:
            await remove_document(ward.database, ward.corpus.store, ward.corpus.index, published.document_id)
        turn += 1


async def _meanwhile(ward: Ward, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `work` while others publish and remove."""
    done = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(_publish_until(done, ward, number))
        try:
            await work()
        finally:
            done.set()


async def test_publishing_meanwhile_gives_no_false_alarm(ward: Ward) -> None:
    async def look() -> None:
        for _ in range(15):
            assert await ward.findings("deep") == ()

    await _meanwhile(ward, look)
    assert await ward.findings("deep") == ()


async def test_publishing_meanwhile_gives_no_false_alarm_in_another_store(outside: Ward) -> None:
    async def look() -> None:
        for _ in range(3):
            assert await outside.findings() == ()

    await _meanwhile(outside, look)
    assert await outside.findings("deep") == ()


async def test_mending_while_others_publish_leaves_a_whole_index(ward: Ward) -> None:
    async def mend() -> None:
        for name in ("no chunk is listed", "a vector is lost", "a current revision counts as superseded"):
            await ward.damage(DAMAGES[name][0].format(vectors=ward.vectors, dogs=await ward.chunk(DOGS)))
            await ward.mend()

    await _meanwhile(ward, mend)
    await ward.mend()
    assert await ward.findings("deep") == ()


# The comparison of a text with its chunks.

texts = st.text(alphabet="ab \n🦉é", min_size=4, max_size=60)


@st.composite
def cut(draw: st.DrawFn) -> tuple[CurrentText, list[ChunkAtPlace]]:
    """A text and its chunks, which may overlap as long as each goes on."""
    text = draw(texts)
    bounds = sorted(draw(st.sets(st.integers(0, len(text)), min_size=4, max_size=7)))
    reach = draw(st.integers(1, 3))  # 1: each chunk ends where the next begins
    places = [
        ChunkAtPlace(
            chunk_id=10 + ordinal,
            ordinal=ordinal,
            char_start=start,
            char_end=end,
            headings=("H",),
            text=text[start:end],
            text_hash=hash_text(contextual_text("T", ("H",), text[start:end])),
        )
        for ordinal, (start, end) in enumerate(zip(bounds, bounds[reach:], strict=False))
    ]
    return CurrentText(
        document_id=UUID(int=1), path="a.txt", title="T", text=text, page_starts=(0, len(text))
    ), places


@given(cut())
def test_a_text_and_its_own_chunks_agree(made: tuple[CurrentText, list[ChunkAtPlace]]) -> None:
    assert inspect(*made).is_sound


@given(cut(), st.data())
def test_a_chunk_with_another_text_is_always_told(
    made: tuple[CurrentText, list[ChunkAtPlace]], data: st.DataObject
) -> None:
    current, places = made
    which = data.draw(st.integers(0, len(places) - 1))
    other = data.draw(texts.filter(lambda text: text != places[which].text))
    places[which] = replace(places[which], text=other)
    found = inspect(current, places)
    assert found.misplaced == found.altered == (places[which].chunk_id,)
