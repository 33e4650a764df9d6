"""Reading a claim beside source sentences: stated, contradicted, or not stated?

The default reranker's cross-encoder (ms-marco-MiniLM-L-12-v2, int8) reads the pair, and four layers of its shape that
were trained for this question go on from what it has made of the pair after eight of its twelve (7 MB; their training:
`benchmarks/support_training.py`). So one run tells how alike both are and what the one says of the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import WeightsError
from retrieval.sessions import OnnxSession, require_threads
from retrieval.tokenizing import TextTokenizer
from retrieval.weights import RERANKER_PIN, verify_weights

LAYERS_FILE = Path(__file__).parent / "weights" / "entailment.onnx"
LAYERS_SHA256 = "bfa4d02f9078c286d2e433eb42953a80b2c55e8c4353477b111bc3f9fb688083"
TAP = "/bert/encoder/layer.7/output/LayerNorm/Add_1_output_0"
MAX_TOKENS = 128
FIGURES = 4

Readings = NDArray[np.float32]
"""Of shape (pairs, 4): the cross-encoder's logit, then the logits of stated, contradicted, not stated."""


class PairReader(Protocol):
    """Reads (claim, source sentences) pairs."""

    async def read(self, pairs: Sequence[tuple[str, str]]) -> Readings: ...


class EntailmentModel:
    """Reads one unpadded pair a run. Synchronous and safe to call from `parallelism` threads at once.

    `weights` is the folder of `retrieval.weights.RERANKER_PIN`. Raises `WeightsError` and `ConfigurationError`.
    """

    batch_size = 1  # a claim has four pairs at most: on several threads they are read at once

    def __init__(self, weights: Path, *, threads: int = 1) -> None:
        self.parallelism = require_threads(threads)
        verify_weights(RERANKER_PIN, weights)
        _verify_layers()
        self._tokenizer = TextTokenizer.from_file(weights / "tokenizer.json", max_tokens=MAX_TOKENS)
        self._encoder = OnnxSession(weights / "model.onnx", tap=TAP)
        self._layers = OnnxSession(LAYERS_FILE)
        self.name = f"entailment@{LAYERS_SHA256[:8]}"

    def read(self, pairs: Sequence[tuple[str, str]]) -> Readings:
        """Logits of the pairs, in order."""
        rows = np.empty((len(pairs), FIGURES), dtype=np.float32)
        for row, (claim, source) in zip(rows, pairs, strict=True):
            logit, hidden = self._encoder.run_tapped(*self._tokenizer.pair_ids(claim, source))
            row[0] = logit[0]
            row[1:] = self._layers.run_on(hidden)
        return rows

    def close(self) -> None:
        self._encoder.close()
        self._layers.close()


def _verify_layers() -> None:
    found = hashlib.sha256(LAYERS_FILE.read_bytes()).hexdigest() if LAYERS_FILE.is_file() else "no file"
    if found != LAYERS_SHA256:
        raise WeightsError(
            f"{LAYERS_FILE} is not the file that Footnote was released with (its sha256 is {found}, not "
            f"{LAYERS_SHA256}); install footnote-service anew"
        )
