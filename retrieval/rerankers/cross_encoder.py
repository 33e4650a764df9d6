"""Any cross-encoder that sentence-transformers loads, from a folder or the Hugging Face hub, on GPU or CPU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import ExtraMissingError, ModelError, WeightsError

try:
    from sentence_transformers import CrossEncoder

    from retrieval.torch_models import BatchRunner, choose_device, find_model, private_tokenizer
except ModuleNotFoundError as exc:
    raise ExtraMissingError("gpu", "the reranker kind 'cross_encoder'") from exc


class CrossEncoderReranker:
    """Scores pairs with torch, in batches of similar length that a budget of tokens bounds.

    model: a folder that holds a cross-encoder with one label, or a hub name such as "BAAI/bge-reranker-base".
    max_tokens: longest pair, at most what the model reads. tokens_per_batch: padded tokens in one forward pass.
    Raises `WeightsError` and `ConfigurationError`.
    """

    def __init__(
        self,
        model: str,
        *,
        device: str | None = None,
        precision: str = "fp32",
        max_tokens: int = 512,
        tokens_per_batch: int | None = None,
    ) -> None:
        device = choose_device(device)
        on_gpu = device != "cpu"
        files = find_model(model, organization="cross-encoder")
        loaded = files.load(CrossEncoder, device=device, precision=precision)
        if loaded.num_labels != 1:
            raise WeightsError(
                f"{files.location} gives {loaded.num_labels} labels a pair; a reranker has to give one score"
            )
        self._tokenizer, self.max_tokens = private_tokenizer(loaded, max_tokens=max_tokens)
        self._reads_segments = "token_type_ids" in loaded.tokenizer.model_input_names
        self._runner: BatchRunner | None = BatchRunner(
            lambda features: loaded(features)["scores"].reshape(-1),
            device=device,
            pad_id=loaded.tokenizer.pad_token_id or 0,
            tokens_per_batch=tokens_per_batch or (32_768 if on_gpu else 4_096),
        )
        self.name = f"{files.name}@{files.fingerprint[:8]}"
        self.parallelism = 2 if on_gpu else 1
        self.batch_size = 256 if on_gpu else 16

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        if self._runner is None:
            raise ModelError(f"the model {self.name} has been closed")
        if not pairs:
            return np.empty(0, dtype=np.float32)
        encoded = [self._tokenizer.pair_ids(*pair) for pair in pairs]
        segments = [types for _, types in encoded] if self._reads_segments else None
        return self._runner.run([ids for ids, _ in encoded], segments)

    def close(self) -> None:
        self._runner = None
