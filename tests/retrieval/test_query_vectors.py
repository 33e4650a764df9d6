from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.kept import Kept
from retrieval.query_vectors import KeptVectors, RememberingEmbedder
from tests.retrieval.corpus import BagOfWords

IDENTITY = BagOfWords().identity


class Counting:
    """Counts what it embeds."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        self.texts.append(text)
        return np.array([len(text), 1.0], dtype=np.float32)

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += texts
        return np.zeros((len(texts), 2), dtype=np.float32)


def kept_vectors() -> KeptVectors:
    return Kept(max_bytes=10_000, max_age_s=100)


async def test_the_same_question_is_embedded_once() -> None:
    counting = Counting()
    embedder = RememberingEmbedder(counting, IDENTITY, kept_vectors())
    first, second = await embedder.embed_query("What?"), await embedder.embed_query("What?")
    assert np.array_equal(first, second)
    await embedder.embed_query("Who?")
    assert counting.texts == ["What?", "Who?"]


async def test_another_embedder_finds_nothing_of_the_first() -> None:
    counting, kept = Counting(), kept_vectors()
    await RememberingEmbedder(counting, IDENTITY, kept).embed_query("What?")
    await RememberingEmbedder(counting, replace(IDENTITY, fingerprint="other"), kept).embed_query("What?")
    assert counting.texts == ["What?"] * 2


async def test_a_kept_vector_cannot_be_changed() -> None:
    vector = await RememberingEmbedder(Counting(), IDENTITY, kept_vectors()).embed_query("What?")
    with pytest.raises(ValueError, match="read-only"):
        vector[0] = 7


async def test_made_up_passages_are_not_kept() -> None:
    counting = Counting()
    embedder = RememberingEmbedder(counting, IDENTITY, kept_vectors())
    await embedder.embed_documents(["a"])
    await embedder.embed_documents(["a"])
    assert counting.texts == ["a", "a"]
