"""What elements of XML hold, as a reader sees it: words on one line, code with its lines, tables."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from lxml import etree

from ingest.parsers.tables import LONGEST_CELL, Cell, header_line, table_text
from ingest.parsers.text import TextBuilder, one_line

_WIDEST_SPAN = 100
# fmt: off
LEFT_OUT = frozenset({
    "annotation", "annotation-xml", "graphic", "imagedata", "imageobject", "indexterm", "inline-graphic", "media",
    "object-id", "processing-meta", "rpr", "ppr", "script", "sectpr", "style", "teiheader", "tex-math",
})
"""Elements that no reader sees as text: pictures, a formula's source beside the formula, properties."""
_APART = frozenset({
    "article-title", "chapter-title", "collab", "comment", "date", "day", "edition", "elocation-id", "etal",
    "firstname", "fpage", "given-names", "institution", "issue", "label", "lastname", "lpage", "month", "name",
    "othername", "person-group", "prefix", "pub-id", "publisher-loc", "publisher-name", "source", "string-name",
    "suffix", "surname", "volume", "year",
})
"""Elements that are words of their own, though no white space parts them."""
# fmt: on
_MOST_HEADER_ROWS = 4
_RAISED = frozenset({"sup", "superscript"})
_OF_NOTES = frozenset({"fn", "table-fn"})
_OF_SCHEMAS = "{http://www.w3.org/2001/XMLSchema-instance}"
_OF_XML = "{http://www.w3.org/XML/1998/namespace}"
_BREAKS = frozenset({"br", "break", "lb", "tab"})
_ROWS = frozenset({"tr", "row", "strow", "sthead"})
_CELLS = frozenset({"td", "th", "entry", "cell", "stentry"})
_HEADS = frozenset({"thead", "sthead"})


def local_name(element: etree._Element) -> str:
    """An element's name in lower case, without its namespace."""
    return own_name(element.tag).lower()


@lru_cache(maxsize=4096)
def own_name(tag: str) -> str:
    """The name in a tag as it is written, without its namespace."""
    return tag.rpartition("}")[2].rpartition(":")[2]


def line_of(element: etree._Element) -> str:
    """All words of an element on one line."""
    return one_line("".join(_texts(element)))


def code_of(element: etree._Element) -> str:
    """All text of an element as it stands."""
    return "".join(str(text) for text in element.itertext())


def is_mixed(element: etree._Element) -> bool:
    """Whether text stands beside an element's children."""
    return bool((element.text or "").strip()) or any((child.tail or "").strip() for child in element)


def attributes_of(element: etree._Element) -> dict[str, str]:
    """The attributes that say something, by their local names."""
    return {
        str(name).rpartition("}")[2]: str(value)
        for name, value in element.attrib.items()
        if not str(name).startswith((_OF_SCHEMAS, _OF_XML)) and str(value).strip()
    }


def _texts(element: etree._Element) -> Iterator[str]:
    walk = etree.iterwalk(element, events=("start", "end"))
    for event, part in walk:
        name = local_name(part)
        if event == "end":
            if part is not element:
                yield _after(part, name)
        elif name in LEFT_OUT and part is not element:
            walk.skip_subtree()
        elif name in _BREAKS or part.get("ref-type") in _OF_NOTES:
            yield f" {part.text or ''}"
        else:
            yield part.text or ""


def _after(part: etree._Element, name: str) -> str:
    """What follows an element inside its line: a space where only the element's end parts two words."""
    tail = part.tail or ""
    if (name in _APART or name in _CELLS) and not tail and part.getnext() is not None:
        return " "
    around = part.getparent()
    if (
        name in _RAISED
        and part.getprevious() is None
        and around is not None
        and not (around.text or "").strip()
    ):
        return f" {tail}"  # the mark of a note before its words
    return tail


def append_table(builder: TextBuilder, table: etree._Element) -> bool:
    """Append a table of the model of HTML or of CALS; False, and nothing appended, if it has no rows of cells."""
    rows: list[list[Cell]] = []
    header: list[str] = []
    for row in _rows(table):
        cells = [cell for cell in row if local_name(cell) in _CELLS]
        rows.append([Cell(line_of(cell), columns=_columns(cell), rows=_rows_spanned(cell)) for cell in cells])
        names_columns = _is_head(row) or all(local_name(cell) == "th" for cell in cells)
        if names_columns and len(header) + 1 == len(rows) <= _MOST_HEADER_ROWS:
            header.append(table_text([[Cell(cell.text) for cell in rows[-1]]]))
    text = table_text(rows)
    named = " / ".join(line for line in header if " | " in line)
    builder.append("table", text, heading=named if 0 < len(named) <= LONGEST_CELL else header_line(text))
    return bool(text)


def _rows(table: etree._Element) -> Iterator[etree._Element]:
    """The rows of a table, without those of tables inside its cells."""
    walk = etree.iterwalk(table, events=("start",))
    for _, part in walk:
        if local_name(part) in _ROWS:
            yield part
            walk.skip_subtree()


def _is_head(row: etree._Element) -> bool:
    around = row.getparent()
    return local_name(row) in _HEADS or (around is not None and local_name(around) in _HEADS)


def _columns(cell: etree._Element) -> int:
    return _span(cell.get("colspan"))


def _rows_spanned(cell: etree._Element) -> int:
    more = cell.get("morerows")
    return _span(cell.get("rowspan")) if more is None else 1 + _span(more, least=0)


def _span(value: str | None, *, least: int = 1) -> int:
    return (
        max(least, min(int(value), _WIDEST_SPAN))
        if value and value.isdecimal() and len(value) < 10
        else least
    )
