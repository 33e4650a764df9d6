"""One model process, as its owner sees it: started, called by many threads at once, ended.

It is a fresh Python process, since what torch holds of a GPU does not survive a fork. It is tied to its owner by their
connection, which the system closes however the owner ends, kill -9 included.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from typing import Any

from retrieval.processes.messages import read_error, receive, send

_log = logging.getLogger(__name__)

_END_LIMIT_S = 10.0
_LAST_WORDS_BYTES = 4000
_PROGRAM = (
    "import json, sys; descriptor, path = sys.argv[1:]; sys.path[:] = json.loads(path); "
    "from retrieval.processes.worker import serve; serve(int(descriptor))"
)

Answer = tuple[dict[str, Any], bytearray]


class ProcessEndedError(Exception):
    """A model process ended before it answered, or was ended because it did not; the message says how."""


class ModelProcess:
    """A process with a model on one device. `threads`: how many cores its libraries may use for a call."""

    def __init__(self, device: str, *, threads: int) -> None:
        """Raises `ProcessEndedError` where no process can be started."""
        self.device = device
        try:
            with ExitStack() as unless_it_runs:
                self._words = unless_it_runs.enter_context(tempfile.TemporaryFile())
                self._process, self._connection = _launch(self._words.fileno(), threads)
                unless_it_runs.pop_all()  # `end` closes it
        except OSError as exc:  # no memory, no process, no room for its words
            raise ProcessEndedError(f"cannot be started: {exc.strerror}") from exc
        self._numbers = itertools.count()
        self._sending = threading.Lock()
        self._changing = threading.Lock()
        self._calls: dict[int, Future[Answer]] = {}
        self._how = ""
        self._reader = threading.Thread(target=self._read, name=f"model on {device}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def how_it_ended(self) -> str:
        """In words; "" while it runs."""
        return self._how

    def load(self, function: str, orders: Mapping[str, Any], *, limit_s: float) -> dict[str, Any]:
        """Have the process load a model: `function`, as "module:name", is called there with the orders and returns a
        `Served`. Returns its facts. Raises as `call`."""
        told, _ = self.call({"load": function, "orders": orders}, limit_s=limit_s)
        facts: dict[str, Any] = told["facts"]
        return facts

    def call(self, facts: Mapping[str, Any], *, limit_s: float) -> Answer:
        """Have the model answer; many threads may call at once.

        Raises what the model raised there, and `ProcessEndedError`; a process that takes longer is ended.
        """
        answer: Future[Answer] = Future()
        with self._changing:
            if self._how:
                raise ProcessEndedError(self._how)
            number = next(self._numbers)
            self._calls[number] = answer
        with suppress(OSError), self._sending:  # if it is gone, the reader says how
            send(self._connection, {**facts, "id": number})
        try:
            told, data = answer.result(limit_s)
        except TimeoutError as exc:
            self._kill()
            self.end()
            raise ProcessEndedError(f"no answer within {limit_s:g} seconds") from exc
        if (error := read_error(told, device=self.device)) is not None:
            raise error
        return told, data

    def end(self) -> None:
        """End the process and wait until it is gone. Calls that it has not answered fail."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._gone()
        if self._reader is not threading.current_thread():
            self._reader.join()

    def _read(self) -> None:
        try:
            while True:
                facts, data = receive(self._connection)
                if "log" in facts:
                    logging.getLogger(facts["log"]).log(facts["level"], "%s: %s", self.device, facts["words"])
                else:
                    with self._changing:
                        answer = self._calls.pop(facts["id"])
                    answer.set_result((facts, data))
        except (EOFError, OSError):
            pass
        how = self._gone()
        with self._changing:
            self._how = how
            lost, self._calls = list(self._calls.values()), {}
        for answer in lost:
            answer.set_exception(ProcessEndedError(how))
        if words := os.pread(self._words.fileno(), _LAST_WORDS_BYTES, 0).decode(errors="replace").strip():
            _log.log(logging.ERROR if lost else logging.DEBUG, "%s: last words: %s", self.device, words)
        self._connection.close()
        self._words.close()

    def _gone(self) -> str:
        """How the process ended; it is killed where it goes on without its owner."""
        try:
            self._process.wait(_END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._kill()
            self._process.wait()
        with suppress(ProcessLookupError, PermissionError):  # what it started may outlive it
            os.killpg(self.pid, signal.SIGKILL)
        return _ending(self._process.returncode)

    def _kill(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


def _launch(words: int, threads: int) -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(  # noqa: S603 (this Python, and arguments of our own)
            [sys.executable, "-c", _PROGRAM, str(theirs.fileno()), json.dumps(sys.path)],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            pass_fds=[theirs.fileno()],
            env=_environment(threads),
            start_new_session=True,  # Ctrl-C in a terminal is the owner's affair
        )
    return process, ours


def _environment(threads: int) -> dict[str, str]:
    """This process's environment, which torch and the hub read, without what is Footnote's own: keys and passwords."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FOOTNOTE_")}
    return inherited | {"OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}


def _ending(exit_code: int) -> str:
    """How a process ended, in words: "Segmentation fault", "exit code 3"."""
    if exit_code >= 0:
        return f"exit code {exit_code}"
    words = signal.strsignal(-exit_code) or f"signal {-exit_code}"
    return f"{words}, as the system does it where memory is short" if exit_code == -signal.SIGKILL else words
