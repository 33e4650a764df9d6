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
from retrieval.filters import Filters, Selection
from retrieval.records import Scope
from retrieval.stores import Index
from retrieval.stores.qdrant.points import points_a_request
from retrieval.stores.qdrant.store import QdrantStore
from tests.retrieval.corpus import shared_database
from tests.retrieval.qdrant_wire import Wire, serve
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
    """An index at a server."""
    async with serve(wire.app) as url:
        store = QdrantStore(url=url)
        yield await make_room(database, store)
        await store.close()


# What goes over the wire.


async def test_a_collection_has_dense_vectors_with_a_graph(wire: Wire, room: Room) -> None:
    (made,) = wire.created
    assert isinstance(made.vectors, dict)
    assert made.vectors.keys() == {"dense"}
    dense = made.vectors["dense"]
    assert (dense.size, dense.distance) == (DIMENSION, models.Distance.DOT)
    assert dense.hnsw_config == models.HnswConfigDiff(m=16, ef_construct=100)
    assert wire.indexed == [
        ("document_id", models.PayloadSchemaType.UUID),
        ("readers", models.PayloadSchemaType.KEYWORD),
    ]


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
