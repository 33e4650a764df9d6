"""Segments are damaged in every way there is a word for: found, named rightly, mended, and right meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from retrieval import relisting
from retrieval.database import Database, query
from retrieval.filters import Selection
from retrieval.lexical import Bm25Policy, lexical_candidates, read_question
from retrieval.records import Scope
from retrieval.removing import delete_chunks, remove_document
from retrieval.segments import SegmentPolicy, merge_segments
from retrieval.stores.pgvector import PgvectorStore
from tests.retrieval.corpus import make_corpus, shared_database
from tests.retrieval.test_reconciling import CATS, DOGS, OWLS, Ward, make_ward

SMALL = SegmentPolicy(fresh=4, batch=16, fan_in=3, removed=6)
EAGER = SegmentPolicy(fresh=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled(Ward):
    """A ward whose chunks are in a segment, which also has two that have gone; one more chunk is fresh."""

    async def found(self, question: str, policy: Bm25Policy) -> dict[int, float]:
        async with self.database.snapshot() as connection:
            asked = await read_question(
                connection, collection_id=self.corpus.collection.id, question=question, policy=policy
            )
            candidates = await lexical_candidates(
                connection,
                asked,
                selection=Selection(scope=Scope.everything()),
                visible=asked.chunks,
                limit=1_000,
                policy=policy,
            )
        assert len({chunk_id for chunk_id, _ in candidates}) == len(candidates)
        return dict(candidates)


@pytest.fixture(scope="module")
def dsn(postgres_dsn: str) -> Iterator[str]:
    """One database for the module, emptied before each test."""
    with shared_database(postgres_dsn) as shared:
        yield shared


@pytest.fixture
async def settled(database: Database) -> Settled:
    async with database.transaction() as connection:
        cursor = await connection.execute("SELECT relname FROM pg_class WHERE relname ~ '^vectors_[0-9]+$'")
        for row in await cursor.fetchall():
            await connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(row["relname"])))
        await connection.execute("TRUNCATE collections, segments, removed_terms CASCADE")
    ward = await make_ward(database, PgvectorStore())
    lynx = await ward.corpus.add("lynx.txt", "the lynx sleeps", "the lynx hunts at night")
    await merge_segments(database, ward.corpus.collection.id, EAGER)
    await remove_document(database, ward.corpus.store, ward.corpus.index, lynx.document_id)
    await ward.corpus.add("newts.txt", "newts sleep at night")
    return Settled(corpus=ward.corpus, bridge=ward.bridge, cats=ward.cats, owls=ward.owls)


QUESTION = "cats dogs bark owls night sleep lynx newts"
FREQUENCIES = {"bark": 1, "cat": 2, "dog": 1, "newt": 1, "night": 2, "owl": 1, "sleep": 2}

# What is done to the database; what the doctor calls it, and how many. The word "purr" stands in one chunk.
DAMAGES: dict[str, tuple[str, dict[str, int]]] = {
    "a list is lost": ("DELETE FROM segment_terms WHERE lexeme = 'purr'", {"postings_wrong": 1}),
    "all lists are lost": ("DELETE FROM segment_terms", {"postings_wrong": 5}),
    "a posting too many": (
        "UPDATE segment_terms SET postings = postings || 0, frequency = frequency + 1 WHERE lexeme = 'moon'",
        {"postings_wrong": 1},
    ),
    "a posting twice": (
        "UPDATE segment_terms SET postings = postings || postings, frequency = 2 WHERE lexeme = 'moon'",
        {"postings_wrong": 1},
    ),
    "a posting of no member": (
        (
            "UPDATE segment_terms SET postings = postings || 20000000, frequency = frequency + 1"
            " WHERE lexeme = 'moon'"
        ),
        {"postings_wrong": 1},
    ),
    "two chunks have each other's words": (
        (
            "UPDATE segment_terms AS t SET postings = o.postings FROM segment_terms AS o"
            " WHERE (t.lexeme, o.lexeme) IN (('moon', 'purr'), ('purr', 'moon'))"
        ),
        {"postings_wrong": 2},
    ),
    "a word is another": (
        "UPDATE segment_terms SET lexeme = 'miaow' WHERE lexeme = 'purr'",
        {"postings_wrong": 1},
    ),
    "a wrong frequency": (
        "UPDATE segment_terms SET frequency = 7 WHERE lexeme = 'purr'",
        {"segment_wrong": 1},
    ),
    "a list that does not begin": (
        "UPDATE segment_terms SET block = 1 WHERE lexeme = 'purr'",
        {"segment_wrong": 1},
    ),
    "what weighs most is not first": (
        (
            "UPDATE segment_terms SET postings = ARRAY[postings[1] & 33554431, (postings[2] & 33554431) | (63 << 25)]"
            " WHERE lexeme = 'night'"
        ),
        {"postings_unsorted": 1},
    ),
    "a wrong total of lengths": (
        "UPDATE segments SET total_length = total_length + 1",
        {"segment_wrong": 1},
    ),
    "a wrong maximum": ("UPDATE segments SET max_length = max_length + 1", {"segment_wrong": 1}),
    "a wrong number of chunks": ("UPDATE segments SET chunk_count = 9", {"segment_wrong": 1}),
    "members out of order": (
        "UPDATE segments SET members = ARRAY(SELECT m FROM unnest(members) AS m ORDER BY m DESC)",
        {"segment_wrong": 1},
    ),
    "a member is forgotten": (
        "UPDATE segments SET members = array_remove(members, ({dogs} - first_chunk)::integer)",
        {"chunk_unlisted": 1, "postings_wrong": 1, "segment_wrong": 1},
    ),
    "a segment is lost": (
        "DELETE FROM segments",
        {"chunk_unlisted": 3, "removed_extra": 2, "segment_without_collection": 1},
    ),
    "a chunk is fresh, too": (
        (
            "INSERT INTO fresh_terms SELECT t.chunk_id, t.collection_id, t.length, v.words FROM chunk_terms AS t,"
            " LATERAL (SELECT lexical_vector('english', E'Cats\\nA\\n' || c.text) AS words FROM chunks AS c"
            "          WHERE c.id = t.chunk_id) AS v WHERE t.chunk_id = {dogs}"
        ),
        {"chunk_listed_twice": 1},
    ),
    "two segments have a chunk": (
        (
            "INSERT INTO segments (collection_id, first_chunk, chunk_count, total_length, max_length, members)"
            " SELECT collection_id, chunk_id, 1, length, length, '{{0}}' FROM chunk_terms WHERE chunk_id = {dogs}"
        ),
        {"chunk_listed_twice": 1, "postings_wrong": 1},
    ),
    "a segment is in another collection": (
        "UPDATE segments SET collection_id = 4711",
        {"chunk_unlisted": 3, "removed_extra": 2, "segment_without_collection": 1},
    ),
    "what has gone is not counted out": ("DELETE FROM removed_terms", {"removed_missing": 2}),
    "what has gone had another length": (
        "UPDATE removed_terms SET length = length + 1",
        {"segment_wrong": 1},
    ),
    "what has gone had other words": (
        "UPDATE removed_terms SET terms = '{{}}/1000000000'",
        {"postings_wrong": 2},
    ),
    "a chunk that is there is counted out": (
        (
            "INSERT INTO removed_terms SELECT chunk_id, collection_id, length, terms FROM chunk_terms"
            " WHERE chunk_id = {dogs}"
        ),
        {"removed_extra": 1},
    ),
    "a forward list is lost": ("DELETE FROM chunk_terms WHERE chunk_id = {dogs}", {"words_missing": 1}),
    "a forward list is of other words": (
        "UPDATE chunk_terms SET checksum = 1 WHERE chunk_id = {dogs}",
        {"postings_wrong": 1},
    ),
    "a forward list is empty": (
        "UPDATE chunk_terms SET terms = '{{}}/1000000000' WHERE chunk_id = {dogs}",
        {"words_miscounted": 1},
    ),
    "a forward list is another document's": (
        "UPDATE chunk_terms SET document_id = %(owls)s WHERE chunk_id = {dogs}",
        {"words_misfiled": 1},
    ),
    "a length is wrong": (
        "UPDATE chunk_terms SET length = length + 1 WHERE chunk_id = {dogs}",
        {"segment_wrong": 1},
    ),
    "everything is lost": (
        "DELETE FROM chunk_terms",
        {"words_missing": 4},
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
async def test_damage_is_found_by_its_name_mended_and_found_no_more(settled: Settled, name: str) -> None:
    assert await settled.findings("deep") == ()
    assert await settled.frequencies(QUESTION) == FREQUENCIES
    statement, expected = DAMAGES[name]
    await settled.damage(statement.format(dogs=await settled.chunk(DOGS)))
    findings = await settled.findings()
    assert {finding.kind: finding.count for finding in findings} == expected
    assert all(0 < len(finding.examples) <= 5 for finding in findings)
    assert await settled.kinds("quick") == {k: n for k, n in expected.items() if k != "postings_unsorted"}
    await settled.mend()
    assert (await settled.findings("deep"), await settled.marked()) == ((), set())
    assert await settled.frequencies(QUESTION) == FREQUENCIES
    await merge_segments(settled.database, settled.corpus.collection.id, EAGER)
    assert await settled.findings("deep") == ()
    assert await settled.frequencies(QUESTION) == FREQUENCIES


async def test_a_chunk_that_is_lost_leaves_no_word_behind(settled: Settled) -> None:
    await settled.damage("DELETE FROM chunks WHERE text = %(text)s", text=OWLS)
    assert await settled.kinds() == {
        "place_without_chunk": 1,
        "vector_without_chunk": 1,
        "words_without_chunk": 1,
        "removed_missing": 1,
    }
    await settled.mend()
    await settled.corpus.add("birds/owls.txt", OWLS)
    assert await settled.findings("deep") == ()
    assert await settled.frequencies(QUESTION) == FREQUENCIES


async def test_chunks_that_mending_deletes_are_counted_out_of_their_segment(settled: Settled) -> None:
    await settled.damage(
        "UPDATE chunk_places SET char_start = char_start + 1 WHERE document_id = %(owls)s",
    )
    await settled.mend()
    assert await settled.kinds() == {"document_without_chunks": 1}
    assert await settled.frequencies(QUESTION) == {
        word: 1 if word == "night" else n for word, n in FREQUENCIES.items() if word != "owl"
    }
    await settled.corpus.add("birds/owls.txt", OWLS)
    assert await settled.findings("deep") == ()


async def test_a_deep_look_finds_other_words_also_where_forward_list_and_segment_agree(
    settled: Settled,
) -> None:
    await settled.damage("UPDATE segment_terms SET lexeme = 'sun' WHERE lexeme = 'moon'")
    await settled.damage(
        "UPDATE chunk_terms SET terms = lexical_terms(w.words), checksum = lexical_checksum(w.words)"
        " FROM (SELECT lexical_vector('english', E'Cats\nA\ndogs bark at the sun') AS words) AS w"
        " WHERE chunk_id = %(dogs)s",
        dogs=await settled.chunk(DOGS),
    )
    assert await settled.kinds() == {}
    assert await settled.kinds("deep") == {"words_wrong": 1}
    await settled.mend(deep=True)
    assert await settled.findings("deep") == ()
    assert await settled.frequencies("moon sun") == {"moon": 1}


OF_BOBA = "segment_id = (SELECT id FROM segments WHERE collection_id = %(id)s) AND lexeme = 'boba'"


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (f"UPDATE segment_terms SET frequency = 1 WHERE {OF_BOBA} AND block = 1", {"segment_wrong"}),
        (f"UPDATE segment_terms SET block = 7 WHERE {OF_BOBA} AND block = 2", {"segment_wrong"}),
        (f"DELETE FROM segment_terms WHERE {OF_BOBA} AND block = 2", {"segment_wrong", "postings_wrong"}),
        (f"DELETE FROM segment_terms WHERE {OF_BOBA} AND block = 0", {"segment_wrong", "postings_wrong"}),
        (
            f"UPDATE segment_terms SET postings = postings || 0 WHERE {OF_BOBA} AND block = 2",
            {"segment_wrong", "postings_wrong"},
        ),
        (
            (
                "UPDATE segment_terms SET postings = ARRAY(SELECT p | (63 << 25) FROM unnest(postings) AS p)"
                f" WHERE {OF_BOBA} AND block = 1"
            ),
            {"postings_unsorted"},
        ),
    ],
)
async def test_lists_are_checked_block_by_block(settled: Settled, damage: str, expected: set[str]) -> None:
    corpus = await make_corpus(settled.database, PgvectorStore(), language="simple")
    await corpus.add("a.txt", *(f"boba {'filler ' * (n % 40)} x{n}" for n in range(1_300)))
    await merge_segments(settled.database, corpus.collection.id, EAGER)
    ward = replace(settled, corpus=corpus)
    assert await ward.findings() == ()
    await ward.damage(damage, id=corpus.collection.id)
    assert {*await ward.kinds()} == expected
    await ward.mend()
    assert await ward.findings() == ()
    assert await ward.frequencies("boba x7") == {"boba": 1_300, "x7": 1}


async def test_nothing_is_wrong_after_merges_removals_and_merges_again(settled: Settled) -> None:
    corpus, chance = settled.corpus, random.Random(5)
    there: dict[str, UUID] = {}
    for step in range(30):
        path = f"{chance.randrange(15)}.txt"
        if chance.random() < 0.4 and path in there:
            await remove_document(corpus.database, corpus.store, corpus.index, there.pop(path))
        else:
            texts = [
                " ".join(chance.choices(["night", "moon", "the", "C++"], k=9)) + f" {path} {step} {i}"
                for i in range(3)
            ]
            there[path] = (await corpus.add(path, *texts)).document_id
        await merge_segments(corpus.database, corpus.collection.id, SMALL)
        assert await settled.findings("deep" if step % 10 == 0 else "usual") == ()
    rows = await corpus.database.fetch_all("SELECT id FROM segments")
    assert len(rows) > 1
    assert await settled.findings("deep") == ()


async def test_a_segment_of_which_a_document_is_at_work_is_given_up_later(
    settled: Settled, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relisting, "_PUBLISHER_PATIENCE_S", 0.3)
    await settled.damage(DAMAGES["a list is lost"][0])
    async with await psycopg.AsyncConnection.connect(dsn) as other:
        await other.execute("SELECT FROM documents WHERE id = %s FOR UPDATE", [settled.owls])
        await asyncio.wait_for(settled.mend(), 10)
    assert await settled.kinds() == {"postings_wrong": 1}
    await settled.mend()
    assert await settled.findings("deep") == ()


async def test_a_chunk_that_is_being_removed_does_not_come_back(settled: Settled) -> None:
    await settled.damage(DAMAGES["a list is lost"][0])
    async with settled.database.transaction() as connection:
        await connection.execute("SELECT FROM documents WHERE id = %s FOR UPDATE", [settled.owls])
        await delete_chunks(connection, [await settled.chunk(OWLS)])
        mending = asyncio.create_task(settled.mend())
        await asyncio.sleep(0.5)
        assert not mending.done()
        document = {"document_id": settled.owls}
        await connection.execute(query("removing.supersede_revision"), document)
        await connection.execute(query("removing.mark_removed"), document)
    await asyncio.wait_for(mending, 10)
    assert await settled.findings("deep") == ()
    assert await settled.frequencies("owls night") == {"night": 1}


async def test_a_merger_at_work_is_waited_for(settled: Settled, dsn: str) -> None:
    await settled.damage(DAMAGES["a list is lost"][0])
    async with await psycopg.AsyncConnection.connect(dsn) as other:
        await other.execute("SELECT pg_advisory_xact_lock(718281828, %s)", [settled.corpus.collection.id])
        mending = asyncio.create_task(settled.mend())
        await asyncio.sleep(0.5)
        assert not mending.done()
    await asyncio.wait_for(mending, 10)
    assert await settled.findings("deep") == ()


async def test_searches_are_right_while_segments_are_given_up_others_publish_and_others_merge(
    settled: Settled,
) -> None:
    corpus, done = settled.corpus, asyncio.Event()

    async def publish(number: int) -> None:
        turn = 0
        while not done.is_set():
            made = await corpus.add(f"{number}.txt", *(f"stoat {number} {turn} {i}" for i in range(3)))
            if turn % 3 == 2:
                await remove_document(corpus.database, corpus.store, corpus.index, made.document_id)
            turn += 1

    async def merge() -> None:
        while not done.is_set():
            await merge_segments(corpus.database, corpus.collection.id, SMALL)

    async def search() -> None:
        steady = {await settled.chunk(text) for text in (CATS, DOGS, OWLS)}
        while not done.is_set():
            found = await settled.found("cats dogs owls", Bm25Policy(scan_below=0))
            assert {*found} == steady
            assert await settled.frequencies("bark purr") == {"bark": 1, "purr": 1}

    async def mend() -> None:
        try:
            for _ in range(8):
                # Wrong, and of no consequence to a search.
                await corpus.database.execute("UPDATE segments SET max_length = max_length + 1")
                await settled.mend()
        finally:
            done.set()

    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(publish(number))
        group.create_task(merge())
        group.create_task(search())
        await mend()
    await settled.mend()
    assert await settled.findings("deep") == ()
    scanned = await settled.found("stoat cats night", Bm25Policy())
    assert await settled.found("stoat cats night", Bm25Policy(scan_below=0)) == scanned
