"""The headings above a text: sections for methods that never cross one, paths for those that do."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.chunking import ChunkPolicy
from ingest.parsers import Block, ParsedDocument
from ingest.parsers.text import one_line

Headings = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Consecutive blocks under one path of headings, outermost first."""

    headings: Headings
    blocks: Sequence[Block]


def sections(parsed: ParsedDocument, policy: ChunkPolicy) -> Iterator[Section]:
    """The sections of a document, in order.

    A heading is part of a path and not of a section, unless nothing stands below it or it is too long for a path.
    """
    path: list[tuple[int, str]] = []
    body: list[Block] = []
    bare: Block | None = None  # the last heading, while nothing stands below it
    for block in parsed.blocks:
        if block.kind != "heading":
            body.append(block)
            continue
        if body:
            yield Section(_headings(path, policy), body)
        elif bare is not None and _level(block) <= _level(bare):
            yield Section(_headings(path[:-1], policy), [bare])
        _descend(path, block, parsed.text)
        body = [block] if len(path[-1][1]) > policy.max_heading_characters else []
        bare = block
    if body:
        yield Section(_headings(path, policy), body)
    elif bare is not None:
        yield Section(_headings(path[:-1], policy), [bare])


class HeadingPaths:
    """The headings above any place of a document; above a heading, those it belongs to."""

    def __init__(self, parsed: ParsedDocument, policy: ChunkPolicy) -> None:
        self._starts = [0]
        self._paths: list[Headings] = [()]
        path: list[tuple[int, str]] = []
        for block in parsed.blocks:
            if block.kind == "heading":
                _descend(path, block, parsed.text)
                self._starts += [block.char_start, block.char_end]
                self._paths += [_headings(path[:-1], policy), _headings(path, policy)]

    def at(self, position: int) -> Headings:
        return self._paths[bisect_right(self._starts, position) - 1]


def with_header_row(headings: Headings, row: str, policy: ChunkPolicy) -> Headings:
    """The headings of a chunk that begins inside a table, below its header row."""
    if not policy.max_headings:
        return ()
    return (*headings, _shortened(one_line(row), policy))[-policy.max_headings :]


def _level(heading: Block) -> int:
    return heading.level or 1


def _descend(path: list[tuple[int, str]], heading: Block, text: str) -> None:
    """Leave the sections that a heading ends and enter its own."""
    while path and path[-1][0] >= _level(heading):
        path.pop()
    words = heading.heading or one_line(text[heading.char_start : heading.char_end])
    path.append((_level(heading), words))


def _headings(path: Sequence[tuple[int, str]], policy: ChunkPolicy) -> Headings:
    innermost = path[max(0, len(path) - policy.max_headings) :]
    return tuple(_shortened(heading, policy) for _, heading in innermost)


def _shortened(heading: str, policy: ChunkPolicy) -> str:
    longest = policy.max_heading_characters
    return heading if len(heading) <= longest else heading[: longest - 1] + "…"
