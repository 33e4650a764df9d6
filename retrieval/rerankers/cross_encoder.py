"""Any cross-encoder that sentence-transformers loads, from a folder or the Hugging Face hub, on GPU or CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import ExtraMissingError, ModelError, WeightsError

try:
    from sentence_transformers import CrossEncoder
    from transformers import (
        BertForSequenceClassification,
        RobertaForSequenceClassification,
        XLMRobertaForSequenceClassification,
    )

    from retrieval.packed_encoder import choose_pass
    from retrieval.torch_batches import BatchRunner, ForwardPass, PaddedPass, usual_tokens
    from retrieval.torch_models import choose_device, find_model, private_tokenizer
except ModuleNotFoundError as exc:
    raise ExtraMissingError("gpu", "the reranker kind 'cross_encoder'") from exc


class CrossEncoderReranker:
    """Scores pairs with torch, in batches of similar length that a budget of tokens bounds.

    model: a folder that holds a cross-encoder with one label, or a hub name such as "BAAI/bge-reranker-base".
    max_tokens: longest pair, at most what the model reads. tokens_per_batch: tokens in one
    forward pass, padding included.
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
        pad_id = loaded.tokenizer.pad_token_id or 0
        forward = _forward_pass(loaded, device=device, pad_id=pad_id)
        self._runner: BatchRunner | None = BatchRunner(
            forward,
            device=device,
            pad_id=pad_id,
            tokens_per_batch=tokens_per_batch or usual_tokens(forward, device=device),
        )
        self.name = f"{files.name}@{files.fingerprint[:8]}"
        self.parallelism = 2 if on_gpu else 1
        self.batch_size = 256 if on_gpu else 16

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        if self._runner is None:
            raise ModelError(f"the model {self.name} has been closed")
        if not pairs:
            return np.empty(0, dtype=np.float32)
        encoded = self._tokenizer.batch_pair_ids(pairs)
        segments = [types for _, types in encoded] if self._reads_segments else None
        return self._runner.run([ids for ids, _ in encoded], segments)

    def close(self) -> None:
        self._runner = None


def _forward_pass(model: Any, *, device: str, pad_id: int) -> ForwardPass:
    """The model's own forward pass, or the same without padding where only its encoder needs to be replaced."""
    padded = PaddedPass(lambda features: model(features)["scores"].reshape(-1), device=device, pad_id=pad_id)
    if len(model) != 1 or (head := _head_of(model[0].auto_model)) is None:
        return padded
    encoder, score = head
    return choose_pass(
        encoder,
        padded,
        device=device,
        pooling="cls",
        finish=lambda rows: score(rows.unsqueeze(1)).reshape(-1),
    )


def _head_of(model: Any) -> tuple[Any, Callable[[Any], Any]] | None:
    """The encoder of a classifier, and the way from (pairs, 1, width) to logits; None if it is of another kind."""
    match model:
        case BertForSequenceClassification():
            return model.bert, lambda first: model.classifier(model.bert.pooler(first))
        case RobertaForSequenceClassification() | XLMRobertaForSequenceClassification():
            return model.roberta, model.classifier
        case _:
            return None
