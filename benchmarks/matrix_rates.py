"""The processor's rate of matrix products, in the two ways that an int8 encoder needs them: the limit of its speed.

int8 is measured through onnxruntime's own MatMulInteger with the shapes of the model, unsigned by signed, and nothing
around it; fp32 through the fastest of the libraries that are at hand. Rates are in operations a second.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # as retrieval.sessions does, whichever comes first

import onnxruntime

_REPEATS = 5
_SECONDS = 0.4
_UINT8, _INT8, _INT32 = 2, 3, 6


def best_rate(run: Callable[[], Any], operations: float) -> float:
    """Operations a second: the best of several stretches of some tenths of a second."""
    run()
    best = 0.0
    for _ in range(_REPEATS):
        begun, count = time.perf_counter(), 0
        while time.perf_counter() - begun < _SECONDS:
            run()
            count += 1
        best = max(best, count * operations / (time.perf_counter() - begun))
    return best


def fp32_rate(size: int = 1024) -> dict[str, float]:
    """Of square products on all threads, by library: numpy's, and torch's where it is installed."""
    left, right = np.random.default_rng(1).standard_normal((2, size, size), dtype=np.float32)
    rates = {"numpy": best_rate(lambda: left @ right, 2.0 * size**3)}
    try:
        import torch  # noqa: PLC0415  measured where it is installed
    except ModuleNotFoundError:
        return rates
    ours, theirs = torch.from_numpy(left), torch.from_numpy(right)
    return rates | {"torch": best_rate(lambda: torch.matmul(ours, theirs), 2.0 * size**3)}


def int8_rate(*, tokens: int, width: int, feed_forward: int, threads: int) -> float:
    """Of the six products of an encoder's layer over `tokens` tokens, one layer a thread at a time."""
    widths = [(width, width)] * 4 + [(width, feed_forward), (feed_forward, width)]
    session = one_thread_session(_products(widths))
    chooser = np.random.default_rng(1)
    feed = {
        f"a{inner}": onnxruntime.OrtValue.ortvalue_from_numpy(
            chooser.integers(0, 255, (tokens, inner), dtype=np.uint8)
        )
        for inner in {inner for inner, _ in widths}
    }
    outputs = [f"c{at}" for at in range(len(widths))]

    def layers(_: int) -> None:
        for _repeat in range(4):
            session.run_with_ort_values(outputs, feed)

    operations = 4 * threads * sum(2.0 * tokens * inner * outer for inner, outer in widths)
    with ThreadPoolExecutor(threads) as pool:
        return best_rate(lambda: list(pool.map(layers, range(threads))), operations)


def one_thread_session(model: str | bytes, *, profile_prefix: str | None = None) -> Any:
    """A session that runs on the calling thread; with a prefix it writes where its time went."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    if profile_prefix is not None:
        options.enable_profiling = True
        options.profile_file_prefix = profile_prefix
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _products(widths: Sequence[tuple[int, int]]) -> bytes:
    """An ONNX model of one MatMulInteger for each (inner, outer): inputs a{inner}, outputs c0, c1 and so on.

    Written as Protocol buffers by hand, field numbers from onnx.proto: the package onnx is needed for nothing else.
    """
    chooser = np.random.default_rng(2)
    graph = _text(2, "products")
    for at, (inner, outer) in enumerate(widths):
        # Seven bits of weight: their products never overflow sixteen bits on processors without VNNI.
        weights = chooser.integers(-64, 64, (inner, outer), dtype=np.int8)
        graph += _message(
            1, _text(1, f"a{inner}") + _text(1, f"b{at}") + _text(2, f"c{at}") + _text(4, "MatMulInteger")
        )
        graph += _message(
            5,
            _number(1, inner)
            + _number(1, outer)
            + _number(2, _INT8)
            + _text(8, f"b{at}")
            + _message(9, weights.tobytes()),
        )
        graph += _message(12, _value(f"c{at}", _INT32, outer))
    for inner in sorted({inner for inner, _ in widths}):
        graph += _message(11, _value(f"a{inner}", _UINT8, inner))
    return _number(1, 8) + _message(7, graph) + _message(8, _number(2, 13))


def _value(name: str, kind: int, columns: int) -> bytes:
    shape = _message(1, _text(2, "tokens")) + _message(1, _number(1, columns))
    return _text(1, name) + _message(2, _message(1, _number(1, kind) + _message(2, shape)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _message(field, value.encode())


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])
