"""Lists of files on the web, from their bytes: sitemaps and indexes of sitemaps, texts, JSON, and pages with links.

What is none of these is refused whole: an error's page that was taken for a list without entries would look as if
everything had been deleted. Nothing is fetched here.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

from lxml import etree
from selectolax.lexbor import LexborHTMLParser

from ingest.errors import FileTooLargeError, FileUnreadableError
from ingest.fetching.fetcher import Gunzip
from ingest.fetching.urls import check_url, holds_key, origin_of
from ingest.sources.patterns import visible_path
from retrieval.errors import InvalidRequestError

_GZIP = b"\x1f\x8b"
_LONGEST_PAGE_BYTES = 5 * 1024**2
_ENTRIES = ("url", "sitemap")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file that a list names. url: None where it may not be fetched; shown: what to call it then, and why not."""

    url: str | None
    lastmod: str = ""
    shown: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedList:
    """What a list names. sitemaps: whether it names other lists, and no files."""

    entries: tuple[Entry, ...]
    sitemaps: bool = False


class NoListError(FileUnreadableError):
    """What was fetched is no list of files."""


def parse_list(content: bytes, *, url: str, max_bytes: int, max_entries: int) -> ParsedList:
    """The entries of a list that was fetched from `url`. Raises `NoListError` and `FileTooLargeError`."""
    if content.startswith(_GZIP):
        content = _gunzip(content, max_bytes)
    text = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    match _kind(text):
        case "html":
            entries = _links(text, url)
        case "xml":
            return _sitemap(content, url, max_entries)
        case "json":
            entries = _json(text, url)
        case "text":
            entries = _text(text, url)
    return ParsedList(entries=tuple(_bounded(entries, max_entries)))


def _kind(text: bytes) -> Literal["html", "xml", "json", "text"]:
    head = text[:2048].lower()
    if b"<!doctype html" in head or b"<html" in head:
        return "html"
    # XML in UTF-16 begins with a mark of its own.
    if head.startswith((b"<", b"\xff\xfe", b"\xfe\xff")):
        return "xml"
    return "json" if head.startswith((b"[", b"{")) else "text"


def _gunzip(content: bytes, max_bytes: int) -> bytes:
    unpacked, unpacker = bytearray(), Gunzip()
    for piece in unpacker.feed(content):
        unpacked += piece
        if len(unpacked) > max_bytes:
            raise FileTooLargeError(f"it has more than {max_bytes:,} bytes when it is unpacked")
    unpacker.end()
    return bytes(unpacked)


def _bounded(entries: Iterator[Entry], limit: int) -> list[Entry]:
    kept = list(islice(entries, limit + 1))
    _check_bound(len(kept), limit)
    return kept


def _check_bound(number: int, limit: int) -> None:
    if number > limit:
        raise FileTooLargeError(f"it names more than {limit:,} files (sources.max_files)")


def _sitemap(content: bytes, url: str, max_entries: int) -> ParsedList:
    """A sitemap or an index of sitemaps (https://www.sitemaps.org/protocol.html). Entities are not expanded, nothing
    outside is read, and a document type, in which entities would be declared, is refused."""
    entries: list[Entry] = []
    root = ""
    try:
        for event, element in etree.iterparse(
            io.BytesIO(content),
            events=("start", "end"),
            resolve_entities=False,
            load_dtd=False,
            no_network=True,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        ):
            if not root:
                root = _check_root(element)
            if event == "end" and _name(element) in _ENTRIES:
                entries.extend(_location(element, url, root))
                _check_bound(len(entries), max_entries)
                element.clear()
                # What was read is let go, so that a long list does not become a tree.
                while (former := element.getprevious()) is not None:
                    element.getparent().remove(former)
    except etree.XMLSyntaxError as exc:
        raise NoListError("it is XML that cannot be read: it breaks off, or is not well-formed") from exc
    return ParsedList(entries=tuple(entries), sitemaps=root == "sitemapindex")


def _check_root(element: Any) -> str:
    if element.getroottree().docinfo.doctype:
        raise NoListError("it has a document type, which no sitemap has; entities could be declared in it")
    root = _name(element)
    if root not in {"urlset", "sitemapindex"}:
        raise NoListError(f"it is XML, but its root '{root[:50]}' is not that of a sitemap")
    return root


def _name(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _location(element: Any, url: str, root: str) -> Iterator[Entry]:
    values = {_name(child): "".join(child.itertext()).strip() for child in element}
    if location := values.get("loc"):
        # A sitemap speaks for its own host alone.
        yield _entry(location, url, lastmod=values.get("lastmod", "")[:100], same_host=root == "urlset")


def _links(text: bytes, url: str) -> Iterator[Entry]:
    """The links of a page to what lies below it on the same host, as servers list a folder."""
    if PurePosixPath(urlsplit(url).path).suffix.lower() in {".xml", ".txt", ".json", ".gz", ".csv"}:
        raise NoListError(
            "a page of HTML came where a list was expected: it looks like a page that asks to sign in, or tells of an "
            "error"
        )
    if len(text) > _LONGEST_PAGE_BYTES:
        raise FileTooLargeError(f"it is a page with links of more than {_LONGEST_PAGE_BYTES:,} bytes")
    page = LexborHTMLParser(text)
    base = page.css_first("base[href]")
    here = url if base is None else urljoin(url, base.attributes.get("href") or "")
    folder = urljoin(url, ".")
    seen = {url, folder}
    for link in page.css("a[href]"):
        target = urljoin(here, (link.attributes.get("href") or "").strip()).partition("#")[0]
        # A link to the folder itself with another query sorts it by name or size.
        if target in seen or not target.startswith(folder) or target.partition("?")[0] in {url, folder}:
            continue
        seen.add(target)
        if target.endswith("/"):
            shown = visible_path(target)
            yield Entry(url=None, shown=shown, refusal="a folder; add its address as a source of its own")
        else:
            yield _entry(target, url, same_host=True)


def _text(text: bytes, url: str) -> Iterator[Entry]:
    """A URL a line; lines that begin with # are comments."""
    try:
        lines = text.decode().splitlines()
    except UnicodeDecodeError as exc:
        raise NoListError("it is neither text in UTF-8 nor XML, JSON or HTML") from exc
    for number, line in enumerate(lines, start=1):
        written = line.strip()
        if written and not written.startswith("#"):
            if not written.lower().startswith(("https://", "http://")):
                raise NoListError(
                    f"its line {number:,} is no URL. A list has one a line, or is a sitemap or JSON"
                )
            yield _entry(written, url)


def _json(text: bytes, url: str) -> Iterator[Entry]:
    """`["https://…"]`, `[{"url": "https://…", "lastmod": "…"}]`, or such a list under "urls"."""
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise NoListError("it looks like JSON and is none") from exc
    if isinstance(listed, dict):
        listed = listed.get("urls")
    if not isinstance(listed, list):
        raise NoListError('it is JSON without a list of URLs: ["https://…"], or {"urls": ["https://…"]}')
    for number, item in enumerate(listed, start=1):
        fields = item if isinstance(item, dict) else {"url": item}
        location, lastmod = fields.get("url"), fields.get("lastmod", "")
        if not isinstance(location, str) or not isinstance(lastmod, str):
            raise NoListError(f"its entry {number:,} has no URL")
        yield _entry(location, url, lastmod=lastmod[:100])


def _entry(location: str, source: str, *, lastmod: str = "", same_host: bool = False) -> Entry:
    """An entry whose address was checked. What is shown of one that was refused holds no query, which may be a key."""
    shown = visible_path(location.partition("?")[0].rpartition("@")[2][:200])
    try:
        url = check_url(location)
    except InvalidRequestError as exc:
        return Entry(url=None, shown=shown, refusal=str(exc))
    if holds_key(url):
        return Entry(
            url=None, shown=shown, refusal="its address holds a key, which would be kept and shown with it"
        )
    if same_host and origin_of(url) != origin_of(source):
        return Entry(url=None, shown=shown, refusal="it lies on another host than the list that names it")
    return Entry(url=url, lastmod=lastmod)
