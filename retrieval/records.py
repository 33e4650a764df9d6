"""The nouns of the index: collections, documents, revisions, chunks, passages and hits.

Offsets are Unicode code points into a revision's text. Every chunk and every passage satisfies
`revision_text[char_start:char_end] == text`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

PUBLIC = "public"


def page_at(page_starts: Sequence[int], char_offset: int) -> int | None:
    """Return the 1-based page that holds `char_offset`, or None for a text without pages.

    `page_starts` are the ascending offsets at which pages 1, 2, … begin.
    """
    if not page_starts:
        return None
    return max(1, bisect_right(page_starts, char_offset))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Who is asking. `principals` is None for the operator's command line, which sees everything.

    collections: names of those that exist for the caller at all; None where all do.
    """

    principals: frozenset[str] | None
    collections: frozenset[str] | None = None

    @classmethod
    def everything(cls) -> Scope:
        return cls(principals=None)

    @classmethod
    def of(cls, principals: Sequence[str], *, collections: Sequence[str] | None = None) -> Scope:
        """A caller with these principals ("user:ann", "group:hr"); everyone is also `public`."""
        return cls(
            principals=frozenset({*principals, PUBLIC}),
            collections=None if collections is None else frozenset(collections),
        )

    def has_collection(self, name: str) -> bool:
        """Whether a collection of that name can exist for the caller."""
        return self.collections is None or name in self.collections


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A named set of documents that is searched together."""

    id: int
    name: str
    language: str
    allow_outside: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file as the catalog knows it. `revision` is None once it has been removed."""

    id: UUID
    collection: str
    path: str
    title: str
    media_type: str
    revision: int | None
    readers: tuple[str, ...]
    chunk_count: int
    updated_at: datetime
    removed_at: datetime | None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """The parsed text of a document at one time. `page_starts` is empty for a text without pages."""

    document_id: UUID
    collection: str
    number: int
    title: str
    text: str
    page_starts: tuple[int, ...]
    created_at: datetime
    superseded_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkDraft:
    """A chunk as cut from a text, not yet stored.

    `headings` is the path of headings above it, outermost first; title and headings are embedded and
    indexed with the text but are not part of what is cited.
    """

    char_start: int
    char_end: int
    text: str
    headings: tuple[str, ...]
    token_count: int

    def embedding_text(self, title: str) -> str:
        """What is embedded: the title, the headings below it, and the text."""
        return contextual_text(title, self.headings, self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A chunk at its place in the current revision of its document, as search returns it.

    modified_at: when the document's file was last changed; None for one without a file.
    """

    chunk_id: int
    document_id: UUID
    revision: int
    path: str
    title: str
    headings: tuple[str, ...]
    page_starts: tuple[int, ...]
    char_start: int
    char_end: int
    text: str
    modified_at: datetime | None = None

    @property
    def page(self) -> int | None:
        return page_at(self.page_starts, self.char_start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A passage with its scores. `score` orders the list; the parts are kept for whoever explains it.

    also_at: other places that say the same in the same words (`retrieval.copies`), which are no hits of their own.
    """

    passage: Passage
    score: float
    cosine: float
    bm25: float
    rerank: float | None = None
    also_at: tuple[Passage, ...] = ()


def contextual_text(title: str, headings: Sequence[str], text: str) -> str:
    """Join title, headings and text, leaving out a heading that only repeats the one before it."""
    context: list[str] = []
    for part in (title, *headings):
        if part and (not context or context[-1] != part):
            context.append(part)
    return "\n".join((*context, text))
