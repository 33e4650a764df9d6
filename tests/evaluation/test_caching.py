"""Cached vectors and scores: what a model says, to the bit, and asked for once."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.caching import CacheUnusableError, CachingEmbedder, CachingScorer, ModelCache
from tests.retrieval.corpus import BagOfWords


class CountedWords(BagOfWords):
    """Notes every text that it embeds."""

    def __init__(self, dimension: int = 64) -> None:
        super().__init__(dimension)
        self.documents: list[str] = []
        self.queries: list[str] = []
        self.closed = False

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.documents += texts
        return np.stack([super(CountedWords, self).embed_query(text) for text in texts])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        self.queries.append(text)
        # Some models embed questions otherwise than documents.
        return -super().embed_query(text)

    def close(self) -> None:
        self.closed = True


class LengthScorer:
    """Scores a pair by its length, and notes it."""

    def __init__(self) -> None:
        self.pairs: list[tuple[str, str]] = []

    async def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        assert pairs, "nothing to score is nothing to ask"
        self.pairs += pairs
        return np.array([len(a) / 3 - len(b) / 7 for a, b in pairs], dtype=np.float32)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[ModelCache]:
    with ModelCache(tmp_path / "deep" / "cache.sqlite") as opened:
        yield opened


def test_a_text_is_embedded_once_and_its_vector_is_the_same_to_the_bit(cache: ModelCache) -> None:
    plain, counted = BagOfWords(), CountedWords()
    caching = CachingEmbedder(counted, cache)
    texts = ["badgers dig", "owls fly", "badgers dig", "😀 half", ""]
    for _ in range(2):
        assert np.array_equal(caching.embed_documents(texts), plain.embed_documents(texts))
    assert counted.documents == ["badgers dig", "owls fly", "😀 half", ""]
    assert np.array_equal(
        caching.embed_documents(["owls fly", "foxes run"])[0], plain.embed_query("owls fly")
    )
    assert counted.documents[-1] == "foxes run"


def test_questions_are_kept_apart_from_documents(cache: ModelCache) -> None:
    counted = CountedWords()
    caching = CachingEmbedder(counted, cache)
    document = caching.embed_documents(["badgers"])[0]
    asked = caching.embed_query("badgers")
    assert np.array_equal(asked, -document)
    assert np.array_equal(caching.embed_query("badgers"), asked)
    assert counted.queries == ["badgers"]


def test_a_vector_that_was_handed_out_may_be_written_to(cache: ModelCache) -> None:
    caching = CachingEmbedder(CountedWords(), cache)
    caching.embed_query("badgers")
    caching.embed_query("badgers")[0] = 9
    caching.embed_documents(["owls"])[0, 0] = 9
    assert caching.embed_query("badgers")[0] != 9
    assert caching.embed_documents(["owls"])[0, 0] != 9


def test_nothing_is_embedded_as_nothing(cache: ModelCache) -> None:
    assert CachingEmbedder(CountedWords(8), cache).embed_documents([]).shape == (0, 8)


def test_another_model_has_vectors_of_its_own(cache: ModelCache) -> None:
    small, large = CountedWords(8), CountedWords(16)
    for model in (small, large, small, large):
        rows = CachingEmbedder(model, cache).embed_documents(["badgers"])
        assert rows.shape == (1, model.identity.dimension)
    assert (small.documents, large.documents) == (["badgers"], ["badgers"])


def test_the_wrapper_is_the_embedder_in_all_else(cache: ModelCache) -> None:
    model = CountedWords()
    caching = CachingEmbedder(model, cache)
    assert caching.identity == model.identity
    assert caching.cosine_bounds == model.cosine_bounds
    assert (caching.max_tokens, caching.parallelism, caching.batch_size) == (512, 1, 32)
    assert caching.count_tokens("a b") == 2
    assert caching.token_ends("a b") == [1, 3]
    caching.close()
    assert model.closed


async def test_a_pair_is_scored_once_by_each_reranker(cache: ModelCache) -> None:
    scorer = LengthScorer()
    pairs = [("who", "badgers"), ("what", "owls"), ("who", "badgers")]
    expected = await LengthScorer().score(pairs)
    for _ in range(2):
        scores = await CachingScorer(scorer, reranker="one 512", cache=cache).score(pairs)
        assert scores.dtype == np.float32
        assert np.array_equal(scores, expected)
    assert scorer.pairs == pairs[:2]
    await CachingScorer(scorer, reranker="one 256", cache=cache).score(pairs[:1])
    assert scorer.pairs == [*pairs[:2], pairs[0]]


async def test_where_a_pair_is_parted_counts(cache: ModelCache) -> None:
    scorer = LengthScorer()
    caching = CachingScorer(scorer, reranker="one", cache=cache)
    first = await caching.score([("ab", "c")])
    assert not np.array_equal(first, await caching.score([("a", "bc")]))
    assert len(scorer.pairs) == 2


def test_what_was_kept_is_there_for_the_next_process_and_no_text_is(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with ModelCache(path) as cache:
        CachingEmbedder(CountedWords(), cache).embed_documents(["a very secret text"])
    with ModelCache(path) as cache:
        model = CountedWords()
        CachingEmbedder(model, cache).embed_documents(["a very secret text"])
    assert model.documents == []
    assert b"secret" not in path.read_bytes()


def test_many_texts_at_once_are_found_again(cache: ModelCache) -> None:
    texts = [f"text {number}" for number in range(1_234)]
    model = CountedWords(4)
    caching = CachingEmbedder(model, cache)
    assert np.array_equal(caching.embed_documents(texts), caching.embed_documents(texts))
    assert len(model.documents) == 1_234


def test_threads_and_processes_share_one_file(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    found: list[NDArray[np.float32]] = []

    def work() -> None:
        with ModelCache(path) as cache:
            caching = CachingEmbedder(CountedWords(8), cache)
            found.extend(caching.embed_documents([f"text {number % 10}"])[0] for number in range(30))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 120
    with sqlite3.connect(path) as file:
        assert file.execute("SELECT count(*) FROM vectors").fetchone() == (10,)
    file.close()


def test_a_file_that_is_no_cache_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database " * 100)
    for place in (path, tmp_path, path / "below a file" / "cache"):
        with (
            pytest.raises(CacheUnusableError, match=r"cannot be used.*Remove the file, or name another"),
            ModelCache(place),
        ):
            raise AssertionError("it was opened")


async def test_a_cache_may_be_used_from_the_threads_of_a_loop(cache: ModelCache) -> None:
    caching = CachingEmbedder(CountedWords(8), cache)
    rows = await asyncio.gather(
        *(asyncio.to_thread(caching.embed_documents, [f"text {number % 5}"]) for number in range(40))
    )
    assert all(np.array_equal(rows[number], rows[number % 5]) for number in range(40))
