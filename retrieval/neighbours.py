"""Neighbours: chunks that follow one another in a text become one passage, as they stood there.

Merging keeps texts exact: `revision_text[char_start:char_end] == text`. What lies between two chunks is mostly a blank
line, which neither of them holds, so it has to be read from the revision: `gaps_between` says what is needed,
`read_gaps` fetches it, and a gap that holds more than white space, or was not read, is not merged across.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from uuid import UUID

from retrieval.database import Database, query
from retrieval.records import Passage

LONGEST_GAP = 12
"""Code points between two chunks, at most: white space as long as that stands between paragraphs and pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What lies between two chunks of a revision, as a half-open range of code points."""

    document_id: UUID
    revision: int
    char_start: int
    char_end: int


GapTexts = Mapping[Gap, str]
NO_GAPS: GapTexts = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """Passages that became one: their indexes, the best first, and what they are together."""

    members: tuple[int, ...]
    passage: Passage


def gaps_between(passages: Sequence[Passage]) -> list[Gap]:
    """The gaps that have to be read before these passages can be merged, each once, in no particular order."""
    sections: dict[Hashable, list[Passage]] = defaultdict(list)
    for passage in passages:
        sections[_section(passage)].append(passage)
    gaps: set[Gap] = set()
    for members in sections.values():
        starts = sorted({passage.char_start for passage in members})
        for end in {passage.char_end for passage in members}:
            gaps.update(
                Gap(
                    document_id=members[0].document_id,
                    revision=members[0].revision,
                    char_start=end,
                    char_end=start,
                )
                for start in starts
                if 0 < start - end <= LONGEST_GAP
            )
    return list(gaps)


async def read_gaps(database: Database, gaps: Sequence[Gap]) -> dict[Gap, str]:
    """The texts of gaps, without those of revisions that are gone. Gaps come from passages that the caller may see.

    Raises `DatabaseUnavailableError`.
    """
    if not gaps:
        return {}
    rows = await database.fetch_all(
        query("passages.gaps"),
        {
            "document_ids": [gap.document_id for gap in gaps],
            "revisions": [gap.revision for gap in gaps],
            "starts": [gap.char_start for gap in gaps],
            "ends": [gap.char_end for gap in gaps],
        },
    )
    return {gaps[row["number"] - 1]: row["text"] for row in rows}


def merge_neighbours(
    passages: Sequence[Passage], *, gap_texts: GapTexts, longest: int
) -> list[Neighbourhood]:
    """Passages in their order, each with those after it that touch or overlap it, up to `longest` code points.

    Only below the same title and headings: a heading says what a passage is about, and a passage has one. A merged
    passage keeps the place in the order, and the chunk's id, of its best member.
    """
    merged: list[Neighbourhood] = []
    for index, passage in enumerate(passages):
        _add(merged, Neighbourhood(members=(index,), passage=passage), gap_texts, longest)
    return merged


def _add(merged: list[Neighbourhood], new: Neighbourhood, gap_texts: GapTexts, longest: int) -> None:
    """Join `new` with the best of its neighbours, and with others where it closes the gap to them; else append it."""
    apart: list[Neighbourhood] = []
    place: int | None = None
    for other in merged:
        joined = _join(
            other if place is None else apart[place], new if place is None else other, gap_texts, longest
        )
        if joined is None:
            apart.append(other)
        elif place is None:
            place = len(apart)
            apart.append(joined)
        else:
            apart[place] = joined
    merged[:] = apart if place is not None else [*apart, new]


def _join(
    better: Neighbourhood, other: Neighbourhood, gap_texts: GapTexts, longest: int
) -> Neighbourhood | None:
    """Both as one, or None where they are not neighbours or too long together."""
    if _section(better.passage) != _section(other.passage):
        return None
    first, second = sorted((better.passage, other.passage), key=lambda p: (p.char_start, p.char_end))
    start, end = first.char_start, max(first.char_end, second.char_end)
    between = _between(first, second, gap_texts)
    if between is None or end - start > longest:
        return None
    text = first.text + between + second.text[max(0, first.char_end - second.char_start) :]
    return Neighbourhood(
        members=(*better.members, *other.members),
        passage=replace(better.passage, char_start=start, char_end=end, text=text),
    )


def _between(first: Passage, second: Passage, gap_texts: GapTexts) -> str | None:
    """The white space between two passages of a revision, or None where there is something else or nothing is known."""
    if second.char_start <= first.char_end:
        return ""
    gap = Gap(
        document_id=first.document_id,
        revision=first.revision,
        char_start=first.char_end,
        char_end=second.char_start,
    )
    text = gap_texts.get(gap)
    return text if text is not None and text.isspace() else None


def _section(passage: Passage) -> Hashable:
    return passage.document_id, passage.revision, passage.title, passage.headings
