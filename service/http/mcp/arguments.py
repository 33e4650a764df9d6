"""What the tools take, and what `get_document` gives. Descriptions are read by models: they say what to do."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from retrieval.filters import NO_FILTERS, Filters
from retrieval.search import MAX_QUESTION_CHARACTERS
from service.asking import DEFAULT_K
from service.http.requests import CollectionName, FiltersBody

MOST_PASSAGES = 100
MOST_CHARACTERS = 100_000
_PAGE_CHARACTERS = 20_000


class _Arguments(BaseModel):
    """Names are strict; numbers that a model writes as text are taken."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Looking(_Arguments):
    collection: Annotated[CollectionName, Field(description="The collection to look in.")] = "default"
    k: Annotated[
        int, Field(ge=1, le=MOST_PASSAGES, description="How many passages to find; more for broad questions.")
    ] = DEFAULT_K
    filters: Annotated[
        FiltersBody | None, Field(description="Which documents to look at; leave it out to look at all.")
    ] = None

    def chosen(self) -> Filters:
        """The filters that were sent. Raises `InvalidRequestError` for what can fit nothing."""
        return NO_FILTERS if self.filters is None else self.filters.filters()


class SearchArguments(_Looking):
    """Of `search`."""

    query: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_QUESTION_CHARACTERS,
            description="What to look for: a question or keywords that stand alone, without what was said before.",
        ),
    ]


class AskArguments(_Looking):
    """Of `ask`."""

    question: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_QUESTION_CHARACTERS,
            description="The question, in full: it has to stand alone, without what was said before.",
        ),
    ]


class GetDocumentArguments(_Arguments):
    """Of `get_document`."""

    document: Annotated[UUID, Field(description="The document's id, as hits and citations have it.")]
    revision: Annotated[
        int | None,
        Field(
            ge=1,
            le=2_147_483_647,
            description="A citation's `revision`, to read the text that it cites; leave it out for the newest.",
        ),
    ] = None
    char_start: Annotated[
        int, Field(ge=0, description="Where to begin, in characters from the beginning of the text.")
    ] = 0
    length: Annotated[
        int, Field(ge=1, le=MOST_CHARACTERS, description="How many characters to read at most.")
    ] = _PAGE_CHARACTERS


class DocumentTextBody(BaseModel):
    """A part of a revision's text. Offsets are Unicode code points, as those of citations.

    `next_char_start` is where to read on; null at the end. `page` is the page on which the part begins, from 1.
    """

    model_config = ConfigDict(extra="forbid")

    document: UUID
    path: str
    title: str
    revision: int
    is_newest: bool
    page: int | None
    char_start: int
    char_end: int
    total_chars: int
    next_char_start: int | None
    text: str
