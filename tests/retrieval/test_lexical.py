"""BM25 in SQL is BM25: it equals one written in Python, and no question breaks it."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import pytest

from retrieval.database import Database
from retrieval.filters import Selection
from retrieval.lexical import Bm25Policy, lexical_candidates, lexical_scores, read_question
from retrieval.records import Scope
from retrieval.stores.pgvector import PgvectorStore
from tests.retrieval.corpus import Corpus, make_corpus, shared_database

EVERYTHING = Scope.everything()
WORDS = [first + second + "x" for first in "bdfgklmnprstvz" for second in ("ol", "ek", "um")]


@pytest.fixture(scope="module")
def dsn(postgres_dsn: str) -> Iterator[str]:
    """One database for the module; every test has a collection of its own."""
    with shared_database(postgres_dsn) as shared:
        yield shared


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A collection and the words of each of its chunks."""

    corpus: Corpus
    words: Mapping[int, list[str]]
    readers: Mapping[int, tuple[str, ...]]


async def candidates(
    corpus: Corpus,
    question: str,
    *,
    limit: int = 1_000,
    scope: Scope = EVERYTHING,
    policy: Bm25Policy | None = None,
) -> list[tuple[int, float]]:
    policy = policy or Bm25Policy()
    async with corpus.database.snapshot() as connection:
        asked = await read_question(
            connection, collection_id=corpus.collection.id, question=question, policy=policy
        )
        return await lexical_candidates(
            connection,
            asked,
            selection=Selection(scope=scope),
            visible=asked.chunks,
            limit=limit,
            policy=policy,
        )


async def scores(
    corpus: Corpus, question: str, chunk_ids: list[int], *, policy: Bm25Policy | None = None
) -> dict[int, float]:
    async with corpus.database.snapshot() as connection:
        asked = await read_question(
            connection, collection_id=corpus.collection.id, question=question, policy=policy or Bm25Policy()
        )
        return dict(await lexical_scores(connection, asked, chunk_ids))


async def chunk_ids_by_text(corpus: Corpus) -> dict[str, int]:
    rows = await corpus.database.fetch_all(
        "SELECT id, text FROM chunks WHERE collection_id = %(id)s", {"id": corpus.collection.id}
    )
    return {row["text"]: row["id"] for row in rows}


def bm25(words: Mapping[int, list[str]], question: str, *, k1: float, b: float) -> dict[int, float]:
    """BM25 as its inventors wrote it, with Lucene's idf, over chunks that share a word with the question."""
    mean = sum(map(len, words.values())) / len(words)
    asked = Counter(question.lower().split())
    frequency = Counter(word for text in words.values() for word in set(text))
    scored = {}
    for chunk_id, text in words.items():
        counts = Counter(text)
        shared = asked.keys() & counts.keys()
        if shared:
            scored[chunk_id] = sum(
                asked[word]
                * math.log(1 + (len(words) - frequency[word] + 0.5) / (frequency[word] + 0.5))
                * (counts[word] * (k1 + 1) / (counts[word] + k1 * (1 - b + b * len(text) / mean)))
                for word in shared
            )
    return scored


async def make_texts(database: Database) -> Made:
    """Four dozen chunks of made-up words, common and rare ones, long and short, with titles, headings and readers."""
    corpus = await make_corpus(database, PgvectorStore(), language="simple")
    chance = random.Random(7)
    by_text: dict[str, tuple[list[str], tuple[str, ...]]] = {}
    for number in range(12):
        title, heading = (" ".join(chance.choices(WORDS, k=2)) for _ in range(2))
        texts = [" ".join(chance.choices(WORDS, range(1, 43), k=chance.randint(1, 60))) for _ in range(4)]
        readers = (("public",), ("user:ann",), ("user:ann", "group:hr"))[number % 3]
        await corpus.publish(
            corpus.draft(f"{number}.txt", texts, title=title, headings=(heading,), readers=readers)
        )
        by_text |= {text: ([*title.split(), *heading.split(), *text.split()], readers) for text in texts}
    chunk_ids = await chunk_ids_by_text(corpus)
    return Made(
        corpus=corpus,
        words={chunk_ids[text]: words for text, (words, _) in by_text.items()},
        readers={chunk_ids[text]: readers for text, (_, readers) in by_text.items()},
    )


QUESTIONS = [
    WORDS[0],
    WORDS[-1],
    " ".join(WORDS[3:6]),
    f"{WORDS[1]} {WORDS[1].upper()} unknownword",
    " ".join(WORDS),
]


async def test_bm25_in_sql_equals_bm25_in_python(database: Database) -> None:
    made = await make_texts(database)
    for question, (k1, b) in product(QUESTIONS, [(0.9, 0.4), (1.2, 0.75), (0.0, 0.0), (2.0, 1.0)]):
        expected = bm25(made.words, question, k1=k1, b=b)
        found = await candidates(made.corpus, question, policy=Bm25Policy(k1=k1, b=b))
        assert dict(found) == pytest.approx(expected, rel=2e-3)
        assert found == sorted(found, key=lambda pair: (-pair[1], pair[0]))
        asked = [*made.words, max(made.words) + 1_000]
        completed = await scores(made.corpus, question, asked, policy=Bm25Policy(k1=k1, b=b))
        assert completed == pytest.approx({i: expected.get(i, 0.0) for i in asked}, rel=2e-3)


async def test_a_scope_hides_chunks_and_leaves_the_scores_of_the_others_alone(database: Database) -> None:
    made = await make_texts(database)
    for scope in (Scope.of([]), Scope.of(["user:ann"]), Scope.of(["group:hr", "user:bob"])):
        assert scope.principals is not None
        for question in QUESTIONS:
            expected = {
                chunk_id: score
                for chunk_id, score in bm25(made.words, question, k1=0.9, b=0.4).items()
                if scope.principals & {*made.readers[chunk_id]}
            }
            assert dict(await candidates(made.corpus, question, scope=scope)) == pytest.approx(
                expected, rel=2e-3
            )
    assert await candidates(made.corpus, QUESTIONS[-1], scope=Scope(principals=frozenset())) == []


async def test_the_limit_keeps_the_best(database: Database) -> None:
    made = await make_texts(database)
    everything = await candidates(made.corpus, QUESTIONS[-1])
    assert await candidates(made.corpus, QUESTIONS[-1], limit=5) == everything[:5]
    assert len(everything) == 48


async def test_chunks_of_equal_score_come_in_the_order_of_their_ids(database: Database) -> None:
    corpus = await make_corpus(database, PgvectorStore())
    for number in range(6):
        await corpus.add(f"{number}.txt", "the very same words")
    found = await candidates(corpus, "same words")
    assert [chunk_id for chunk_id, _ in found] == sorted(chunk_id for chunk_id, _ in found)
    assert len({score for _, score in found}) == 1
    assert await candidates(corpus, "same words", limit=3) == found[:3]


async def test_a_collection_knows_nothing_of_the_words_of_another(database: Database) -> None:
    here = await make_corpus(database, PgvectorStore())
    there = await make_corpus(database, PgvectorStore())
    await here.add("a.txt", "badgers dig tunnels")
    before = await candidates(here, "badgers")
    await there.add("b.txt", "badgers and more badgers", "badgers again")
    assert await candidates(here, "badgers") == before
    assert len(await candidates(there, "badgers")) == 2
    (elsewhere,) = [chunk_id for chunk_id, _ in before]
    assert await scores(there, "badgers", [elsewhere]) == {elsewhere: 0.0}


async def test_words_are_found_in_other_forms_in_title_and_headings_and_inside_compounds(
    database: Database,
) -> None:
    corpus = await make_corpus(database, PgvectorStore())
    await corpus.publish(
        corpus.draft(
            "a.txt",
            ["Employees carried the CD4/CD8 ratio of covid-19.Next"],
            title="Travelling",
            headings=("Refunds",),
        )
    )
    for question in ("employee", "carry", "travel", "refund", "cd8", "covid", "next", "19", "CD4"):
        assert len(await candidates(corpus, question)) == 1, question
    assert await candidates(corpus, "unheard") == []


HOSTILE = [
    "",
    " \t\n ",
    "the of and to a in is it",
    "foo & | ! ( ) :* '",
    "foo & !bar | (baz <-> qux):*",
    "((((((((((",
    "!!!! :*:* <-> <2>",
    "\\ \\' ''' \"",
    "'; DROP TABLE chunks; --",
    "%s %(question)s {} $1 %%",
    "badgers'; SELECT pg_sleep(9); --",
    "🦡🚀👩‍👩‍👧",
    "東京の天気はどうですか",
    "العربية עברית ไทย",
    "\u202e\u200b\ufeff\u0301",
    "\x01\x02\x7f",
    "a" * 100_000,
    "badgers " * 12_500,
    " ".join(f"word{number}" for number in range(11_000)),
    "🦡" * 25_000,
    "http://example.com/a?b=c&d=e user@example.com /usr/share/x 1.2.3.4 -5e-10",
    "<script>alert(1)</script> <a href='x'>",
]


async def test_no_question_is_an_error(database: Database) -> None:
    corpus = await make_corpus(database, PgvectorStore())
    await corpus.add("a.txt", "badgers dig foo tunnels below the garden", "something else")
    chunk_ids = [*(await chunk_ids_by_text(corpus)).values()]
    for question in HOSTILE:
        found = dict(await candidates(corpus, question))
        completed = await scores(corpus, question, chunk_ids)
        assert {i: score for i, score in completed.items() if score} == pytest.approx(found), question[:24]
        words = {*question.replace("'", " ").split()}
        assert bool(found) == bool(words & {"badgers", "foo"}), question[:24]


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("天気 予報 東京", "東京"),
        ("Grüße aus Österreich", "österreich"),
        ("Καλημέρα κόσμε", "κόσμε"),
        ("launch 🚀 day", "🚀 launch"),
        ("naïve café", "CAFÉ"),
        ("the tag <b>important</b> here", "important"),
        ("costs 3.14 euros", "3.14"),
    ],
)
async def test_words_of_other_scripts_are_words(database: Database, text: str, question: str) -> None:
    corpus = await make_corpus(database, PgvectorStore())
    await corpus.add("a.txt", text, "another chunk")
    assert [chunk_id for chunk_id, _ in await candidates(corpus, question)] == [
        (await chunk_ids_by_text(corpus))[text]
    ]


async def test_chunks_of_stop_words_or_symbols_alone_are_published_and_never_found(
    database: Database,
) -> None:
    corpus = await make_corpus(database, PgvectorStore())
    await corpus.add("a.txt", "the of and", "🦡🦡", "badgers")
    found = await candidates(corpus, "the badgers 🦡")
    assert [chunk_id for chunk_id, _ in found] == [(await chunk_ids_by_text(corpus))["badgers"]]


async def test_an_empty_collection_finds_nothing(database: Database) -> None:
    corpus = await make_corpus(database, PgvectorStore())
    assert await candidates(corpus, "badgers") == []
    assert await scores(corpus, "badgers", []) == {}
    assert await scores(corpus, "badgers", [1, 2]) == {1: 0.0, 2: 0.0}
