"""PowerPoint presentations (.pptx): slide by slide, each a page; its title, its shapes, and the speaker's notes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ingest.errors import ParseError
from ingest.parsers import ParsedDocument
from ingest.parsers.archives import open_archive
from ingest.parsers.bounds import checked
from ingest.parsers.ooxml.drawings import (
    DGM,
    MC,
    C,
    Paragraph,
    chart_table,
    chart_titles,
    diagram_texts,
    drawn_table,
    paragraphs,
)
from ingest.parsers.ooxml.package import A, Package, R
from ingest.parsers.reading_order import Box, reading_order
from ingest.parsers.tables import header_line
from ingest.parsers.text import TextBuilder, one_line

P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_TITLES = frozenset({"title", "ctrTitle"})
_ON_EVERY_SLIDE = frozenset({"dt", "ftr", "hdr", "sldNum", "sldImg"})
_BODIES = frozenset({"body", "obj"})
_SHAPES = frozenset({f"{P}sp", f"{P}cxnSp", f"{P}graphicFrame", f"{P}grpSp"})
_PATHS_TO_PLACE = (f"{P}spPr/{A}xfrm", f"{P}grpSpPr/{A}xfrm", f"{P}xfrm")
_MOST_SLIDES = 20_000
_Places = Mapping[tuple[str, str], Box]
"""Where placeholders lie, by ("idx", number) and ("type", kind)."""


class SlidesParser:
    """Reads presentations, hidden slides among them: whoever opens the file sees them in its list of slides.

    The title comes first, the other shapes as they lie (`ingest.parsers.reading_order`), groups together. Speaker's
    notes follow their slide, the first marked "Notes: ". Left out are comments, alternative texts of pictures, and what
    stands on every slide (date, footer, number).
    """

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse a presentation; raises `ParseError` if it is damaged, locked, or an archive built to swell."""
        with open_archive(content, file_name=file_name, kind="PowerPoint presentation") as archive:
            return checked(_Reader(Package(archive)).read(), file_name)


class _Reader:
    """Reads one presentation."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._builder = TextBuilder()
        self._notes: list[str] = []
        self._read: set[str] = set()
        self._layouts: dict[str, _Places] = {}
        self._first_title: str | None = None

    def read(self) -> ParsedDocument:
        """Read all slides. Raises `ParseError` if the presentation, or each of its slides, is damaged."""
        slides = list(self._slides())
        for number, part in enumerate(slides, start=1):
            self._builder.start_page()
            try:
                slide = self._package.xml(part)
            except ParseError as exc:
                if len(slides) == 1:
                    raise
                self._notes.append(f"slide {number} was left out: {exc}")
                continue
            self._read_slide(slide, part)
        title = self._package.title() or self._first_title
        return self._builder.build(title=title, media_type=_MEDIA_TYPE, notes=self._notes)

    def _slides(self) -> Iterator[str]:
        """The slides' parts in the order in which they are shown."""
        main = self._package.main_part()
        parts = {relation.id: relation.target for relation in self._package.relations(main)}
        listed = (entry.get(f"{R}id", "") for entry in self._package.xml(main).iter(f"{P}sldId"))
        for name in list(dict.fromkeys(listed))[:_MOST_SLIDES]:
            if name in parts and parts[name] in self._package:
                yield parts[name]

    def _placeholders_of(self, part: str) -> _Places:
        """Where a slide's layout, or the master behind it, puts the placeholders whose place a slide does not say."""
        layout = next(self._related(part, "slideLayout"), None)
        if layout is None:
            return {}
        if layout not in self._layouts:
            master = next(self._related(layout, "slideMaster"), None)
            self._layouts[layout] = {**self._places(master), **self._places(layout)}
        return self._layouts[layout]

    def _related(self, part: str, kind: str) -> Iterator[str]:
        return (relation.target for relation in self._package.relations(part) if relation.kind == kind)

    def _places(self, part: str | None) -> _Places:
        """Where a layout or master puts its placeholders, by kind, and by number among those of a layout."""
        if part is None or part not in self._package:
            return {}
        try:
            tree = self._package.xml(part).find(f"{P}cSld/{P}spTree")
        except ParseError:
            return {}
        placed: dict[tuple[str, str], Box] = {}
        for shape in () if tree is None else tree.iterchildren(f"{P}sp"):
            box = _own_box(shape)
            if box is not None:
                for key in _place_keys(shape):
                    placed.setdefault(key, box)
        return placed

    def _read_slide(self, slide: Any, part: str) -> None:
        shapes = list(_shapes(slide, self._placeholders_of(part)))
        titles = [shape for shape in shapes if _placeholder(shape) in _TITLES]
        for shape in titles:
            self._read_title(shape)
        relations = self._package.relations(part)
        parts = {relation.id: relation.target for relation in relations}
        for shape in shapes:
            if shape not in titles:
                self._read_shape(shape, parts)
        for relation in relations:
            if relation.kind == "notesSlide":
                self._read_notes(relation.target)

    def _read_title(self, shape: Any) -> None:
        title = one_line(" ".join(paragraph.text for paragraph in _paragraphs(shape)))
        self._builder.append("heading", title, level=1)
        self._first_title = self._first_title or title or None

    def _read_shape(self, shape: Any, parts: dict[str, str]) -> None:
        if shape.tag == f"{P}graphicFrame":
            self._read_frame(shape, parts)
            return
        found = list(_paragraphs(shape))
        has_bullets = _placeholder(shape) in _BODIES and len(found) > 1
        for paragraph in found:
            is_item = has_bullets if paragraph.is_bulleted is None else paragraph.is_bulleted
            self._builder.append("list_item" if is_item else "paragraph", _numbered(paragraph))

    def _read_frame(self, frame: Any, parts: dict[str, str]) -> None:
        for table in frame.iter(f"{A}tbl"):
            text, has_header = drawn_table(table)
            header = text.partition("\n")[0] if has_header else header_line(text)
            self._builder.append("table", text, heading=header)
        for chart in frame.iter(f"{C}chart"):
            self._read_chart(self._drawn(parts.get(chart.get(f"{R}id", ""))))
        for diagram in frame.iter(f"{DGM}relIds"):
            data = self._drawn(parts.get(diagram.get(f"{R}dm", "")))
            for text in () if data is None else diagram_texts(data):
                self._builder.append("list_item", text)

    def _read_chart(self, chart: Any) -> None:
        if chart is not None:
            self._builder.append("paragraph", chart_titles(chart))
            text = chart_table(chart)
            self._builder.append("table", text, heading=text.partition("\n")[0])

    def _read_notes(self, part: str) -> None:
        notes = self._drawn(part)
        mark = "Notes: "
        for shape in () if notes is None else _shapes(notes, {}):
            if _placeholder(shape) == "body":
                for paragraph in _paragraphs(shape):
                    self._builder.append("paragraph", f"{mark}{_numbered(paragraph)}")
                    mark = ""

    def _drawn(self, part: str | None) -> Any:
        """The root of a part that slides refer to; None where it is missing, damaged, or was read before."""
        if part is None or part in self._read or part not in self._package:
            return None
        self._read.add(part)
        try:
            return self._package.xml(part)
        except ParseError:
            return None


def _shapes(slide: Any, places: _Places) -> Iterator[Any]:
    """Shapes, connectors and frames, also those in groups; of alternatives, what newer programs show."""
    tree = slide.find(f"{P}cSld/{P}spTree")
    waiting = [] if tree is None else [tree]
    while waiting:
        element = waiting.pop()
        if element.tag in (f"{P}spTree", f"{P}grpSp"):
            inner = [shown for child in element for shown in _shown(child)]
            order = reading_order([_own_box(shape) or _inherited_box(shape, places) for shape in inner])
            waiting.extend(inner[place] for place in reversed(order))
        else:
            yield element


def _shown(element: Any) -> Iterator[Any]:
    if element.tag == f"{MC}AlternateContent":
        for choice in element.iterchildren(f"{MC}Choice"):
            yield from (shown for inner in choice for shown in _shown(inner))
    elif element.tag in _SHAPES:
        yield element


def _own_box(shape: Any) -> Box | None:
    """Where a shape says that it lies, among those it is grouped with."""
    place = next((found for path in _PATHS_TO_PLACE if (found := shape.find(path)) is not None), None)
    offset = None if place is None else place.find(f"{A}off")
    extent = None if place is None else place.find(f"{A}ext")
    if offset is None or extent is None:
        return None
    try:
        left, top = int(offset.get("x", "")), int(offset.get("y", ""))
        return Box(left, top, left + int(extent.get("cx", "")), top + int(extent.get("cy", "")))
    except ValueError:
        return None


def _inherited_box(shape: Any, places: _Places) -> Box | None:
    return next((places[key] for key in _place_keys(shape) if key in places), None)


def _place_keys(shape: Any) -> Iterator[tuple[str, str]]:
    """By what a placeholder is known in its layout and master: its number, then its kind."""
    place = shape.find(f"{P}nvSpPr/{P}nvPr/{P}ph")
    if place is not None:
        if place.get("idx") is not None:
            yield "idx", place.get("idx")
        kind = place.get("type", "body")
        yield "type", {"ctrTitle": "title", "subTitle": "body", "obj": "body"}.get(kind, kind)


def _numbered(paragraph: Paragraph) -> str:
    return f"{paragraph.number} {paragraph.text}" if paragraph.number else paragraph.text


def _placeholder(shape: Any) -> str | None:
    """What kind of placeholder a shape fills: "obj" where its kind is not said, None if it fills none."""
    place = shape.find(f"{P}nvSpPr/{P}nvPr/{P}ph")
    found = None if place is None else place.get("type", "obj")
    return found if isinstance(found, str) else None


def _paragraphs(shape: Any) -> Iterator[Paragraph]:
    body = shape.find(f"{P}txBody")
    if body is not None and _placeholder(shape) not in _ON_EVERY_SLIDE:
        yield from paragraphs(body)
