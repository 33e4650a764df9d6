"""What a service that runs beside uses: CPU seconds by its event loop, its other threads and Postgres; memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """CPU seconds. `models`: all threads of the service but the first, which is its event loop."""

    loop: float
    models: float
    postgres: float
    clients: float

    @property
    def service(self) -> float:
        """What answering takes; the clients would be elsewhere."""
        return self.loop + self.models + self.postgres

    def since(self, before: Used) -> Used:
        return Used(
            loop=self.loop - before.loop,
            models=self.models - before.models,
            postgres=self.postgres - before.postgres,
            clients=self.clients - before.clients,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Meters:
    """Reads /proc (Linux). `postmaster`: the first process of the embedded Postgres, or None for one elsewhere, whose
    time does not count then."""

    service: int
    postmaster: int | None

    @classmethod
    def of(cls, service: int, home: Path) -> Meters:
        found = next(home.glob("postgres/**/postmaster.pid"), None)
        pid = None if found is None else int(found.read_text(encoding="ascii").split()[0])
        return cls(service=service, postmaster=pid)

    def used(self) -> Used:
        loop, whole = _thread_s(self.service, self.service), _process_s(self.service)
        postgres = (
            0.0 if self.postmaster is None else sum(_process_s(pid) for pid in _family(self.postmaster))
        )
        return Used(loop=loop, models=whole - loop, postgres=postgres, clients=_process_s(os.getpid()))

    def rss_mb(self) -> float:
        """Resident megabytes of the service's process."""
        for line in Path(f"/proc/{self.service}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmRSS:"):
                return round(int(line.split()[1]) / 1024, 1)
        return 0.0


def _fields(stat: Path) -> list[str]:
    """From the third field (state) on; a name may hold spaces and parentheses."""
    return stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def _seconds(fields: list[str], *, with_ended: bool) -> float:
    """User and system; with_ended: and those of children that have ended."""
    return _TICK_S * sum(int(field) for field in fields[11 : 15 if with_ended else 13])


def _thread_s(pid: int, thread: int) -> float:
    return _seconds(_fields(Path(f"/proc/{pid}/task/{thread}/stat")), with_ended=False)


def _process_s(pid: int) -> float:
    try:
        return _seconds(_fields(Path(f"/proc/{pid}/stat")), with_ended=_has_ended_children(pid))
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def _has_ended_children(pid: int) -> bool:
    """Whether its ended children count for it: a postmaster's do, whose backends come and go."""
    return "postgres" in Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace")


def _family(pid: int) -> list[int]:
    """A process and those that it has started and that still run."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [pid, *(int(child) for child in children)]
