"""Folders and files that belong to the server's account, made without following what that account could plant.

Root works here in folders that another account can write to. A symbolic link put there must never lead root to
open, own or overwrite something else: every open refuses links, and ownership is changed through descriptors.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from service.embedded_postgres.account import Account, account_of
from service.embedded_postgres.errors import EmbeddedPostgresError

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def make_folder(path: Path, account: Account) -> None:
    """Make `path` as a folder of `account` with mode 0700, unless it is there; then see that it is one.

    It appears in one step, owner and mode included, so that being killed in between leaves nothing half made.
    """
    if not os.path.lexists(path):
        temporary = tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            _give_folder(temporary, account)
            Path(temporary).rename(path)
        except OSError as exc:
            with suppress(FileNotFoundError):
                Path(temporary).rmdir()
            if exc.errno not in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:  # another was quicker
                raise
    check_folder(path, account)


def check_folder(path: Path, account: Account) -> None:
    """Raise EmbeddedPostgresError unless `path` is a folder, no link, of `account`, that no other can write to."""
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode) or not stat.S_ISDIR(status.st_mode):
        kind = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "not a folder"
        raise EmbeddedPostgresError(f"{path} is {kind}, so PostgreSQL will not use it. Move it away.")
    if status.st_uid != account.uid:
        raise EmbeddedPostgresError(
            f"{path} belongs to {_owner_name(status.st_uid)}, but PostgreSQL would run as '{account.name}', "
            "so it will not use it. Run as the account that it belongs to, or move it away."
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise EmbeddedPostgresError(
            f"{path} can be written to by other accounts (mode {stat.S_IMODE(status.st_mode):o}), so PostgreSQL "
            "will not use it. Take that right away (chmod 700) or move it away."
        )


def open_file(folder: Path, name: str, account: Account, *, flags: int) -> int:
    """Open a file of `folder` for reading and writing, made with mode 0600 for `account` if missing."""
    folder_fd = os.open(folder, _FOLDER_FLAGS)
    try:
        fd = os.open(
            name, flags | os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder_fd
        )
    finally:
        os.close(folder_fd)
    try:
        _claim_file(fd, folder / name, account)
    except BaseException:
        os.close(fd)
        raise
    return fd


def write_file(folder: Path, name: str, text: str, account: Account) -> None:
    """Replace a file of `folder` in one step."""
    temporary = f".{name}.new"
    with os.fdopen(open_file(folder, temporary, account, flags=os.O_TRUNC), "wb") as file:
        file.write(text.encode("utf-8", "surrogateescape"))
    (folder / temporary).replace(folder / name)


def _claim_file(fd: int, path: Path, account: Account) -> None:
    """See that an opened file is a plain one of `account` with no second name; give it to `account` if it is new."""
    status = os.fstat(fd)
    plain = stat.S_ISREG(status.st_mode) and status.st_nlink <= 1
    if not plain or status.st_uid not in {account.uid, os.geteuid()}:
        raise EmbeddedPostgresError(
            f"{path} is not a plain file of the account '{account.name}', so it will not be used. Move it away."
        )
    if status.st_uid != account.uid:
        os.fchown(fd, account.uid, account.gid)


def _give_folder(path: str, account: Account) -> None:
    if not account.is_other:
        return
    fd = os.open(path, _FOLDER_FLAGS)
    try:
        os.fchown(fd, account.uid, account.gid)
    finally:
        os.close(fd)


def _owner_name(uid: int) -> str:
    try:
        return f"'{account_of(uid).name}'"
    except EmbeddedPostgresError:
        return f"user id {uid}"
