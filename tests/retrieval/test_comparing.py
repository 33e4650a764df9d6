from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.comparing import Comparison, Side, compare_indexes, sentence_of
from retrieval.stores import Index
from tests.retrieval.corpus import BagOfWords, Corpus, QueryBagOfWords
from tests.retrieval.rebuilding import Bridge, rebuild

pytestmark = pytest.mark.usefixtures("in_a_hurry")


class Deaf(BagOfWords):
    """An embedder that is broken: whatever a text says, its vector is a matter of chance."""

    def embed_query(self, text: str) -> NDArray[np.float32]:
        vector = self._direction(f"deaf {text}")
        return (vector / np.linalg.norm(vector)).astype(np.float32)

    def embed_documents(self, texts: object) -> NDArray[np.float32]:
        assert isinstance(texts, list)
        return np.stack([self.embed_query(f"document {text}") for text in texts])


async def compared(
    corpus: Corpus,
    embedder: BagOfWords,
    *,
    former_embedder: BagOfWords | None = None,
    questions: tuple[str, ...] = (),
    sample: int = 30,
) -> Comparison:
    """Build an index with an embedder, and compare it with the one that the corpus was made with."""
    comparisons = []

    async def approve(new: Index, former: Index | None) -> bool:
        assert former is not None
        comparisons.append(
            await compare_indexes(
                corpus.database,
                Side(index=new, store=corpus.store, embedder=QueryBagOfWords(embedder)),
                Side(
                    index=former,
                    store=corpus.store,
                    embedder=None if former_embedder is None else QueryBagOfWords(former_embedder),
                ),
                sample=sample,
                questions=questions,
            )
        )
        return False

    await rebuild(corpus, embedder, bridge=Bridge(embedder), approve=approve)
    return comparisons[0]


async def test_the_same_embedder_finds_the_same(corpus: Corpus) -> None:
    comparison = await compared(corpus, corpus.embedder, former_embedder=corpus.embedder)
    assert (comparison.chunks, comparison.sentences, comparison.questions) == (30, 30, 30)
    assert comparison.neighbours == 1
    assert comparison.found == comparison.found_before == 1
    assert comparison.in_common == 1
    assert comparison.missing is None


async def test_another_embedder_of_the_same_words_finds_much_the_same(corpus: Corpus) -> None:
    comparison = await compared(corpus, BagOfWords(dimension=48, model="other"))
    assert comparison.neighbours is not None
    assert 0.5 < comparison.neighbours < 1
    assert comparison.found == 1
    assert (comparison.found_before, comparison.in_common, comparison.questions) == (None, None, 0)


async def test_a_bad_embedder_shows(corpus: Corpus) -> None:
    comparison = await compared(corpus, Deaf(model="deaf"), former_embedder=corpus.embedder)
    assert comparison.neighbours is not None
    assert comparison.neighbours < 0.45  # ten of thirty-nine are met by chance
    assert comparison.found is not None
    assert comparison.found < 0.7
    assert comparison.found_before == 1
    assert comparison.in_common is not None
    assert comparison.in_common < 0.45


async def test_questions_of_the_callers_own_are_asked_of_both(corpus: Corpus) -> None:
    comparison = await compared(
        corpus,
        BagOfWords(dimension=48, model="other"),
        former_embedder=corpus.embedder,
        questions=("which badger digs", "who swims"),
    )
    assert comparison.questions == 2
    assert comparison.in_common is not None
    assert comparison.in_common > 0.2


async def test_a_former_index_that_is_lost_is_told_and_the_new_one_looked_at_all_the_same(
    in_postgres: Corpus,
) -> None:
    await in_postgres.database.execute(f"DROP TABLE vectors_{in_postgres.index.id}")
    comparison = await compared(in_postgres, in_postgres.embedder, former_embedder=in_postgres.embedder)
    assert comparison.missing is not None
    assert f"vectors_{in_postgres.index.id}" in comparison.missing
    assert (comparison.neighbours, comparison.found, comparison.found_before) == (None, 1, None)


def test_a_sentence_of_a_chunk_is_whole_and_the_same_for_the_same_chance() -> None:
    text = "Too short. The badger digs a hole\nin the garden. It sleeps by day and digs by night! What of it?"
    picked = {sentence_of(text, np.random.default_rng(seed)) for seed in range(20)}
    assert picked == {"The badger digs a hole in the garden.", "It sleeps by day and digs by night!"}
    assert sentence_of(text, np.random.default_rng(5)) == sentence_of(text, np.random.default_rng(5))
    assert sentence_of("words\nwithout  end", np.random.default_rng(0)) == "words without end"
    assert len(sentence_of("word " * 1_000, np.random.default_rng(0))) <= 500
