"""Writing laid-out pages as one text, with the box of every line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ingest.parsers import BlockKind, ParsedDocument
from ingest.parsers.pdf.headings import OutlineEntry, heading_levels
from ingest.parsers.pdf.layout import PageLayout, Paragraph
from ingest.parsers.pdf.lines import Line, same_size
from ingest.parsers.pdf.paragraphs import is_item, runs_on
from ingest.parsers.pdf.tables import Table, TableCell
from ingest.parsers.tables import Cell, header_line, table_text
from ingest.parsers.text import TextBuilder, clean
from retrieval.line_boxes import LineBox, pack_line_boxes

_WORD = re.compile(r"[^\W\d_]+(?:[-\u2010][^\W\d_]+)*")
_BROKEN_WORD = re.compile(r"([^\W\d_]+)([-\u2010\xad])$")
_WORD_AT_START = re.compile(r"[^\W\d_]+")
_SOFT_HYPHEN = "\xad"
_BEGIN_COMPOUNDS = frozenset(
    {
        "cross",
        "ex",
        "full",
        "half",
        "high",
        "large",
        "long",
        "low",
        "mid",
        "multi",
        "non",
        "open",
        "post",
        "pre",
        "quasi",
    }
    | {"real", "self", "semi", "short", "single", "small", "well", "two", "three", "four", "five"}
)


def write_pages(
    layouts: Sequence[PageLayout],
    *,
    outline: Sequence[OutlineEntry] = (),
    pages: int,
    title: str | None,
    media_type: str,
    notes: Sequence[str],
) -> ParsedDocument:
    """The document of so many pages that layouts, by ascending numbers of pages, make up."""
    vocabulary = Vocabulary()
    for layout in layouts:
        for paragraph in layout.paragraphs:
            vocabulary.learn(paragraph.lines)
    writer = _Writer(levels=heading_levels(layouts, outline), vocabulary=vocabulary)
    for layout in layouts:
        writer.write(layout)
    return writer.build(pages=pages, title=title, media_type=media_type, notes=notes)


class Vocabulary:
    """The words of a document, by which a hyphen at a line's end is told from one that belongs to its word."""

    def __init__(self) -> None:
        self._words: set[str] = set()

    def learn(self, lines: Iterable[Line]) -> None:
        """Take in the words of lines, but for those that a line's end breaks."""
        for line in lines:
            text = line.text
            broken = _BROKEN_WORD.search(text)
            words = _WORD.findall(text[: broken.start()] if broken else text)
            self._words.update(word.lower().replace("\u2010", "-") for word in words)

    def joined(self, text: str, following: str) -> str | None:
        """`text` as it goes on without a line end into `following`; None if it breaks no word.

        The hyphen goes unless the document writes the word with one, or both its (not too short) parts as words of
        their own.
        """
        broken, rest = _BROKEN_WORD.search(text), _WORD_AT_START.match(following)
        if broken is None or rest is None or not rest[0][0].islower():
            return None
        first, second = broken[1].lower(), rest[0].lower()
        bare = text[: -len(broken[2])]
        if broken[2] == _SOFT_HYPHEN or first + second in self._words:
            return bare
        is_compound = (
            f"{first}-{second}" in self._words
            or first in _BEGIN_COMPOUNDS
            or (min(len(first), len(second)) > 3 and first in self._words and second in self._words)
        )
        return bare + "-" if is_compound else bare


@dataclass(frozen=True, slots=True)
class _Span:
    """Where in a text a line of a page went."""

    start: int
    end: int
    layout: PageLayout
    line: Line


@dataclass(slots=True)
class _Text:
    """A text that is being put together, and the spans of its lines."""

    parts: list[str] = field(default_factory=list)
    length: int = 0
    spans: list[_Span] = field(default_factory=list)

    def add(self, text: str) -> None:
        self.parts.append(text)
        self.length += len(text)


class _Writer:
    """Writes layouts, page after page; `build` gives the document."""

    def __init__(self, *, levels: Mapping[int, int], vocabulary: Vocabulary) -> None:
        self._levels = levels
        self._vocabulary = vocabulary
        self._builder = TextBuilder()
        self._boxes: list[LineBox] = []
        self._page_starts: dict[int, int] = {}
        self._open: list[tuple[PageLayout, Line]] = []

    def write(self, layout: PageLayout) -> None:
        """Append the blocks of a layout. A sentence that runs over from the last paragraph written stays whole."""
        for block in layout.blocks:
            if isinstance(block, Paragraph):
                self._write_paragraph(layout, block)
            else:
                self._flush()
                self._write_table(layout, block)

    def build(
        self, *, pages: int, title: str | None, media_type: str, notes: Sequence[str]
    ) -> ParsedDocument:
        """The document as written so far, of so many pages; a page without text begins where the next one does."""
        self._flush()
        parsed = self._builder.build(
            title=title, media_type=media_type, notes=notes, line_boxes=pack_line_boxes(self._boxes)
        )
        starts: list[int] = []
        start = len(parsed.text)
        for number in range(pages, 0, -1):
            start = self._page_starts.get(number, start)
            starts.append(start if number > 1 else 0)
        return replace(parsed, page_starts=tuple(reversed(starts)))

    def _write_paragraph(self, layout: PageLayout, paragraph: Paragraph) -> None:
        level = self._levels.get(id(paragraph))
        if level is not None:
            self._flush()
            self._append("heading", self._lines_text((layout, line) for line in paragraph.lines), level=level)
            return
        if self._open and not self._goes_on(paragraph):
            self._flush()
        self._open.extend((layout, line) for line in paragraph.lines)

    def _goes_on(self, paragraph: Paragraph) -> bool:
        last, first = self._open[-1][1], paragraph.lines[0]
        return same_size(last, first) and last.bold == first.bold and runs_on(last.text, first.text)

    def _flush(self) -> None:
        if self._open:
            kind: BlockKind = "list_item" if is_item(self._open[0][1].text) else "paragraph"
            self._append(kind, self._lines_text(self._open))
            self._open.clear()

    def _lines_text(self, lines: Iterable[tuple[PageLayout, Line]], *, line_end: str = "\n") -> _Text:
        text = _Text()
        waiting = list(lines)
        for index, (layout, line) in enumerate(waiting):
            own = clean(line.text)
            end = line_end if index + 1 < len(waiting) else ""
            joined = self._vocabulary.joined(own, waiting[index + 1][1].text) if end else None
            if joined is not None:
                own, end = joined, ""
            text.spans.append(_Span(text.length, text.length + len(own), layout, line))
            text.add(own + end)
        return text

    def _write_table(self, layout: PageLayout, table: Table) -> None:
        written = [
            [self._lines_text(((layout, line) for line in cell.lines), line_end=" ") for cell in row]
            for row in table.rows
        ]
        text = _Text()
        text.add(table_text(map(_cells, table.rows, written)))
        whole = "".join(text.parts)
        cursor = 0
        for row, cell_texts in zip(table.rows, written, strict=True):
            spans: list[_Span] = []
            for cell_text in cell_texts:
                words = "".join(cell_text.parts)
                start = whole.index(words, cursor)
                cursor = start + len(words)
                spans += [
                    replace(span, start=span.start + start, end=span.end + start) for span in cell_text.spans
                ]
            text.spans += spans if any(len(cell.lines) > 1 for cell in row) else [_united(spans)]
        self._append("table", text, heading=header_line(whole))

    def _append(
        self, kind: BlockKind, text: _Text, *, level: int | None = None, heading: str | None = None
    ) -> None:
        block = self._builder.append(kind, "".join(text.parts), level=level, heading=heading)
        if block is None:
            return
        for span in text.spans:
            layout = span.layout
            self._page_starts.setdefault(layout.number, block.char_start + span.start)
            line = span.line
            left, top, right, bottom = layout.placement.box((line.left, line.top, line.right, line.bottom))
            self._boxes.append(
                LineBox(
                    char_start=block.char_start + span.start,
                    char_end=block.char_start + span.end,
                    page=layout.number,
                    left=max(left, 0.0),
                    top=max(top, 0.0),
                    right=min(right, layout.width),
                    bottom=min(bottom, layout.height),
                )
            )


def _cells(row: Sequence[TableCell], texts: Sequence[_Text]) -> list[Cell]:
    """A row for `table_text`, with the empty cells between those that hold text."""
    cells: list[Cell] = []
    column = 0
    for cell, text in zip(row, texts, strict=True):
        cells += [Cell("")] * (cell.first_column - column)
        cells.append(Cell("".join(text.parts), columns=cell.last_column - cell.first_column + 1))
        column = cell.last_column + 1
    return cells


def _united(spans: Sequence[_Span]) -> _Span:
    """The span of a row of cells that stand on one line."""
    line = Line(tuple(fragment for span in spans for fragment in span.line.fragments))
    return _Span(spans[0].start, spans[-1].end, spans[0].layout, line)
