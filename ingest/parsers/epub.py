"""Books (.epub): the chapters in their reading order, under one structure of headings.

A chapter's headings are its own; where it has none, the table of contents says what it is called. Footnotes stand
where the book's files have them, popups included. The navigation document, which repeats the headings, and the marks
of printed pages are left out: their numbers are labels ("xii", "12") that need not be the pages' order, so a book has
no pages here. Nothing is fetched, no entity resolved, and no name in the archive ever touches the disk.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from selectolax.lexbor import LexborHTMLParser

from ingest.errors import NoTextError, ParseError
from ingest.parsers import Block, ParsedDocument
from ingest.parsers.archives import Archive, open_archive
from ingest.parsers.bounds import checked
from ingest.parsers.markup.html import HtmlParser
from ingest.parsers.parts import append_document
from ingest.parsers.text import TextBuilder, clean, one_line

MOST_BYTES_OF_A_CHAPTER = 64 * 2**20
_MEDIA_TYPE = "application/epub+zip"
_CONTAINER, _ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
_OBFUSCATIONS = frozenset({"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"})
"""What is done to fonts, which nobody needs for reading the text."""
_PAGES_OF_TEXT = frozenset(
    {"application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document"}
)
_ENDINGS_OF_TEXT = (".xhtml", ".html", ".htm", ".xml", ".opf")
_MOST_LABELS = 20_000
_DEEPEST_LABEL = 6
_SELF_CLOSED = re.compile(rb"<([A-Za-z][\w:.-]*)((?:\s[^<>]*?)?)/>")
_VOID = frozenset(
    b"area base br col embed frame hr img input keygen link meta param source track wbr".split(),
)
_PAGE_MARK = re.compile(
    rb"""<(span|div|a)\b[^<>]*(?:epub:type|role)\s*=\s*["'](?:doc-)?pagebreak["'][^<>]*>[^<>]*</\1\s*>""",
    re.IGNORECASE,
)
_POPUP = re.compile(rb"""<aside\b[^<>]*epub:type\s*=\s*["'][^"']*note[^"']*["'][^<>]*>""", re.IGNORECASE)
_HIDDEN = re.compile(rb"""\shidden(?:\s*=\s*(?:"[^"]*"|'[^']*'))?(?=[\s/>])""", re.IGNORECASE)


class EpubParser:
    """Reads EPUB 2 and EPUB 3 books."""

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse a book; raises `ParseError` if it is empty, damaged, locked (DRM), or an archive built to swell."""
        with open_archive(content, file_name=file_name, kind="EPUB book") as archive:
            return _Book(archive, file_name).read()


@dataclass(frozen=True, slots=True)
class _Label:
    """What the table of contents calls a place. level: from 1."""

    text: str
    level: int


class _Book:
    """Reads one book. Raises `ParseError`."""

    def __init__(self, archive: Archive, file_name: str) -> None:
        self._archive = archive
        self._file_name = file_name
        self._package_path = _package_path(archive, file_name)
        self._package = archive.xml(self._package_path)
        self._items = {item.get("id", ""): item for item in self._package.iterfind("{*}manifest/{*}item")}
        self._builder = TextBuilder()
        self._notes: list[str] = []

    def read(self) -> ParsedDocument:
        """Read the whole book."""
        chapters = self._reading_order()
        self._refuse_locked(chapters)
        labels = self._labels()
        title = one_line(clean(next(self._stated("title"), "")))
        self._append_head(title)
        has_text = False
        for path in chapters:
            chapter = self._chapter(path)
            if chapter is not None:
                has_text = True
                _append_chapter(self._builder, chapter, labels.get(path, ()))
        if not has_text and self._notes:
            raise ParseError(f"{self._file_name} cannot be read: {self._notes[0]}")
        if not has_text:
            raise NoTextError(f"{self._file_name} contains no text")
        parsed = self._builder.build(title=title, media_type=_MEDIA_TYPE, notes=self._notes)
        return checked(parsed, self._file_name)

    def _append_head(self, title: str) -> None:
        authors = ", ".join(filter(None, (one_line(clean(author)) for author in self._stated("creator"))))
        lines = [f"{name}: {text}" for name, text in (("Title", title), ("Author", authors)) if text]
        self._builder.append("paragraph", "\n".join(lines))

    def _chapter(self, path: str) -> ParsedDocument | None:
        """One file of the book; None if it shows no text or cannot be read, which is noted."""
        try:
            source = self._archive.read(path, most_bytes=MOST_BYTES_OF_A_CHAPTER)
            return HtmlParser().parse(_as_html(source), file_name=path) if source.strip() else None
        except NoTextError:
            return None
        except ParseError as exc:
            self._notes.append(str(exc).removeprefix(f"{self._file_name} "))
            return None

    def _reading_order(self) -> list[str]:
        """The files of text, those outside the main order (notes, answers) last, each once."""
        main: dict[str, None] = {}
        aside: dict[str, None] = {}
        for reference in self._package.iterfind("{*}spine/{*}itemref"):
            item = self._items.get(reference.get("idref", ""))
            if item is None or "nav" in item.get("properties", "").split():
                continue
            path = self._path(item.get("href", ""), self._package_path)
            if item.get("media-type", "").lower() in _PAGES_OF_TEXT or path.lower().endswith(
                _ENDINGS_OF_TEXT
            ):
                (aside if reference.get("linear") == "no" else main)[path] = None
        return list(main | aside)

    def _refuse_locked(self, chapters: Sequence[str]) -> None:
        """Raise `ParseError` if a chapter is encrypted, by whatever means of protection."""
        if _ENCRYPTION not in self._archive:
            return
        protected = {path.lower() for path in (*chapters, self._package_path)}
        for entry in self._archive.xml(_ENCRYPTION).iter("{*}EncryptedData"):
            method = entry.find("{*}EncryptionMethod")
            if method is not None and method.get("Algorithm") in _OBFUSCATIONS:
                continue
            for reference in entry.iter("{*}CipherReference"):
                if self._path(reference.get("URI", ""), "").lower() in protected:
                    raise ParseError(
                        f"{self._file_name} is locked by its seller (DRM), and cannot be read; use a copy without"
                    )

    def _labels(self) -> Mapping[str, Sequence[_Label]]:
        """What the table of contents calls the places in each file; empty where there is none to be read."""
        labels: dict[str, list[_Label]] = {}
        for count, (path, label) in enumerate(self._entries_of_contents()):
            if count >= _MOST_LABELS:
                break
            labels.setdefault(path, []).append(label)
        return labels

    def _entries_of_contents(self) -> Iterator[tuple[str, _Label]]:
        for item in self._items.values():
            path = self._path(item.get("href", ""), self._package_path)
            if path not in self._archive:
                continue
            if "nav" in item.get("properties", "").split():
                yield from self._entries_of_navigation(path)
                return
        for item in self._items.values():
            path = self._path(item.get("href", ""), self._package_path)
            if item.get("media-type") == "application/x-dtbncx+xml" and path in self._archive:
                yield from self._entries_of_ncx(path)
                return

    def _entries_of_navigation(self, path: str) -> Iterator[tuple[str, _Label]]:
        """The links of an EPUB 3 table of contents, a list in a list for each level."""
        try:
            source = self._archive.read(path, most_bytes=MOST_BYTES_OF_A_CHAPTER)
        except ParseError:  # the chapters have headings of their own
            return
        page = LexborHTMLParser(_as_html(source))
        lists = [
            nav for nav in page.css("nav") if "toc" in (nav.attributes.get("epub:type") or "toc").split()
        ]
        for link in lists[0].css("a") if lists else ():
            level, around = 0, link.parent
            while around is not None and level < _DEEPEST_LABEL:
                level += around.tag == "ol"
                around = around.parent
            text = one_line(clean(link.text()))
            if text and level:
                yield self._path(link.attributes.get("href") or "", path), _Label(text, level)

    def _entries_of_ncx(self, path: str) -> Iterator[tuple[str, _Label]]:
        """The entries of an EPUB 2 table of contents."""
        try:
            contents = self._archive.xml(path)
        except ParseError:
            return
        waiting = [(point, 1) for point in reversed(contents.findall("{*}navMap/{*}navPoint"))]
        while waiting:
            point, level = waiting.pop()
            text = one_line(clean(point.findtext("{*}navLabel/{*}text") or ""))
            target = point.find("{*}content")
            if text and target is not None:
                yield self._path(target.get("src", ""), path), _Label(text, min(level, _DEEPEST_LABEL))
            waiting.extend((inner, level + 1) for inner in reversed(point.findall("{*}navPoint")))

    def _stated(self, name: str) -> Iterator[str]:
        """The texts of a field of the book's metadata; of people, those who wrote it."""
        for element in self._package.iterfind(f"{{*}}metadata//{{http://purl.org/dc/elements/1.1/}}{name}"):
            role = element.get("{http://www.idpf.org/2007/opf}role", "aut")
            if role == "aut":
                yield "".join(element.itertext())

    def _path(self, reference: str, base: str) -> str:
        """The name in the archive that a reference in the file `base` means, without the place inside it."""
        target = reference.partition("#")[0]
        paths = [
            posixpath.normpath(posixpath.join(posixpath.dirname(base), form))
            for form in (unquote(target), target)
        ]
        return next((path for path in paths if path in self._archive), paths[0])


def _package_path(archive: Archive, file_name: str) -> str:
    """Where the book's own description is. Raises `ParseError`."""
    stated: str | None = None
    if _CONTAINER in archive:
        root: Any = archive.xml(_CONTAINER).find("{*}rootfiles/{*}rootfile")
        stated = unquote(root.get("full-path", "")) if root is not None else None
    if stated and stated in archive:
        return stated
    found = next((name for name in archive.names if name.lower().endswith(".opf")), None)
    if found is None:
        raise ParseError(f"{file_name} is no EPUB book, or is damaged (it has no package document)")
    return found


def _as_html(source: bytes) -> bytes:
    """XHTML as a parser of HTML understands it: "<title/>" would swallow the page, an "<a/>" all that follows."""
    source = _SELF_CLOSED.sub(
        lambda found: (
            found[0] if found[1].lower() in _VOID else b"<" + found[1] + found[2] + b"></" + found[1] + b">"
        ),
        source,
    )
    source = _PAGE_MARK.sub(b"", source)
    return _POPUP.sub(lambda found: _HIDDEN.sub(b"", found[0]), source)


def _append_chapter(builder: TextBuilder, chapter: ParsedDocument, labels: Sequence[_Label]) -> None:
    if labels and not any(block.kind == "heading" for block in chapter.blocks):
        levels = {label.text.casefold(): label.level for label in labels}
        chapter = replace(chapter, blocks=tuple(_headed(chapter, levels)))
        if chapter.blocks[0].kind != "heading":
            builder.append("heading", labels[0].text, level=labels[0].level)
    append_document(builder, chapter, deeper=0)


def _headed(chapter: ParsedDocument, levels: Mapping[str, int]) -> Iterator[Block]:
    """The blocks of a chapter that says its headings in plain paragraphs, with those that the contents name."""
    for block in chapter.blocks:
        text = one_line(chapter.text[block.char_start : block.char_end])
        level = levels.get(text.casefold())
        if block.kind == "paragraph" and level is not None:
            yield replace(block, kind="heading", level=level, heading=text)
        else:
            yield block
