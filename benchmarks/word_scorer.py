"""A stand-in for the cross-encoder, by words in common: for checks in which it matters not how well it judges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from generation.facts import content_words


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
