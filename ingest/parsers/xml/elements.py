"""Elements of XML written as blocks: documents (DocBook, TEI, DITA, …) as prose, data as "name: value" lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice

from lxml import etree

from ingest.parsers import BlockKind
from ingest.parsers.machine_text import without_blobs
from ingest.parsers.markup.html import append_html
from ingest.parsers.text import TextBuilder, one_line
from ingest.parsers.value_paths import value_path
from ingest.parsers.xml.text import (
    LEFT_OUT,
    append_table,
    attributes_of,
    code_of,
    is_mixed,
    line_of,
    local_name,
    own_name,
)

# fmt: off
_SECTIONS = frozenset({
    "abstract", "ack", "app", "appendix", "article", "bibliography", "book", "boxed-text", "chapter", "concept", "div",
    "div1", "div2", "div3", "div4", "glossary", "part", "preface", "ref-list", "refentry", "reference", "refsect1",
    "refsect2", "refsect3", "sec", "sect1", "sect2", "sect3", "sect4", "sect5", "section", "simplesect", "task",
    "topic", "trans-abstract",
})
_TITLES = frozenset({"title", "head", "heading"})
_INFORMATION = frozenset({"info", "bookinfo", "articleinfo", "chapterinfo", "sectioninfo", "title-group"})
_PARAGRAPHS = frozenset({
    "ab", "attrib", "bridgehead", "citation", "disp-formula", "element-citation", "l", "license-p", "mixed-citation",
    "nlm-citation", "p", "para", "simpara", "sp", "speech", "subtitle", "term", "verse-line",
})
_ITEMS = frozenset({"dd", "def-item", "dt", "fn", "item", "li", "list-item", "listitem", "ref", "step", "varlistentry"})
_CODE = frozenset({
    "code-block", "codeblock", "literallayout", "preformat", "programlisting", "pre", "screen", "synopsis", "verbatim",
})
_TABLES = frozenset({"table", "informaltable", "simpletable", "tgroup"})
_BLOCKS = _SECTIONS | _TITLES | _PARAGRAPHS | _ITEMS | _CODE | _TABLES | frozenset({
    "blockquote", "body", "def-list", "figure", "fig", "itemizedlist", "list", "lg", "note", "ol", "orderedlist",
    "quote", "table-wrap", "ul", "variablelist", "warning",
})
# fmt: on
_MARKUP = re.compile(
    r"</?(?:p|div|br|a|ul|ol|li|h[1-6]|table|span|strong|em|img|blockquote)\b[^<>]{0,500}>", re.IGNORECASE
)
_LONG_VALUE = 200
_LONGEST_TITLE = 300
_LONG_RECORD = 500
_MOST_CHARACTERS = 50_000_000
_DEEPEST = 100
"""How deep elements are told apart: each level takes four calls."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an element stands: the level of the heading above it, what kind of block holds it, and the path of names
    from the record that it belongs to.

    depth: in how many elements it stands.
    """

    depth: int = 0
    level: int = 0
    kind: BlockKind = "paragraph"
    path: str = ""


class ElementWriter:
    """Writes elements to a builder.

    labelled: whether a value is written behind its element's name, and attributes are: so for data, not for prose.
    blobs: how many endless words were shortened.
    """

    def __init__(self, builder: TextBuilder, *, labelled: bool) -> None:
        self._builder = builder
        self._labelled = labelled
        self._fields: list[str] = []
        self._label = ""
        self._told: etree._Element | None = None
        self._written = 0
        self.blobs = 0

    @property
    def is_full(self) -> bool:
        """Whether there is more text than is kept."""
        return self._written > _MOST_CHARACTERS

    def write(self, element: etree._Element, *, level: int = 0) -> None:
        """Write an element with all that it holds, under a heading of this level."""
        self._element(element, _Place(level=level))
        self.flush()

    def paragraph(self, text: str, kind: BlockKind = "paragraph") -> None:
        """Append a block behind the label that waits for one ("Table 1", "[3]"), if any."""
        self.flush()
        text, blobs = without_blobs(f"{self._label} {text}" if self._label else text)
        self._label = ""
        self.blobs += blobs
        self._written += len(text)
        self._builder.append(kind, text)

    def heading(self, text: str, *, level: int) -> None:
        """Append a heading behind its number, if one waits."""
        self.flush()
        self._builder.append("heading", f"{self._label} {text}" if self._label else text, level=level)
        self._label = ""

    def flush(self) -> None:
        """End the block of "name: value" lines."""
        if self._fields:
            self._builder.append("code", "\n".join(self._fields))
            self._fields.clear()

    def _end_label(self) -> None:
        """Write the label that waits, if one does, where nothing follows that it could stand before."""
        self.flush()
        if self._label:
            self.paragraph("")

    def _element(self, element: etree._Element, place: _Place) -> None:
        name = local_name(element)
        place = replace(place, depth=place.depth + 1)
        if name in LEFT_OUT or element is self._told or self.is_full:
            return
        if name in _CODE:
            self._end_label()
            self._builder.append("code", code_of(element))
        elif name in _TABLES and self._table(element, place):
            return
        elif name == "label" and not self._labelled:
            self._label = line_of(element)
        elif len(element) == 0:
            self._leaf(element, place)
        elif place.depth > _DEEPEST or (name in _PARAGRAPHS and not _holds_blocks(element)):
            self.paragraph(line_of(element), place.kind)
        elif is_mixed(element):
            self._mixed(element, place)
        else:
            self._container(element, place)

    def _table(self, element: etree._Element, place: _Place) -> bool:
        self._end_label()
        for child in element:
            if local_name(child) in _TITLES or local_name(child) == "caption":
                self.paragraph(line_of(child))
        return append_table(self._builder, element)

    def _leaf(self, element: etree._Element, place: _Place) -> None:
        text = element.text or ""
        name = local_name(element)
        if not self._labelled or name in _PARAGRAPHS or name in _ITEMS - {"item"}:
            if text.strip():
                self.paragraph(one_line(text), "list_item" if name in _ITEMS else place.kind)
            return
        attributes = attributes_of(element)
        if attributes and not text.strip() and sum(map(len, attributes.values())) > _LONG_VALUE:
            for attribute, value in attributes.items():
                self._field(
                    value_path(value_path(place.path, own_name(element.tag)), attribute), value, place
                )
            return
        listed = ", ".join(f"{attribute}={one_line(value)}" for attribute, value in attributes.items())
        if listed and text.strip():
            text = f"{text.strip()} ({listed})"
        self._field(value_path(place.path, own_name(element.tag)), text if text.strip() else listed, place)

    def _field(self, path: str, value: str, place: _Place) -> None:
        if not value.strip():
            return
        if _MARKUP.search(value, 0, 10_000):
            self.flush()
            self._written += len(value)
            append_html(self._builder, value, below=place.level)
        elif len(value) > _LONG_VALUE:
            self.paragraph(f"{path}: {value.strip()}", place.kind)
        else:
            line = f"{path}: {one_line(value)}"
            self._written += len(line)
            self._fields.append(line)

    def _mixed(self, element: etree._Element, place: _Place) -> None:
        """Text with elements in it: a paragraph or, where some are blocks, those and the paragraphs between them."""
        name = local_name(element)
        kind: BlockKind = "list_item" if name in _ITEMS else place.kind
        if not _holds_blocks(element):
            text = line_of(element)
            is_named = self._labelled and name not in _PARAGRAPHS | _ITEMS | _BLOCKS
            self.paragraph(
                f"{value_path(place.path, own_name(element.tag))}: {text}" if is_named else text, kind
            )
            return
        inline = [element.text or ""]
        for child in element:
            if local_name(child) in _BLOCKS or _holds_blocks(child):
                self._inline(inline, kind)
                self._element(child, replace(place, kind=kind))
                inline = []
            elif local_name(child) not in LEFT_OUT:
                inline.append(line_of(child))
            inline.append(child.tail or "")
        self._inline(inline, kind)

    def _inline(self, parts: Sequence[str], kind: BlockKind) -> None:
        if text := one_line("".join(parts)):
            self.paragraph(text, kind)

    def _container(self, element: etree._Element, place: _Place) -> None:
        name = local_name(element)
        kind: BlockKind = "list_item" if name in _ITEMS and not self._labelled else place.kind
        title = self._title(element)
        if title is not None:
            for child in element:
                if local_name(child) == "label" and not self._labelled:
                    self._label = line_of(child)
            self.heading(line_of(title), level=place.level + 1)
            self._told = title
            place = replace(place, level=place.level + 1, path="")
        place = replace(place, kind=kind)
        if self._labelled:
            self._records(element, place, title)
        elif not _is_group(element):
            for child in element:
                if child is not title and not (title is not None and local_name(child) == "label"):
                    self._element(child, place)
        elif text := " ".join(filter(None, (line_of(child) for child in element))):
            self.paragraph(text, kind)
        self._end_label()

    def _records(self, element: etree._Element, place: _Place, title: etree._Element | None) -> None:
        """The children of an element that holds data: repeated ones with parts of their own are blocks of lines."""
        names = Counter(local_name(child) for child in element)
        for is_plain, children in groupby(element, key=_plain_name):
            same = list(children)
            if is_plain and len(same) > 1:
                values = ", ".join(filter(None, (one_line(child.text or "") for child in same)))
                self._field(value_path(place.path, own_name(same[0].tag)), values, place)
                continue
            for child in same:
                if child is title:
                    continue
                if len(child) and not is_mixed(child):
                    self._record(child, place, is_repeated=names[local_name(child)] > 1)
                else:
                    self._element(child, place)

    def _record(self, element: etree._Element, place: _Place, *, is_repeated: bool) -> None:
        name = own_name(element.tag)
        if is_repeated:
            self.flush()
            if self._title(element) is None:
                self._fields.append(f"{name}:")
        first_lines = list(self._fields)
        inner = replace(place, path="" if is_repeated else value_path(place.path, name))
        for attribute, value in attributes_of(element).items():
            self._field(value_path(inner.path, attribute), value, inner)
        self._element(element, inner)
        if is_repeated:
            if self._fields == first_lines:
                self._fields.clear()
            self.flush()

    def _title(self, element: etree._Element) -> etree._Element | None:
        """The child that is an element's heading: of a section, or of a record of data that is long."""
        for child in element:
            if local_name(child) in _INFORMATION and not self._labelled:
                found = next((part for part in child if local_name(part) in _TITLES), None)
            else:
                found = child if local_name(child) in _TITLES else None
            if found is not None:
                is_section = local_name(element) in _SECTIONS or (self._labelled and _is_long(element))
                fits = is_section and 0 < len(line_of(found)) <= _LONGEST_TITLE
                return found if fits else None
        return None


def _holds_blocks(element: etree._Element) -> bool:
    return any(local_name(part) in _BLOCKS for part in element.iterdescendants())


def _is_group(element: etree._Element) -> bool:
    """Whether an element of prose only groups a few words ("Ann", "Miller"), each in an element of its own."""
    return all(
        len(child) == 0 and local_name(child) not in _BLOCKS and local_name(child) != "label"
        for child in element
    )


def _is_long(element: etree._Element) -> bool:
    return sum(len(text) for text in islice(element.itertext(), 2000)) > _LONG_RECORD


def _plain_name(element: etree._Element) -> str | None:
    """The name of an element that holds a few words and nothing else; None for any other."""
    is_plain = len(element) == 0 and not element.attrib and len(element.text or "") <= _LONG_VALUE
    return own_name(element.tag) if is_plain and (element.text or "").strip() else None
