"""Worker processes: fresh Python processes that import what they are handed, nothing of the program that starts them.

Each is the head of a session and a process group of its own, so that Ctrl-C in a terminal is the owner's affair and
what a worker starts can be ended with it; it has an environment without the owner's secrets, and a folder for temporary
files that is removed with it.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import pickle
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

from ingest.confinement import Guards
from ingest.parser_worker import WorkerOrders
from ingest.worker_messages import LENGTHS, BrokenMessageError, Message, decode_facts, encode

logger = logging.getLogger(__name__)

_START_LIMIT_S = 60.0
_END_LIMIT_S = 10.0
_LARGEST_ANSWER_BYTES = 1024**3
_KEPT = frozenset(("DYLD_LIBRARY_PATH", "LANG", "LD_LIBRARY_PATH", "PATH", "TESSDATA_PREFIX", "TZ"))
_PROGRAM = (
    "import json, pathlib, sys; connection, owner, folder, path = sys.argv[1:]; sys.path[:] = json.loads(path); "
    "from ingest.parser_worker import serve; serve(int(connection), int(owner), pathlib.Path(folder))"
)
_SCRATCH, _LOCK = "footnote-parsing-", "owner.lock"
_SWEPT_AFTER_S = 60.0


class WorkerEndedError(Exception):
    """A worker process ended before it answered.

    accepted: whether it had taken the file by then.
    """

    def __init__(self, how: str, *, accepted: bool) -> None:
        super().__init__(how)
        self.accepted = accepted


class WorkerProcess:
    """One worker process, in the thread that runs the event loop: a process dies with the thread that started it."""

    def __init__(self, folder: Path) -> None:
        self.guards = Guards()
        self.files = 0
        self._folder = folder
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `end`)
        self._process, self._connection = _launch(folder, self._words)
        self._dead = False

    @classmethod
    async def start(cls, orders: WorkerOrders, *, parent: Path) -> Self:
        """Start a process under `orders`, with a folder of its own below `parent`. Raises `WorkerEndedError`."""
        try:
            worker = cls(Path(tempfile.mkdtemp(dir=parent)))
        except OSError as exc:  # no memory, no process, no room on the disk
            raise WorkerEndedError(f"cannot be started: {exc.strerror}", accepted=False) from exc
        try:
            async with asyncio.timeout(_START_LIMIT_S):
                await worker._send(encode({}, pickle.dumps(orders)))
                facts, _ = await worker._receive(accepted=False)
        except BaseException as exc:
            await worker.end()
            if isinstance(exc, TimeoutError):
                raise WorkerEndedError(f"not ready after {_START_LIMIT_S:g} seconds", accepted=False) from exc
            raise
        worker.guards = _guards(facts)
        return worker

    @property
    def pid(self) -> int:
        return self._process.pid

    def alive(self) -> bool:
        """Whether an idle worker still waits for a file."""
        try:
            return bool(self._connection.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except OSError:
            return False

    async def ask(
        self, content: bytes, *, facts: Mapping[str, Any], more_time: Callable[[float], None]
    ) -> tuple[dict[str, Any], bytes]:
        """The worker's answer on a file, of which `facts` say what is wanted (`ingest.worker_messages`). Raises
        `WorkerEndedError`, `BrokenMessageError`.

        `more_time` is called whenever the worker says that its work goes on, with the seconds that its next step may
        take.
        """
        await self._send(encode(facts, content))
        self.files += 1
        await self._receive(accepted=False)
        answer = await self._receive(accepted=True)
        while "more_time_s" in answer[0]:
            more_time(_seconds(answer[0]["more_time_s"]))
            answer = await self._receive(accepted=True)
        self._words.seek(0)  # where the process writes on: it shares the file's position
        self._words.truncate()
        return answer

    def resident_bytes(self) -> int:
        """The memory that the process and all its descendants hold now (pages that they share count for each)."""
        return sum(map(_resident_bytes, process_tree(self.pid)))

    def kill(self) -> None:
        """End the process and all that it started, at once."""
        if self._dead:
            return
        self._dead = self._process.poll() is not None  # what it started may outlive it
        for pid in reversed(tuple(process_tree(self.pid))) if not self._dead else ():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    async def end(self) -> None:
        """End the process, wait until it is gone, and remove its folder."""
        self.kill()
        await self._gone(_END_LIMIT_S)
        self._connection.close()
        self._words.close()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _send(self, message: Message) -> None:
        loop = asyncio.get_running_loop()
        try:
            for part in message:
                await loop.sock_sendall(self._connection, part)
        except ConnectionError as exc:
            raise await self._ended(accepted=False) from exc

    async def _receive(self, *, accepted: bool) -> tuple[dict[str, Any], bytes]:
        try:
            told, data = LENGTHS.unpack(await self._exactly(LENGTHS.size))
            if told + data > _LARGEST_ANSWER_BYTES:
                raise BrokenMessageError("an answer of more bytes than is believed")
            return decode_facts(await self._exactly(told)), bytes(await self._exactly(data))
        except (ConnectionError, EOFError) as exc:
            raise await self._ended(accepted=accepted) from exc

    async def _exactly(self, length: int) -> bytearray:
        loop = asyncio.get_running_loop()
        data = bytearray(length)
        left = memoryview(data)
        while left:
            received = await loop.sock_recv_into(self._connection, left)
            if not received:
                raise EOFError
            left = left[received:]
        return data

    async def _ended(self, *, accepted: bool) -> WorkerEndedError:
        """What there is to say about a process that has closed its end of the connection."""
        await self._gone(1.0)
        self.kill()
        code = self._process.returncode
        if words := os.pread(self._words.fileno(), 4000, 0).decode(errors="replace").strip():
            logger.log(logging.DEBUG if self.files else logging.ERROR, "a parser's last words: %s", words)
        return WorkerEndedError("unknown" if code is None else _ending(code), accepted=accepted)

    async def _gone(self, limit_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while self._process.poll() is None:  # noqa: ASYNC110 (nothing else tells)
                    await asyncio.sleep(0.002)


class Scratch:
    """A folder in which the folders of one owner's workers lie. Those of owners that were killed are removed first."""

    def __init__(self) -> None:
        _sweep(Path(tempfile.gettempdir()))
        self.folder = Path(tempfile.mkdtemp(prefix=_SCRATCH))
        self._lock = os.open(self.folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)


def _sweep(temporary: Path) -> None:
    for lock in temporary.glob(f"{_SCRATCH}*/{_LOCK}"):
        try:
            status = lock.parent.lstat()
            if status.st_uid != os.geteuid() or time.time() - status.st_mtime < _SWEPT_AFTER_S:
                continue
            held = os.open(lock, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)
        except BlockingIOError:  # its owner lives
            pass
        finally:
            os.close(held)


def _launch(folder: Path, words: IO[bytes]) -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    told = (str(theirs.fileno()), str(os.getpid()), str(folder), json.dumps(sys.path))
    with theirs:
        process = subprocess.Popen(  # noqa: S603 (this Python, and arguments of our own)
            [sys.executable, "-c", _PROGRAM, *told],
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            pass_fds=[theirs.fileno()],
            env={**_environment(), "HOME": str(folder), "TMPDIR": str(folder), "OMP_THREAD_LIMIT": "1"},
            start_new_session=True,
        )
    return process, ours


def _environment() -> dict[str, str]:
    """What a worker's libraries may need of this process's environment; keys and passwords stay here."""
    return {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith("LC_")}


def _guards(facts: dict[str, Any]) -> Guards:
    guards = facts["guards"]
    return Guards(**{**guards, "network": tuple(guards["network"])})


def _ending(exit_code: int) -> str:
    """How a process ended, in words: "Segmentation fault", "exit code 3"."""
    if exit_code < 0:
        return signal.strsignal(-exit_code) or f"signal {-exit_code}"
    return f"exit code {exit_code}"


def process_tree(pid: int) -> Iterator[int]:
    """A process and its descendants, as far as Linux tells; the process alone elsewhere."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in children.read_text().split():
                yield from process_tree(int(child))


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:  # it has ended, or this is not Linux
        return 0


def _seconds(told: object) -> float:
    if not isinstance(told, int | float) or not 0 <= told < float("inf"):
        raise BrokenMessageError("a wish for time that is no time")
    return float(told)
