"""What slides and sheets draw (DrawingML): paragraphs of shapes, charts, and diagrams made of words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ingest.parsers.list_numbers import letter, roman
from ingest.parsers.ooxml.equations import M, equation_text
from ingest.parsers.ooxml.package import A
from ingest.parsers.tables import Cell, table_text
from ingest.parsers.text import one_line

C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
DGM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_NO_WORDS = frozenset({f"{A}pPr", f"{A}rPr", f"{A}endParaRPr", f"{MC}Fallback"})
_SCAFFOLD = frozenset({"pres", "parTrans", "sibTrans", "doc"})
_MOST_POINTS = 1000
"""Rows of a chart's data that are written: more are drawn to be seen, not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """A paragraph of a shape.

    number: what is written before it in a numbered list ("3."), or "".
    is_bulleted: whether it has a bullet or number, or None where that is left to the shape's placeholder.
    """

    text: str
    number: str = ""
    is_bulleted: bool | None = None


def paragraphs(body: Any) -> Iterator[Paragraph]:
    """The paragraphs of a shape's text (`p:txBody`), blank ones left out, numbered as the program numbers them."""
    list_style = body.find(f"{A}lstStyle")
    counts: dict[int, int] = {}
    for paragraph in body.iterchildren(f"{A}p"):
        properties = paragraph.find(f"{A}pPr")
        level = _small(properties.get("lvl") if properties is not None else None, most=8) or 0
        text = paragraph_text(paragraph)
        if not text.strip():
            continue
        numbered = _bullet(properties, list_style, level)
        if numbered is None or numbered.tag != f"{A}buAutoNum":
            counts = {depth: count for depth, count in counts.items() if depth < level}
            bulleted = None if numbered is None else numbered.tag != f"{A}buNone"
            yield Paragraph(text=text, is_bulleted=bulleted)
            continue
        start = _small(numbered.get("startAt"), most=32767) or 1
        counts = {depth: count for depth, count in counts.items() if depth <= level}
        counts[level] = counts[level] + 1 if level in counts else start
        number = _number(counts[level], numbered.get("type", ""))
        yield Paragraph(text=text, number=number, is_bulleted=True)


def paragraph_text(paragraph: Any) -> str:
    """A paragraph's text as it is shown; slide numbers, which every slide has, are left out."""
    written: list[str] = []
    waiting = list(reversed(paragraph))
    while waiting:
        element = waiting.pop()
        if element.tag == f"{A}t":
            written.append(element.text or "")
        elif element.tag == f"{A}br":
            written.append("\n")
        elif element.tag == f"{M}oMath":
            written.append(equation_text(element))
        elif element.tag == f"{A}fld" and element.get("type") == "slidenum":
            continue
        elif isinstance(element.tag, str) and element.tag not in _NO_WORDS:
            waiting.extend(reversed(element))
    return "".join(written).replace("\v", "\n")


def drawn_table(table: Any) -> tuple[str, bool]:
    """A table (`a:tbl`) as text, and whether its first row is said to be a header."""
    rows = [
        [
            Cell(
                one_line(" ".join(paragraph_text(paragraph) for paragraph in cell.iter(f"{A}p"))),
                columns=_small(cell.get("gridSpan"), most=100) or 1,
                rows=_small(cell.get("rowSpan"), most=10_000) or 1,
            )
            for cell in row.iterchildren(f"{A}tc")
            if cell.get("hMerge") not in ("1", "true") and cell.get("vMerge") not in ("1", "true")
        ]
        for row in table.iterchildren(f"{A}tr")
    ]
    properties = table.find(f"{A}tblPr")
    has_header = properties is not None and properties.get("firstRow") in ("1", "true")
    return table_text(rows, rows_alone=True), has_header


def chart_titles(chart: Any) -> str:
    """A chart's title, then those of its axes, on one line; "" if it has none."""
    titles = (_rich_text(title) for title in chart.iter(f"{C}title"))
    return " · ".join(title for title in titles if title)


def chart_table(chart: Any) -> str:
    """A chart's data as it was last drawn: a row a category, a column a series."""
    series = list(chart.iter(f"{C}ser"))
    columns = [_points(one, "val") or _points(one, "yVal") for one in series]
    labels = [_points(one, "cat") or _points(one, "xVal") for one in series]
    places = sorted({place for column in columns for place in column})[:_MOST_POINTS]
    rows = [[Cell(""), *(Cell(_series_name(one)) for one in series)]]
    for place in places:
        label = next((known[place] for known in labels if place in known), "")
        rows.append([Cell(label), *(Cell(column.get(place, "")) for column in columns)])
    return table_text(rows) if places else ""


def diagram_texts(data: Any) -> Iterator[str]:
    """The words of a diagram (SmartArt), item by item."""
    for point in data.iter(f"{DGM}pt"):
        body = point.find(f"{DGM}t")
        if body is not None and point.get("type") not in _SCAFFOLD:
            yield from (paragraph.text for paragraph in paragraphs(body))


def _bullet(properties: Any, list_style: Any, level: int) -> Any:
    """What a paragraph, or else its shape's style for its level, says of its bullet; None if neither does."""
    own = list_style.find(f"{A}lvl{level + 1}pPr") if list_style is not None else None
    for said in (properties, own):
        if said is not None:
            for name in ("buNone", "buAutoNum", "buChar", "buBlip"):
                bullet = said.find(f"{A}{name}")
                if bullet is not None:
                    return bullet
    return None


def _number(count: int, kind: str) -> str:
    if kind.startswith("alpha"):
        figure = letter(count)
    elif kind.startswith("roman"):
        figure = roman(count)
    else:
        figure = str(count)
    figure = figure.upper() if "Uc" in kind else figure
    if kind.endswith("ParenBoth"):
        return f"({figure})"
    if kind.endswith("ParenR"):
        return f"{figure})"
    return figure if kind.endswith("Plain") else f"{figure}."


def _rich_text(title: Any) -> str:
    words = " ".join(paragraph_text(paragraph) for paragraph in title.iter(f"{A}p"))
    return one_line(words or " ".join(point.text or "" for point in title.iter(f"{C}v")))


def _points(series: Any, name: str) -> dict[int, str]:
    """A series' values or labels by their place."""
    found: dict[int, str] = {}
    holder = series.find(f"{C}{name}")
    for point in () if holder is None else holder.iter(f"{C}pt"):
        place = _small(point.get("idx"), most=1_000_000)
        if place is not None:
            found[place] = _figure(point.findtext(f"{C}v") or "")
    return found


def _figure(text: str) -> str:
    """A number without the noise of binary fractions; any other text as it is."""
    try:
        return f"{float(text):.15g}" if len(text) > 15 else one_line(text)
    except ValueError:
        return one_line(text)


def _series_name(series: Any) -> str:
    name = series.find(f"{C}tx")
    return "" if name is None else one_line(" ".join(point.text or "" for point in name.iter(f"{C}v")))


def _small(text: str | None, *, most: int) -> int | None:
    """`text` as a number from 0 to `most`, or None."""
    return (
        int(text) if text is not None and text.isdecimal() and len(text) < 9 and int(text) <= most else None
    )
