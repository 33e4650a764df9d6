"""Parsing, and drawing pages, in worker processes: a file that hangs, crashes or swells its parser costs that file
alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from ingest.confinement import Guards
from ingest.errors import ParseError, ParserStoppedError, ParsersUnavailableError
from ingest.parser_worker import Parse, WorkerOrders, parse_file
from ingest.parsers import ParsedDocument, ParserPolicy
from ingest.parsers.page_pictures import PageOrder, Picture
from ingest.parsers.text import plainly
from ingest.spawning import Scratch, WorkerEndedError, WorkerProcess
from ingest.worker_messages import (
    BrokenMessageError,
    decode_document,
    decode_picture,
    decode_refusal,
    want_document,
    want_picture,
)

__all__ = ["ParserPool", "parse_file"]

_Read = TypeVar("_Read", ParsedDocument, Picture)

logger = logging.getLogger(__name__)

_MOST_STARTS = 3
"""How often a file is handed to another process when not the file was at fault."""
_WATCH_EVERY_S = 0.2


class ParserPool:
    """A few processes that parse, one file at a time each. Started by the first file, stopped on leaving the context.

    policy: which parser reads what.
    workers: how many processes.
    time_limit_s: seconds that one file may take; a process that takes longer is killed, unless its parser says that the
    work goes on (`ingest.parsers.pace`: scanned pages).
    longest_s: seconds after which it is killed even then.
    memory_limit_bytes: how much memory a process may take for its data, and how much it and all that it starts may hold
    at once (Linux; elsewhere the limits may not bind).
    nice: by how much a process gives way to others (`retrieval.priority`).
    files_per_worker: after how many files a process is replaced, so that what a parser leaks stays small.
    kept_memory_bytes: a process that holds more than this after a file is replaced.
    parse: what the processes run: an importable function of a file's content, its name and the policy.
    """

    def __init__(
        self,
        policy: ParserPolicy,
        *,
        workers: int = 2,
        time_limit_s: float = 120.0,
        longest_s: float = 3600.0,
        memory_limit_bytes: int = 2 * 1024**3,
        nice: int = 0,
        files_per_worker: int = 500,
        kept_memory_bytes: int = 1024**3,
        parse: Parse = parse_file,
    ) -> None:
        self._policy = policy
        self._time_limit_s = time_limit_s
        self._longest_s = max(longest_s, time_limit_s)
        self._memory_limit_bytes = memory_limit_bytes
        self._nice = nice
        self._files_per_worker = files_per_worker
        self._kept_memory_bytes = kept_memory_bytes
        self._parse = parse
        self._turns = asyncio.Semaphore(workers)
        self._idle: list[WorkerProcess] = []
        self._ending: set[asyncio.Task[None]] = set()
        self._scratch: Scratch | None = None
        self._guards: Guards | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        while self._idle:
            self._retire(self._idle.pop())
        while self._ending:
            await asyncio.gather(*self._ending)
        scratch, self._scratch = self._scratch, None
        if scratch is not None:
            await asyncio.to_thread(scratch.remove)

    async def guards(self) -> Guards:
        """What holds in the processes; one is started if none was."""
        if self._guards is None:
            async with self._turns:
                try:
                    self._idle.append(await self._start())
                except WorkerEndedError as exc:
                    raise ParsersUnavailableError(f"the parser processes cannot be started: {exc}") from exc
        assert self._guards is not None, "told by the first process"
        return self._guards

    async def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse one file. Cancelling the caller kills the process at work on it.

        Raises `ParseError` if the file cannot be parsed, or not within the limits; `ParsersUnavailableError` if no
        process could be had to try.
        """
        async with self._turns:
            facts, data = await self._ask_somewhere(content, want_document(file_name))
            parsed = await _understood(decode_document, facts, data, file_name)
        for note in parsed.notes:
            logger.warning("%s", plainly(note if file_name in note else f"{file_name}: {note}"))
        return parsed

    async def draw(self, content: bytes, order: PageOrder, *, file_name: str) -> Picture:
        """Draw a page of a PDF. Cancelling the caller kills the process at work on it. Raises as `parse`."""
        async with self._turns:
            facts, data = await self._ask_somewhere(content, want_picture(file_name, order))
            return await _understood(decode_picture, facts, data, file_name)

    async def _ask_somewhere(self, content: bytes, wanted: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        file_name = wanted["name"]
        suspect: _SuspectError | None = None
        for _ in range(_MOST_STARTS):
            try:
                worker = await (self._take() if suspect is None else self._start())
                fresh = worker.files == 0
                return await self._ask_in(worker, content, wanted)
            except WorkerEndedError:
                continue
            except _SuspectError as exc:
                # What an earlier file left behind in the process may be at fault: the file gets one of its own.
                if fresh:
                    raise exc.reason from exc
                suspect = exc
        raise ParsersUnavailableError(
            f"{file_name} was not parsed: the parser processes end as soon as they start. "
            f"They may take {self._memory_limit_bytes // 2**20} MB of memory each; see the log for their last words"
        )

    async def _ask_in(
        self, worker: WorkerProcess, content: bytes, wanted: Mapping[str, Any]
    ) -> tuple[dict[str, Any], bytes]:
        """Raises `WorkerEndedError` if the file was not begun, `_SuspectError` if not it alone may be at fault."""
        file_name = wanted["name"]
        answer: tuple[dict[str, Any], bytes] | None = None
        watch = _MemoryWatch(worker, self._memory_limit_bytes)
        clock = asyncio.get_running_loop().time
        began = clock()
        ends = began + self._time_limit_s

        def extend(seconds: float) -> None:
            nonlocal ends
            ends = max(ends, min(clock() + seconds, began + self._longest_s))
            limit.reschedule(ends)

        try:
            with watch:
                async with asyncio.timeout_at(ends) as limit:
                    answer = await worker.ask(content, facts=wanted, more_time=extend)
        except TimeoutError as exc:
            raise ParserStoppedError(
                f"{file_name} was given up: parsing it took longer than {round(ends - began, 1):g} seconds"
            ) from exc
        except WorkerEndedError as exc:
            if watch.exceeded:
                raise self._too_much_memory(file_name) from exc
            if not exc.accepted:
                raise
            held = f", holding {watch.most_bytes // 2**20} MB of memory" if watch.most_bytes else ""
            raise _SuspectError(
                ParserStoppedError(f"{file_name}: the parser crashed on it ({exc}{held})")
            ) from exc
        except BrokenMessageError as exc:
            raise _senseless(file_name, exc) from exc
        finally:
            self._put_back(worker, fit=answer is not None and answer[0].get("failed") != "MemoryError")
        self._check(answer[0], file_name)
        return answer

    def _check(self, facts: Mapping[str, Any], file_name: str) -> None:
        """Raise what the answer says went wrong, if anything did."""
        if (refusal := decode_refusal(facts)) is not None:
            raise refusal
        if (failure := facts.get("failed")) is None:
            return
        if failure == "MemoryError":
            raise self._too_much_memory(file_name)
        # What no parser is known to raise: one file's failure, and a bug to be seen.
        logger.error("the parser failed on %s: %s", plainly(file_name), plainly(str(failure)))
        logger.debug("where the parser failed:\n%s", facts.get("trace"))
        raise ParseError(f"{file_name}: the parser failed on it ({failure})")

    def _too_much_memory(self, file_name: str) -> _SuspectError:
        return _SuspectError(
            ParserStoppedError(
                f"{file_name} needs more memory to parse than is allowed ({self._memory_limit_bytes // 2**20} MB)"
            )
        )

    async def _take(self) -> WorkerProcess:
        """An idle process, or a new one. Raises `WorkerEndedError` if none starts."""
        while self._idle:
            worker = self._idle.pop()
            if worker.alive():
                return worker
            self._retire(worker)
        return await self._start()

    async def _start(self) -> WorkerProcess:
        if self._scratch is None:
            self._scratch = Scratch()
        worker = await WorkerProcess.start(
            WorkerOrders(
                parse=self._parse,
                policy=self._policy,
                memory_limit_bytes=self._memory_limit_bytes,
                nice=self._nice,
            ),
            parent=self._scratch.folder,
        )
        if self._guards is None:
            self._guards = worker.guards
            level = logging.INFO if worker.guards.network else logging.WARNING
            logger.log(level, "parser processes: %s", worker.guards)
        return worker

    def _put_back(self, worker: WorkerProcess, *, fit: bool) -> None:
        if (
            fit
            and worker.files < self._files_per_worker
            and worker.resident_bytes() <= self._kept_memory_bytes
        ):
            self._idle.append(worker)
        else:
            self._retire(worker)

    def _retire(self, worker: WorkerProcess) -> None:
        """Kill a process now; what is left to do is done by the time the pool is left."""
        worker.kill()
        task = asyncio.create_task(worker.end())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


class _SuspectError(Exception):
    """A process ended over a file: the file's fault for certain if it was the first that the process saw."""

    def __init__(self, reason: ParseError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class _MemoryWatch:
    """Kills a worker that, with all that it has started, holds more memory than it may. Entered for one file."""

    def __init__(self, worker: WorkerProcess, limit_bytes: int) -> None:
        self.most_bytes = 0
        self._worker = worker
        self._limit_bytes = limit_bytes

    @property
    def exceeded(self) -> bool:
        return self.most_bytes > self._limit_bytes

    def __enter__(self) -> None:
        self._wait()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        self.most_bytes = max(self.most_bytes, self._worker.resident_bytes())
        if self.exceeded:
            self._worker.kill()
        else:
            self._wait()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_WATCH_EVERY_S, self._look)


async def _understood(
    decode: Callable[[dict[str, Any], bytes], _Read], facts: dict[str, Any], data: bytes, file_name: str
) -> _Read:
    try:
        return await asyncio.to_thread(decode, facts, data)
    except BrokenMessageError as exc:
        raise _senseless(file_name, exc) from exc


def _senseless(file_name: str, exc: BrokenMessageError) -> ParseError:
    logger.error("the parser's answer on %s was %s", plainly(file_name), exc)
    return ParseError(f"{file_name}: the parser's answer makes no sense ({exc})")
