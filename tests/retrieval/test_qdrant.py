"""Qdrant: what goes over the wire, what is asked again, words, folders, and what it refuses."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from qdrant_client import models
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from retrieval.database import Database
from retrieval.errors import ConfigurationError, FootnoteError, IndexMissingError, StoreUnavailableError
from retrieval.filters import NO_FILTERS, Filters, Selection
from retrieval.lexical import Bm25Policy, lexical_candidates, read_question
from retrieval.records import Scope
from retrieval.stores import Index
from retrieval.stores.memory import MemoryStore
from retrieval.stores.qdrant.points import points_a_request
from retrieval.stores.qdrant.store import QdrantStore
from retrieval.word_candidates import best_by_words
from tests.retrieval.corpus import Corpus, make_corpus, shared_database
from tests.retrieval.qdrant_wire import SERVER, SERVER_KEY, SERVER_URL, Wire, serve
from tests.retrieval.room import DIMENSION, EVERYTHING, About, Room, make_room, random_units, unit

_ANY_INDEX = Index(id=1, collection_id=1, store="qdrant", embedder_hash="", embedder="", dimension=DIMENSION)


@pytest.fixture(scope="module")
def dsn(postgres_dsn: str) -> Iterator[str]:
    """One database for the module; every test has a collection of its own."""
    with shared_database(postgres_dsn) as shared:
        yield shared


@pytest.fixture
async def wire() -> Wire:
    return Wire()


@pytest.fixture
async def room(database: Database, wire: Wire) -> AsyncIterator[Room]:
    """An index at a server that lists words, too."""
    async with serve(wire.app) as url:
        store = QdrantStore(url=url, words=True)
        yield await make_room(database, store)
        await store.close()


# What goes over the wire.


async def test_a_collection_has_dense_vectors_with_a_graph_and_words_with_idf(wire: Wire, room: Room) -> None:
    (made,) = wire.created
    assert isinstance(made.vectors, dict)
    assert made.vectors.keys() == {"dense"}
    dense = made.vectors["dense"]
    assert (dense.size, dense.distance) == (DIMENSION, models.Distance.DOT)
    assert dense.hnsw_config == models.HnswConfigDiff(m=16, ef_construct=100)
    assert made.sparse_vectors == {"words": models.SparseVectorParams(modifier=models.Modifier.IDF)}
    assert wire.indexed == [
        ("document_id", models.PayloadSchemaType.UUID),
        ("readers", models.PayloadSchemaType.KEYWORD),
    ]


async def test_without_the_wish_for_words_a_collection_has_none(wire: Wire, database: Database) -> None:
    async with serve(wire.app) as url:
        store = QdrantStore(url=url)
        await make_room(database, store)
        await store.close()
    assert wire.created[0].sparse_vectors is None


async def test_few_visible_chunks_are_all_compared_and_many_are_walked(wire: Wire, room: Room) -> None:
    await room.add(random_units(30, seed=1))
    for visible, limit in ((20_000, 10), (20_001, 10), (20_001, 300)):
        await room.nearest(unit(1), limit=limit, visible=visible)
    await room.nearest(unit(1), visible=20_001, scope=Scope.of([]))
    params = [asked.params for asked in wire.queries]
    # The third finds fewer than it wanted: whether there are more, only looking at every vector tells.
    assert params == [
        models.SearchParams(exact=True),
        models.SearchParams(exact=False, hnsw_ef=200),
        models.SearchParams(exact=False, hnsw_ef=602),
        models.SearchParams(exact=True),
        models.SearchParams(exact=False, hnsw_ef=200, acorn=models.AcornSearchParams(enable=True)),
    ]
    assert {asked.using for asked in wire.queries} == {"dense"}


async def test_a_walk_that_finds_too_little_is_followed_by_a_look_at_every_vector(
    wire: Wire, room: Room
) -> None:
    _, chunk_ids = await room.add(random_units(50, seed=2))
    wire.shorten = True
    found = await room.nearest(unit(1), limit=40, visible=20_001)
    assert found == await room.nearest(unit(1), limit=40)
    assert len(found) == 40
    assert {i for i, _ in found} < {*chunk_ids}


async def test_filters_become_the_ids_of_the_documents_that_fit(wire: Wire, room: Room) -> None:
    fitting, _ = await room.add([unit(1)], about=About(path="a.md"))
    await room.add([unit(1)], about=About(path="b.txt"))
    await room.add([unit(1)], about=About(path="c.md", readers=["user:ann"]))
    await room.nearest(unit(1), scope=Scope.of([]), filters=Filters(paths=("*.md",)))
    (asked,) = wire.queries
    assert asked.filter == models.Filter(
        must=[models.FieldCondition(key="document_id", match=models.MatchAny(any=[str(fitting)]))]
    )


async def test_where_too_many_documents_fit_qdrant_is_asked_for_ever_longer_lists(
    wire: Wire, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.stores.qdrant.store._MOST_DOCUMENTS", 2)
    for number in range(40):
        await room.add([unit(1, 0.01 * number)], about=About(path=f"{number}.txt"))
    wanted = [
        (await room.add([unit(0, 1, 0.1 * number)], about=About(path=f"{number}.md")))[1][0]
        for number in range(6)
    ]
    for visible in (0, 20_001):
        wire.queries.clear()
        found = await room.nearest(
            unit(1),
            limit=3,
            scope=Scope.of(["user:ann"]),
            filters=Filters(paths=("*.md",)),
            visible=visible,
        )
        assert [i for i, _ in found] == wanted[:3]
        assert [asked.limit for asked in wire.queries][:3] == [4, 16, 64]
        may_read = models.MatchAny(any=["public", "user:ann"])
        assert wire.queries[0].filter == models.Filter(
            must=[models.FieldCondition(key="readers", match=may_read)]
        )


async def test_points_travel_in_bounded_requests_a_few_at_a_time(
    wire: Wire, room: Room, database: Database
) -> None:
    await room.add(random_units(2_000, seed=3))
    assert max(wire.upserts) == 256
    assert sum(wire.upserts) == 2_000
    assert 1 < wire.at_once <= 4
    wire.bodies.clear()
    long = await make_room(database, room.store, dimension=4_096)
    await long.add(random_units(200, seed=4, dimension=4_096))
    assert len(wire.bodies) > 1
    assert max(wire.bodies) < 9_000_000


@pytest.mark.parametrize(("dimension", "points"), [(384, 256), (4_096, 88), (1_000_000, 1)])
def test_the_longer_vectors_are_the_fewer_go_into_a_request(dimension: int, points: int) -> None:
    assert points_a_request(dimension) == points


async def test_of_several_requests_that_fail_one_is_reported(wire: Wire, room: Room) -> None:
    wire.failing = JSONResponse({}, 503)
    with pytest.raises(StoreUnavailableError, match="HTTP 503"):
        await room.add(random_units(2_000, seed=5))


async def test_a_collection_of_an_earlier_layout_has_to_be_built_anew(database: Database) -> None:
    store = QdrantStore()
    room = await make_room(database, store)
    name = f"footnote_{room.index.id}"
    await store._client.delete_collection(name)
    params = models.VectorParams(size=DIMENSION, distance=models.Distance.DOT)
    await store._client.create_collection(name, vectors_config=params)
    for attempt in (room.nearest(unit(1)), room.add([unit(1)])):
        with pytest.raises(IndexMissingError, match=r"an earlier one made it.*footnote reindex"):
            await attempt
    await store.close()


# Words.

_SENTENCES = [
    "badgers dig tunnels below the garden",
    "foxes run through the garden at night, and the garden is theirs",
    "owls fly over the garden at night",
    "moles dig tunnels as badgers do; badgers, badgers, badgers",
    "night falls",
    "the garden is closed on Mondays",
    "tickets cost four euros",
    "children pay two euros for tickets",
]
_QUESTIONS = ["badgers in the garden", "night night garden", "tickets for children", "nothing of that kind"]


async def _by_words(
    corpus: Corpus, question: str, *, scope: Scope = EVERYTHING, filters: Filters = NO_FILTERS
) -> dict[int, float]:
    """What lexical search finds where nothing is small enough to be scanned."""
    policy = Bm25Policy(scan_below=-1)
    async with corpus.database.snapshot() as connection:
        asked = await read_question(
            connection, collection_id=corpus.collection.id, question=question, policy=policy
        )
        found = await best_by_words(
            connection,
            corpus.store,
            corpus.index,
            asked,
            selection=Selection(scope=scope, filters=filters),
            visible=0,
            limit=5,
            policy=policy,
        )
    return dict(found)


async def _scanned(
    corpus: Corpus, question: str, *, scope: Scope = EVERYTHING, filters: Filters = NO_FILTERS
) -> dict[int, float]:
    policy = Bm25Policy()
    async with corpus.database.snapshot() as connection:
        asked = await read_question(
            connection, collection_id=corpus.collection.id, question=question, policy=policy
        )
        selection = Selection(scope=scope, filters=filters)
        return dict(
            await lexical_candidates(
                connection, asked, selection=selection, visible=0, limit=5, policy=policy
            )
        )


@pytest.fixture(params=["local", "wire", SERVER])
async def worded(request: pytest.FixtureRequest, database: Database, wire: Wire) -> AsyncIterator[Corpus]:
    """A few sentences in an index that lists their words."""
    async with serve(wire.app) as url:
        where = {"local": None, "wire": url, "qdrant-server": SERVER_URL}
        store = QdrantStore(url=where[request.param], api_key=SERVER_KEY, words=True)
        corpus = await make_corpus(database, store)
        for number, sentence in enumerate(_SENTENCES):
            readers = ["public"] if number % 2 else ["user:ann"]
            await corpus.add(f"{number % 3}/{number}.txt", sentence, readers=readers)
        yield corpus
        async with database.transaction() as connection:
            await store.drop(corpus.index, connection)
        await store.close()


async def test_candidates_from_qdrant_score_what_a_scan_of_postgres_scores(
    worded: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.word_candidates._LEAST", 1)
    monkeypatch.setattr("retrieval.lexical._by_promise", None)
    for question in _QUESTIONS:
        for scope in (EVERYTHING, Scope.of([])):
            for filters in (NO_FILTERS, Filters(paths=("1/",))):
                expected = await _scanned(worded, question, scope=scope, filters=filters)
                found = await _by_words(worded, question, scope=scope, filters=filters)
                assert [*found.items()] == [*expected.items()], (question, scope, filters)


async def test_the_words_of_a_chunk_are_its_part_of_bm25_without_idf(database: Database) -> None:
    store = QdrantStore(words=True)
    corpus = await make_corpus(database, store)
    await corpus.add("a.txt", "badgers and badgers and moles")
    await corpus.add("b.txt", "the of and")  # words that are left out
    points, _ = await store._client.scroll(f"footnote_{corpus.index.id}", with_vectors=True)
    vectors = [point.vector for point in points]
    assert [{*vector} for vector in vectors if isinstance(vector, dict)] == [{"dense", "words"}, {"dense"}]
    assert isinstance(vectors[0], dict)
    words = vectors[0]["words"]
    assert isinstance(words, models.SparseVector)
    discount = 0.9 * (1 - 0.4 + 0.4 * 3 / 100)
    assert sorted(words.values) == pytest.approx([1.9 / (1 + discount), 2 * 1.9 / (2 + discount)])
    rows = await database.fetch_all(
        "SELECT lexical_base(w) AS base FROM unnest(ARRAY['badger', 'mole']) AS w"
    )
    assert sorted(words.indices) == sorted(row["base"] for row in rows)
    await store.close()


async def test_an_index_keeps_whether_it_lists_words(
    tmp_path: Path, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    store = QdrantStore(path=tmp_path, words=True)
    corpus = await make_corpus(database, store)
    await corpus.add("a.txt", _SENTENCES[0])
    await store.close()
    # Without the wish words are not asked for, and still written: an index that lists some of them would lose the rest.
    store = QdrantStore(path=tmp_path)
    corpus = corpus.into(store)
    await corpus.add("b.txt", _SENTENCES[1])
    plain = await make_corpus(database, store)
    await plain.add("a.txt", _SENTENCES[0])
    assert len(await _by_words(corpus, "garden")) == 2
    await store.close()
    store = QdrantStore(path=tmp_path, words=True)
    monkeypatched = corpus.into(store)
    assert len(await _by_words(monkeypatched, "garden")) == 2
    assert caplog.text == ""
    # An index that was made without words answers from Postgres, and says so once.
    for _ in range(2):
        assert len(await _by_words(plain.into(store), "garden")) == 1
    assert caplog.text.count("was made without words") == 1
    await store.close()


async def test_words_come_from_postgres_where_the_store_lists_none(database: Database) -> None:
    corpus = await make_corpus(database, MemoryStore())
    await corpus.add("a.txt", _SENTENCES[0])
    assert len(await _by_words(corpus, "garden")) == 1


# Folders, and what is refused.


async def test_qdrant_refuses_a_collection_that_another_database_filled(
    tmp_path: Path, database: Database
) -> None:
    store = QdrantStore(path=tmp_path)
    room = await make_room(database, store)
    await room.add([unit(1)])
    async with database.transaction() as connection:
        with pytest.raises(
            ConfigurationError, match=r"already has a collection 'footnote_\d+' \(vectors: 1\)"
        ):
            await store.create(room.index, connection)
        await store.drop(room.index, connection)
        await store.create(replace(room.index, dimension=3), connection)
        with pytest.raises(ConfigurationError, match="does not know of"):
            await store.create(room.index, connection)
    await store.close()


async def test_a_folder_of_qdrant_keeps_its_vectors_and_serves_one_process(
    tmp_path: Path, database: Database
) -> None:
    folder = tmp_path / "a folder" / "qdrant"
    store = QdrantStore(path=folder)
    room = await make_room(database, store)
    document_id, chunk_ids = await room.add([unit(1), unit(0, 1)])
    await room.remove(chunk_ids[1:])
    await room.set_readers(document_id, ["user:ann"])
    opening = (
        "import pathlib, sys; from retrieval.stores.qdrant.store import QdrantStore\n"
        "from retrieval.errors import StoreUnavailableError\n"
        "try: QdrantStore(path=pathlib.Path(sys.argv[1]))\n"
        "except StoreUnavailableError as exc: print(exc)"
    )
    second = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", opening, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert f"Qdrant's folder '{folder}' is in use by another process" in second.stdout
    assert "store.url" in second.stdout
    await store.close()
    reopened = replace(room, store=QdrantStore(path=folder))
    assert await reopened.nearest(unit(1), scope=Scope.of(["user:ann"])) == [(chunk_ids[0], 1.0)]
    assert await reopened.seen() == set()
    await reopened.store.close()


def test_a_folder_that_is_none_of_qdrants_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text("{not json")
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        QdrantStore(path=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        QdrantStore(path=tmp_path / "file")


async def test_a_qdrant_that_cannot_be_reached_is_retryable_and_its_key_is_not_told(
    database: Database,
) -> None:
    store = QdrantStore(url="https://ann:hush@127.0.0.1:1", api_key="sesame")
    with pytest.raises(
        StoreUnavailableError, match=r"Qdrant at https://127.0.0.1:1 cannot be reached"
    ) as caught:
        await make_room(database, store, dimension=7)
    assert caught.value.retryable
    assert "sesame" not in f"{caught.value}{store!r}{caught.value.__cause__}"
    assert "hush" not in str(caught.value)
    assert await database.fetch_all("SELECT id FROM indexes WHERE dimension = 7") == []
    await store.close()


async def test_a_key_that_travels_unencrypted_is_warned_of_without_being_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = QdrantStore(url="http://127.0.0.1:1", api_key="sesame")
    assert "The key for Qdrant at http://127.0.0.1:1 travels unencrypted" in caplog.text
    assert "sesame" not in caplog.text
    await store.close()


@pytest.mark.parametrize(
    ("answer", "expected", "message"),
    [
        (JSONResponse({}, 401), ConfigurationError, "does not accept the key"),
        (JSONResponse({}, 403), ConfigurationError, "does not accept the key"),
        (
            JSONResponse({"status": {"error": "Not found"}}, 404),
            IndexMissingError,
            "no collection 'footnote_1'",
        ),
        (JSONResponse({}, 500), StoreUnavailableError, "HTTP 500"),
        (JSONResponse({}, 429), StoreUnavailableError, "HTTP 429"),
        (
            JSONResponse({"status": {"error": ""}}, 429, {"Retry-After": "7"}),
            StoreUnavailableError,
            "again in 7 s",
        ),
        (HTMLResponse("<h1>Welcome to nginx!</h1>"), StoreUnavailableError, "did not answer as Qdrant does"),
    ],
)
async def test_what_a_qdrant_server_refuses_becomes_an_error_that_says_what_to_do(
    database: Database, answer: Response, expected: type[FootnoteError], message: str
) -> None:
    async def app(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        await Request(scope, receive).body()
        await answer(scope, receive, send)

    async with serve(app) as url:
        store = QdrantStore(url=url)
        async with database.snapshot() as connection:
            with pytest.raises(expected, match=message):
                await store.nearest(
                    _ANY_INDEX,
                    unit(1),
                    limit=1,
                    selection=Selection(scope=EVERYTHING),
                    visible=0,
                    connection=connection,
                )
        await store.close()


@pytest.mark.parametrize("url", ["", "ftp://qdrant", "qdrant:6333", "http://[", "http://host:99999"])
def test_an_address_that_is_none_is_a_clear_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"store\.url .* It looks like http://host:6333"):
        QdrantStore(url=url)
