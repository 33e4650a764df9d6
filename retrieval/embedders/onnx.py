"""bge-small-en-v1.5 (int8) on the CPU, without torch: the default embedder."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.embedders import EmbedderIdentity
from retrieval.errors import ModelError
from retrieval.sessions import OnnxSession, require_threads
from retrieval.tokenizing import TextTokenizer
from retrieval.weights import EMBEDDER_PIN, verify_weights

_DIMENSION = 384
_MAX_TOKENS = 512
_QUERY_PREFIX = "Represent this sentence for searching relevant passages: "


@dataclass(frozen=True, slots=True, kw_only=True)
class _Model:
    tokenizer: TextTokenizer
    session: OnnxSession


class OnnxEmbedder:
    """Embeds one unpadded text a run, so a text has the same vector, to the last bit, whatever else is in flight.

    `weights` is the folder of `retrieval.weights.EMBEDDER_PIN`; its files are verified before they are loaded.
    `threads` is how many calls may usefully run at once, each on a core of its own. `deferred`: load the model when it
    is first used, which many runs never come to; its files are verified at once all the same.
    Raises `WeightsError` and `ConfigurationError`.
    """

    batch_size = 4  # a run is one text anyway; small batches keep a question's wait for a thread short
    max_tokens = _MAX_TOKENS
    cosine_bounds = (0.4, 0.9)

    def __init__(self, weights: Path, *, threads: int = 1, deferred: bool = False) -> None:
        self.parallelism = require_threads(threads)
        verify_weights(EMBEDDER_PIN, weights)
        self._weights = weights
        self._loading = threading.Lock()
        self._loaded: _Model | None = None
        self._closed = False
        if not deferred:
            self._load()
        self.identity = EmbedderIdentity(
            model=EMBEDDER_PIN.name,
            fingerprint=EMBEDDER_PIN.sha256_of("model.onnx"),
            dimension=_DIMENSION,
            pooling="cls",
            normalized=True,
            query_prefix=_QUERY_PREFIX,
            document_prefix="",
            precision="int8",
        )

    @property
    def tokenizer(self) -> TextTokenizer:
        return self._model.tokenizer

    def count_tokens(self, text: str) -> int:
        return self.tokenizer.count(text)

    def token_ends(self, text: str) -> list[int]:
        return self.tokenizer.token_ends(text)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = np.empty((len(texts), _DIMENSION), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[:] = self._embed(text)
        return rows

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return self._embed(_QUERY_PREFIX + text)

    def close(self) -> None:
        with self._loading:
            self._closed = True
            if self._loaded is not None:
                self._loaded.session.close()

    @property
    def _model(self) -> _Model:
        return self._loaded or self._load()

    def _load(self) -> _Model:
        with self._loading:
            if self._loaded is None:
                if self._closed:
                    raise ModelError(f"the model {EMBEDDER_PIN.name} has been closed")
                self._loaded = _Model(
                    tokenizer=TextTokenizer.from_file(
                        self._weights / "tokenizer.json", max_tokens=_MAX_TOKENS
                    ),
                    session=OnnxSession(self._weights / "model.onnx"),
                )
            return self._loaded

    def _embed(self, text: str) -> NDArray[np.float32]:
        model = self._model
        ids = model.tokenizer.text_ids(text)
        first_token = model.session.run(ids, [0] * len(ids))[0]
        unit: NDArray[np.float32] = first_token / np.linalg.norm(first_token)
        return unit
