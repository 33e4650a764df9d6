"""ms-marco-MiniLM-L-12-v2 (int8) on the CPU, without torch: the default reranker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import ConfigurationError
from retrieval.sessions import OnnxSession, require_threads
from retrieval.tokenizing import TextTokenizer
from retrieval.weights import RERANKER_PIN, verify_weights

_POSITIONS = 512
_FEWEST_TOKENS = 16


class OnnxReranker:
    """Scores one unpadded pair a run: a pair has the same score, to the last bit, whatever else is in flight.

    `weights` is the folder of `retrieval.weights.RERANKER_PIN`; its files are verified before they are loaded.
    `max_tokens` (16 to 512) is the longest pair; the time of a pair grows with its length.
    Raises `WeightsError` and `ConfigurationError`.
    """

    batch_size = 4  # as for the embedder: a run is one pair anyway

    def __init__(self, weights: Path, *, threads: int = 1, max_tokens: int = 256) -> None:
        if not _FEWEST_TOKENS <= max_tokens <= _POSITIONS:
            raise ConfigurationError(
                f"the reranker {RERANKER_PIN.name} reads pairs of {_FEWEST_TOKENS} to {_POSITIONS} tokens; "
                f"max_tokens is {max_tokens}"
            )
        self.parallelism = require_threads(threads)
        self.max_tokens = max_tokens
        verify_weights(RERANKER_PIN, weights)
        self._tokenizer = TextTokenizer.from_file(weights / "tokenizer.json", max_tokens=max_tokens)
        self._session = OnnxSession(weights / "model.onnx")
        self.name = f"{RERANKER_PIN.name}@{RERANKER_PIN.sha256_of('model.onnx')[:8]}"

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        logits = (self._session.run(*self._tokenizer.pair_ids(*pair))[0] for pair in pairs)
        return np.fromiter(logits, dtype=np.float32, count=len(pairs))

    def close(self) -> None:
        self._session.close()
