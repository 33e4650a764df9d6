"""An ONNX model on the CPU, shared by threads: what the embedder and the reranker of that kind have in common."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The official builds of onnxruntime from 1.29 on send usage events to their maker and keep a database of them
# under the user's cache folder. This is the switch that stops both, and it is read once, at import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as _states

from retrieval.errors import ConfigurationError, ModelError, WeightsError

_LOG_ERRORS_ONLY = 3
_LOAD_ERRORS = (
    _states.Fail,
    _states.InvalidArgument,
    _states.InvalidGraph,
    _states.InvalidProtobuf,
    _states.NoModel,
    _states.NoSuchFile,
    _states.NotImplemented,
    _states.RuntimeException,
)
_RUN_ERRORS = (
    _states.EPFail,
    _states.Fail,
    _states.InvalidArgument,
    _states.NotImplemented,
    _states.RuntimeException,
    RuntimeError,
    MemoryError,
)


class OnnxSession:
    """One loaded model, run on the calling thread, one sequence at a time and never padded.

    A run uses one core, and any number of threads may run at once: onnxruntime shares the weights among them and
    keeps each run's tensors apart. (Two sessions of one thread each were no faster, and held the weights twice.)
    int8 scales are taken from the one sequence, so its result does not depend on what else is running.
    """

    def __init__(self, path: Path, *, tap: str | None = None) -> None:
        """`tap`: the name of a tensor inside the model that `run_tapped` returns as well."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = _LOG_ERRORS_ONLY
        # On processors without VNNI, products of eight-bit weights would overflow sixteen bits and be cut off: the
        # reranker's logits came out up to .4 nearer to 0 than elsewhere. The embedder's weights have seven bits.
        options.add_session_config_entry("session.x64quantprecision", "1")
        onnxruntime.set_default_logger_severity(_LOG_ERRORS_ONLY)
        try:
            model = str(path) if tap is None else path.read_bytes() + _as_output(tap)
            session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except (*_LOAD_ERRORS, OSError) as exc:
            raise WeightsError(f"onnxruntime cannot load {path}: {exc}") from exc
        self._name = path.parent.name
        self._inputs = {each.name for each in session.get_inputs()}
        self._session: Any = session

    def run(self, ids: list[int], segments: list[int]) -> NDArray[np.float32]:
        """Run one sequence; returns the model's first output without the batch dimension.

        Raises `ModelError`.
        """
        return self._run(_feed(ids, segments), tokens=len(ids))[0]

    def run_tapped(
        self, ids: list[int], segments: list[int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Run one sequence; returns the first output and the tapped tensor. Raises `ModelError`."""
        output, tapped = self._run(_feed(ids, segments), tokens=len(ids))
        return output, tapped

    def run_on(self, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run a model that reads hidden states, shape (tokens, width), in place of tokens. Raises `ModelError`."""
        return self._run({"hidden": hidden[np.newaxis]}, tokens=len(hidden))[0]

    def _run(self, feed: dict[str, NDArray[Any]], *, tokens: int) -> list[NDArray[np.float32]]:
        """All outputs without the batch dimension."""
        session = self._session
        if session is None:
            raise ModelError(f"the model {self._name} has been closed")
        try:
            outputs = session.run(None, {name: feed[name] for name in self._inputs})
        except _RUN_ERRORS as exc:
            reason = f"{type(exc).__name__}: {exc}"
            raise ModelError(
                f"the model {self._name} failed on a sequence of {tokens} tokens ({reason})"
            ) from exc
        return [output[0] for output in outputs]

    def close(self) -> None:
        """Let go of the model. A run that is under way finishes; later ones raise `ModelError`."""
        self._session = None


def _feed(ids: list[int], segments: list[int]) -> dict[str, NDArray[Any]]:
    return {
        "input_ids": np.array([ids], dtype=np.int64),
        "attention_mask": np.ones((1, len(ids)), dtype=np.int64),
        "token_type_ids": np.array([segments], dtype=np.int64),
    }


def _as_output(tensor: str) -> bytes:
    """What to put behind a model's bytes, so that `tensor` is one of its outputs.

    Protocol buffers that stand one behind the other are read as one, and lists in them are joined: this is
    `ModelProto{graph: GraphProto{output: [ValueInfoProto{name: tensor}]}}` (fields 7, 12 and 1 of onnx.proto).
    """
    message = tensor.encode("ascii")
    for field in (1, 12, 7):
        message = bytes([field << 3 | 2, len(message)]) + message
    assert len(message) < 128, "longer names need lengths of two bytes"
    return message


def require_threads(threads: int) -> int:
    """Return `threads`; raises `ConfigurationError` for less than one."""
    if threads < 1:
        raise ConfigurationError(
            f"a model needs at least 1 thread, not {threads}; correct the setting 'threads'"
        )
    return threads
