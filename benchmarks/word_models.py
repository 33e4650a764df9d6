"""Stand-ins for the models, by words in common: for checks in which it matters not how well texts are understood."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from generation.facts import content_words
from retrieval.embedders import Embedder


class WordEmbedder:
    """An embedder that costs nothing, under the identity and with the tokens of a real one, who is not closed with it.

    A text is the sum of its words' vectors, which are drawn by the word.
    """

    parallelism = 1
    batch_size = 64
    cosine_bounds = (0.0, 1.0)

    def __init__(self, real: Embedder) -> None:
        self._real = real
        self.identity = real.identity

    @property
    def max_tokens(self) -> int:
        return self._real.max_tokens

    def count_tokens(self, text: str) -> int:
        return self._real.count_tokens(text)

    def token_ends(self, text: str) -> Sequence[int]:
        return self._real.token_ends(text)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([self.embed_query(text) for text in texts])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return _direction(sorted(content_words(text)) or [text], self.identity.dimension)

    def close(self) -> None:
        """Nothing to close."""


def _direction(words: Iterable[str], dimension: int) -> NDArray[np.float32]:
    total = np.sum([_vector_of(word, dimension) for word in words], axis=0)
    unit: NDArray[np.float32] = (total / np.linalg.norm(total)).astype(np.float32)
    return unit


@lru_cache(maxsize=50_000)
def _vector_of(word: str, dimension: int) -> NDArray[np.float32]:
    return np.random.default_rng(zlib.crc32(word.encode(errors="replace"))).standard_normal(
        dimension, dtype=np.float32
    )


class WordScorer:
    """A reranker that costs nothing. What shares all of the shorter text's words scores 6, what shares none -6."""

    name = "words in common"
    max_tokens = 512
    parallelism = 1
    batch_size = 64

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        return np.array([_logit(*pair) for pair in pairs], dtype=np.float32)

    def close(self) -> None:
        """Nothing to close."""


def _logit(first: str, second: str) -> float:
    words, others = content_words(first), content_words(second)
    return 12 * len(words & others) / max(1, min(len(words), len(others))) - 6
