"""A PostgreSQL server shared by every Footnote process of one data directory: first in starts it, last out stops it.

Two locks carry that, beside the cluster. `transition.lock` is held while somebody starts or stops the server.
`users.lock` is held, shared, by every object that uses it; who gets it exclusively was the last. The kernel
releases both when a process dies, so a killed process leaves at most a running server, which the next one adopts.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from service.embedded_postgres.errors import EmbeddedPostgresError, explained
from service.embedded_postgres.location import (
    NOTE,
    Location,
    absolute,
    find_location,
    make_location,
    remove_socket_directory,
    socket_directory,
)
from service.embedded_postgres.locks import FileLock
from service.embedded_postgres.postmaster import (
    Postmaster,
    find_postmaster,
    last_socket_directory,
    stop_postmaster,
)
from service.embedded_postgres.server_log import ServerLog
from service.embedded_postgres.startup import (
    RECOVERING,
    STOP_TIMEOUT_S,
    StartPolicy,
    bring_up,
    claim_server_lock,
    conninfo,
)

_LEAVE_TIMEOUT_S = 10.0
_log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class _Use:
    """This object's share in a running server."""

    location: Location
    users: FileLock
    server: Postmaster


class EmbeddedPostgres:
    """The server of one data directory, for the time of a `with` block.

    data_directory: made if missing, parents too. report: gets one-line messages for a person. settings: PostgreSQL
    parameters that win over Footnote's own; they take effect when this object starts the server, not when it adopts
    one. runtime_directory: $XDG_RUNTIME_DIR or None; where an ordinary account's socket goes.
    """

    def __init__(
        self,
        data_directory: Path,
        *,
        start_timeout_s: float = 120.0,
        report: Callable[[str], None] = _log.info,
        settings: Mapping[str, str] | None = None,
        runtime_directory: Path | None = None,
    ) -> None:
        self._data_directory = data_directory
        self._policy = StartPolicy(
            start_timeout_s=start_timeout_s,
            settings=dict(settings or {}),
            runtime_directory=runtime_directory,
            report=report,
        )
        self._guard = threading.RLock()
        self._use: _Use | None = None

    def __enter__(self) -> Self:
        """Start the server, or adopt the running one. Raises EmbeddedPostgresError with the reason if neither works."""
        with self._guard, explained(f"starting PostgreSQL in {self._data_directory}"):
            if self._use is not None:
                raise EmbeddedPostgresError("this EmbeddedPostgres is in use already; make another one.")
            directory = absolute(self._data_directory)
            location = find_location(directory) or make_location(directory, self._policy.report)
            with self._transition(location):
                self._use = self._join(location)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the server unless somebody else uses it."""
        with self._guard, explained(f"stopping PostgreSQL in {self._data_directory}"):
            use, self._use = self._use, None
            if use is None:
                return
            transition = _transition_lock(use.location)
            try:
                # If it cannot be had, another process is starting the server for itself: let it.
                if transition.acquire_within(_LEAVE_TIMEOUT_S):
                    self._leave(use.location, use.users)
            finally:
                use.users.release()
                transition.release()

    @property
    def dsn(self) -> str:
        """libpq's key/value form: the socket's folder, port, user and database; no password, no TCP."""
        use = self._use
        if use is None:
            raise EmbeddedPostgresError(
                "the embedded PostgreSQL is not running: use it inside its `with` block."
            )
        return conninfo(use.server)

    def ensure_running(self) -> bool:
        """Start the server again if it died. Cheap when it has not; may be called from any thread, again and again.

        True if the server is another than before, whoever started it: connections are gone, and `dsn`, which stays the
        same unless the folder of the socket is lost, should be read again. False outside of the `with` block.
        """
        with self._guard, explained(f"starting PostgreSQL again in {self._data_directory}"):
            use = self._use
            if use is None:
                return False
            server = find_postmaster(use.location)
            if server == use.server and server.has_socket:
                _shrink_log(use.location)
                return False
            known = use.server
            with self._transition(use.location):
                use.server = bring_up(use.location, self._policy, known_socket=known.socket_directory)
            if use.server.pid == known.pid:
                return False
            self._policy.report("PostgreSQL had stopped unexpectedly; it is running again")
            return True

    def destroy(self) -> None:
        """Stop the server and delete the cluster with all its data, its log and its locks; nothing if there is none.

        Raises EmbeddedPostgresError while anybody uses it, this object included.
        """
        with self._guard, explained(f"destroying the PostgreSQL cluster in {self._data_directory}"):
            location = find_location(absolute(self._data_directory))
            if location is None:
                return
            with self._transition(location):
                users = _users_lock(location)
                if not users.try_acquire():
                    raise EmbeddedPostgresError(
                        f"the PostgreSQL cluster in {location.folder} is in use. Stop Footnote, then destroy it."
                    )
                try:
                    self._delete(location)
                finally:
                    users.release()

    def _join(self, location: Location) -> _Use:
        """Under the transition lock: be counted, then bring the server up, or leave again."""
        users = _users_lock(location)
        if not users.try_acquire(shared=True):
            raise EmbeddedPostgresError(
                f"{location.folder}/users.lock is held by a program that is not Footnote."
            )
        try:
            return _Use(location=location, users=users, server=bring_up(location, self._policy))
        except BaseException:
            self._leave(location, users)
            raise

    def _leave(self, location: Location, users: FileLock) -> None:
        """Under the transition lock: be counted no more; the last one out stops the server."""
        if users.try_acquire():
            self._stop(location)
        users.release()

    def _stop(self, location: Location) -> None:
        """Stop the server, if it runs, and remove the folder of its socket."""
        folders = {
            last_socket_directory(location),
            socket_directory(location, self._policy.runtime_directory),
        }
        stop_postmaster(location, timeout_s=STOP_TIMEOUT_S, report=self._policy.report)
        if find_postmaster(location) is None:
            for folder in folders:
                remove_socket_directory(folder)

    def _delete(self, location: Location) -> None:
        self._stop(location)
        lock = claim_server_lock(location, self._policy)
        try:
            shutil.rmtree(location.folder)
        finally:
            lock.release()
        (location.data_directory / NOTE).unlink(missing_ok=True)
        with suppress(OSError):  # not empty, or in a folder that we may not write to
            location.data_directory.rmdir()

    @contextmanager
    def _transition(self, location: Location) -> Iterator[None]:
        """Be the only one who starts or stops this server. Others are waited for as long as their server recovers."""
        lock = _transition_lock(location)
        while not lock.acquire_within(self._policy.start_timeout_s):
            server = find_postmaster(location)
            if server is None or server.status not in RECOVERING:
                raise EmbeddedPostgresError(
                    f"another process has been starting or stopping the PostgreSQL server in {location.folder} for "
                    f"more than {self._policy.start_timeout_s:.0f} s. Wait for it or end it, then start again."
                )
            self._policy.report("waiting for PostgreSQL, which recovers after a crash")
        try:
            yield
        finally:
            lock.release()


def _shrink_log(location: Location) -> None:
    log = ServerLog(location.folder, location.account)
    if not log.is_large:
        return
    lock = _transition_lock(location)
    if lock.try_acquire():
        try:
            log.shrink()
        finally:
            lock.release()


def _transition_lock(location: Location) -> FileLock:
    return FileLock(location.folder, "transition.lock", location.account)


def _users_lock(location: Location) -> FileLock:
    return FileLock(location.folder, "users.lock", location.account)
