"""Places that can be sources, as people write them: a folder's path, s3://bucket/prefix, or the URL of a list."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ingest.fetching.urls import check_url, holds_key
from retrieval.errors import InvalidRequestError

_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")
_BUCKET = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$")
_LONGEST_PREFIX_BYTES = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A place on another machine, in its plain form."""

    kind: Literal["s3", "web"]
    location: str

    def __str__(self) -> str:
        return self.location

    def covers(self, other: Remote) -> bool:
        """Whether another place is this one, or lies below it."""
        folder = self.location if self.location.endswith("/") else f"{self.location}/"
        return other.location == self.location or other.location.startswith(folder)


Place = Path | Remote


def read_place(written: str) -> Place:
    """What somebody means. Raises `InvalidRequestError`, whose message repeats no address that may hold a password."""
    scheme = _SCHEME.match(written)
    if scheme is None:
        return Path(written)
    match scheme[1].lower():
        case "s3":
            return Remote(kind="s3", location=_bucket(written[len(scheme[0]) :]))
        case "https" | "http":
            url = check_url(written)
            if holds_key(url):
                raise InvalidRequestError(
                    "this address cannot be a source: it holds a key or a signature, which would be kept and shown "
                    "with it. Footnote fetches what can be had without one."
                )
            return Remote(kind="web", location=url)
    raise InvalidRequestError(
        f"{scheme[1]}:// is no source. Sources are folders, s3://BUCKET/PREFIX, and lists of files at https://…"
    )


def _bucket(written: str) -> str:
    """Where a bucket's part begins, in its plain form: with a slash at the end."""
    bucket, _, prefix = written.partition("/")
    if "@" in bucket or ":" in bucket:
        raise InvalidRequestError(
            "a bucket is written s3://BUCKET/PREFIX, without a key or a server: those are set with s3.access_key_id, "
            "s3.secret_access_key and s3.endpoint (FOOTNOTE_S3__…), or come from AWS_* in the environment."
        )
    if not _BUCKET.match(bucket):
        raise InvalidRequestError(
            "a bucket is written s3://BUCKET/PREFIX; its name has 3 to 63 letters, digits, dots and hyphens."
        )
    prefix = prefix.strip("/")
    if len(prefix.encode(errors="replace")) > _LONGEST_PREFIX_BYTES or not prefix.isprintable():
        raise InvalidRequestError(
            f"the prefix of a bucket has at most {_LONGEST_PREFIX_BYTES:,} bytes, all of them printable."
        )
    return f"s3://{bucket}/{prefix}/" if prefix else f"s3://{bucket}/"
