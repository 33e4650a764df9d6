"""Presentations of the older binary format (.ppt): slides in order, their shapes, tables and notes.

After MS-PPT ("PowerPoint 97-2007 Binary File Format") and MS-ODRAW.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ingest.parsers.bounds import LockedError
from ingest.parsers.reading_order import Box, reading_order
from ingest.parsers.tables import Cell, header_line, table_text
from ingest.parsers.text import TextBuilder, one_line

_DOCUMENT, _SLIDE, _SLIDE_ATOM, _NOTES = 1000, 1006, 1007, 1008
_DRAWING, _SLIDE_LIST, _SLIDE_PLACE, _PLACEHOLDER = 1036, 4080, 1011, 3011
_TEXT_HEADER, _TEXT_CHARACTERS, _TEXT_BYTES, _OUTLINE_TEXT = 3999, 4000, 4008, 3998
_EDIT, _PERSISTED = 4085, 6002
_GROUP, _SHAPE, _PROPERTIES, _MORE_PROPERTIES = 0xF003, 0xF004, 0xF00B, 0xF122
_TEXT_BOX, _CHILD_PLACE, _PLACE, _CLIENT_DATA = 0xF00D, 0xF00F, 0xF010, 0xF011
_TABLE_PROPERTIES = 0x039F
_SLIDES, _NOTES_PAGES = 0, 2
_TITLES, _NOTES_TEXT = frozenset({0, 6}), 2
_BODIES = frozenset({1, 5, 7, 8})
_ON_EVERY_SLIDE = frozenset({7, 8, 9, 10})
"""Placeholders of date, number, footer and header."""
_ENCRYPTED = 0xF3D1C4DF
_MOST_RECORDS = 1_000_000
_DEEPEST = 50
_MOST_EDITS = 1_000


@dataclass(frozen=True, slots=True)
class _Record:
    kind: int
    instance: int
    is_container: bool
    start: int
    end: int


@dataclass(slots=True, kw_only=True)
class _Shape:
    """A shape that may hold text, or a group or table of such. kind: that of its text, -1 where it has none."""

    text: str = ""
    kind: int = -1
    place: Box | None = None
    placeholder: int = 0
    is_table: bool = False
    inner: list[_Shape] = field(default_factory=list)


class BinaryPresentation:
    """Reads one presentation into a builder.

    Raises `struct.error`, `IndexError`, `KeyError` or `ValueError` where it is damaged, `LockedError` where it is
    encrypted.
    """

    def __init__(self, content: bytes, current_user: bytes, builder: TextBuilder) -> None:
        """`content` is the stream "PowerPoint Document"."""
        self.first_title: str | None = None
        self._content = content
        self._builder = builder
        self._records_left = _MOST_RECORDS
        token, edit = struct.unpack_from("<II", current_user, 12)
        if token == _ENCRYPTED:
            raise LockedError
        self._places, document = self._persisted(edit)
        self._document = self._record(self._places[document])

    def read(self) -> None:
        """Read all slides."""
        notes = dict(self._listed(_NOTES_PAGES))
        for _, (place, texts) in self._listed(_SLIDES):
            self._builder.start_page()
            slide = self._record(place)
            shapes = [
                shape for drawing in self._children(slide, _DRAWING) for shape in self._shapes(drawing, texts)
            ]
            self._read_slide(shapes)
            note = notes.get(self._notes_of(slide))
            if note is not None:
                self._read_notes(self._record(note[0]), note[1])

    def _read_slide(self, shapes: Sequence[_Shape]) -> None:
        titles = [shape for shape in shapes if shape.kind in _TITLES]
        for shape in titles:
            title = one_line(shape.text)
            self._builder.append("heading", title, level=1)
            self.first_title = self.first_title or title or None
        rest = [shape for shape in shapes if shape.kind not in _TITLES]
        for place in reading_order([shape.place for shape in rest]):
            self._read_shape(rest[place])

    def _read_shape(self, shape: _Shape) -> None:
        if shape.is_table:
            text = _table(shape.inner)
            self._builder.append("table", text, heading=header_line(text))
        elif shape.inner:
            for place in reading_order([inner.place for inner in shape.inner]):
                self._read_shape(shape.inner[place])
        elif shape.placeholder not in _ON_EVERY_SLIDE:
            paragraphs = [paragraph for paragraph in shape.text.split("\r") if paragraph.strip()]
            is_list = shape.kind in _BODIES and len(paragraphs) > 1
            for paragraph in paragraphs:
                self._builder.append("list_item" if is_list else "paragraph", paragraph.replace("\v", "\n"))

    def _read_notes(self, notes: _Record, texts: Sequence[tuple[int, str]]) -> None:
        mark = "Notes: "
        for drawing in self._children(notes, _DRAWING):
            for shape in self._shapes(drawing, texts):
                for paragraph in shape.text.split("\r") if shape.kind == _NOTES_TEXT else ():
                    if paragraph.strip():
                        self._builder.append("paragraph", mark + paragraph.replace("\v", "\n"))
                        mark = ""

    def _persisted(self, edit: int) -> tuple[dict[int, int], int]:
        """Where each persistent object begins, and which is the document; newer edits come before older ones."""
        places: dict[int, int] = {}
        document = -1
        seen: set[int] = set()
        while edit and edit not in seen and len(seen) < _MOST_EDITS:
            seen.add(edit)
            record = self._record(edit)
            if record.kind != _EDIT:
                raise ValueError("no record of the last edit")
            earlier, directory, main = struct.unpack_from("<III", self._content, record.start + 8)
            document = main if document < 0 else document
            for number, place in self._directory(self._record(directory)):
                places.setdefault(number, place)
            edit = earlier
        return places, document

    def _directory(self, record: _Record) -> Iterator[tuple[int, int]]:
        if record.kind != _PERSISTED:
            return
        place = record.start
        while place + 4 <= record.end:
            head = struct.unpack_from("<I", self._content, place)[0]
            first, count = head & 0xFFFFF, head >> 20
            place += 4
            for number in range(count):
                if place + 4 > record.end:
                    return
                yield first + number, struct.unpack_from("<I", self._content, place)[0]
                place += 4

    def _listed(self, instance: int) -> Iterator[tuple[int, tuple[int, list[tuple[int, str]]]]]:
        """The slides, or notes, in order: identity, place in the file, and the texts kept for it in the outline."""
        for whole in self._children(self._document, _SLIDE_LIST):
            if whole.instance != instance:
                continue
            listed: list[tuple[int, tuple[int, list[tuple[int, str]]]]] = []
            kind = -1
            for record in self._records(whole.start, whole.end):
                if record.kind == _SLIDE_PLACE:
                    number, _, _, identity = struct.unpack_from("<IIiI", self._content, record.start)
                    listed.append((identity, (self._places.get(number, -1), [])))
                elif record.kind == _TEXT_HEADER and listed:
                    kind = struct.unpack_from("<I", self._content, record.start)[0]
                    listed[-1][1][1].append((kind, ""))
                elif record.kind in (_TEXT_CHARACTERS, _TEXT_BYTES) and listed and listed[-1][1][1]:
                    listed[-1][1][1][-1] = (kind, self._text(record))
            yield from (entry for entry in listed if entry[1][0] >= 0)

    def _notes_of(self, slide: _Record) -> int:
        """The identity of a slide's notes; 0 where it has none."""
        for atom in self._children(slide, _SLIDE_ATOM):
            found: int = struct.unpack_from("<I", self._content, atom.start + 16)[0]
            return found
        return 0

    def _shapes(self, drawing: _Record, texts: Sequence[tuple[int, str]], depth: int = 0) -> Iterator[_Shape]:
        """The shapes of a drawing, container by container, down to the shapes themselves."""
        if depth > _DEEPEST:
            return
        for record in self._records(drawing.start, drawing.end):
            if record.kind == _GROUP:
                inner = list(self._shapes(record, texts, depth + 1))
                is_outermost = depth <= 1
                if is_outermost:
                    yield from inner[1:]
                elif inner:
                    head, *rest = inner
                    yield _Shape(place=head.place, is_table=head.is_table, inner=rest)
            elif record.kind == _SHAPE:
                yield self._shape(record, texts)
            elif record.is_container and record.kind == 0xF002:
                yield from self._shapes(record, texts, depth + 1)

    def _shape(self, whole: _Record, texts: Sequence[tuple[int, str]]) -> _Shape:
        shape = _Shape()
        for record in self._records(whole.start, whole.end):
            if record.kind == _PLACE and record.end - record.start >= 8:
                top, left, right, bottom = struct.unpack_from("<4h", self._content, record.start)
                shape.place = Box(left, top, right, bottom)
            elif record.kind == _CHILD_PLACE and record.end - record.start >= 16:
                shape.place = Box(*struct.unpack_from("<4i", self._content, record.start))
            elif record.kind in (_PROPERTIES, _MORE_PROPERTIES):
                shape.is_table = shape.is_table or self._is_table(record)
            elif record.kind == _CLIENT_DATA:
                for placeholder in self._children(record, _PLACEHOLDER):
                    shape.placeholder = self._content[placeholder.start + 4]
            elif record.kind == _TEXT_BOX:
                self._read_text_box(record, shape, texts)
        return shape

    def _read_text_box(self, box: _Record, shape: _Shape, texts: Sequence[tuple[int, str]]) -> None:
        for record in self._records(box.start, box.end):
            if record.kind == _TEXT_HEADER:
                shape.kind = struct.unpack_from("<I", self._content, record.start)[0]
            elif record.kind in (_TEXT_CHARACTERS, _TEXT_BYTES):
                shape.text = self._text(record)
            elif record.kind == _OUTLINE_TEXT:
                place = struct.unpack_from("<I", self._content, record.start)[0]
                if place < len(texts):
                    shape.kind, shape.text = texts[place]

    def _is_table(self, record: _Record) -> bool:
        count = min(record.instance, (record.end - record.start) // 6)
        codes = (
            struct.unpack_from("<H", self._content, record.start + 6 * place)[0] for place in range(count)
        )
        return any(code & 0x3FFF == _TABLE_PROPERTIES for code in codes)

    def _text(self, record: _Record) -> str:
        content = self._content[record.start : record.end]
        return content.decode("utf-16-le" if record.kind == _TEXT_CHARACTERS else "latin-1", "replace")

    def _children(self, record: _Record, kind: int) -> Iterator[_Record]:
        return (child for child in self._records(record.start, record.end) if child.kind == kind)

    def _records(self, start: int, end: int) -> Iterator[_Record]:
        while start + 8 <= end:
            record = self._record(start)
            yield _Record(
                record.kind, record.instance, record.is_container, record.start, min(record.end, end)
            )
            start = record.end

    def _record(self, place: int) -> _Record:
        """The record that begins at a place of the file. Raises `struct.error`, or `ValueError` after too many."""
        self._records_left -= 1
        if self._records_left < 0:
            raise ValueError("more records than are read")
        head, kind, length = struct.unpack_from("<HHI", self._content, place)
        return _Record(
            kind, head >> 4, head & 0xF == 0xF, place + 8, min(place + 8 + length, len(self._content))
        )


def _table(cells: Sequence[_Shape]) -> str:
    """A table from the places of its cells."""
    placed = [(cell, cell.place) for cell in cells if cell.kind >= 0 and cell.place is not None]
    columns = sorted({box.left for _, box in placed})
    rows = sorted({box.top for _, box in placed})
    lines: list[list[Cell]] = [[] for _ in rows]
    for cell, box in sorted(placed, key=lambda one: (one[1].top, one[1].left)):
        wide = sum(box.left <= left < box.right for left in columns)
        tall = sum(box.top <= top < box.bottom for top in rows)
        lines[rows.index(box.top)].append(Cell(one_line(cell.text), columns=max(1, wide), rows=max(1, tall)))
    return table_text(lines, rows_alone=True)
