"""File locks that the kernel releases when their holder dies, however it dies.

They are `flock` locks: they belong to the open file, so two objects of one process exclude each other as two
processes do, and a copy of the descriptor in another process keeps them. A forked child therefore closes its
copies at once (executed programs never get them), and the server is handed a copy on purpose: see `hand_over`.
"""

from __future__ import annotations

import fcntl
import os
import time
import weakref
from pathlib import Path

from service.embedded_postgres.account import Account
from service.embedded_postgres.ownership import open_file

_POLL_S = 0.02


class FileLock:
    """A lock on `folder / name`. Not for use by several threads at once: each takes an object of its own."""

    def __init__(self, folder: Path, name: str, account: Account) -> None:
        self._folder = folder
        self._name = name
        self._account = account
        self._fd: int | None = None
        _close_in_forked_children(self)

    @property
    def held(self) -> bool:
        return self._fd is not None

    def fileno(self) -> int:
        """The descriptor that carries the lock, to be inherited by a program that shall share it."""
        assert self._fd is not None, "the lock is not held"
        return self._fd

    def try_acquire(self, *, shared: bool = False) -> bool:
        """Take the lock, or change a held one between shared and exclusive, without waiting. False if others hold it.

        A change that fails loses the lock that was held: the kernel removes the old before it sets the new.
        """
        kind = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
        while True:
            fd = self._fd if self._fd is not None else self._open()
            try:
                fcntl.flock(fd, kind)
            except BlockingIOError:
                self.release()
                return False
            if self._is_current(fd):
                return True
            self.release()  # the file was deleted, and perhaps made anew, while it was being opened

    def acquire_within(self, timeout_s: float) -> bool:
        """Take the lock exclusively, waiting up to `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while not self.try_acquire():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def release(self) -> None:
        """Give the lock up, also in the name of every copy of the descriptor."""
        if self._fd is not None:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
            self.hand_over()

    def hand_over(self) -> None:
        """Close this process's descriptor and leave the lock to the programs that inherited it, if any."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self) -> int:
        self._fd = open_file(self._folder, self._name, self._account, flags=0)
        return self._fd

    def _is_current(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), (self._folder / self._name).lstat())
        except FileNotFoundError:
            return False


def _close_in_forked_children(lock: FileLock) -> None:
    """Hooks cannot be removed again, so they hold the lock weakly and do nothing once it is gone."""
    reference = weakref.ref(lock)

    def forget() -> None:
        forked = reference()
        if forked is not None:
            forked.hand_over()

    os.register_at_fork(after_in_child=forget)
