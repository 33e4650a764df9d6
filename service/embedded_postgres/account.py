"""The account that PostgreSQL runs under: one's own, or as root, whom PostgreSQL refuses, one made for it."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from service.embedded_postgres.errors import EmbeddedPostgresError

SYSTEM_ACCOUNT = "footnote"
_OUTSIDE = "or configure a PostgreSQL server of your own"
_ADMIN_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_ATTEMPTS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account of the system. `name` is what PostgreSQL's peer authentication will see."""

    name: str
    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        """True if programs must be started under another account than this process's."""
        return self.uid != os.geteuid()


def runs_as_root() -> bool:
    return os.geteuid() == 0


def own_account() -> Account:
    """The account of this process."""
    return account_of(os.geteuid())


def account_of(uid: int) -> Account:
    """The account with this number. Raises EmbeddedPostgresError if it has no name: PostgreSQL needs one."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError as exc:
        raise EmbeddedPostgresError(
            f"PostgreSQL cannot run as user id {uid}: it has no entry in the system's list of accounts. "
            f"Add one (for example a line in /etc/passwd), run as an account that has one, {_OUTSIDE}."
        ) from exc
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def system_account(report: Callable[[str], None]) -> Account:
    """The account that runs PostgreSQL for root; made the first time, which is reported."""
    account = _find_system_account()
    if account is None:
        account = _make_system_account()
        report(f"made the system account '{SYSTEM_ACCOUNT}': PostgreSQL refuses to run as root")
    if account.uid == 0:
        raise EmbeddedPostgresError(
            f"the account '{SYSTEM_ACCOUNT}' has root's user id 0, which PostgreSQL refuses. "
            f"Give it another, run Footnote as an ordinary account, {_OUTSIDE}."
        )
    return account


def _find_system_account() -> Account | None:
    try:
        entry = pwd.getpwnam(SYSTEM_ACCOUNT)
    except KeyError:
        return None
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def _make_system_account() -> Account:
    """Run useradd. Another process may do the same at this moment, or hold the lock on /etc/passwd."""
    useradd = shutil.which("useradd", path=_ADMIN_PATH)
    if useradd is None:
        raise EmbeddedPostgresError(
            f"PostgreSQL refuses to run as root, and useradd, which would make the account "
            f"'{SYSTEM_ACCOUNT}' for it, is not installed. Make a system account of that name "
            f"(on Alpine: adduser -S {SYSTEM_ACCOUNT}), run Footnote as an ordinary account, {_OUTSIDE}."
        )
    reason = ""
    for _ in range(_ATTEMPTS):
        done = subprocess.run(  # noqa: S603 - a system tool by its full path, with constant arguments
            [useradd, *_useradd_arguments()], capture_output=True, text=True, timeout=60, check=False
        )
        account = _find_system_account()
        if account is not None:
            return account
        reason = (done.stderr or done.stdout).strip().replace("\n", "; ")
        time.sleep(0.3)
    raise EmbeddedPostgresError(
        f"useradd could not make the account '{SYSTEM_ACCOUNT}' that runs PostgreSQL for root: {reason}. "
        f"Make a system account of that name, run Footnote as an ordinary account, {_OUTSIDE}."
    )


def _useradd_arguments() -> list[str]:
    arguments = ["--system", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]
    try:
        group = ["--gid", grp.getgrnam(SYSTEM_ACCOUNT).gr_name]
    except KeyError:
        group = ["--user-group"]
    return [*arguments, "--comment", "PostgreSQL of Footnote", *group, SYSTEM_ACCOUNT]


def first_barrier(path: Path, account: Account) -> Path | None:
    """The outermost folder on the way to `path`, itself included, that `account` may not enter, or None.

    Judged by owner, group and mode, as the kernel does for an account without other groups; access lists
    only ever make this more cautious. `path` must be resolved; what does not exist yet is no barrier.
    """
    for folder in (*reversed(path.parents), path):
        try:
            status = folder.stat()
        except FileNotFoundError:
            return None
        if stat.S_ISDIR(status.st_mode) and not _may_enter(status, account):
            return folder
    return None


def _may_enter(status: os.stat_result, account: Account) -> bool:
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)
