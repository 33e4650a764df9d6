"""One contract for every vector store, and what each of them promises beyond it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest

from retrieval.database import Database
from retrieval.errors import ExtraMissingError, IndexMismatchError, IndexMissingError, StoreUnavailableError
from retrieval.filters import Filters
from retrieval.indexes import ensure_index
from retrieval.records import Scope
from retrieval.search import Searcher, SearchPolicy
from retrieval.stores import Index, StoreSpec, VectorStore, load_store
from retrieval.stores.memory import MemoryStore
from retrieval.stores.pgvector import PgvectorStore
from retrieval.stores.qdrant.store import QdrantStore
from tests.retrieval.corpus import QueryBagOfWords, make_corpus, shared_database
from tests.retrieval.qdrant_wire import SERVER, SERVER_KEY, SERVER_URL, Wire, serve
from tests.retrieval.room import DIMENSION, EVERYTHING, About, Room, make_room, random_units, unit

_STORES = [
    "memory",
    "pgvector",
    "qdrant",
    "qdrant-words",
    "qdrant-wire",
    SERVER,
]


@pytest.fixture(scope="module")
def dsn(postgres_dsn: str) -> Iterator[str]:
    """One database for the whole contract, in which every test has collections of its own: most of the time saved."""
    with shared_database(postgres_dsn) as shared:
        yield shared


@pytest.fixture(params=_STORES)
async def store(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[VectorStore]:
    match request.param:
        case "memory":
            yield MemoryStore()
        case "pgvector":
            yield PgvectorStore()
        case "qdrant" | "qdrant-words":
            local = QdrantStore(words=request.param == "qdrant-words")
            yield local
            await local.close()
        case "qdrant-wire":
            async with serve(Wire().app) as url:
                wired = QdrantStore(url=url)
                yield wired
                await wired.close()
        case "qdrant-server":
            remote = QdrantStore(url=SERVER_URL, api_key=SERVER_KEY, words=True)
            yield remote
            await _drop_all(database, remote)
            await remote.close()


async def _drop_all(database: Database, store: VectorStore) -> None:
    """Leave nothing behind on a server that other runs, whose databases count from 1 again, use too."""
    async with database.transaction() as connection:
        cursor = await connection.execute("SELECT id FROM indexes WHERE store = 'qdrant'")
        for row in await cursor.fetchall():
            await store.drop(replace(_ANY_INDEX, id=row["id"]), connection)


_ANY_INDEX = Index(id=1, collection_id=1, store="qdrant", embedder_hash="", embedder="", dimension=DIMENSION)


@pytest.fixture
async def room(database: Database, store: VectorStore) -> Room:
    return await make_room(database, store)


async def test_the_nearest_come_best_first_with_their_cosines(room: Room) -> None:
    _, (far, near, middle) = await room.add([unit(0, 1), unit(1), unit(1, 1)])
    found = await room.nearest(unit(1))
    assert [chunk_id for chunk_id, _ in found] == [near, middle, far]
    assert [cosine for _, cosine in found] == pytest.approx([1, 2**-0.5, 0], abs=1e-3)
    assert all(isinstance(cosine, float) for _, cosine in found)


async def test_every_store_agrees_with_the_oracle_on_random_vectors(room: Room) -> None:
    oracle = replace(room, store=MemoryStore())
    groups = [("public",), ("user:ann",), ("user:ann", "group:hr"), ("group:hr",)]
    vectors = random_units(400, seed=1)
    async with room.database.transaction() as connection:
        await oracle.store.create(room.index, connection)
        for number, readers in enumerate(groups):
            part = vectors[number * 100 : (number + 1) * 100]
            document_id, chunk_ids = await room.rows(connection, len(part), About(readers=readers))
            for store in (room.store, oracle.store):
                await store.write(
                    room.index,
                    chunk_ids,
                    part,
                    document_id=document_id,
                    readers=readers,
                    connection=connection,
                )
    for scope in (EVERYTHING, Scope.of([]), Scope.of(["user:ann"]), Scope.of(["group:hr", "user:bob"])):
        for question in random_units(5, seed=2):
            true = dict(await oracle.nearest(question, limit=1_000, scope=scope))
            found = await room.nearest(question, limit=25, scope=scope)
            best = await oracle.nearest(question, limit=25, scope=scope)
            assert len(found) == 25
            assert [c for _, c in found] == pytest.approx([c for _, c in best], abs=1e-3)
            assert [c for _, c in found] == pytest.approx([true[i] for i, _ in found], abs=1e-3)
            chosen = [i for i, _ in best]
            assert await room.cosines(question, chosen) == pytest.approx(
                {i: true[i] for i in chosen}, abs=1e-3
            )


async def test_chunks_of_equal_cosine_come_in_the_order_of_their_ids_also_at_the_cut(room: Room) -> None:
    same, lower = unit(1, 1, 1, 1), unit(0, 1, 1, 1, 1)
    vectors = [same if i % 3 else lower for i in range(60)]
    _, chunk_ids = await room.add(vectors)
    equal = [chunk_id for i, chunk_id in enumerate(chunk_ids) if i % 3]
    for limit in (1, 7, 39, 40):
        assert [i for i, _ in await room.nearest(unit(1), limit=limit)] == equal[:limit]
    assert {i for i, _ in await room.nearest(unit(1), limit=41)} - set(equal) == {chunk_ids[0]}


async def test_nearest_returns_what_there_is_where_that_is_fewer_than_the_limit(room: Room) -> None:
    _, chunk_ids = await room.add(random_units(3, seed=3))
    assert {i for i, _ in await room.nearest(unit(1), limit=500)} == set(chunk_ids)


async def test_a_caller_finds_only_what_its_principals_may_read(room: Room) -> None:
    _, public = await room.add([unit(1)], readers=["public"])
    _, of_ann = await room.add([unit(1)], readers=["user:ann"])
    _, of_hr = await room.add([unit(1)], readers=["group:hr", "user:ann"])
    _, of_nobody = await room.add([unit(1)], readers=[])
    assert await room.seen() == {*public}
    assert await room.seen("user:ann") == {*public, *of_ann, *of_hr}
    assert await room.seen("group:hr", "user:bob") == {*public, *of_hr}
    assert await room.seen("user:an", "user:ann ", "%", "user:ANN") == {*public}
    assert await room.nearest(unit(1), scope=Scope(principals=frozenset())) == []
    assert {i for i, _ in await room.nearest(unit(1))} == {*public, *of_ann, *of_hr, *of_nobody}


async def test_new_readers_count_at_once_and_for_their_document_alone(room: Room) -> None:
    document_id, chunk_ids = await room.add([unit(1), unit(0, 1)], readers=["user:ann"])
    _, other = await room.add([unit(1)], readers=["user:ann"])
    await room.set_readers(document_id, ["group:hr"])
    assert await room.seen("user:ann") == {*other}
    assert await room.seen("group:hr") == {*chunk_ids}
    await room.set_readers(document_id, ["public"])
    assert await room.seen() == {*chunk_ids}


_FILTERS = [
    Filters(paths=("hr/*",)),
    Filters(paths=("*.md", "hr/?.txt")),
    Filters(media_types=("text/*",)),
    Filters(media_types=("application/pdf",), metadata={"team": "blue"}),
    Filters(modified_from=datetime(1970, 1, 1, 0, 0, 4, tzinfo=UTC)),
    Filters(modified_before=datetime(1970, 1, 1, 0, 0, 4, tzinfo=UTC), metadata={"team": "red"}),
    Filters(paths=("nowhere/*",)),
]


def _varied(number: int) -> About:
    """Documents that differ in all that filters read."""
    return About(
        path=f"{('hr', 'it', 'lab')[number % 3]}/{number}.{('md', 'txt')[number % 2]}",
        media_type=("text/markdown", "text/plain", "application/pdf")[number % 3],
        mtime_ns=number * 500_000_000,
        metadata={"team": ("red", "blue")[number // 2 % 2]},
        readers=(("public",), ("user:ann",), ("group:hr", "user:ann"))[number // 3 % 3],
    )


@pytest.mark.parametrize("visible", [0, 50_000])
async def test_every_store_finds_under_filters_what_the_oracle_finds(room: Room, visible: int) -> None:
    oracle = replace(room, store=MemoryStore())
    vectors = random_units(240, seed=8)
    async with room.database.transaction() as connection:
        await oracle.store.create(room.index, connection)
        for number in range(24):
            part = vectors[number * 10 : number * 10 + 10]
            about = _varied(number)
            document_id, chunk_ids = await room.rows(connection, len(part), about)
            for store in (room.store, oracle.store):
                await store.write(
                    room.index,
                    chunk_ids,
                    part,
                    document_id=document_id,
                    readers=about.readers,
                    connection=connection,
                )
    question = random_units(1, seed=9)[0]
    sizes = []
    for filters in _FILTERS:
        for scope in (EVERYTHING, Scope.of([]), Scope.of(["group:hr"])):
            for limit in (3, 500):
                best = await oracle.nearest(question, limit=limit, scope=scope, filters=filters)
                found = await room.nearest(
                    question, limit=limit, scope=scope, filters=filters, visible=visible
                )
                if limit == 500:
                    assert dict(found) == pytest.approx(dict(best), abs=1e-3), (filters, scope)
                    sizes.append(len(found))
                assert [c for _, c in found] == pytest.approx([c for _, c in best], abs=1e-3), (
                    filters,
                    scope,
                )
    assert min(sizes) == 0 < max(sizes) < 240


async def test_what_changes_of_a_document_in_postgres_counts_at_once(room: Room) -> None:
    document_id, moved = await room.add([unit(1)], about=About(path="it/a.md", metadata={"team": "red"}))
    _, other = await room.add([unit(0, 1)], about=About(path="hr/b.md", metadata={"team": "blue"}))
    in_hr, of_blue = Filters(paths=("hr/",)), Filters(metadata={"team": "blue"})
    assert [i for i, _ in await room.nearest(unit(1), filters=in_hr)] == other
    await room.database.execute(
        "UPDATE documents SET path = 'hr/a.md', metadata = '{\"team\": \"blue\"}' WHERE id = %(id)s",
        {"id": document_id},
    )
    for filters in (in_hr, of_blue, Filters(paths=("hr/*.md",), metadata={"team": "blue"})):
        assert [i for i, _ in await room.nearest(unit(1), filters=filters)] == [*moved, *other]
    assert await room.nearest(unit(1), filters=Filters(paths=("it/",))) == []


async def test_a_copy_of_readers_that_names_too_many_shows_nothing_and_hides_nothing(room: Room) -> None:
    document_id, hidden = await room.add(random_units(30, seed=10), readers=["user:ann"])
    _, shown = await room.add([unit(-1, 0.01 * i) for i in range(10)])
    await room.store.set_readers(room.index, document_id, ["public", "user:ann"])
    assert {i for i, _ in await room.nearest(unit(1), limit=10, scope=Scope.of([]))} == {*shown}
    assert len(await room.nearest(unit(1), limit=50, scope=Scope.of(["user:ann"]))) == len(hidden + shown)


async def test_vectors_of_chunks_that_are_gone_do_not_take_the_place_of_others(room: Room) -> None:
    _, gone = await room.add([unit(1)] * 30)
    _, kept = await room.add([unit(1, 1), unit(0, 1)])
    # Rows alone, as after a commit that the store has not heard of yet.
    await room.database.execute("DELETE FROM chunks WHERE id = ANY(%(ids)s)", {"ids": gone})
    for visible in (0, 50_000):
        assert [i for i, _ in await room.nearest(unit(1), limit=2, visible=visible)] == kept


async def test_cosines_leave_out_chunks_that_the_store_does_not_hold(room: Room) -> None:
    _, (first, second) = await room.add([unit(1), unit(1, 1)], readers=["user:ann"])
    unknown = second + 1_000
    assert await room.cosines(unit(1), [unknown, second, first]) == pytest.approx(
        {first: 1, second: 2**-0.5}, abs=1e-3
    )
    assert await room.cosines(unit(1), [unknown]) == {}
    assert await room.cosines(unit(1), []) == {}


async def test_a_forgotten_chunk_is_gone_and_the_others_stay(room: Room) -> None:
    _, (first, second, third) = await room.add([unit(1), unit(1, 1), unit(0, 1)])
    await room.remove([first, third])
    assert [i for i, _ in await room.nearest(unit(1))] == [second]
    assert (await room.cosines(unit(1), [first, second, third])).keys() == {second}
    assert await room.count() == 1
    await room.remove([first, third, third + 1_000])
    await room.remove([])
    assert await room.count() == 1


async def test_holdings_come_in_the_order_of_their_ids_page_by_page(room: Room) -> None:
    _, first = await room.add(random_units(300, seed=6))
    _, second = await room.add(random_units(50, seed=7))
    pages, after = [], 0
    while page := [held.chunk_id for held in await room.holdings(after=after, limit=120)]:
        pages.append(page)
        after = page[-1]
    assert [len(page) for page in pages] == [120, 120, 110]
    assert [i for page in pages for i in page] == [*first, *second]


async def test_holdings_tell_lengths_and_what_the_store_copied_of_postgres(room: Room) -> None:
    document_id, (whole, half) = await room.add(
        [unit(1), unit(1) * np.float32(0.5)], readers=["user:ann", "group:hr"]
    )
    held = {vector.chunk_id: vector for vector in await room.holdings()}
    assert [held[i].norm for i in (whole, half)] == pytest.approx([1, 0.5], abs=1e-3)
    for vector in held.values():
        assert vector.document_id in {None, document_id}
        assert vector.readers in {None, frozenset({"user:ann", "group:hr"})}
    assert [vector.chunk_id for vector in await room.holdings(measured=False)] == [whole, half]


async def test_vectors_come_back_as_they_were_written(room: Room) -> None:
    written = random_units(3, seed=11)
    _, chunk_ids = await room.add(written)
    async with room.database.snapshot() as connection:
        held = await room.store.vectors(room.index, [*chunk_ids[:2], chunk_ids[2] + 1_000], connection)
        assert await room.store.vectors(room.index, [], connection) == {}
    assert held.keys() == {*chunk_ids[:2]}
    for chunk_id, vector in zip(chunk_ids[:2], written, strict=False):
        assert held[chunk_id].dtype == np.float32
        assert held[chunk_id] == pytest.approx(vector, abs=1e-3)


async def test_discarded_vectors_are_gone_also_while_their_chunks_stay(room: Room) -> None:
    _, (first, second, third) = await room.add([unit(1), unit(1, 1), unit(0, 1)])
    async with room.database.transaction() as connection:
        await room.store.discard(room.index, [first, third, third + 1_000], connection)
        await room.store.discard(room.index, [], connection)
    assert [held.chunk_id for held in await room.holdings()] == [second]


async def test_a_store_that_has_lost_an_index_says_so_and_ends_no_transaction(room: Room) -> None:
    await room.add([unit(1)])
    async with room.database.transaction() as connection:
        await room.store.drop(room.index, connection)
    async with room.database.snapshot() as connection:
        with pytest.raises(IndexMissingError, match="footnote reindex"):
            await room.store.holdings(room.index, after=0, limit=1, measured=True, connection=connection)
        with pytest.raises(IndexMissingError, match="footnote reindex"):
            await room.store.vectors(room.index, [1], connection)
        await connection.execute("SELECT 1")
    with pytest.raises(IndexMissingError, match="footnote reindex"):
        await room.nearest(unit(1))
    with pytest.raises(IndexMissingError, match="footnote reindex"):
        await room.cosines(unit(1), [1])


async def test_an_empty_index_finds_nothing(room: Room) -> None:
    assert await room.nearest(unit(1)) == []
    assert await room.nearest(unit(1), scope=Scope.of(["user:ann"])) == []
    assert await room.cosines(unit(1), [1, 2, 3]) == {}
    assert await room.count() == 0
    assert await room.holdings() == []


async def test_chunks_are_compared_with_a_chunk_as_with_its_vector(room: Room) -> None:
    vectors = random_units(5, seed=9)
    _, chunk_ids = await room.add(vectors)
    async with room.database.snapshot() as connection:
        likeness = await room.store.likeness(
            room.index, chunk_ids[2], [*chunk_ids[:4], 999_999], connection=connection
        )
        unknown = await room.store.likeness(room.index, 999_999, chunk_ids, connection=connection)
    assert likeness == pytest.approx(
        dict(zip(chunk_ids[:4], vectors[:4] @ vectors[2], strict=True)), abs=2e-3
    )
    assert unknown == {}


async def test_an_index_may_be_created_twice_and_dropped_twice(room: Room) -> None:
    for _ in range(2):
        async with room.database.transaction() as connection:
            await room.store.create(room.index, connection)
    await room.add([unit(1)])
    assert await room.count() == 1
    for _ in range(2):
        async with room.database.transaction() as connection:
            await room.store.drop(room.index, connection)
    async with room.database.transaction() as connection:
        await room.store.create(room.index, connection)
    assert await room.count() == 0


async def test_two_indexes_know_nothing_of_each_other(room: Room) -> None:
    other = await make_room(room.database, room.store, dimension=4)
    _, here = await room.add([unit(1)])
    _, there = await other.add([unit(1, dimension=4), unit(0, 1, dimension=4)])
    assert [i for i, _ in await room.nearest(unit(1))] == here
    assert [i for i, _ in await other.nearest(unit(1, dimension=4))] == there
    assert await other.cosines(unit(1, dimension=4), here) == {}
    async with room.database.transaction() as connection:
        await room.store.drop(room.index, connection)
    assert await other.count() == 2


async def test_more_vectors_than_fit_one_request_all_arrive(room: Room) -> None:
    vectors = random_units(600, seed=4)
    _, chunk_ids = await room.add(vectors)
    assert await room.count() == 600
    for place in (0, 255, 256, 599):
        ((best, cosine),) = await room.nearest(vectors[place], limit=1)
        assert best == chunk_ids[place]
        assert cosine == pytest.approx(1, abs=1e-3)


async def test_long_vectors_are_kept_too(database: Database, store: VectorStore) -> None:
    room = await make_room(database, store, dimension=4_096)
    vectors = random_units(3, seed=5, dimension=4_096)
    _, chunk_ids = await room.add(vectors)
    assert [i for i, _ in await room.nearest(vectors[1], limit=1)] == [chunk_ids[1]]


async def test_vectors_of_another_dimension_are_refused_with_a_message_that_says_so(room: Room) -> None:
    wrong = unit(1, dimension=DIMENSION + 1)
    with pytest.raises(
        IndexMismatchError, match=r"index \d+ holds vectors of 16 dimensions.*have 17.*footnote reindex"
    ):
        await room.add([wrong])
    with pytest.raises(IndexMismatchError):
        await room.nearest(wrong)
    with pytest.raises(IndexMismatchError):
        await room.cosines(wrong, [1])
    assert await room.count() == 0


# What holds for single stores.


async def test_vectors_in_postgres_go_with_the_transaction_that_wrote_them(database: Database) -> None:
    room = await make_room(database, PgvectorStore())

    class Broken(PgvectorStore):
        async def write(self, *args: object, **kwargs: object) -> None:
            await super().write(*args, **kwargs)  # type: ignore[arg-type]
            raise StoreUnavailableError("broken on purpose")

    with pytest.raises(StoreUnavailableError):
        await replace(room, store=Broken()).add([unit(1)])
    assert await room.count() == 0
    chunks = await database.fetch_all(
        "SELECT id FROM chunks WHERE collection_id = %(id)s", {"id": room.index.collection_id}
    )
    assert chunks == []


@pytest.mark.parametrize("kind", ["qdrant", "memory"])
async def test_what_a_rolled_back_transaction_left_in_another_store_is_never_found(
    database: Database, kind: str
) -> None:
    store = load_store(StoreSpec(kind="qdrant" if kind == "qdrant" else "memory"))
    corpus = await make_corpus(database, store)
    words = "badgers dig long tunnels below the garden"
    draft = corpus.draft("burrow.txt", [words])
    for _ in range(5):
        async with database.transaction() as connection:
            # Chunk ids as the transaction would have given them; its rows are never committed.
            row = await (await connection.execute("SELECT nextval('chunks_id_seq') AS id")).fetchone()
            assert row is not None
            await store.write(
                corpus.index,
                [row["id"]],
                corpus.embedder.embed_documents([words]),
                document_id=UUID(int=7),
                readers=["public"],
                connection=connection,
            )
    published = await corpus.publish(draft)
    async with database.snapshot() as connection:
        assert await store.count(corpus.index, connection) == 6
    searcher = Searcher(
        database=database,
        store=store,
        embedder=corpus.embedder,
        query_embedder=QueryBagOfWords(corpus.embedder),
        reranker=None,
        policy=SearchPolicy(),
    )
    for question in (words, "something else entirely"):
        for k in (1, 10):
            hits = await searcher.search(corpus.collection, question, k=k, scope=EVERYTHING)
            assert [hit.passage.document_id for hit in hits] == [published.document_id], (question, k)
    await store.close()


@pytest.mark.parametrize("kind", ["qdrant", "memory"])
async def test_a_store_that_lost_an_index_says_so_instead_of_finding_nothing(
    database: Database, kind: str
) -> None:
    before = load_store(StoreSpec(kind="qdrant" if kind == "qdrant" else "memory"))
    room = await make_room(database, before)
    await before.close()
    after = load_store(StoreSpec(kind="qdrant" if kind == "qdrant" else "memory"))
    again = await ensure_index(database, room.corpus.collection, room.corpus.embedder.identity, after)
    lost = replace(room, store=after, index=again)
    with pytest.raises(IndexMissingError, match=r"index \d+.*footnote reindex"):
        await lost.nearest(unit(1))
    for attempt in (lost.add([unit(1)]), lost.cosines(unit(1), [1]), lost.count(), after.forget(again, [1])):
        with pytest.raises(IndexMissingError):
            await attempt
    await after.close()


def test_a_missing_client_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("retrieval.stores.qdrant.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "qdrant_client", None)
    with pytest.raises(ExtraMissingError, match=r"footnote-service\[qdrant\]"):
        load_store(StoreSpec(kind="qdrant"))


def test_a_store_specification_does_not_show_its_key() -> None:
    assert "sesame" not in repr(StoreSpec(kind="qdrant", url="http://qdrant", api_key="sesame"))
