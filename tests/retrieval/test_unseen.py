"""What a caller may not see does not show in the scores of what they may."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest

from retrieval.database import Database
from retrieval.filters import Filters
from retrieval.lexical import Bm25Policy
from retrieval.records import Hit, Scope
from retrieval.search import Searcher, SearchPolicy
from retrieval.segments import SegmentPolicy, merge_segments
from retrieval.stores.pgvector import PgvectorStore
from retrieval.term_weights import MOST_MARKED, marked, word_marks
from tests.retrieval.corpus import Corpus, QueryBagOfWords, make_corpus, shared_database

PUBLIC = Scope.of([])
TOO_MANY = Bm25Policy(scan_below=0)
"""A policy for which every caller sees too much for each chunk to be looked at."""

WORDS = [
    first + second for first in ("bo", "da", "fu", "ga", "ki") for second in ("ba", "de", "ri", "tu", "zo")
]


@pytest.fixture(scope="module")
def dsn(postgres_dsn: str) -> Iterator[str]:
    """One database for the module; every test has a collection of its own."""
    with shared_database(postgres_dsn) as shared:
        yield shared


async def search(
    corpus: Corpus,
    question: str,
    *,
    scope: Scope = PUBLIC,
    bm25: Bm25Policy | None = None,
    filters: Filters | None = None,
) -> list[Hit]:
    searcher = Searcher(
        database=corpus.database,
        store=corpus.store,
        embedder=corpus.embedder,
        query_embedder=QueryBagOfWords(corpus.embedder),
        reranker=None,
        policy=SearchPolicy(bm25=bm25 or Bm25Policy()),
    )
    return await searcher.search(corpus.collection, question, k=50, scope=scope, filters=filters or Filters())


def shown(hits: Sequence[Hit]) -> list[tuple[str, float, float, float]]:
    return [(hit.passage.text, hit.score, hit.bm25, hit.cosine) for hit in hits]


def some_texts(seed: int, count: int) -> list[str]:
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS, range(1, 26), k=chance.randint(1, 40))) for _ in range(count)]


async def test_scores_are_those_of_a_collection_that_holds_nothing_else(database: Database) -> None:
    mixed = await make_corpus(database, PgvectorStore(), language="simple")
    alone = await make_corpus(database, PgvectorStore(), language="simple")
    for number, text in enumerate(some_texts(1, 40)):
        await mixed.add(f"{number}-hidden.txt", f"{text} secret", text, readers=["user:ann"])
        await mixed.add(f"{number}.txt", f"{number} {text}")
        await alone.add(f"{number}.txt", f"{number} {text}")
        if number % 10 == 0:
            await merge_segments(database, mixed.collection.id, SegmentPolicy(fresh=5))
    for question in ("boba dade", "boba secret", "secret", "gatu gatu kizo 7", " ".join(WORDS)):
        assert shown(await search(mixed, question)) == shown(await search(alone, question))
        few = Filters(paths=("1*.txt",))
        assert len(await search(mixed, question, filters=few)) == 11
    assert shown(await search(mixed, "boba", scope=Scope.everything())) != shown(await search(alone, "boba"))


async def test_a_question_of_very_many_words_tells_no_more(database: Database) -> None:
    mixed = await make_corpus(database, PgvectorStore(), language="simple")
    alone = await make_corpus(database, PgvectorStore(), language="simple")
    words = [f"{first}{second}" for first in WORDS for second in WORDS]
    for number in range(12):
        text = " ".join(words[number * 9 : number * 9 + 40])
        await mixed.add(f"{number}.txt", text)
        await alone.add(f"{number}.txt", text)
        await mixed.add(f"{number}-hidden.txt", " ".join(words[number * 20 :]), readers=["user:ann"])
    question = " ".join(words)
    assert shown(await search(mixed, question)) == shown(await search(alone, question))
    assert len(shown(await search(mixed, question, bm25=TOO_MANY))) == 12


async def test_of_too_many_chunks_a_word_that_stands_in_the_unseen_alone_still_leaves_no_trace(
    database: Database,
) -> None:
    scores = []
    for word in ("secret", "harmless"):
        corpus = await make_corpus(database, PgvectorStore())
        for number, text in enumerate(some_texts(2, 12)):
            await corpus.add(f"{number}.txt", text)
            await corpus.add(f"{number}-hidden.txt", f"{text} {word}", readers=["user:ann"])
        await merge_segments(database, corpus.collection.id, SegmentPolicy(fresh=5))
        found = await search(corpus, "boba dade secret", bm25=TOO_MANY)
        assert len(found) == 12
        scores.append(shown(found))
    assert scores[0] == scores[1]


@pytest.mark.parametrize("policy", [Bm25Policy(), TOO_MANY])
async def test_a_caller_from_whom_everything_is_hidden_finds_nothing(
    database: Database, policy: Bm25Policy
) -> None:
    corpus = await make_corpus(database, PgvectorStore())
    await corpus.add("a.txt", "badgers dig", readers=["user:ann"])
    for question in ("badgers", "nothing of the kind", "the of and"):
        assert await search(corpus, question, bm25=policy) == []


def test_marks_tell_every_set_of_words_apart() -> None:
    chance = random.Random(3)
    bases = sorted(chance.sample(range(100_000_000), MOST_MARKED))
    weights = word_marks(bases)
    mark = dict(zip(weights.dimensions.tolist(), weights.values[0].tolist(), strict=True))
    for _ in range(200):
        held = sorted(chance.sample(bases, chance.randint(0, MOST_MARKED)))
        total = sum(mark[base * 10 + chance.randrange(10)] for base in held)
        assert marked(total, bases) == held
