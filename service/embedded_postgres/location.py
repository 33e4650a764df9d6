"""Where a cluster lives, under which account, and where its socket is.

Everything of a cluster lies in one folder made for it: inside the data directory, or, when root starts a server whose
account may not enter there, below /var/lib/footnote. What exists wins over what would be chosen today, so that a
changed permission on the way never makes Footnote begin with an empty cluster.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from service.embedded_postgres.account import (
    Account,
    account_of,
    first_barrier,
    own_account,
    runs_as_root,
    system_account,
)
from service.embedded_postgres.errors import EmbeddedPostgresError
from service.embedded_postgres.ownership import check_folder, make_folder

STATE_DIRECTORY = Path("/var/lib/footnote")
"""Where root keeps clusters and programs that the server's account could not reach elsewhere."""

NOTE = "WHERE-THE-CLUSTER-IS.txt"
SOCKET_NAME = ".s.PGSQL.5432"
_INSIDE = "cluster"
# The system's limit for a socket's path is 107 bytes on Linux and 103 on macOS, the name included.
_SOCKET_FOLDER_BYTES = 88


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """The folder of a cluster, the account that owns it, and a short name that is the same after every restart."""

    data_directory: Path
    folder: Path
    account: Account
    name: str

    @property
    def cluster(self) -> Path:
        """What PostgreSQL calls its data directory."""
        return self.folder / "data"


def absolute(data_directory: Path) -> Path:
    """The data directory without links, as it is hashed. Raises EmbeddedPostgresError for an impossible name."""
    if "\n" in str(data_directory) or "\0" in str(data_directory):
        raise EmbeddedPostgresError(
            f"{str(data_directory)!r} cannot hold PostgreSQL's data: its name has a line break."
        )
    return data_directory.resolve()


def cluster_name(data_directory: Path) -> str:
    return f"footnote-{_digest(data_directory)}"


def find_location(data_directory: Path) -> Location | None:
    """Where the cluster of this (absolute) data directory is, or None if it has none yet."""
    outside = STATE_DIRECTORY / _digest(data_directory)
    for folder in (data_directory / _INSIDE, outside):
        if os.path.lexists(folder):
            account = _owner(folder)
            check_folder(folder, account)
            return _location(data_directory, folder, account)
    if (data_directory / NOTE).exists():
        raise EmbeddedPostgresError(
            f"{data_directory / NOTE} says that the PostgreSQL cluster of this folder is elsewhere, but {outside} "
            "does not exist. Was the folder moved or copied? Move it back to where it was, or delete that file "
            "to begin with an empty cluster."
        )
    return None


def make_location(data_directory: Path, report: Callable[[str], None]) -> Location:
    """Choose and make the folder of a new cluster; the data directory and its parents are made as needed."""
    data_directory.mkdir(parents=True, exist_ok=True)
    account = system_account(report) if runs_as_root() else own_account()
    barrier = first_barrier(data_directory, account) if account.is_other else None
    folder = data_directory / _INSIDE
    if barrier is not None:
        folder = STATE_DIRECTORY / _digest(data_directory)
        make_state_directory(account)
        _leave_note(data_directory, folder, account, barrier)
        report(f"PostgreSQL's files are in {folder}: the account '{account.name}' may not enter {barrier}")
    make_folder(folder, account)
    return _location(data_directory, folder, account)


def make_state_directory(account: Account) -> None:
    """Make /var/lib/footnote, or see that the one there is root's and open to `account`."""
    try:
        STATE_DIRECTORY.mkdir(mode=0o755)
    except FileExistsError:
        check_folder(STATE_DIRECTORY, account_of(0))
    else:
        STATE_DIRECTORY.chmod(0o755)  # made a moment ago, perhaps under a strict umask
    barrier = first_barrier(STATE_DIRECTORY, account)
    if barrier is not None:
        raise EmbeddedPostgresError(
            f"the account '{account.name}' that runs PostgreSQL may not enter {barrier}. Let it (chmod o+x {barrier}) "
            "or choose a data directory (FOOTNOTE_HOME) that it can reach."
        )


def check_reachable(location: Location) -> None:
    """Raise EmbeddedPostgresError if the account of an existing cluster can no longer get to it."""
    barrier = first_barrier(location.folder, location.account) if location.account.is_other else None
    if barrier is not None:
        raise EmbeddedPostgresError(
            f"the PostgreSQL cluster in {location.folder} belongs to '{location.account.name}', which may not enter "
            f"{barrier}. Let it (chmod o+x {barrier}), or run Footnote as '{location.account.name}'."
        )


def socket_directory(location: Location, runtime_directory: Path | None) -> Path:
    """Where a new server's socket goes: a short private path that other processes find again after a restart.

    For root /run; else `runtime_directory` if it exists and is ours, else the temporary directory.
    """
    candidates = [Path("/run")] if runs_as_root() else _private(runtime_directory)
    for parent in (*candidates, Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 - checked before use
        folder = parent / location.name
        if len(os.fsencode(folder)) <= _SOCKET_FOLDER_BYTES and parent.is_dir():
            return folder
    raise EmbeddedPostgresError(
        f"no folder is short enough for PostgreSQL's socket: {tempfile.gettempdir()}, /tmp."
    )


def make_socket_directory(folder: Path, account: Account) -> None:
    """Make the folder of the socket, mode 0700, or see that the one there is exactly that."""
    make_folder(folder, account)
    mode = stat.S_IMODE(folder.lstat().st_mode)
    if mode != 0o700:
        raise EmbeddedPostgresError(
            f"{folder} has mode {mode:o} instead of 700, so PostgreSQL will not use it."
        )


def remove_socket_directory(folder: Path | None) -> None:
    """Remove what a stopped server leaves of its socket. What cannot be removed does no harm."""
    if folder is None:
        return
    with suppress(OSError):
        for name in (SOCKET_NAME, f"{SOCKET_NAME}.lock"):
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()


def _private(runtime_directory: Path | None) -> list[Path]:
    if runtime_directory is None or not runtime_directory.is_dir():
        return []
    return [runtime_directory] if runtime_directory.stat().st_uid == os.geteuid() else []


def _owner(folder: Path) -> Account:
    """The account of an existing cluster: ours, or as root whichever it belongs to."""
    owner = account_of(folder.lstat().st_uid)
    if owner.uid == 0:
        raise EmbeddedPostgresError(
            f"{folder} belongs to root, and PostgreSQL refuses to run as root. "
            "Give it to the account that it belonged to (chown -R), or move it away."
        )
    if not runs_as_root() and owner.is_other:
        raise EmbeddedPostgresError(
            f"the PostgreSQL cluster in {folder} belongs to the account '{owner.name}'. Run Footnote as root or as "
            f"'{owner.name}', or choose another data directory (FOOTNOTE_HOME)."
        )
    return owner


def _leave_note(data_directory: Path, folder: Path, account: Account, barrier: Path) -> None:
    text = (
        f"The PostgreSQL cluster of this folder is in {folder}\n"
        f"because the account '{account.name}', which runs PostgreSQL for root, may not enter {barrier}.\n"
        f"Back up both. The place follows from this folder's path, {data_directory}:\n"
        "move the folder, and the cluster will not be found again until it is moved back.\n"
    )
    with suppress(FileExistsError), (data_directory / NOTE).open("xb") as file:  # "x" follows no link
        file.write(os.fsencode(text))


def _location(data_directory: Path, folder: Path, account: Account) -> Location:
    return Location(
        data_directory=data_directory, folder=folder, account=account, name=cluster_name(data_directory)
    )


def _digest(data_directory: Path) -> str:
    return hashlib.sha256(os.fsencode(data_directory)).hexdigest()[:12]
