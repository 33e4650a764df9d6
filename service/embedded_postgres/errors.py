"""The error of the embedded PostgreSQL, and the reason and remedy that an `OSError` deserves."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from retrieval.errors import FootnoteError

_REMEDIES = {
    errno.ENOSPC: "Free some space on that disk and start again.",
    errno.EDQUOT: "Free some of your disk quota and start again.",
    errno.EACCES: "Choose a data directory (FOOTNOTE_HOME) that this account may write to.",
    errno.EPERM: "Choose a data directory (FOOTNOTE_HOME) that this account may write to.",
    errno.EROFS: "Choose a data directory (FOOTNOTE_HOME) on a disk that is not mounted read-only.",
    errno.ENAMETOOLONG: "Choose a data directory (FOOTNOTE_HOME) with a shorter path.",
    errno.ENOTDIR: "Choose a data directory (FOOTNOTE_HOME) whose path runs through folders only.",
    errno.EEXIST: "Move that file away, or choose another data directory (FOOTNOTE_HOME).",
    errno.ENOLCK: "Choose a data directory (FOOTNOTE_HOME) on a local disk: this one has no file locks.",
    errno.EOPNOTSUPP: "Choose a data directory (FOOTNOTE_HOME) on a local disk: this one has no file locks.",
}


class EmbeddedPostgresError(FootnoteError):
    """The PostgreSQL that Footnote runs itself cannot be made, started, shared or removed."""


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turn an `OSError` of the block into an EmbeddedPostgresError that says what failed, where, why and what to do."""
    try:
        yield
    except OSError as exc:
        where = (
            f" ({os.fsdecode(exc.filename)})" if isinstance(exc.filename, str | bytes | os.PathLike) else ""
        )
        remedy = _REMEDIES.get(exc.errno or 0, "")
        raise EmbeddedPostgresError(
            f"{doing} failed: {exc.strerror or exc}{where}. {remedy}".rstrip()
        ) from exc
