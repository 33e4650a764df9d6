"""Hits for tests of what is made of them: passages without a database, cut from a text so that offsets are true."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import NAMESPACE_URL, uuid5

from retrieval.records import Hit, Passage


def passage_of(
    text: str,
    start: int = 0,
    end: int | None = None,
    *,
    path: str = "handbook.md",
    title: str = "Handbook",
    headings: tuple[str, ...] = (),
    revision: int = 1,
    page_starts: tuple[int, ...] = (),
) -> Passage:
    """The passage `text[start:end]` of a revision that has this text; its chunk's id tells where it starts."""
    end = len(text) if end is None else end
    return Passage(
        chunk_id=start,
        document_id=uuid5(NAMESPACE_URL, path),
        revision=revision,
        path=path,
        title=title,
        headings=headings,
        page_starts=page_starts,
        char_start=start,
        char_end=end,
        text=text[start:end],
    )


def as_hits(passages: Sequence[Passage]) -> list[Hit]:
    """Hits in this order, the scores falling from 1."""
    return [
        Hit(passage=passage, score=1 - rank / 10_000, cosine=0.5, bm25=float(rank), rerank=-rank)
        for rank, passage in enumerate(passages)
    ]
