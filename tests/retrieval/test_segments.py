"""Segments: what lexical search finds does not depend on how its index is cut, nor on what comes and goes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.database import Database
from retrieval.filters import Selection
from retrieval.lexical import Bm25Policy, Word, lexical_candidates, quotas, read_question
from retrieval.records import Scope
from retrieval.removing import remove_document
from retrieval.segments import Segment, SegmentPolicy, merge_segments, plan_merge
from retrieval.stores.pgvector import PgvectorStore
from tests.retrieval.corpus import Corpus, make_corpus, shared_database

SMALL = SegmentPolicy(fresh=4, batch=16, fan_in=3, removed=6)
BY_SEGMENTS = Bm25Policy(scan_below=0)
SCANNED = Bm25Policy()
WORDS = [
    first + second
    for first in ("bo", "da", "fu", "ga", "ki", "lo")
    for second in ("ba", "de", "ri", "tu", "zo")
]


@pytest.fixture(scope="module")
def dsn(postgres_dsn: str) -> Iterator[str]:
    """One database for the module; every test has a collection of its own."""
    with shared_database(postgres_dsn) as shared:
        yield shared


async def found(
    corpus: Corpus, question: str, *, policy: Bm25Policy, scope: Scope | None = None
) -> list[tuple[int, float]]:
    async with corpus.database.snapshot() as connection:
        asked = await read_question(
            connection, collection_id=corpus.collection.id, question=question, policy=policy
        )
        return await lexical_candidates(
            connection,
            asked,
            selection=Selection(scope=scope or Scope.everything()),
            visible=asked.chunks,
            limit=1_000,
            policy=policy,
        )


async def frequencies(corpus: Corpus) -> dict[str, tuple[int, int]]:
    """For each word how many chunks hold it, and how many chunks there are, as a question finds them."""
    async with corpus.database.snapshot() as connection:
        asked = await read_question(
            connection, collection_id=corpus.collection.id, question=" ".join(WORDS), policy=SCANNED
        )
    return {word.lexeme: (word.frequency, asked.chunks) for word in asked.words}


async def counted(corpus: Corpus) -> dict[str, tuple[int, int]]:
    """The same, counted in the texts."""
    rows = await corpus.database.fetch_all(
        "SELECT text FROM chunks WHERE collection_id = %(id)s", {"id": corpus.collection.id}
    )
    texts = [{*row["text"].split()} for row in rows]
    counts = {word: sum(word in text for text in texts) for word in WORDS}
    return {word: (count, len(texts)) for word, count in counts.items() if count}


async def segment_sizes(corpus: Corpus) -> list[int]:
    rows = await corpus.database.fetch_all(
        "SELECT chunk_count FROM segments WHERE collection_id = %(id)s ORDER BY id",
        {"id": corpus.collection.id},
    )
    return [row["chunk_count"] for row in rows]


async def test_an_index_in_segments_finds_what_a_scan_of_all_chunks_finds_as_documents_come_and_go(
    database: Database,
) -> None:
    corpus = await make_corpus(database, PgvectorStore(), language="simple")
    chance = random.Random(11)
    published: dict[str, UUID] = {}
    for step in range(60):
        path = f"{chance.randrange(25)}.txt"
        if chance.random() < 0.3 and path in published:
            await remove_document(corpus.database, corpus.store, corpus.index, published.pop(path))
        else:
            texts = [" ".join(chance.choices(WORDS, k=chance.randint(1, 30))) for _ in range(3)]
            readers = chance.choice([["public"], ["user:ann"]])
            published[path] = (await corpus.publish(corpus.draft(path, texts, readers=readers))).document_id
        if step % 3 == 0:
            await merge_segments(database, corpus.collection.id, SMALL)
        assert await frequencies(corpus) == await counted(corpus)
        question = " ".join(chance.choices(WORDS, k=3))
        for scope in (Scope.everything(), Scope.of([]), Scope.of(["user:ann"])):
            scanned = await found(corpus, question, policy=SCANNED, scope=scope)
            assert await found(corpus, question, policy=BY_SEGMENTS, scope=scope) == scanned
    assert len(await segment_sizes(corpus)) > 1
    assert sum(await segment_sizes(corpus)) > 20


async def test_merging_leaves_the_chunks_of_removed_documents_behind(database: Database) -> None:
    corpus = await make_corpus(database, PgvectorStore(), language="simple")
    documents = [(await corpus.add(f"{n}.txt", f"boba {n}", f"dade {n}")).document_id for n in range(20)]
    await merge_segments(database, corpus.collection.id, SMALL)
    for document_id in documents[:15]:
        await remove_document(corpus.database, corpus.store, corpus.index, document_id)
    removed = "SELECT count(*) AS n FROM removed_terms WHERE collection_id = %(id)s"
    assert await database.fetch_one(removed, {"id": corpus.collection.id}) == {"n": 30}
    await merge_segments(database, corpus.collection.id, SMALL)
    assert await database.fetch_one(removed, {"id": corpus.collection.id}) == {"n": 0}
    assert sum(await segment_sizes(corpus)) == 10
    assert len(await found(corpus, "boba dade", policy=BY_SEGMENTS)) == 10


async def test_searches_mergers_and_publishers_at_once_disturb_nobody(database: Database) -> None:
    corpus = await make_corpus(database, PgvectorStore(), language="simple")
    await corpus.add("steady.txt", "boba alone")

    async def publish_and_remove(number: int) -> None:
        for turn in range(6):
            made = await corpus.add(f"{number}.txt", *(f"dade {number} {turn} {i}" for i in range(5)))
            if turn % 2:
                await remove_document(corpus.database, corpus.store, corpus.index, made.document_id)

    async def merge() -> None:
        for _ in range(12):
            await merge_segments(database, corpus.collection.id, SMALL)

    async def search() -> None:
        for _ in range(30):
            assert len(await found(corpus, "boba", policy=BY_SEGMENTS)) == 1

    await asyncio.gather(*(publish_and_remove(n) for n in range(4)), merge(), merge(), search())
    await merge_segments(database, corpus.collection.id, SMALL)
    assert await found(corpus, "dade boba", policy=BY_SEGMENTS) == await found(
        corpus, "dade boba", policy=SCANNED
    )
    assert {word: n for word, (n, _) in (await frequencies(corpus)).items()} == {"boba": 1}


async def test_a_list_of_many_blocks_is_read_as_far_as_it_is_asked(database: Database) -> None:
    corpus = await make_corpus(database, PgvectorStore(), language="simple")
    await corpus.add("a.txt", *(f"boba {'filler ' * (n % 40)} x{n}" for n in range(1_500)))
    await merge_segments(database, corpus.collection.id, SegmentPolicy(fresh=100))
    blocks = await database.fetch_all(
        "SELECT t.block, t.frequency, cardinality(t.postings) AS n FROM segment_terms AS t"
        " JOIN segments AS s ON s.id = t.segment_id WHERE s.collection_id = %(id)s AND lexeme = 'boba' ORDER BY block",
        {"id": corpus.collection.id},
    )
    assert [(row["frequency"], row["n"]) for row in blocks] == [(1_500, 256), (0, 1_024), (0, 220)]
    few = Bm25Policy(scan_below=0, postings=300)
    async with database.snapshot() as connection:
        asked = await read_question(
            connection, collection_id=corpus.collection.id, question="boba", policy=few
        )
        best = await lexical_candidates(
            connection, asked, selection=Selection(scope=Scope.everything()), visible=9, limit=30, policy=few
        )
    scanned = await found(corpus, "boba", policy=SCANNED)
    assert [score for _, score in best] == [score for _, score in scanned[:30]]


def segment(number: int, chunk_count: int, *, removed: int = 0, first: int = 0) -> Segment:
    return Segment(id=number, first_chunk=first, span=chunk_count, chunk_count=chunk_count, removed=removed)


def test_segments_of_one_size_are_merged_when_there_are_enough_of_them() -> None:
    policy = SegmentPolicy(fresh=10, fan_in=3, removed=5)
    assert plan_merge([segment(1, 10), segment(2, 12)], policy) == []
    tier = [segment(n, 10, first=10 * n) for n in range(3)]
    assert plan_merge([*tier, segment(9, 10_000)], policy) == tier


def test_segments_that_lost_much_are_written_anew_alone() -> None:
    policy = SegmentPolicy(fresh=10, fan_in=3, removed=5)
    assert plan_merge([segment(1, 10, removed=6), segment(2, 1_000, removed=2)], policy) == [
        segment(1, 10, removed=6)
    ]


def test_what_has_gone_and_has_to_be_counted_out_stays_bounded_however_it_is_spread() -> None:
    policy = SegmentPolicy(fresh=10, fan_in=3, removed=5)
    spread = [segment(1, 10_000, removed=4), segment(2, 1_000, removed=2), segment(3, 500)]
    assert {each.id for each in plan_merge(spread, policy)} == {1, 2}
    uneven = [segment(1, 10_000, removed=2), segment(2, 1_000, removed=4)]
    assert {each.id for each in plan_merge(uneven, policy)} == {2}
    assert plan_merge([segment(1, 20, removed=5)], policy) == []


def test_segments_that_lie_too_far_apart_for_one_stay_apart() -> None:
    policy = SegmentPolicy(fresh=10, fan_in=2)
    assert plan_merge([segment(1, 10), segment(2, 10, first=2**25)], policy) == []


def test_a_segment_that_no_other_is_near_does_not_keep_the_others_apart() -> None:
    """A collection that was begun long ago goes on while others take the chunk ids in between."""
    policy = SegmentPolicy(fan_in=3)
    near = [segment(number, 10, first=2**26 + 10 * number) for number in (2, 3, 4)]
    assert plan_merge([segment(1, 10), *near], policy) == near


@given(
    st.lists(st.tuples(st.integers(1, 10**6), st.floats(0, 15, allow_nan=False)), max_size=12),
    st.integers(1, 20_000),
)
def test_quotas_stay_within_the_budget_and_within_what_there_is(
    words: list[tuple[int, float]], budget: int
) -> None:
    asked = [
        Word(lexeme=str(n), base=n, occurrences=1, frequency=frequency, weight=weight)
        for n, (frequency, weight) in enumerate(words)
    ]
    given_out = quotas(asked, budget)
    assert sum(given_out.values()) <= budget
    assert all(0 < quota <= asked[int(lexeme)].frequency for lexeme, quota in given_out.items())
