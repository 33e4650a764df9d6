"""Parsing in worker processes: a file that hangs, crashes or swells its parser costs that file alone."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from types import TracebackType
from typing import Self

from pebble import ProcessExpired, ProcessPool

from ingest.errors import ParseError, ParsersUnavailableError
from ingest.parsers import ParsedDocument, parser_for
from ingest.spawning import BareSpawnContext

logger = logging.getLogger(__name__)

_MOST_STARTS = 3
"""How often a file is handed to a fresh pool when the pool, not the file, was at fault."""


def parse_file(content: bytes, file_name: str) -> ParsedDocument:
    """Parse a file with the parser for its name, here and now. Raises `ParseError`."""
    parser = parser_for(file_name)
    if parser is None:
        raise ParseError(f"{file_name}: no parser reads this kind of file")
    return parser.parse(content, file_name=file_name)


class ParserPool:
    """A few processes that parse, one file at a time each. Started by the first file, stopped on leaving the context.

    workers: how many processes.
    time_limit_s: seconds that one file may take; a process that takes longer is killed.
    memory_limit_bytes: how much memory a process may take for its data (Linux; elsewhere the limit may not bind).
    files_per_worker: after how many files a process is replaced, so that what a parser leaks stays small.
    parse: what the processes run: an importable function of a file's content and name.
    """

    def __init__(
        self,
        *,
        workers: int = 2,
        time_limit_s: float = 120.0,
        memory_limit_bytes: int = 2 * 1024**3,
        files_per_worker: int = 500,
        parse: Callable[[bytes, str], ParsedDocument] = parse_file,
    ) -> None:
        self._workers = workers
        self._time_limit_s = time_limit_s
        self._memory_limit_bytes = memory_limit_bytes
        self._files_per_worker = files_per_worker
        self._parse = parse
        self._idle = asyncio.Semaphore(workers)
        self._pool: ProcessPool | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.to_thread(_stop, pool)

    async def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse one file. Cancelling the caller kills the process at work on it.

        Raises `ParseError` if the file cannot be parsed, or not within the limits; `ParsersUnavailableError` if no
        process could be had to try.
        """
        async with self._idle:
            for _ in range(_MOST_STARTS):
                if self._pool is None:
                    self._pool = self._start()
                pool = self._pool
                try:
                    parsed = await self._parse_in(pool, content, file_name)
                except BrokenProcessPool:
                    await self._discard(pool)
                    continue
                for note in parsed.notes:
                    logger.warning("%s", note)
                return parsed
        raise ParsersUnavailableError(
            f"{file_name} was not parsed: the parser processes end as soon as they start. "
            f"They may take {self._memory_limit_bytes // 2**20} MB of memory each; see the log for their last words"
        )

    async def _parse_in(self, pool: ProcessPool, content: bytes, file_name: str) -> ParsedDocument:
        try:
            future = pool.schedule(self._parse, args=(content, file_name), timeout=self._time_limit_s)
        except RuntimeError as exc:  # the pool broke since it was last looked at
            raise BrokenProcessPool from exc
        try:
            parsed: ParsedDocument = await asyncio.wrap_future(future)
        except (ParseError, BrokenProcessPool):
            raise
        except TimeoutError as exc:
            raise ParseError(
                f"{file_name} was given up: parsing it took longer than {self._time_limit_s:g} seconds"
            ) from exc
        except ProcessExpired as exc:
            raise ParseError(f"{file_name}: the parser crashed on it ({_ending(exc.exitcode)})") from exc
        except MemoryError as exc:
            raise ParseError(
                f"{file_name} needs more memory to parse than is allowed ({self._memory_limit_bytes // 2**20} MB)"
            ) from exc
        except Exception as exc:  # what no parser is known to raise: one file's failure, and a bug to be seen
            logger.error("the parser failed on %s: %s", file_name, type(exc).__name__)
            logger.debug("what the parser failed with", exc_info=True)
            raise ParseError(f"{file_name}: the parser failed on it ({type(exc).__name__})") from exc
        return parsed

    async def _discard(self, pool: ProcessPool) -> None:
        """Stop a broken pool; the next file starts another."""
        if self._pool is pool:
            self._pool = None
            await asyncio.to_thread(_stop, pool)

    def _start(self) -> ProcessPool:
        """Start the processes, deaf to Ctrl-C from their first moment.

        They and the threads that replace them inherit this thread's blocked signal; ignoring it in the process alone
        would leave the time in which it imports. The resource tracker comes first, since starting it unblocks signals.
        """
        pool = ProcessPool(
            max_workers=self._workers,
            max_tasks=self._files_per_worker,
            initializer=_prepare_worker,
            initargs=(self._memory_limit_bytes,),
            context=BareSpawnContext(),
        )
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            if not pool.active:  # asking starts it
                raise ParsersUnavailableError("the parser processes cannot be started")
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return pool


def _stop(pool: ProcessPool) -> None:
    pool.stop()
    pool.join()


def _ending(exit_code: int) -> str:
    """How a process ended, in words: "Segmentation fault", "exit code 3"."""
    if exit_code < 0:
        return signal.strsignal(-exit_code) or f"signal {-exit_code}"
    return f"exit code {exit_code}"


def _prepare_worker(memory_limit_bytes: int) -> None:
    """Set a new process's limits, and cut it off from the terminal."""
    # Killed at once even while a C library runs, which would never let a Python handler run.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard_limit = resource.getrlimit(resource.RLIMIT_DATA)
    if hard_limit != resource.RLIM_INFINITY:
        memory_limit_bytes = min(memory_limit_bytes, hard_limit)
    resource.setrlimit(resource.RLIMIT_DATA, (memory_limit_bytes, hard_limit))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
