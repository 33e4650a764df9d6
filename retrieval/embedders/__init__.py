"""The embedders: text in, unit vectors out. A family with one contract (`tests/retrieval/test_embedders.py`)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.model_servers.spec import ServerSpec
from retrieval.processes.devices import names_several


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderIdentity:
    """Everything that decides what vector a text gets. Two vectors compare only under one identity.

    `fingerprint` is the sha256 of the weights (or the hub revision); `precision` is int8, bf16, fp16 or fp32. Of a
    model behind a server, `fingerprint` is a sha256 of what can be known, `pooling` "server" and `precision` "remote".
    """

    model: str
    fingerprint: str
    dimension: int
    pooling: Literal["cls", "mean", "last", "server"]
    normalized: bool
    query_prefix: str
    document_prefix: str
    precision: str

    def digest(self) -> str:
        """A stable sha256 (hex) of all fields."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.model}@{self.fingerprint[:8]} ({self.dimension} dimensions, {self.precision})"


class Embedder(Protocol):
    """A model that embeds. Synchronous and safe to call from `parallelism` threads at once."""

    @property
    def identity(self) -> EmbedderIdentity: ...

    @property
    def cosine_bounds(self) -> tuple[float, float]:
        """The cosines of an unrelated and of a perfect (query, document) pair, for rescaling to 0..1."""
        ...

    @property
    def max_tokens(self) -> int:
        """Longest input in tokens, special tokens included; longer texts are cut."""
        ...

    @property
    def parallelism(self) -> int:
        """How many threads may usefully call it at once."""
        ...

    @property
    def batch_size(self) -> int:
        """How many texts a single call should be given for best throughput."""
        ...

    def count_tokens(self, text: str) -> int:
        """Number of tokens of `text`, without special tokens."""
        ...

    def token_ends(self, text: str) -> Sequence[int]:
        """Where each token of `text` ends, in characters, ascending, without special tokens."""
        ...

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts, in order, as unit rows: float32 of shape (len(texts), dimension)."""
        ...

    def embed_query(self, text: str) -> NDArray[np.float32]:
        """Embed a question, with the model's query prefix, as a unit vector: float32 of shape (dimension,)."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteEmbedderSpec:
    """An embedder behind a server.

    query_prefix, document_prefix: None for those of the model's family (`retrieval.model_families`).
    dimensions: to ask for shorter vectors, of models that can give them.
    revision: what the server's model is, beyond its name; part of the identity.
    """

    server: ServerSpec
    query_prefix: str | None = None
    document_prefix: str | None = None
    dimensions: int | None = None
    revision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderSpec:
    """Which embedder to load.

    kind: "onnx" (int8 bge-small on CPU, no torch), "sentence_transformer" (any model by path or hub name) or "remote"
        (any model behind a server, `remote`).
    model: for "sentence_transformer", a local folder or a hub name; for "onnx", unused.
    weights: the folder that holds the ONNX model's files (see `retrieval.weights`).
    threads: CPU sessions run side by side (onnx).
    deferred: load the model when it is first used; what is wrong with its files is told at once (onnx).
    device: for "sentence_transformer": "cuda", "cuda:1", "cpu" or None (the best there is); several with commas between
        them ("cuda:0,cuda:1"), or "all" GPUs, have a process each.
    precision: for "sentence_transformer": "fp32", "bf16", "fp16".
    """

    kind: Literal["onnx", "sentence_transformer", "remote"]
    model: str = ""
    weights: Path | None = None
    threads: int = 1
    deferred: bool = False
    device: str | None = None
    precision: str = "fp32"
    remote: RemoteEmbedderSpec | None = None


def load_embedder(spec: EmbedderSpec) -> Embedder:
    """Build the embedder that `spec` names. Raises `WeightsError`, `ExtraMissingError`, of a server `ModelError`."""
    match spec.kind:
        case "onnx":
            from retrieval.embedders.onnx import OnnxEmbedder

            assert spec.weights is not None, "the onnx embedder needs a weights folder"
            return OnnxEmbedder(spec.weights, threads=spec.threads, deferred=spec.deferred)
        case "sentence_transformer" if names_several(spec.device):
            from retrieval.embedders.processes import ProcessEmbedder

            return ProcessEmbedder(spec)
        case "sentence_transformer":
            from retrieval.embedders.sentence_transformer import SentenceTransformerEmbedder

            return SentenceTransformerEmbedder(spec.model, device=spec.device, precision=spec.precision)
        case "remote":
            from retrieval.embedders.remote import RemoteEmbedder

            assert spec.remote is not None, "the remote embedder needs a server"
            return RemoteEmbedder(spec.remote)
