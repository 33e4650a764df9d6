"""Answers of `/embeddings`, as OpenAI's interface has them: checked, put in order, made unit vectors.

{"data": [{"index": 0, "embedding": [0.1, …] or base64 of little-endian float32}, …]}
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import ModelError
from retrieval.model_servers.client import ModelServer

_BYTES_PER_FIGURE = 32
_BYTES_BESIDE = 16 * 1024
_LARGEST_DIMENSION = 65_536


def most_bytes(count: int, dimension: int | None) -> int:
    """The largest answer that so many vectors can need. `dimension` is None before it is known."""
    return _BYTES_BESIDE + count * (dimension or _LARGEST_DIMENSION) * _BYTES_PER_FIGURE


def read_vectors(server: ModelServer, answer: Any, count: int) -> NDArray[np.float32]:
    """The vectors of an answer to `count` texts, in the texts' order, as unit rows of one dimension.

    Raises `ModelUnavailableError` where that is not what was sent, and `ModelError` for a vector without a direction.
    """
    entries = indexed(server, answer, "data", count)
    rows = [_figures(server, entry) for entry in entries]
    widths = {len(row) for row in rows}
    if len(widths) != 1 or 0 in widths:
        raise server.unreadable(f"vectors of {len(widths)} different dimensions, or empty ones,")
    vectors = np.stack(rows)
    fits = (np.abs(vectors) <= np.finfo(np.float32).max).all(axis=1)  # which nan does not, either
    for place in np.flatnonzero(~(fits & vectors.any(axis=1))):
        raise ModelError(
            f"{server.name} sent a vector without a direction (zero, infinite or not a number) for text {place + 1} of "
            f"{count} of a request. The server's log may say why; models overflow at 16 bits with some texts."
        )
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def indexed(server: ModelServer, answer: Any, name: str | None, count: int) -> list[Mapping[str, Any]]:
    """The entries of an answer in the order of their indexes, each of 0 to `count` - 1 once.

    name: of the list in the answer; None where the answer is the list.
    """
    entries = answer.get(name) if name is not None and isinstance(answer, dict) else answer
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise server.unreadable("JSON that has no list of results")
    if len(entries) != count:
        raise server.unreadable(f"{len(entries)} results for {count} texts")
    placed: dict[int, Mapping[str, Any]] = {}
    for entry in entries:
        index = entry.get("index")
        if type(index) is not int or not 0 <= index < count or index in placed:
            raise server.unreadable(f"results whose indexes are not those of the {count} texts, each once,")
        placed[index] = entry
    return [placed[index] for index in range(count)]


def _figures(server: ModelServer, entry: Mapping[str, Any]) -> NDArray[np.float64]:
    given = entry.get("embedding")
    if isinstance(given, str):
        try:
            content = base64.b64decode(given, validate=True)
            return np.frombuffer(content, dtype="<f4").astype(np.float64)
        except (binascii.Error, ValueError):
            raise server.unreadable("a vector in base64 that cannot be read") from None
    return figures(server, given)


def figures(server: ModelServer, given: Any) -> NDArray[np.float64]:
    """A list of numbers, of which any may be infinite or not a number."""
    if not isinstance(given, list) or not all(type(figure) in (int, float) for figure in given):
        raise server.unreadable("a vector that is not a list of numbers")
    return np.array([_as_float(figure) for figure in given], dtype=np.float64)


def _as_float(figure: float) -> float:
    try:
        return float(figure)
    except OverflowError:  # an integer of hundreds of digits
        return float("inf")
