"""The rerankers: cross-encoders that read question and passage together (`tests/retrieval/test_rerankers.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.processes.devices import names_several


class Reranker(Protocol):
    """A model that scores pairs. Synchronous and safe to call from `parallelism` threads at once."""

    @property
    def name(self) -> str:
        """Model name and fingerprint, for reports."""
        ...

    @property
    def max_tokens(self) -> int:
        """Longest pair in tokens, special tokens included; the second text of a longer pair is cut."""
        ...

    @property
    def parallelism(self) -> int: ...

    @property
    def batch_size(self) -> int: ...

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        """Raw logits of (question, passage) pairs, in order: float32 of shape (len(pairs),)."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankerSpec:
    """Which reranker to load; fields as in `retrieval.embedders.EmbedderSpec`."""

    kind: Literal["onnx", "cross_encoder"]
    model: str = ""
    weights: Path | None = None
    threads: int = 1
    device: str | None = None
    precision: str = "fp32"


def load_reranker(spec: RerankerSpec) -> Reranker:
    """Build the reranker that `spec` names. Raises `WeightsError` or `ExtraMissingError`."""
    match spec.kind:
        case "onnx":
            from retrieval.rerankers.onnx import OnnxReranker

            assert spec.weights is not None, "the onnx reranker needs a weights folder"
            return OnnxReranker(spec.weights, threads=spec.threads)
        case "cross_encoder" if names_several(spec.device):
            from retrieval.rerankers.processes import ProcessReranker

            return ProcessReranker(spec)
        case "cross_encoder":
            from retrieval.rerankers.cross_encoder import CrossEncoderReranker

            return CrossEncoderReranker(spec.model, device=spec.device, precision=spec.precision)
