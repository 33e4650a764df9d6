"""An int8 encoder's file gives the weights that its matrices stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.matrix_rates import _message, _number, _text
from benchmarks.onnx_weights import read_dequantized


def tensor(name: str, kind: int, values: NDArray[Any]) -> bytes:
    shape = b"".join(_number(1, size) for size in values.shape)
    return _message(5, shape + _number(2, kind) + _text(8, name) + _message(9, values.tobytes()))


def test_matrices_are_named_by_their_layer_and_scaled_by_column(tmp_path: Path) -> None:
    output = "/encoder/layer.3/output/dense/MatMul_output_0_output_quantized"
    node = b"".join([_text(1, "x"), _text(1, "m_quantized"), _text(2, output), _text(4, "MatMulInteger")])
    graph = _message(1, node)
    graph += tensor("m_quantized", 3, np.array([[1, -2, 3], [4, 5, -6]], dtype=np.int8))
    graph += tensor("m_zero_point", 3, np.zeros(3, dtype=np.int8))
    graph += tensor("m_scale", 1, np.array([0.5, 1, 2], dtype=np.float32))
    graph += tensor(
        "embeddings.position_embeddings.weight_quantized", 2, np.array([[0, 255]], dtype=np.uint8)
    )
    graph += tensor("embeddings.position_embeddings.weight_zero_point", 2, np.array(5, dtype=np.uint8))
    graph += tensor("embeddings.position_embeddings.weight_scale", 1, np.array(0.1, dtype=np.float32))
    graph += tensor("encoder.layer.3.output.dense.bias", 1, np.ones(3, dtype=np.float32))
    (tmp_path / "model.onnx").write_bytes(_number(1, 8) + _message(7, graph))
    weights = read_dequantized(tmp_path / "model.onnx")
    assert weights["encoder.layer.3.output.dense.weight"].tolist() == [[0.5, 2], [-2, 5], [6, -12]]
    assert weights["encoder.layer.3.output.dense.bias"].tolist() == [1, 1, 1]
    np.testing.assert_allclose(weights["embeddings.position_embeddings.weight"], [[-0.5, 25]], rtol=1e-6)
