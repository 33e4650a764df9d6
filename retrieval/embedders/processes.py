"""An embedder on several devices: the ordinary one in a process for each, tokens counted here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.embedders import Embedder, EmbedderIdentity, EmbedderSpec, load_embedder
from retrieval.processes.devices import split_devices
from retrieval.processes.pool import ModelPool
from retrieval.processes.worker import Served
from retrieval.tokenizing import TextTokenizer, WithTokenizer


class ProcessEmbedder:
    """The embedder of a spec whose `device` names several, in a process for each.

    A call goes to the process with the least to do, questions first. The weights are not loaded here.
    Raises what loading raises in the processes.
    """

    def __init__(self, spec: EmbedderSpec) -> None:
        devices = split_devices(spec.device or "")
        orders = {**asdict(spec), "weights": None if spec.weights is None else str(spec.weights)}
        self._pool = ModelPool("retrieval.embedders.processes:serve_embedder", orders, devices)
        told = self._pool.facts
        self.identity = EmbedderIdentity(**told["identity"])
        low, high = told["cosine_bounds"]
        self.cosine_bounds = (float(low), float(high))
        self.max_tokens = int(told["max_tokens"])
        self.batch_size = int(told["batch_size"])
        self.parallelism = self._pool.parallelism
        self.tokenizer = TextTokenizer.from_json(told["tokenizer"], max_tokens=self.max_tokens)

    def count_tokens(self, text: str) -> int:
        return self.tokenizer.count(text)

    def token_ends(self, text: str) -> list[int]:
        return self.tokenizer.token_ends(text)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if not texts:
            return np.empty((0, self.identity.dimension), dtype=np.float32)
        return self._pool.call({"documents": list(texts)})

    def embed_query(self, text: str) -> NDArray[np.float32]:
        return self._pool.call({"query": text}, urgent=True)

    def pids(self) -> list[int]:
        """The processes that run."""
        return self._pool.pids()

    def close(self) -> None:
        self._pool.close()


def serve_embedder(orders: Mapping[str, Any]) -> Served:
    """Load the embedder in a process of its own; the orders are the fields of an `EmbedderSpec` of one device."""
    spec = EmbedderSpec(**orders)
    embedder = load_embedder(replace(spec, weights=None if spec.weights is None else Path(spec.weights)))
    assert isinstance(embedder, WithTokenizer), "an embedder that runs on a device has its tokenizer"
    return Served(
        facts={
            "identity": asdict(embedder.identity),
            "cosine_bounds": embedder.cosine_bounds,
            "max_tokens": embedder.max_tokens,
            "parallelism": embedder.parallelism,
            "batch_size": embedder.batch_size,
            "tokenizer": embedder.tokenizer.to_json(),
        },
        answer=lambda call: _answer(embedder, call),
    )


def _answer(embedder: Embedder, call: Mapping[str, Any]) -> NDArray[np.float32]:
    if "query" in call:
        return embedder.embed_query(call["query"])
    return embedder.embed_documents(call["documents"])
