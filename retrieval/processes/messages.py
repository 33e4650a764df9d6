"""What a model process and its owner say to each other: plain data, never pickled.

A message is two lengths (8 bytes each), then that much JSON, then that many bytes: an array of float32, if any. Texts
travel in the JSON, half surrogate pairs included, so that it is the model that refuses them.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval import errors
from retrieval.errors import ExtraMissingError, FootnoteError

_LENGTHS = struct.Struct("!QQ")
_KINDS: Mapping[str, type[FootnoteError]] = {
    kind.__name__: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, FootnoteError)
}


def send(connection: socket.socket, facts: Mapping[str, Any], data: bytes | memoryview = b"") -> None:
    """Send a message whole. Raises `OSError` where nobody reads any more."""
    told = json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    connection.sendall(_LENGTHS.pack(len(told), len(data)) + told)
    connection.sendall(data)


def receive(connection: socket.socket) -> tuple[dict[str, Any], bytearray]:
    """The next message. Raises `EOFError` or `OSError` when there is none."""
    told, data = _LENGTHS.unpack(_exactly(connection, _LENGTHS.size))
    facts: dict[str, Any] = json.loads(_exactly(connection, told).decode("utf-8", "surrogatepass"))
    return facts, _exactly(connection, data)


def _exactly(connection: socket.socket, length: int) -> bytearray:
    data = bytearray(length)
    left = memoryview(data)
    while left:
        received = connection.recv_into(left)
        if not received:
            raise EOFError
        left = left[received:]
    return data


def describe_array(rows: NDArray[np.float32]) -> tuple[dict[str, Any], memoryview]:
    """The facts and the bytes that carry an array."""
    packed = np.ascontiguousarray(rows, dtype=np.float32)
    return {"shape": list(packed.shape)}, packed.reshape(-1).data.cast("B") if packed.size else memoryview(
        b""
    )


def read_array(facts: Mapping[str, Any], data: bytearray) -> NDArray[np.float32]:
    """The array that a message carries; it may be written to."""
    return np.frombuffer(data, dtype=np.float32).reshape(facts["shape"])


def describe_error(error: FootnoteError) -> dict[str, Any]:
    """The facts that carry an error of ours."""
    facts = {"error": type(error).__name__, "reason": str(error)}
    return facts | {"extra": error.extra} if isinstance(error, ExtraMissingError) else facts


def read_error(facts: Mapping[str, Any], *, device: str) -> FootnoteError | None:
    """The error that a message carries, if it carries one."""
    if "error" not in facts:
        return None
    kind = _KINDS[facts["error"]]
    # Not by the kind's own constructor: the words have been put together already.
    error = kind.__new__(kind, facts["reason"])
    if isinstance(error, ExtraMissingError):
        error.extra = facts["extra"]
    error.add_note(f"in the process for {device}")
    return error
