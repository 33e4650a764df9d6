"""A folder of files, or a single file.

Hidden files and folders are left out, symbolic links to folders are not followed (so there are no loops), and a link to
a file counts only where the file lies inside the folder.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Sequence
from pathlib import Path, PurePath

from ingest.errors import FileReplacedError, FileTooLargeError, FileUnreadableError, SourceUnavailableError
from ingest.sources import FoundFile, Listing, Skipped, Unlisted
from ingest.sources.patterns import Patterns, printable_path

# In what steps file systems keep times, at most: of the kernel's clock where they keep parts of a second (10 ms, here
# doubled), else of two seconds (FAT).
_FINE_STEP_NS = 20_000_000
_COARSE_STEP_NS = 2_000_000_000

# What a bigint of Postgres holds: times of the years 1677 to 2262. File systems keep earlier and later ones, too.
_EARLIEST_NS, _LATEST_NS = -(2**63), 2**63 - 1


def settling_time_s(mtime_ns: int, now_ns: int) -> float:
    """Return how long to wait until a file that was written at `mtime_ns` may be read.

    An edit right after the reading could bear the same time, and one that keeps the size would then never be seen. A
    time in the near future is that of a file server's clock; one further off cannot be met by accident.
    """
    step_ns = _FINE_STEP_NS if mtime_ns % 1_000_000_000 else _COARSE_STEP_NS
    age_ns = now_ns - mtime_ns
    return (step_ns - age_ns) / 1e9 if -step_ns < age_ns < step_ns else 0.0


def _written_ns(status: os.stat_result) -> int:
    """When a file was last written, as near as can be kept."""
    return max(_EARLIEST_NS, min(status.st_mtime_ns, _LATEST_NS))


class FolderSource:
    """Lists and reads the files below `root`."""

    def __init__(self, root: Path, *, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._root = root
        self._patterns = Patterns(include=include, exclude=exclude)

    def discover(self, *, below: str = "") -> Listing:
        start = self._root / below if below else self._root
        listing = _Listing()
        if reason := self._refuse_way(below):
            return Listing(
                files=(), skipped=(Skipped(path=printable_path(below), reason=reason),), unlisted=()
            )
        try:
            status = start.stat()
        except OSError as exc:
            raise SourceUnavailableError(
                f"'{printable_path(str(start))}' cannot be read: {exc.strerror}. "
                "Nothing that is indexed from it was changed."
            ) from exc
        if stat.S_ISDIR(status.st_mode):
            self._walk(str(start), below, listing)
        else:
            self._file(str(start), below or self._root.name, status, listing)
        return Listing(
            files=tuple(sorted(listing.files, key=lambda found: found.path)),
            skipped=tuple(listing.skipped),
            unlisted=tuple(listing.unlisted),
            device=status.st_dev if stat.S_ISDIR(status.st_mode) and not below else None,
        )

    def _refuse_way(self, below: str) -> str | None:
        """Why a walk from the root would never come to `below`, or None where it would."""
        way = self._root
        for name in PurePath(below).parts:
            way /= name
            if name.startswith("."):
                return "hidden"
            try:
                if way.is_symlink() and (reason := self._refuse_link(way)):
                    return reason
            except OSError:
                return None  # listing it says what is wrong
        return None

    def _walk(self, folder: str, relative: str, listing: _Listing) -> None:
        pending = [(folder, relative)]
        while pending:
            directory, prefix = pending.pop()
            try:
                with os.scandir(directory) as entries:
                    for entry in sorted(entries, key=lambda e: e.name):
                        path = f"{prefix}/{entry.name}" if prefix else entry.name
                        if self._entry(entry, path, listing):
                            pending.append((entry.path, path))
            except OSError as exc:
                if directory == folder:
                    raise SourceUnavailableError(
                        f"the folder '{printable_path(folder)}' cannot be listed: {exc.strerror}. "
                        "Nothing that is indexed from it was changed."
                    ) from exc
                reason = f"the folder cannot be listed: {exc.strerror}"
                listing.unlisted.append(Unlisted(path=printable_path(prefix), error=reason))

    def _entry(self, entry: os.DirEntry[str], path: str, listing: _Listing) -> bool:
        """Take note of an entry; True where it is a folder to go into."""
        shown = printable_path(path)
        if entry.name.startswith("."):
            listing.skipped.append(Skipped(path=shown, reason="hidden"))
            return False
        try:
            if entry.is_symlink() and (reason := self._refuse_link(Path(entry.path))):
                listing.skipped.append(Skipped(path=shown, reason=reason))
                return False
            status = entry.stat()
        except OSError as exc:
            listing.unlisted.append(Unlisted(path=shown, error=f"it cannot be looked at: {exc.strerror}"))
            return False
        if stat.S_ISDIR(status.st_mode):
            if self._patterns.exclude(f"{shown}/"):
                listing.skipped.append(Skipped(path=f"{shown}/", reason="excluded by rule"))
                return False
            return True
        self._file(entry.path, path, status, listing)
        return False

    def _refuse_link(self, link: Path) -> str | None:
        try:
            target = link.resolve(strict=True)
        except RuntimeError:  # a link that leads to itself, before Python 3.13
            return "a symbolic link that leads nowhere"
        except OSError as exc:
            if exc.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
                return "a symbolic link that leads nowhere"
            raise
        if target.is_dir():
            return "a symbolic link to a folder; add that folder itself"
        if not target.is_relative_to(self._root.resolve()):
            return "a symbolic link that leads out of the folder"
        return None

    def _file(self, locator: str, path: str, status: os.stat_result, listing: _Listing) -> None:
        shown = printable_path(path)
        if reason := self._refuse(shown, status, listing.paths):
            listing.skipped.append(Skipped(path=shown, reason=reason))
            return
        listing.paths.add(shown)
        listing.files.append(
            FoundFile(path=shown, size_bytes=status.st_size, mtime_ns=_written_ns(status), locator=locator)
        )

    def _refuse(self, shown: str, status: os.stat_result, known: set[str]) -> str | None:
        if not stat.S_ISREG(status.st_mode):
            return "not a regular file"
        if reason := self._patterns.refuse(shown):
            return reason
        if status.st_size == 0:
            return "empty"
        return "another file's name reads the same" if shown in known else None

    def fetch(self, found: FoundFile, *, max_bytes: int) -> bytes:
        time.sleep(settling_time_s(found.mtime_ns, time.time_ns()))
        return _read(found, max_bytes)


class _Listing:
    def __init__(self) -> None:
        self.files: list[FoundFile] = []
        self.paths: set[str] = set()
        self.skipped: list[Skipped] = []
        self.unlisted: list[Unlisted] = []


def _read(found: FoundFile, max_bytes: int) -> bytes:
    """The file's content, checked to be one state of it: not grown, shrunk or replaced while it was read."""
    try:
        # O_NONBLOCK: a file replaced by a FIFO since the listing must not hang the run.
        descriptor = os.open(found.locator, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise FileUnreadableError("it was replaced by something that is not a regular file")
            if (before.st_size, _written_ns(before)) != (found.size_bytes, found.mtime_ns):
                raise FileReplacedError(size_bytes=before.st_size, mtime_ns=_written_ns(before))
            if before.st_size > max_bytes:
                raise FileTooLargeError.beyond(before.st_size, max_bytes)
            content = file.read(max_bytes + 1)
            after = os.fstat(descriptor)
    except OSError as exc:
        raise FileUnreadableError(f"it cannot be read: {exc.strerror}") from exc
    if len(content) > max_bytes:
        raise FileTooLargeError.beyond(len(content), max_bytes)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise FileUnreadableError("it changed while it was read; the next run takes it")
    return content
