"""What processes cost: CPU seconds and memory, read from /proc (Linux), apart for Footnote's own process, its parsers
and Postgres.

On a machine that others use as well, CPU seconds are the honest figure: waiting for a turn is not in them.
"""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_SAMPLE_EVERY_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuSeconds:
    """User and system time together."""

    main: float
    parsers: float
    postgres: float

    @property
    def total(self) -> float:
        return self.main + self.parsers + self.postgres

    def since(self, before: CpuSeconds) -> CpuSeconds:
        return CpuSeconds(
            main=self.main - before.main,
            parsers=self.parsers - before.parsers,
            postgres=self.postgres - before.postgres,
        )

    def plus(self, other: CpuSeconds) -> CpuSeconds:
        return CpuSeconds(
            main=self.main + other.main,
            parsers=self.parsers + other.parsers,
            postgres=self.postgres + other.postgres,
        )


NOTHING = CpuSeconds(main=0, parsers=0, postgres=0)


def cpu_seconds(postmaster: int) -> CpuSeconds:
    """What was used so far, by processes that have ended as well. `postmaster`: Postgres' first process."""
    own, ended = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return CpuSeconds(
        main=own.ru_utime + own.ru_stime,
        parsers=ended.ru_utime
        + ended.ru_stime
        + sum(_used_s(pid) for pid in _tree(os.getpid(), without=postmaster) if pid != os.getpid()),
        postgres=sum(_used_s(pid) for pid in _tree(postmaster)),
    )


def parent_of(pid: int) -> int:
    """The process that started another."""
    return int(_fields(pid)[1])


def processes_below(pid: int) -> frozenset[int]:
    """All that a process has started, and what that has started, as far as it still runs."""
    return frozenset(_tree(pid)) - {pid}


def _fields(pid: int) -> list[str]:
    """/proc/PID/stat from the third field (state) on; a name may hold spaces and parentheses."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def _used_s(pid: int) -> float:
    """User, system, and those of children that have ended."""
    try:
        return _TICK_S * sum(int(field) for field in _fields(pid)[11:15])
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def _tree(pid: int, *, without: int | None = None) -> Iterator[int]:
    """A process and all that it has started and that still run."""
    if pid == without:
        return
    yield pid
    for task in _listed(Path(f"/proc/{pid}/task")):
        try:
            children = (task / "children").read_text(encoding="ascii").split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        for child in children:
            yield from _tree(int(child), without=without)


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return []


def _held_mb(pid: int) -> tuple[float, float]:
    """Resident megabytes: all, and those that are the process's own (not files or shared memory)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0, 0.0
    facts = {name: value for name, _, value in (line.partition(":") for line in lines)}
    return tuple(int(facts.get(name, "0 kB").split()[0]) / 1024 for name in ("VmRSS", "RssAnon"))  # type: ignore[return-value]


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


@dataclass(slots=True)
class MemoryPeak:
    """The most memory that was held at once, in MB, looked at twice a second. To be entered.

    Of Postgres only what is its processes' own: the shared buffers have a fixed size and are touched bit by bit.
    Autovacuum stands apart: it holds a sample of at most 30,000 rows while it analyses a table.
    """

    postmaster: int
    main: float = 0.0
    parsers: float = 0.0
    postgres: float = 0.0
    autovacuum: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        assert self._thread is not None, "entered"
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_SAMPLE_EVERY_S):
            own = os.getpid()
            self.main = max(self.main, _held_mb(own)[0])
            # Between fork and exec a child still shows this process's memory, and its command line.
            parsers = [
                pid
                for pid in _tree(own, without=self.postmaster)
                if pid != own and _command_line(pid) != _command_line(own)
            ]
            self.parsers = max(self.parsers, sum(_held_mb(pid)[0] for pid in parsers))
            held = {pid: _held_mb(pid)[1] for pid in _tree(self.postmaster)}
            vacuum = sum(held.pop(pid) for pid in list(held) if b"autovacuum worker" in _command_line(pid))
            self.postgres = max(self.postgres, sum(held.values()))
            self.autovacuum = max(self.autovacuum, vacuum)

    def as_json(self) -> dict[str, float]:
        return {
            "main_mb": round(self.main, 1),
            "parsers_mb": round(self.parsers, 1),
            "postgres_own_mb": round(self.postgres, 1),
            "autovacuum_own_mb": round(self.autovacuum, 1),
        }


@dataclass(slots=True)
class Stopwatch:
    """Seconds and CPU seconds, added up over several stretches. To be entered once for each."""

    postmaster: int
    seconds: float = 0.0
    cpu: CpuSeconds = NOTHING
    _started: float = 0.0
    _before: CpuSeconds = NOTHING

    def __enter__(self) -> Self:
        self._before, self._started = cpu_seconds(self.postmaster), time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds += time.perf_counter() - self._started
        self.cpu = self.cpu.plus(cpu_seconds(self.postmaster).since(self._before))

    def as_json(self) -> dict[str, float]:
        return {
            "seconds": round(self.seconds, 2),
            "cpu_s": round(self.cpu.total, 2),
            "cpu_main_s": round(self.cpu.main, 2),
            "cpu_parsers_s": round(self.cpu.parsers, 2),
            "cpu_postgres_s": round(self.cpu.postgres, 2),
        }
