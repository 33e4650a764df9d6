"""The web page's files: read once, each with its tag, its compressed form and the headers that it is sent with.

Every file but the page itself is addressed below a name made of all of their contents, so that a browser may keep them
for good and never mixes two versions.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from service.http.etags import tag_of

FOLDER = Path(__file__).parent.parent / "web"
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_VERSION_MARK = b"@@"
"""What stands in the page for the name that its files are addressed below."""
_VERSION_CHARACTERS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFile:
    """A file of the page, as it is and compressed."""

    media_type: str
    content: bytes
    compressed: bytes
    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The page, and what it is made of by path (`ask/view.js`); `version` names all of it."""

    version: str
    page: SiteFile
    files: Mapping[str, SiteFile]


@cache
def the_site() -> Site:
    """The files that came with this package."""
    contents = {
        path.relative_to(FOLDER).as_posix(): path.read_bytes()
        for path in sorted(FOLDER.rglob("*"))
        if path.suffix in _MEDIA_TYPES
    }
    version = hashlib.sha256(
        b"".join(hashlib.sha256(name.encode() + b"\0" + contents[name]).digest() for name in contents)
    ).hexdigest()[:_VERSION_CHARACTERS]
    page = contents.pop("index.html").replace(_VERSION_MARK, version.encode())
    return Site(
        version=version,
        page=_file(page, ".html"),
        files={name: _file(content, Path(name).suffix) for name, content in contents.items()},
    )


def _file(content: bytes, suffix: str) -> SiteFile:
    return SiteFile(
        media_type=_MEDIA_TYPES[suffix],
        content=content,
        compressed=gzip.compress(content, compresslevel=9, mtime=0),
        tag=tag_of(content),
    )
