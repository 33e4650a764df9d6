"""Text that is the file itself: what each of its lines is, and the blocks that runs of them make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

from ingest.parsers import Block, BlockKind
from ingest.parsers.text import trimmed

LONGEST_HEADING = 1000
"""Characters above which no line is a heading, whatever it looks like."""


@dataclass(frozen=True, slots=True)
class Region:
    """What a run of lines is; two runs are one block only if they share the very object."""

    kind: BlockKind
    level: int | None = None
    heading: str | None = None


def region_blocks(text: str, regions: Sequence[Region], *, char_start: int = 0) -> Iterator[Block]:
    """The blocks of the lines of `text` from `char_start` on, ascending, none blank; one region for each line."""
    lines = text[char_start:].split("\n")
    assert len(lines) == len(regions), "every line belongs to a region"
    starts = list(accumulate((len(line) + 1 for line in lines), initial=char_start))
    first = 0
    for _, run in groupby(regions, key=id):
        region, *others = run
        after = first + 1 + len(others)
        start, end = trimmed(text, starts[first], min(starts[after], len(text)))
        first = after
        if start < end:
            yield Block(
                kind=region.kind, char_start=start, char_end=end, level=region.level, heading=region.heading
            )


class LineReader:
    """Walks along the lines of a text, and says of each what region it belongs to."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self.at = 0
        self.regions: list[Region] = []

    @property
    def line(self) -> str:
        """The line reached; empty past the end."""
        return self.peek(0)

    @property
    def done(self) -> bool:
        """Whether every line belongs to a region."""
        return self.at >= len(self.lines)

    def peek(self, ahead: int) -> str:
        """The line so many lines on; empty outside the text."""
        index = self.at + ahead
        return self.lines[index] if 0 <= index < len(self.lines) else ""

    def take(self, count: int, region: Region) -> None:
        """The next `count` lines are of this region; walk past them."""
        count = min(count, len(self.lines) - self.at)
        self.regions.extend([region] * count)
        self.at += count

    def take_while_indented(self, region: Region, *, deeper_than: int) -> None:
        """Lines further in than `deeper_than` columns, and the blank ones among them, are of this region."""
        count = length = 0
        while self.at + count < len(self.lines):
            line = self.lines[self.at + count]
            if line.strip():
                if indentation(line) <= deeper_than:
                    break
                length = count + 1
            count += 1
        self.take(length, region)


def indentation(line: str) -> int:
    """How many columns a line is indented; a tab reaches to the next eighth column."""
    return len(line) - len(line.lstrip()) if "\t" not in line else _expanded(line)


def _expanded(line: str) -> int:
    expanded = line.expandtabs()
    return len(expanded) - len(expanded.lstrip())
