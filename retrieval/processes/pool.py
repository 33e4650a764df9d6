"""Processes with one model each, on one device each, behind one call: a call goes to the one with the least to do."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import (
    ConfigurationError,
    FootnoteError,
    ModelError,
    ModelStoppedError,
    ModelUnavailableError,
)
from retrieval.processes.messages import read_array
from retrieval.processes.process import ModelProcess, ProcessEndedError

_log = logging.getLogger(__name__)

_LOAD_LIMIT_S = 3600.0  # a large model may have to be fetched
_CALL_LIMIT_S = 600.0
_MOST_RESTARTS, _WITHIN_S = 5, 600.0


@dataclass(slots=True, eq=False)
class _Place:
    """A device, and the process that has it now. Changed under the pool's condition alone.

    process is None, or still loading, while `starting`. busy counts calls of this process, not of its predecessors.
    """

    device: str
    process: ModelProcess | None = None
    parallelism: int = 0
    starting: threading.Thread | None = None
    restarts: deque[float] = field(default_factory=deque)
    why: str = ""

    def runs(self) -> bool:
        return self.process is not None and self.starting is None and not self.process.how_it_ended


class ModelPool:
    """A model in several processes, a device each. Threads may share it.

    function: loads the model in a process, as `ModelProcess.load` has it; its orders are `orders` with the "device".
    Its facts have the "identity", which must be the same on every device, and the "parallelism".

    A process that ends fails the calls that it has not answered, and is started again when the next call comes, five
    times within ten minutes at most; meanwhile the others go on.
    """

    def __init__(self, function: str, orders: Mapping[str, Any], devices: Sequence[str]) -> None:
        """Start all processes, and wait for them to load. Raises what they raise, and `ModelError`."""
        self._function = function
        self._orders = orders
        self._threads = max(1, len(os.sched_getaffinity(0)) // len(devices))
        self._places = [_Place(device=device) for device in devices]
        self._change = threading.Condition()
        self._busy: dict[ModelProcess, int] = {}
        self._urgent = 0
        self._closed = False
        with ExitStack() as unless_all_are_ready:
            unless_all_are_ready.callback(self.close)
            with ThreadPoolExecutor(len(devices)) as threads:
                told = list(threads.map(self._load, self._places))
            self.facts = told[0]
            for place, facts in zip(self._places, told, strict=True):
                self._compare(place, facts)
            unless_all_are_ready.pop_all()
        self.parallelism = sum(place.parallelism for place in self._places)

    def call(self, facts: Mapping[str, Any], *, urgent: bool = False) -> NDArray[np.float32]:
        """The rows that the model answers with; an urgent call goes before all that wait.

        Raises what the model raises, `ModelStoppedError` where its process ended meanwhile, `ModelUnavailableError`
        where none runs any more, and `ModelError` where all have been closed.
        """
        device, process = self._take(urgent=urgent)
        try:
            told, data = process.call(facts, limit_s=_CALL_LIMIT_S)
        except ProcessEndedError as exc:
            if self._closed:
                raise _closed_error() from exc
            raise ModelStoppedError(
                f"the process with the model on {device} ended before it had answered ({exc}); "
                "the next call starts it again"
            ) from exc
        finally:
            self._give_back(process)
        return read_array(told, data)

    def pids(self) -> list[int]:
        """The processes that run."""
        return [place.process.pid for place in self._places if place.process is not None and place.runs()]

    def close(self) -> None:
        """End all processes and wait until they are gone; calls that wait or run fail with `ModelError`."""
        with self._change:
            self._closed = True
            processes = [place.process for place in self._places if place.process is not None]
            starting = [place.starting for place in self._places if place.starting is not None]
            self._change.notify_all()
        for process in processes:
            process.end()
        for thread in starting:
            thread.join()

    def _take(self, *, urgent: bool) -> tuple[str, ModelProcess]:
        with self._change:
            self._urgent += urgent
            try:
                while True:
                    if self._closed:
                        raise _closed_error()
                    for place in self._places:
                        self._see_to(place)
                    if (free := self._free(urgent=urgent)) is not None:
                        return free
                    if not any(place.runs() or place.starting for place in self._places):
                        raise self._given_up()
                    self._change.wait(_CALL_LIMIT_S)
            finally:
                self._urgent -= urgent

    def _free(self, *, urgent: bool) -> tuple[str, ModelProcess] | None:
        """The process with the least to do, if it can take one more call and nobody goes first."""
        if self._urgent and not urgent:
            return None
        free = [
            (self._busy.get(place.process, 0), place.device, place.process)
            for place in self._places
            if place.process is not None
            and place.runs()
            and self._busy.get(place.process, 0) < place.parallelism
        ]
        if not free:
            return None
        calls, device, process = min(free, key=lambda each: each[0])
        self._busy[process] = calls + 1
        return device, process

    def _give_back(self, process: ModelProcess) -> None:
        with self._change:
            self._busy[process] -= 1
            if not self._busy[process]:
                del self._busy[process]
            self._change.notify_all()

    def _see_to(self, place: _Place) -> None:
        """Begin to start a process again that has ended, unless that has happened too often of late."""
        if place.runs() or place.starting is not None:
            return
        if place.process is not None:
            place.why = place.process.how_it_ended
            place.process = None
        now = time.monotonic()
        while place.restarts and now - place.restarts[0] > _WITHIN_S:
            place.restarts.popleft()
        if len(place.restarts) >= _MOST_RESTARTS:
            return
        place.restarts.append(now)
        _log.warning("%s: the process with the model ended (%s); starting it again", place.device, place.why)
        place.starting = threading.Thread(
            target=self._start_again, args=(place,), name=f"starting {place.device}", daemon=True
        )
        place.starting.start()

    def _start_again(self, place: _Place) -> None:
        why = "a fault that nobody foresaw"
        try:
            self._compare(place, self._load(place))
            why = ""
        except FootnoteError as exc:
            why = str(exc)
            if not self._closed:
                _log.error("%s: the model cannot be loaded again: %s", place.device, why)
        finally:
            with self._change:
                place.starting = None
                failed = place.process if why else None
                if why:
                    place.why, place.process = why, None
                self._change.notify_all()
            if failed is not None:
                failed.end()

    def _load(self, place: _Place) -> dict[str, Any]:
        """Start a place's process and have it load the model; returns the model's facts."""
        try:
            process = ModelProcess(place.device, threads=self._threads)
            with self._change:
                place.process = process
                if self._closed:
                    process.end()
            facts = process.load(
                self._function, {**self._orders, "device": place.device}, limit_s=_LOAD_LIMIT_S
            )
        except ProcessEndedError as exc:
            raise ModelError(
                f"the process for {place.device} ended while it loaded the model ({exc})"
            ) from exc
        place.parallelism = int(facts["parallelism"])
        return facts

    def _compare(self, place: _Place, facts: Mapping[str, Any]) -> None:
        if facts["identity"] != self.facts["identity"]:
            raise ConfigurationError(
                f"the model on {place.device} is another than the one on {self._places[0].device}: "
                f"its files have changed while they were loaded; start again"
            )

    def _given_up(self) -> ModelUnavailableError:
        ended = "; ".join(f"{place.device}: {place.why}" for place in self._places)
        return ModelUnavailableError(
            f"no process with the model runs any more, and each has ended {_MOST_RESTARTS} times within "
            f"{_WITHIN_S / 60:g} minutes ({ended}); they are tried again after that time"
        )


def _closed_error() -> ModelError:
    return ModelError("the processes with the model have been closed")
