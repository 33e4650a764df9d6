"""Any embedding model that sentence-transformers loads, from a folder or the Hugging Face hub, on GPU or CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import ExtraMissingError, ModelError, WeightsError

try:
    from sentence_transformers import SentenceTransformer

    from retrieval.packed_encoder import choose_pass
    from retrieval.torch_batches import BatchRunner, Features, ForwardPass, PaddedPass, usual_tokens
    from retrieval.torch_models import choose_device, find_model, private_tokenizer
except ModuleNotFoundError as exc:
    raise ExtraMissingError("gpu", "the embedder kind 'sentence_transformer'") from exc

from retrieval.embedders import EmbedderIdentity
from retrieval.model_families import family_of

_Pooling = Literal["cls", "mean", "last"]
_POOLING: dict[str, _Pooling] = {"cls": "cls", "mean": "mean", "lasttoken": "last"}
_AFTER_POOLING = frozenset({"Dense", "Dropout", "LayerNorm", "Normalize"})
"""Modules of sentence-transformers that read nothing but the pooled row."""


class SentenceTransformerEmbedder:
    """Embeds with torch, in batches of similar length that a budget of tokens bounds.

    model: a folder that holds a sentence-transformers model, or a hub name such as "BAAI/bge-base-en-v1.5".
    device, precision: as in `EmbedderSpec`. tokens_per_batch: tokens in one forward pass, padding included.
    Pooling, prompts and the longest input come from the model's own files; a prompt that they do not give comes
    from a small table of families. Vectors are unit rows whatever the model's last module does.
    Raises `WeightsError` and `ConfigurationError`.
    """

    def __init__(
        self,
        model: str,
        *,
        device: str | None = None,
        precision: str = "fp32",
        tokens_per_batch: int | None = None,
    ) -> None:
        device = choose_device(device)
        on_gpu = device != "cpu"
        files = find_model(model, organization="sentence-transformers")
        if not files.has_modules:
            raise WeightsError(
                f"{files.location} has no modules.json, which says how the model pools its tokens; "
                "give the whole repository of a sentence-transformers model"
            )
        loaded = files.load(SentenceTransformer, device=device, precision=precision)
        self.tokenizer, self.max_tokens = private_tokenizer(loaded)
        pooling = _pooling_of(loaded, files.location)
        pad_id = loaded.tokenizer.pad_token_id or 0
        forward = _forward_pass(loaded, pooling, device=device, pad_id=pad_id)
        runner = BatchRunner(
            forward,
            device=device,
            pad_id=pad_id,
            tokens_per_batch=tokens_per_batch or usual_tokens(forward, device=device),
        )
        self._runner: BatchRunner | None = runner
        family = family_of(files.name)
        self.cosine_bounds = family.cosine_bounds
        # On a GPU one thread tokenizes while the other's batches run.
        self.parallelism = 2 if on_gpu else 1
        self.batch_size = 256 if on_gpu else 16
        self.identity = EmbedderIdentity(
            model=files.name,
            fingerprint=files.fingerprint,
            dimension=runner.run([self.tokenizer.text_ids("a")]).shape[1],  # and so it is seen to run
            pooling=pooling,
            normalized=True,
            query_prefix=_prompt(loaded, "query") or family.query_prefix,
            document_prefix=_prompt(loaded, "document", "passage", "corpus") or family.document_prefix,
            precision=precision,
        )

    def count_tokens(self, text: str) -> int:
        return self.tokenizer.count(text)

    def token_ends(self, text: str) -> list[int]:
        return self.tokenizer.token_ends(text)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if not texts:
            return np.empty((0, self.identity.dimension), dtype=np.float32)
        return self._embed([self.identity.document_prefix + text for text in texts])

    def embed_query(self, text: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self._embed([self.identity.query_prefix + text])[0]
        return vector

    def close(self) -> None:
        self._runner = None

    def _embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self._runner is None:
            raise ModelError(f"the model {self.identity.model} has been closed")
        rows = self._runner.run(self.tokenizer.batch_ids(texts))
        unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit


def _prompt(model: Any, *names: str) -> str:
    """The first prompt of these names that the model's files give, or ""."""
    return next((prompt for name in names if (prompt := model.prompts.get(name))), "")


def _forward_pass(model: Any, pooling: _Pooling, *, device: str, pad_id: int) -> ForwardPass:
    """The model's own forward pass, or the same without padding where only its encoder needs to be replaced."""

    def select(features: Features) -> Any:
        return features["sentence_embedding"][:, : model.truncate_dim]

    padded = PaddedPass(lambda features: select(model(features)), device=device, pad_id=pad_id)
    modules = list(model)
    kinds = [type(module).__name__ for module in modules]
    if kinds[:2] != ["Transformer", "Pooling"] or not _AFTER_POOLING.issuperset(kinds[2:]):
        return padded

    def finish(rows: Any) -> Any:
        features = {"sentence_embedding": rows}
        for module in modules[2:]:
            features = module(features)
        return select(features)

    return choose_pass(modules[0].auto_model, padded, device=device, pooling=pooling, finish=finish)


def _pooling_of(model: Any, location: str) -> _Pooling:
    modes = [module.pooling_mode for module in model if hasattr(module, "pooling_mode")]
    prompts_pooled = all(getattr(module, "include_prompt", True) for module in model)
    if len(modes) == 1 and modes[0] in _POOLING and prompts_pooled:
        return _POOLING[modes[0]]
    raise WeightsError(
        f"{location} pools its tokens in a way that this adapter does not do ({modes or 'no pooling module'}); "
        "it does cls, mean and last-token pooling over the whole text"
    )
