"""States of files on other machines: numbers that are the same as long as the server says the same of a file."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping


def state_number(mark: str) -> int:
    """A number of 63 bits that stands for an ETag or a time, whatever it is made of."""
    return int.from_bytes(hashlib.sha256(mark.encode()).digest()[:8]) >> 1


def state_told(headers: Mapping[str, str]) -> int | None:
    """The state that an answer's headers tell of: by ETag, else by Last-Modified; None where there is neither."""
    etag = headers.get("etag", "").strip().removeprefix("W/")
    mark = f"etag {etag}" if etag else headers.get("last-modified", "").strip()
    return state_number(mark) if mark else None


def state_unknown() -> int:
    """A state that none before was: whether the file has changed, its content has to tell."""
    return time.time_ns()
