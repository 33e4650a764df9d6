"""The layout of a page: its texts as blocks in reading order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.parsers.pdf.columns import flows
from ingest.parsers.pdf.lines import Fragment, Line
from ingest.parsers.pdf.paragraphs import paragraphs
from ingest.parsers.pdf.places import Placement
from ingest.parsers.pdf.tables import Table, tables_among

_MOST_FRAGMENTS = 15_000


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Lines that belong together: a paragraph, a heading, an item of a list."""

    lines: tuple[Line, ...]

    @property
    def text(self) -> str:
        """Its words on one line."""
        return " ".join(line.text for line in self.lines)


PageBlock = Paragraph | Table


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLayout:
    """Blocks of one direction of text on a page.

    is_main: whether most of the page's text runs in this direction.
    from_picture: whether the sizes of type are estimates.
    placement: from the blocks' coordinates to the page as shown, in points.
    width, height: of the page as shown, in points.
    """

    number: int
    width: float
    height: float
    placement: Placement
    is_main: bool
    from_picture: bool = False
    blocks: tuple[PageBlock, ...]

    @property
    def paragraphs(self) -> list[Paragraph]:
        """The blocks that are no tables."""
        return [block for block in self.blocks if isinstance(block, Paragraph)]


def page_blocks(fragments: Sequence[Fragment]) -> Iterator[PageBlock]:
    """The blocks that fragments of one direction form, in reading order.

    A page of very many (a drawing's labels, a file made to be slow) is read as it was drawn.
    """
    if len(fragments) > _MOST_FRAGMENTS:
        yield from (Paragraph((Line((fragment,)),)) for fragment in fragments)
        return
    for flow in flows(fragments):
        yield from flow_blocks(flow)


def flow_blocks(lines: Sequence[Line]) -> Iterator[PageBlock]:
    """The blocks of a flow of lines."""
    waiting: list[Line] = []
    for each in tables_among(lines):
        if isinstance(each, Line):
            waiting.append(each)
            continue
        yield from map(Paragraph, paragraphs(waiting))
        waiting.clear()
        yield each
    yield from map(Paragraph, paragraphs(waiting))
