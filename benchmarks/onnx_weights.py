"""Reads the weights of an int8 encoder out of its ONNX file as fp32, by the names that transformers gives them.

The file is Protocol buffers (onnx.proto: field numbers below). A matrix that MatMulInteger multiplies with has no name
of its own; the node's output says which layer it belongs to.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64}
_OUTPUT = "/MatMul_output_0_output_quantized"

Matrix = NDArray[Any]


def read_dequantized(path: Path) -> dict[str, NDArray[np.float32]]:
    """All weights; matrices as (outputs, inputs), embeddings as they are."""
    (graph,) = (value for field, value in _fields(path.read_bytes()) if field == 7)
    parts = [*_fields(graph)]
    tensors = dict(_tensor(value) for field, value in parts if field == 5)
    weights: dict[str, NDArray[np.float32]] = {
        name: tensor for name, tensor in tensors.items() if tensor.dtype == np.float32 and tensor.ndim == 1
    }
    for name in tensors:
        if name.endswith("embeddings.weight_quantized"):
            weights[name.removesuffix("_quantized")] = _dequantized(tensors, name)
    for inputs, outputs, operator in (_node(value) for field, value in parts if field == 1):
        if operator == "MatMulInteger":
            assert outputs[0].endswith(_OUTPUT), "as onnxruntime's quantizer names them"
            layer = outputs[0].removesuffix(_OUTPUT).strip("/").replace("/", ".")
            weights[f"{layer}.weight"] = _dequantized(tensors, inputs[1]).T
    return weights


def _dequantized(tensors: dict[str, Matrix], name: str) -> NDArray[np.float32]:
    stem = name.removesuffix("_quantized")
    steps = tensors[name].astype(np.float32) - tensors[f"{stem}_zero_point"].astype(np.float32)
    dequantized: NDArray[np.float32] = steps * tensors[f"{stem}_scale"]
    return dequantized


def _tensor(message: bytes) -> tuple[str, Matrix]:
    shape: list[int] = []
    name, kind, content = "", 0, b""
    for field, value in _fields(message):
        if field == 1:
            shape += _packed(value) if isinstance(value, bytes) else [value]
        elif field == 2:
            kind = value
        elif field in {4, 9}:
            content = value
        elif field == 5:
            content = (
                np.array(_packed(value) if isinstance(value, bytes) else [value])
                .astype(_TYPES[kind])
                .tobytes()
            )
        elif field == 8:
            name = value.decode()
    return name, np.frombuffer(content, dtype=_TYPES[kind]).reshape(shape)


def _node(message: bytes) -> tuple[list[str], list[str], str]:
    fields = [*_fields(message)]
    inputs, outputs, operators = (
        [value.decode() for field, value in fields if field == wanted] for wanted in (1, 2, 4)
    )
    return inputs, outputs, operators[0]


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Field numbers and values: int for varints, bytes for what has a length, float for four bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        match key & 7:
            case 0:
                value, at = _varint(message, at)
                yield key >> 3, value
            case 2:
                length, at = _varint(message, at)
                yield key >> 3, message[at : at + length]
                at += length
            case 5:
                yield key >> 3, struct.unpack_from("<f", message, at)[0]
                at += 4
            case other:
                raise ValueError(f"wire type {other} does not occur in these files")


def _packed(content: bytes) -> list[int]:
    numbers, at = [], 0
    while at < len(content):
        number, at = _varint(content, at)
        numbers.append(number)
    return numbers


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
