"""What a model process does: load a model, then answer calls until its owner is gone.

Kept light: torch and the like are imported by the function that loads the model.
"""

from __future__ import annotations

import faulthandler
import importlib
import logging
import os
import socket
import threading
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import FootnoteError, ModelError
from retrieval.processes.messages import describe_array, describe_error, receive, send

_log = logging.getLogger(__name__)

_MOST_CALLS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A model that has been loaded.

    facts: what the owner is told of it, fit for JSON. answer: from a call's facts to its rows.
    """

    facts: Mapping[str, Any]
    answer: Callable[[Mapping[str, Any]], NDArray[np.float32]]


@dataclass(slots=True)
class _Outbox:
    """The way to the owner, which the threads of this process share."""

    connection: socket.socket
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def put(self, facts: Mapping[str, Any], data: bytes | memoryview = b"") -> None:
        try:
            with self._turn:
                send(self.connection, facts, data)
        except OSError:  # the owner is gone, and so will this process be
            pass


class _Telling(logging.Handler):
    """Hands log records to the owner."""

    def __init__(self, outbox: _Outbox) -> None:
        super().__init__()
        self._outbox = outbox
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._outbox.put({"log": record.name, "level": record.levelno, "words": self.format(record)})


def serve(descriptor: int) -> None:
    """Be a model process. It ends as soon as its owner has closed, or lost, the other end of the connection.

    descriptor: this process's end of a connected socket.
    """
    faulthandler.enable()
    outbox = _Outbox(socket.socket(fileno=descriptor))
    logging.basicConfig(level=logging.WARNING, handlers=[_Telling(outbox)])
    logging.getLogger("retrieval").setLevel(logging.INFO)
    threads = ThreadPoolExecutor(_MOST_CALLS)  # as many are started as calls run at once
    answering = _Answering(outbox)
    try:
        while (
            True
        ):  # this thread does nothing but read, so it sees the owner's end whatever is computed meanwhile
            facts, _ = receive(outbox.connection)
            threads.submit(answering.answer, facts)
    except (EOFError, OSError):
        os._exit(0)


class _Answering:
    """Answers calls: first the one to load, then others."""

    def __init__(self, outbox: _Outbox) -> None:
        self._outbox = outbox
        self._served: Served | None = None

    def answer(self, facts: Mapping[str, Any]) -> None:
        told, data = self._attempt(facts)
        self._outbox.put({**told, "id": facts["id"]}, data)

    def _attempt(self, facts: Mapping[str, Any]) -> tuple[dict[str, Any], bytes | memoryview]:
        try:
            if "load" in facts:
                module, _, function = facts["load"].partition(":")
                self._served = getattr(importlib.import_module(module), function)(facts["orders"])
                return {"facts": self._served.facts}, b""
            assert self._served is not None, "calls come after the answer to the first"
            return describe_array(self._served.answer(facts))
        except FootnoteError as error:
            return describe_error(error), b""
        except Exception as error:  # noqa: BLE001  nothing is swallowed: it is raised where the caller waits
            # Without the error's own words, which may be those of a text.
            trace = "".join(traceback.format_tb(error.__traceback__)[-20:])
            _log.error("a call failed unexpectedly (%s):\n%s", type(error).__name__, trace)
            return describe_error(ModelError(f"the model failed unexpectedly ({type(error).__name__})")), b""
