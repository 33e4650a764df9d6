"""The engines: where the files of a run are worked on. A family with one contract (`tests/ingest/test_engines.py`).

What a run does beside that (plan, removals, moves, failures, the report) is the same whichever engine works
(`ingest.refresh`), and so is what is done to a file (`ingest.stages`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ingest.catalog import KnownDocument
from ingest.errors import FileReplacedError, FileTooLargeError, FileUnreadableError, ParseError
from ingest.pipeline import Indexed
from ingest.sources import FoundFile
from retrieval.errors import ContentRejectedError, FootnoteError, ModelError
from retrieval.publishing import DocumentChangedError

OF_ONE_FILE = (
    ParseError,
    FileUnreadableError,
    FileTooLargeError,
    ContentRejectedError,
    ModelError,
    DocumentChangedError,
)
"""Errors that concern one file. Others end the run, as do outages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A file to be taken in. `known` is what the index has of it, None where that is nothing.

    attempts: how often it may be tried, if it is written to between listing and reading.
    """

    found: FoundFile
    known: KnownDocument | None
    attempts: int = 3

    def as_replaced(self, error: FileReplacedError) -> Work | None:
        """The file as it is now, to be tried again; None where that was done often enough."""
        if self.attempts == 1:
            return None
        found = replace(self.found, size_bytes=error.size_bytes, mtime_ns=error.mtime_ns)
        return replace(self, found=found, attempts=self.attempts - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of a file, as it was when it was read: it is in the index, or why it is not.

    notes: what its parser left out and why, where nobody here has told of it yet.
    """

    work: Work
    result: Indexed | FootnoteError
    notes: tuple[str, ...] = ()


Settle = Callable[[Done], Awaitable[None]]
"""Notes down what became of a file. May be called for several files at once."""


class Engine(Protocol):
    """Takes files in, each by the stages of `ingest.stages`."""

    async def index_all(self, files: Sequence[Work], settle: Settle) -> None:
        """Bring files into the index, and have each settled once.

        A file's own failure is its result. Raises what concerns all of them: `ingest.patience.OUTAGES` that outlast
        patience, and what `settle` raises. Files that are settled then are in the index, and others may be.
        """
        ...
