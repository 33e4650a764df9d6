"""Naming: which path a file of the web has in its source, by its URL and by what the server says that it is.

Which parser reads a file its extension tells, so a path gets one where the URL has none that fits: `docs/intro`, served
as text/html, is `docs/intro.html`. What is served as a page of HTML under the name of something else (`report.pdf`) is
most likely a page that asks to sign in or regrets an error, and is not taken for the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

from ingest.fetching.urls import origin_of
from ingest.parsers.formats import EXTENSIONS

_OFFICE = "application/vnd.openxmlformats-officedocument"
_OPEN = "application/vnd.oasis.opendocument"
_BY_TYPE: Mapping[str, str] = MappingProxyType(
    {
        "text/html": ".html",
        "application/xhtml+xml": ".xhtml",
        "text/plain": ".txt",
        "text/markdown": ".md",
        "text/x-markdown": ".md",
        "text/x-rst": ".rst",
        "text/csv": ".csv",
        "text/tab-separated-values": ".tsv",
        "text/vtt": ".vtt",
        "application/x-subrip": ".srt",
        "application/json": ".json",
        "application/x-ndjson": ".ndjson",
        "application/x-ipynb+json": ".ipynb",
        "application/xml": ".xml",
        "text/xml": ".xml",
        "application/rss+xml": ".rss",
        "application/atom+xml": ".atom",
        "application/yaml": ".yaml",
        "text/css": ".css",
        "text/javascript": ".js",
        "application/javascript": ".js",
        "application/pdf": ".pdf",
        "image/png": ".png",
        "image/jpeg": ".jpg",
        "image/tiff": ".tiff",
        "image/gif": ".gif",
        "image/webp": ".webp",
        "image/bmp": ".bmp",
        f"{_OFFICE}.wordprocessingml.document": ".docx",
        f"{_OFFICE}.presentationml.presentation": ".pptx",
        f"{_OFFICE}.spreadsheetml.sheet": ".xlsx",
        "application/msword": ".doc",
        "application/vnd.ms-powerpoint": ".ppt",
        "application/vnd.ms-excel": ".xls",
        "application/vnd.ms-outlook": ".msg",
        f"{_OPEN}.text": ".odt",
        f"{_OPEN}.spreadsheet": ".ods",
        f"{_OPEN}.presentation": ".odp",
        "application/rtf": ".rtf",
        "text/rtf": ".rtf",
        "application/epub+zip": ".epub",
        "message/rfc822": ".eml",
        "application/mbox": ".mbox",
    }
)
"""The content types that are taken in, with the extension of each."""

# What servers say that do not know: the URL's extension counts then.
_ANY = frozenset(
    {"", "application/octet-stream", "binary/octet-stream", "application/x-download", "text/plain"}
)
# Names under which a page of HTML is nothing strange: scripts that make pages, and texts that some servers render.
_PAGES = frozenset({"html", "code", "markdown", "restructuredtext", "asciidoc", "org"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """The path of a file, or why it is not taken in. doubtful: the file may well be there, behind what was served."""

    path: str
    refusal: str | None = None
    doubtful: bool = False


def stem_of(url: str, source: str) -> str:
    """A file's path but for an extension that has to be added: below the source's host, or with its own before it."""
    parts = urlsplit(url)
    path = unquote(parts.path, errors="replace").lstrip("/")
    if "\ufffd" in path or not path.isprintable():
        path = parts.path.lstrip("/")
    if not path or path.endswith("/"):
        path += "index"
    if parts.query:
        path += f"?{parts.query}"
    return path if origin_of(url) == origin_of(source) else f"{parts.netloc}/{path}"


def name_file(stem: str, media_type: str) -> Naming:
    """The path of a file that is served as `media_type`."""
    named = EXTENSIONS.get(PurePosixPath(stem).suffix.lower())
    extension = _BY_TYPE.get(media_type)
    if named is not None and media_type in _ANY:
        return Naming(path=stem)
    if extension is None:
        what = f"it is served as {media_type[:100]}" if media_type else "the server does not say what it is"
        return Naming(path=stem, refusal=f"{what}, which is none of the content types that are taken in")
    kind = EXTENSIONS[extension]
    if named == kind:
        return Naming(path=stem)
    if kind == "html" and named is not None and named not in _PAGES:
        return Naming(
            path=stem,
            refusal="it is served as a page of HTML: it looks like a page that asks to sign in, or tells of an error",
            doubtful=True,
        )
    if media_type in {"application/xml", "text/xml", "application/json"} and named is not None:
        return Naming(path=stem)  # .svg, .ipynb, .geojson and others that are XML or JSON
    return Naming(path=f"{stem}{extension}")
