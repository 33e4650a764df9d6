"""The packages of modern office documents (Open Packaging Conventions): parts, and what they refer to."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from lxml import etree

from ingest.errors import ParseError
from ingest.parsers.archives import MOST_BYTES_OF_XML, Archive, parse_xml
from ingest.parsers.text import stated_title

A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_DC_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/")
_STRICT_SIGN = b"purl.oclc.org/ooxml/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """What a part refers to. `kind` is the last word of the relation's type ("slide", "notesSlide")."""

    id: str
    kind: str
    target: str


class Package:
    """An office document's parts, by name without a leading slash."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def main_part(self) -> str:
        """The part that everything hangs on. Raises `ParseError` if the package does not name one that it holds."""
        for relation in self.relations(""):
            if relation.kind == "officeDocument" and relation.target in self._archive:
                return relation.target
        raise self._archive.damaged("its main part is missing")

    def title(self) -> str | None:
        """The title stated in the document's properties, if they can be read and state one."""
        for relation in self.relations(""):
            if relation.kind == "core-properties" and relation.target in self._archive:
                try:
                    return stated_title(self.xml(relation.target).findtext(_DC_TITLE))
                except ParseError:
                    return None
        return None

    def __contains__(self, part: str) -> bool:
        return part in self._archive

    def xml(self, part: str) -> Any:
        """The root of a part, in the names of the transitional standard also where the file keeps to the strict one.

        Raises `ParseError`.
        """
        content = self._archive.read(part, most_bytes=MOST_BYTES_OF_XML)
        if _STRICT_SIGN in content[:10_000]:
            content = transitional(content)
        try:
            return parse_xml(content)
        except etree.XMLSyntaxError as exc:
            raise self._archive.damaged(f"{part} is no well-formed XML") from exc

    def open(self, part: str) -> IO[bytes]:
        """A part as a stream; what is wrong with its bytes is raised while it is read, as one of `DAMAGED_ARCHIVE`."""
        return self._archive.open(part)

    def damaged(self, reason: str) -> ParseError:
        """The error for a document that lacks or garbles what it must hold."""
        return self._archive.damaged(reason)

    def relations(self, part: str) -> tuple[Relation, ...]:
        """What a part refers to inside the package, in the file's order; nothing where that cannot be read.

        `part` "" stands for the package itself.
        """
        folder, name = posixpath.split(part)
        relations = posixpath.join(folder, "_rels", f"{name}.rels")
        if relations not in self._archive:
            return ()
        return tuple(_relations(self.xml(relations), folder))


def transitional(content: bytes) -> bytes:
    """XML of the strict standard in the names of the transitional one, which every reader knows."""
    return _STRICT.sub(rb"http://schemas.openxmlformats.org/\1/2006/", content)


def _relations(root: Any, folder: str) -> Iterator[Relation]:
    for element in root.iterchildren("{*}Relationship"):
        if element.get("TargetMode") == "External":
            continue
        target = posixpath.normpath(posixpath.join("/", folder, element.get("Target", ""))).lstrip("/")
        kind = element.get("Type", "").rpartition("/")[2]
        yield Relation(id=element.get("Id", ""), kind=kind, target=target)
