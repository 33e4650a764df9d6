"""The sources: where documents come from. One contract (`tests/ingest/test_sources.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

SourceKind = Literal["folder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """A file as a listing found it. `path` is relative to the source, undecodable bytes percent-encoded."""

    path: str
    size_bytes: int
    mtime_ns: int
    # What `fetch` opens; for a folder the path in the form that the operating system knows.
    locator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A file or folder that is left out, and why, in words for a person."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlisted:
    """A part of the source that could not be listed: what is known below it stays as it is."""

    path: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Everything a source holds, in path order.

    device: the file system on which the source's root lies, where it is a folder.
    """

    files: tuple[FoundFile, ...]
    skipped: tuple[Skipped, ...]
    unlisted: tuple[Unlisted, ...]
    device: int | None = None

    @property
    def is_bare(self) -> bool:
        """Whether there was nothing at all to list."""
        return not (self.files or self.skipped or self.unlisted)


class Source(Protocol):
    """A place that can be listed and read. Synchronous: callers run it in a thread."""

    def discover(self, *, below: str = "") -> Listing:
        """List all files, or those at and below the relative path `below`. Raises `SourceUnavailableError`.

        A part is listed by the same rules as the whole: what the whole leaves out, `below` does not bring in."""
        ...

    def fetch(self, found: FoundFile, *, max_bytes: int) -> bytes:
        """Read a file whole, as it was listed: what is remembered is that this content had this size and time.

        Raises `FileReplacedError` where it has others now, `FileUnreadableError` where it vanished, changed while it
        was read or may not be opened, and `FileTooLargeError` where it has more than `max_bytes`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpec:
    """Which source to open. `include` and `exclude` are patterns as in .gitignore files."""

    kind: SourceKind
    location: Path
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()


def load_source(spec: SourceSpec) -> Source:
    """Open the source that `spec` names. Raises `InvalidRequestError` where a pattern is not one."""
    match spec.kind:
        case "folder":
            from ingest.sources.folder import FolderSource

            return FolderSource(spec.location, include=spec.include, exclude=spec.exclude)
