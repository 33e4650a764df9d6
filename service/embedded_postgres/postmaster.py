"""The server's main process: finding it, telling it from a stranger with its number, starting and stopping it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from service.embedded_postgres.account import Account
from service.embedded_postgres.binaries import Binaries
from service.embedded_postgres.location import SOCKET_NAME, Location
from service.embedded_postgres.programs import start_program

PORT = 5432
_PROC = Path("/proc")
_POLL_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Postmaster:
    """A living server as its `postmaster.pid` tells of it.

    status: "starting" or "standby" (both recovering), "ready", "stopping"; "" until it is written.
    """

    pid: int
    socket_directory: Path | None
    status: str

    @property
    def has_socket(self) -> bool:
        return self.socket_directory is not None and (self.socket_directory / SOCKET_NAME).exists()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Process:
    name: str
    uid: int
    parent: int
    zombie: bool
    arguments: tuple[bytes, ...]


def find_postmaster(location: Location) -> Postmaster | None:
    """The living server of this cluster, in whatever state, or None."""
    told = _read_pid_file(location.cluster)
    if told is None or _relation(told.pid, location) != "ours":
        return None
    return told


def last_socket_directory(location: Location) -> Path | None:
    """Where the socket of the killed server was, if that is still a good place: its other users look for it there."""
    told = _read_pid_file(location.cluster)
    folder = told.socket_directory if told is not None else None
    return folder if folder is not None and folder.name == location.name and folder.is_dir() else None


def remove_stale_files(location: Location, socket_directory: Path) -> None:
    """Remove what a killed server left and the next would stumble over. Only for who knows that no server lives.

    PostgreSQL takes a lock file for valid if any process of its account has the number written in it.
    """
    told = _read_pid_file(location.cluster)
    if told is not None and _relation(told.pid, location) in {"stranger", "zombie"}:
        (location.cluster / "postmaster.pid").unlink(missing_ok=True)
    for name in (SOCKET_NAME, f"{SOCKET_NAME}.lock"):
        (socket_directory / name).unlink(missing_ok=True)


def start_postmaster(
    binaries: Binaries, location: Location, parameters: Sequence[str], *, log_fd: int, lock_fd: int
) -> subprocess.Popen[bytes]:
    """Start the server. It and all its children keep `lock_fd` open, so the lock lasts as long as one of them lives."""
    argv: list[str | Path] = [binaries.postgres, "-D", location.cluster, *parameters]
    process = start_program(
        argv, location.account, output=log_fd, input_from=subprocess.DEVNULL, inherited=(lock_fd,)
    )
    # Waits for it whoever stops it and whenever: an unreaped child would look alive to the next server.
    threading.Thread(target=process.wait, name="footnote-postgres-reaper", daemon=True).start()
    return process


def stop_postmaster(location: Location, *, timeout_s: float, report: Callable[[str], None]) -> None:
    """Stop the living server, if any: a fast shutdown, then one that the next start recovers from."""
    for sent, patience_s in ((signal.SIGINT, timeout_s), (signal.SIGQUIT, 10.0)):
        server = find_postmaster(location)
        if server is None:
            return
        with suppress(ProcessLookupError):
            os.kill(server.pid, sent)
        if _wait_until_gone(location, patience_s):
            return
        report(f"PostgreSQL (process {server.pid}) did not stop within {patience_s:.0f} s of {sent.name}")


def kill_orphans(location: Location) -> int:
    """Kill processes of a server whose main process died, still busy with a long query; return how many.

    Nothing is lost: the server that starts next recovers from its log, as after a power cut.
    """
    title = f"postgres: {location.name}: ".encode()
    found = dict(_processes(location.account))
    servers = {pid for pid, process in found.items() if process.name == "postgres"}
    orphans = [
        pid
        for pid, process in found.items()
        # The server of a container is seen from outside of it too: its processes have a living one above them.
        if process.arguments[0].startswith(title) and process.parent not in servers
    ]
    for pid in orphans:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(orphans)


def _wait_until_gone(location: Location, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while find_postmaster(location) is not None:
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _read_pid_file(cluster: Path) -> Postmaster | None:
    """Lines: pid, data directory, start time, port, socket directory, address, shared memory, status."""
    try:
        lines = os.fsdecode((cluster / "postmaster.pid").read_bytes()).split("\n")
    except FileNotFoundError:
        return None
    if not lines[0].strip().isdecimal():
        return None  # torn, or of a single-user backend, which writes a negative number
    lines += [""] * (8 - len(lines))
    folder = lines[4]
    return Postmaster(
        pid=int(lines[0]), socket_directory=Path(folder) if folder else None, status=lines[7].strip()
    )


def _relation(pid: int, location: Location) -> Literal["ours", "stranger", "zombie", "gone", "unknown"]:
    """What the process with this number is to this cluster. "unknown": a postgres that does not let us look."""
    if not _PROC.is_dir():
        return _relation_by_signal(pid)
    process = _read_process(pid)
    if process is None or process.zombie:
        return "gone" if process is None else "zombie"
    if process.name != "postgres" or process.uid != location.account.uid:
        return "stranger"
    if os.fsencode(location.cluster) in process.arguments:
        return "ours"
    return _relation_by_folder(pid, location)


def _relation_by_folder(pid: int, location: Location) -> Literal["ours", "stranger", "unknown"]:
    """A server works in its cluster's folder. Root may not look where it lacks the right to trace (some containers)."""
    try:
        return "ours" if (_PROC / str(pid) / "cwd").readlink() == location.cluster else "stranger"
    except OSError:
        return "unknown"


def _relation_by_signal(pid: int) -> Literal["ours", "gone"]:
    """Where there is no /proc: a living number is taken for the server's, and PostgreSQL itself judges the rest."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return "gone"
    return "ours"


def _processes(account: Account) -> Iterator[tuple[int, _Process]]:
    if not _PROC.is_dir():
        return
    for entry in _PROC.iterdir():
        process = _read_process(int(entry.name)) if entry.name.isdecimal() else None
        if process is not None and process.uid == account.uid and not process.zombie:
            yield int(entry.name), process


def _read_process(pid: int) -> _Process | None:
    """From the two files of /proc that every account may read of every process."""
    try:
        status = (_PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace")
        arguments = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return _Process(
        name=fields["Name"],
        uid=int(fields["Uid"].split()[0]),
        parent=int(fields["PPid"]),
        zombie=fields["State"].startswith(("Z", "X")),
        arguments=tuple(arguments),
    )
