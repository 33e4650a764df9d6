"""A model for processes that is arithmetic, and does what it is told besides: sleeps, dies, complains."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import ExtraMissingError, InvalidRequestError, WeightsError
from retrieval.processes.worker import Served

FUNCTION = "tests.retrieval.served_models:serve"
_ERRORS: dict[str, Callable[[], Exception]] = {
    "request": lambda: InvalidRequestError("not like this"),
    "extra": lambda: ExtraMissingError("gpu", "a model"),
    "weights": lambda: WeightsError("no weights"),
    "surprise": lambda: ZeroDivisionError("7 / 0"),
}


def serve(orders: Mapping[str, Any]) -> Served:
    """`orders`: what each device is to do beside the usual, by its name."""
    own = orders.get(orders["device"], {})
    if "fails_if" in own and Path(own["fails_if"]).exists():
        raise WeightsError(f"no weights for {orders['device']}")
    logging.getLogger("retrieval.model").info("loaded")
    return Served(
        facts={"identity": own.get("identity", "arithmetic"), "parallelism": own.get("parallelism", 1)},
        answer=_answer,
    )


def _answer(call: Mapping[str, Any]) -> NDArray[np.float32]:
    time.sleep(call.get("sleep_s", 0))
    if "signal" in call:
        os.kill(os.getpid(), call["signal"])
        threading.Event().wait()
    if "error" in call:
        raise _ERRORS[call["error"]]()
    if "variable" in call:
        return np.array([call["variable"] in os.environ, os.getpid()], dtype=np.float32)
    return np.array([[len(text), sum(map(ord, text))] for text in call["texts"]], dtype=np.float32).reshape(
        -1, 2
    )
