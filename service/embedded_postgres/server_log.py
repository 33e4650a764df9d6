"""The server's log: appended to by the server, kept small, and read for the reason when a start fails."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from service.embedded_postgres.account import Account
from service.embedded_postgres.ownership import open_file

_NAME = "server.log"
_LARGE_BYTES = 8 * 2**20
_TAIL_BYTES = 2**16
# "2026-01-31 12:00:00.000 UTC [4711] FATAL:  why"
_PREFIX = re.compile(r"^.*?\d{4}-\d\d-\d\d [\d:.]+ \S+ \[\d+\] ")
_SEVERE = re.compile(r"\b(?:PANIC|FATAL|ERROR|error): ")
_REFUSED_CLIENT = "the database system is "
DISK_FULL = ("No space left on device", "Disk quota exceeded")


def severe_reason(written: str) -> str:
    """The line of a program's output that best says why it ended, without its time stamp; "" if it wrote nothing.

    That is the first severe one, since the others follow from it; but a full disk explains whatever came before.
    """
    lines = [line.strip() for line in written.splitlines() if line.strip()]
    severe = [line for line in lines if _SEVERE.search(line) and _REFUSED_CLIENT not in line]
    full = [line for line in lines if any(words in line for words in DISK_FULL)]
    return _PREFIX.sub("", next(iter((*full, *severe, *reversed(lines))), ""))


class ServerLog:
    """The log beside a cluster. When large it moves to `server.log.1`, so two such files are the most there is."""

    def __init__(self, folder: Path, account: Account) -> None:
        self._folder = folder
        self._account = account
        self.path = folder / _NAME

    def open_for_append(self) -> int:
        """A descriptor for the server's output. Appending is what lets `shrink` cut the file under it."""
        return open_file(self._folder, _NAME, self._account, flags=os.O_APPEND)

    def size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    @property
    def is_large(self) -> bool:
        return self.size() >= _LARGE_BYTES

    def shrink(self) -> None:
        """Move what is written to `server.log.1` if it is much. A line written at that very moment may be lost."""
        if not self.is_large:
            return
        with (
            os.fdopen(open_file(self._folder, _NAME, self._account, flags=0), "r+b") as log,
            os.fdopen(open_file(self._folder, f"{_NAME}.1", self._account, flags=os.O_TRUNC), "wb") as old,
        ):
            shutil.copyfileobj(log, old)
            log.truncate(0)

    def reason_since(self, offset: int) -> str:
        """Why a server ended that was started when the log had `offset` bytes."""
        with os.fdopen(open_file(self._folder, _NAME, self._account, flags=0), "rb") as log:
            log.seek(max(offset, self.size() - _TAIL_BYTES))
            return severe_reason(log.read().decode("utf-8", "replace"))
