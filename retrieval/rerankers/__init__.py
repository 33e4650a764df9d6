"""The rerankers: cross-encoders that read question and passage together (`tests/retrieval/test_rerankers.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.model_servers.spec import RerankForm, ScoreKind, ServerSpec
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
class RemoteRerankerSpec:
    """A reranker behind a server.

    form: in which it is asked (`retrieval.model_servers.rankings`). scores: what it sends; None for what the form has.
    revision: what the server's model is, beyond its name; part of what reports call it.
    """

    server: ServerSpec
    form: RerankForm
    scores: ScoreKind | None = None
    revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankerSpec:
    """Which reranker to load; fields as in `retrieval.embedders.EmbedderSpec`."""

    kind: Literal["onnx", "cross_encoder", "remote"]
    model: str = ""
    weights: Path | None = None
    threads: int = 1
    device: str | None = None
    precision: str = "fp32"
    remote: RemoteRerankerSpec | None = None


def load_reranker(spec: RerankerSpec) -> Reranker:
    """Build the reranker that `spec` names. Raises `WeightsError`, `ExtraMissingError`, of a server `ModelError`."""
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
        case "remote":
            from retrieval.rerankers.remote import RemoteReranker

            assert spec.remote is not None, "the remote reranker needs a server"
            return RemoteReranker(spec.remote)
