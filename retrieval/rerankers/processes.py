"""A reranker on several devices: the ordinary one in a process for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.processes.devices import split_devices
from retrieval.processes.pool import ModelPool
from retrieval.processes.worker import Served
from retrieval.rerankers import RerankerSpec, load_reranker


class ProcessReranker:
    """The reranker of a spec whose `device` names several, in a process for each.

    Raises what loading raises in the processes.
    """

    def __init__(self, spec: RerankerSpec) -> None:
        devices = split_devices(spec.device or "")
        orders = {**asdict(spec), "weights": None if spec.weights is None else str(spec.weights)}
        self._pool = ModelPool("retrieval.rerankers.processes:serve_reranker", orders, devices)
        told = self._pool.facts
        self.name = str(told["identity"])
        self.max_tokens = int(told["max_tokens"])
        self.batch_size = int(told["batch_size"])
        self.parallelism = self._pool.parallelism

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        if not pairs:
            return np.empty(0, dtype=np.float32)
        return self._pool.call({"pairs": list(pairs)})

    def close(self) -> None:
        self._pool.close()


def serve_reranker(orders: Mapping[str, Any]) -> Served:
    """Load the reranker in a process of its own; the orders are the fields of a `RerankerSpec` of one device."""
    spec = RerankerSpec(**orders)
    reranker = load_reranker(replace(spec, weights=None if spec.weights is None else Path(spec.weights)))
    return Served(
        facts={
            "identity": reranker.name,
            "max_tokens": reranker.max_tokens,
            "parallelism": reranker.parallelism,
            "batch_size": reranker.batch_size,
        },
        answer=lambda call: reranker.score([(first, second) for first, second in call["pairs"]]),
    )
