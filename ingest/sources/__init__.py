"""The sources: where documents come from. One contract (`tests/ingest/test_sources.py`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from ingest.fetching.policies import BucketAccess, FetchPolicy
from retrieval.errors import ExtraMissingError

SourceKind = Literal["folder", "s3", "web"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """A file as a listing found it. `path` is relative to the source, undecodable bytes percent-encoded.

    size_bytes: 0 where the source does not say.
    mtime_ns: tells a file's states apart. In a folder the time at which it was written; elsewhere a number that is made
    of what the server says of it (`ingest.sources.states`), and another one each time where the server says nothing.
    locator: what `fetch` opens; for a folder the path in the form that the operating system knows.
    """

    path: str
    size_bytes: int
    mtime_ns: int
    locator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A file or folder that is left out, and why, in words for a person."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlisted:
    """A part of the source that could not be listed: what is known below it stays as it is.

    stem: whether the path is that of a file whose extension is not known. everything: whether anything may lie in it.
    """

    path: str
    error: str
    stem: bool = False
    everything: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Everything a source holds, in path order.

    device: the file system on which the source's root lies, where it is a folder.
    max_removed_share: which share of what is known may have gone; more than that is not believed (`ingest.vanishing`).
    """

    files: tuple[FoundFile, ...]
    skipped: tuple[Skipped, ...]
    unlisted: tuple[Unlisted, ...]
    device: int | None = None
    max_removed_share: float = 1.0


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
    """Which source to open. `include` and `exclude` are patterns as in .gitignore files.

    location: a folder's path, `s3://bucket/prefix/`, or the URL of a list of files.
    fetching, buckets: how other machines are spoken to.
    """

    kind: SourceKind
    location: str
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    fetching: FetchPolicy = field(default_factory=FetchPolicy)
    buckets: BucketAccess = field(default_factory=BucketAccess)


def load_source(spec: SourceSpec) -> Source:
    """Open the source that `spec` names. Raises `InvalidRequestError` where a pattern is not one, and
    `ExtraMissingError`."""
    match spec.kind:
        case "folder":
            from ingest.sources.folder import FolderSource

            return FolderSource(Path(spec.location), include=spec.include, exclude=spec.exclude)
        case "s3":
            try:
                from ingest.sources.s3 import BucketSource
            except ModuleNotFoundError as exc:
                if exc.name is None or not exc.name.startswith("botocore"):
                    raise
                raise ExtraMissingError("s3", "a bucket as a source") from exc
            return BucketSource(spec)
        case "web":
            from ingest.sources.web import WebSource

            return WebSource(spec)
