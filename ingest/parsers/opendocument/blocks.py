"""Headings, paragraphs, lists and tables of OpenDocument texts, and of the shapes of its presentations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ingest.parsers import BlockKind
from ingest.parsers.opendocument.lists import ListNumbers
from ingest.parsers.opendocument.names import (
    DRAW,
    OFFICE,
    PRESENTATION,
    SHAPES,
    STYLE,
    TABLE,
    TEXT,
    XLINK,
    Inline,
    count,
)
from ingest.parsers.tables import LONGEST_CELL, Cell, header_line, table_text
from ingest.parsers.text import TextBuilder, one_line

_ROW_GROUPS = frozenset(f"{TABLE}{name}" for name in ("table-header-rows", "table-rows", "table-row-group"))
_LISTS = frozenset({f"{TEXT}list", f"{TEXT}list-item", f"{TEXT}list-header"})
_NOT_READ = frozenset(
    {
        *(f"{TEXT}tracked-changes", f"{OFFICE}annotation", f"{OFFICE}forms", f"{TEXT}sequence-decls"),
        *(f"{TEXT}table-of-content-source", f"{TEXT}bibliography-source", f"{TEXT}alphabetical-index-source"),
        *(f"{TEXT}illustration-index-source", f"{TEXT}table-index-source", f"{TEXT}user-index-source"),
        *(f"{TEXT}object-index-source", f"{PRESENTATION}notes"),
    }
)
_WIDEST_SPAN = 100
_DEEPEST_LIST = 10


class BlockReader:
    """Reads one document, part by part, into its builder.

    object_text: the words of an embedded object, by its reference.
    """

    def __init__(
        self,
        builder: TextBuilder,
        numbers: ListNumbers,
        titles: frozenset[str],
        object_text: Callable[[str], str],
    ) -> None:
        """`titles` are the names of the styles that make a paragraph the document's title."""
        self.styled_title: str | None = None
        self._builder = builder
        self._numbers = numbers
        self._titles = titles
        self._object_text = object_text

    def read(self, container: Any) -> None:
        """Read what a container holds, in order."""
        for element in _blocks(container):
            if element.tag == f"{TEXT}h":
                self._read_heading(element)
            elif element.tag == f"{TEXT}p":
                self._read_paragraph(element)
            elif element.tag == f"{TEXT}list":
                self._read_list(element)
            elif element.tag == f"{TABLE}table":
                self._read_table(element)
            elif element.tag == f"{DRAW}object":
                self._builder.append("paragraph", self._object_text(element.get(f"{XLINK}href", "")))

    def text_of(self, container: Any) -> str:
        """The words of a container on one line, for a table's cell or a title."""
        return one_line(" ".join(Inline(paragraph).text for paragraph in _paragraphs(container)))

    def _read_heading(self, heading: Any) -> None:
        inline = Inline(heading)
        level = count(heading, f"{TEXT}outline-level", most=10)
        if inline.text.strip():
            number = (
                "" if heading.get(f"{TEXT}is-list-header") == "true" else self._numbers.heading_label(level)
            )
            self._builder.append("heading", one_line(f"{number} {inline.text}"), level=level)
        self._read_apart(inline)

    def _read_paragraph(self, paragraph: Any, kind: BlockKind = "paragraph", number: str = "") -> None:
        inline = Inline(paragraph)
        if paragraph.get(f"{TEXT}style-name") in self._titles and inline.text.strip():
            self.styled_title = self.styled_title or one_line(inline.text)
            self._builder.append("heading", one_line(inline.text), level=1)
        else:
            self._builder.append(kind, f"{number} {inline.text}" if number else inline.text)
        self._read_apart(inline)

    def _read_list(self, whole: Any) -> None:
        """Read a list and those nested in it; each item's first paragraph carries its number."""
        style = whole.get(f"{TEXT}style-name", "")
        if whole.get(f"{TEXT}continue-numbering") != "true" and not whole.get(f"{TEXT}continue-list"):
            self._numbers.restart(style)
        waiting: list[tuple[Any, str, int]] = [(whole, style, 1)]
        number = ""
        while waiting:
            element, style, depth = waiting.pop()
            if element.tag == f"{TEXT}p":
                self._read_paragraph(element, "list_item", number)
                number = ""
            elif element.tag in _LISTS:
                if element.tag == f"{TEXT}list-item":
                    number = self._item_number(element, style, depth)
                inner = [
                    (child, child.get(f"{TEXT}style-name", style), min(depth + 1, _DEEPEST_LIST))
                    if child.tag == f"{TEXT}list"
                    else (child, style, depth)
                    for child in element
                ]
                waiting.extend(reversed(inner))
            elif element.tag == f"{TEXT}h":
                self._read_heading(element)
            elif element.tag == f"{TABLE}table":
                self._read_table(element)

    def _item_number(self, item: Any, style: str, depth: int) -> str:
        """The number of an item, unless it only holds another list."""
        if not len(item) or item[0].tag == f"{TEXT}list":
            return ""
        start = item.get(f"{TEXT}start-value", "")
        return self._numbers.label(
            style, depth, start=int(start) if start.isdecimal() and len(start) < 7 else None
        )

    def _read_table(self, table: Any) -> None:
        rows = [list(_cells(row)) for row in _rows(table)]
        cells = [cell for row in rows for cell in row]
        texts = {cell: self.text_of(cell) for cell in cells}
        if len(cells) <= len(rows) or any(len(text) > LONGEST_CELL for text in texts.values()):
            for cell in cells:
                self.read(cell)
            return
        text = table_text(
            (
                [
                    Cell(
                        texts[cell],
                        columns=count(cell, f"{TABLE}number-columns-spanned", most=_WIDEST_SPAN),
                        rows=count(cell, f"{TABLE}number-rows-spanned"),
                    )
                    for cell in row
                ]
                for row in rows
            ),
            rows_alone=True,
        )
        self._builder.append("table", text, heading=header_line(text))
        for cell in cells:
            for paragraph in _paragraphs(cell):
                self._read_apart(Inline(paragraph))

    def _read_apart(self, inline: Inline) -> None:
        """Read what hangs on a paragraph: its shapes, and the notes that it calls."""
        for shape in inline.shapes:
            self.read(shape)
        for note in inline.notes:
            for body in note.iterchildren(f"{TEXT}note-body"):
                self.read(body)


def title_styles(roots: list[Any]) -> frozenset[str]:
    """The names of the paragraph styles that are "Title", or made from it."""
    titles = {"Title"}
    for root in roots:
        for style in root.iter(f"{STYLE}style"):
            if style.get(f"{STYLE}parent-style-name") == "Title":
                titles.add(style.get(f"{STYLE}name", ""))
    return frozenset(titles)


def _blocks(container: Any) -> Iterator[Any]:
    """The headings, paragraphs, lists, tables and objects of a container, sections and shapes read through."""
    waiting = list(reversed(container))
    while waiting:
        element = waiting.pop()
        if element.tag in (f"{TEXT}h", f"{TEXT}p", f"{TEXT}list", f"{TABLE}table", f"{DRAW}object"):
            yield element
        elif _is_read(element):
            waiting.extend(reversed(element))


def _is_read(element: Any) -> bool:
    return (
        isinstance(element.tag, str)
        and element.tag not in _NOT_READ
        and element.get(f"{TEXT}display") not in ("none", "condition")
        and (element.tag.startswith((TEXT, OFFICE, TABLE)) or element.tag in SHAPES)
    )


def _rows(table: Any) -> Iterator[Any]:
    waiting = list(reversed(table))
    while waiting:
        element = waiting.pop()
        if element.tag == f"{TABLE}table-row":
            yield element
        elif element.tag in _ROW_GROUPS:
            waiting.extend(reversed(element))


def _cells(row: Any) -> Iterator[Any]:
    return iter(row.iterchildren(f"{TABLE}table-cell"))


def _paragraphs(container: Any) -> Iterator[Any]:
    """Every paragraph and heading of a container, also those of lists and tables nested in it."""
    waiting = list(reversed(container))
    while waiting:
        element = waiting.pop()
        if element.tag in (f"{TEXT}h", f"{TEXT}p"):
            yield element
        elif _is_read(element):
            waiting.extend(reversed(element))
