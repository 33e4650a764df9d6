"""Errors of ingestion.

IngestError
├── SourceUnavailableError   the folder is missing or cannot be listed: nothing is removed from the index
├── ParseError               a file cannot be read as what it claims to be (permanent)
│   ├── NoTextError          a file was read well and holds no text: it is skipped
│   └── ParserStoppedError   its parser crashed, or was stopped at a limit (retryable: the machine may be the reason)
├── ParsersUnavailableError  the parser processes cannot be started, or do not stay alive (retryable)
├── FileTooLargeError        a file has more bytes than may be read (permanent)
├── EngineUnavailableError   the machines that were to work on files cannot be had, or are not fit for it
└── FileUnreadableError      the file vanished, changed while read, or may not be opened (retryable)
    └── FileReplacedError    it is not the file any more that was listed (retryable)
"""

from __future__ import annotations

from retrieval.errors import FootnoteError


class IngestError(FootnoteError):
    """Root of ingestion's errors."""


class SourceUnavailableError(IngestError):
    """A source cannot be listed; its documents stay as they are."""


class ParseError(IngestError):
    """A file cannot be read as what it claims to be. The same bytes will fail again."""


class NoTextError(ParseError):
    """A file was read well and holds no text; there is nothing to take in, and nothing has failed."""


class ParserStoppedError(ParseError):
    """A file's parser crashed, or was stopped at its limit of time or memory."""

    retryable = True


class ParsersUnavailableError(IngestError):
    """The parser processes cannot be started, or do not stay alive; no fault of the file that waited for one."""

    retryable = True


class EngineUnavailableError(IngestError):
    """The machines that were to work on files cannot be had, do not stay, or are not set up for it."""


class FileTooLargeError(IngestError):
    """A file has more bytes than may be read."""

    @classmethod
    def beyond(cls, size_bytes: int, max_bytes: int) -> FileTooLargeError:
        """A file has so many bytes, or more, and so many may be read."""
        return cls(
            f"it has {size_bytes:,} bytes or more; files of up to {max_bytes:,} are read. Raise that with "
            "ingest.max_file_bytes (FOOTNOTE_INGEST__MAX_FILE_BYTES)"
        )


class FileUnreadableError(IngestError):
    """A file vanished, changed while it was read, or may not be opened."""

    retryable = True


class FileReplacedError(FileUnreadableError):
    """A file has another size or time than when it was listed: these are its new ones."""

    def __init__(self, *, size_bytes: int, mtime_ns: int) -> None:
        super().__init__("it changed since it was listed; the next run takes it")
        self.size_bytes = size_bytes
        self.mtime_ns = mtime_ns
