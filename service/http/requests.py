"""Requests of the HTTP API: these models validate what comes in.

Where search itself checks a bound and says in a sentence what is wrong, the bound is only described here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from generation.rewriting import Turn
from retrieval import metadata as said
from retrieval.collections import NAME
from retrieval.errors import InvalidRequestError
from retrieval.filters import MAX_MEDIA_TYPES, MAX_PATH_CHARACTERS, MAX_PATHS, NO_FILTERS, Filters
from retrieval.search import MAX_K, MAX_QUESTION_CHARACTERS
from service.asking import DEFAULT_K
from service.entries import MAX_WORDS_CHARACTERS
from service.moments import read_time
from service.pictures import DEFAULT_WIDTH

MAX_TURNS = 50
MAX_ANSWER_CHARACTERS = 50_000

_FILTERS: dict[str, Any] = {
    "paths": ["people/*.docx"],
    "media_types": ["application/pdf", "text/*"],
    "modified_from": "2026-01-01T00:00:00Z",
    "metadata": {"team": "hr"},
}

# The pattern of names of collections, for engines that match anywhere in a text.
CollectionName = Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")]
HowMany = Annotated[int, Field(ge=1, le=MAX_K, description="How many passages.")]
# Its length is that without surrounding white space.
_Question = Field(json_schema_extra={"minLength": 1, "maxLength": MAX_QUESTION_CHARACTERS})


def _time(value: object) -> datetime:
    """A time from what JSON has for one: not a number, which could be seconds or milliseconds since whenever."""
    try:
        return read_time(value if isinstance(value, str) else "")
    except InvalidRequestError as exc:
        message = "give a time with its zone as a text, as in 2026-01-31T09:30:00Z"
        raise PydanticCustomError("time", message) from exc


Time = Annotated[datetime, BeforeValidator(_time)]


class StrictRequest(BaseModel):
    """Unknown fields and wrong types are refused: a slip of the pen must not pass for a request."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class FiltersBody(StrictRequest):
    """Which documents to look at: those that fit every part. What is left out or empty narrows nothing."""

    model_config = ConfigDict(json_schema_extra={"examples": [_FILTERS]})

    paths: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=MAX_PATH_CHARACTERS)]],
        Field(
            max_length=MAX_PATHS,
            description="Globs, of which one has to fit the whole path: `*` stands for any characters, slashes too, "
            "`?` for one; `docs/` is all of that folder.",
        ),
    ] = []
    media_types: Annotated[
        list[str],
        Field(
            max_length=MAX_MEDIA_TYPES,
            description="Of which one has to be the document's: `application/pdf`, or a family as in `text/*`.",
        ),
    ] = []
    modified_from: Annotated[
        Time | None, Field(description="The file was changed at this time or later; with its zone.")
    ] = None
    modified_before: Annotated[
        Time | None, Field(description="The file was changed before this time; with its zone.")
    ] = None
    metadata: Annotated[
        dict[str, Annotated[str, Field(min_length=1, max_length=said.MAX_VALUE_CHARACTERS)]],
        Field(
            max_length=said.MAX_NAMES,
            json_schema_extra={"propertyNames": {"pattern": f"^{said.NAME.pattern}$"}},
            description="Names and values that the document's metadata have to have, every one of them.",
        ),
    ] = {}

    def filters(self) -> Filters:
        """The filters. Raises `InvalidRequestError` for what can fit nothing."""
        return Filters(
            paths=tuple(self.paths),
            media_types=tuple(self.media_types),
            modified_from=self.modified_from,
            modified_before=self.modified_before,
            metadata=self.metadata,
        )


class TurnBody(StrictRequest):
    """An earlier question of the conversation, and the answer it got."""

    question: Annotated[str, Field(max_length=MAX_QUESTION_CHARACTERS)]
    answer: Annotated[str, Field(max_length=MAX_ANSWER_CHARACTERS)]

    def turn(self) -> Turn:
        return Turn(question=self.question, answer=self.answer)


class _SearchRequest(StrictRequest):
    """What searching and asking have in common."""

    collection: CollectionName = "default"
    k: HowMany = DEFAULT_K
    filters: FiltersBody | None = None
    max_per_document: Annotated[
        int | None,
        Field(
            ge=1,
            le=MAX_K,
            description="How many passages of one document are taken before all others have had their turn; without "
            "it, as the service is set.",
        ),
    ] = None

    def chosen(self) -> Filters:
        """The filters that were sent. Raises `InvalidRequestError` for what can fit nothing."""
        return NO_FILTERS if self.filters is None else self.filters.filters()


class QuestionRequest(_SearchRequest):
    """What asking now and asking for later have in common."""

    question: Annotated[str, _Question]
    turns: Annotated[
        list[TurnBody],
        Field(
            max_length=MAX_TURNS,
            description="The conversation so far, oldest first, of which the last few count. A language model makes "
            "the question stand alone; without one it is taken as it is.",
        ),
    ] = []


class AskRequest(QuestionRequest):
    """A question."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"question": "How long is parental leave?", "collection": "default"},
                {
                    "question": "And for the other parent?",
                    "turns": [
                        {"question": "How long is parental leave?", "answer": "24 weeks for birth parents."}
                    ],
                    "filters": _FILTERS,
                },
                {"question": "How long is parental leave?", "stream": True},
            ]
        }
    )

    stream: Annotated[
        bool,
        Field(description="Whether the answer is told as it comes about, as server-sent events."),
    ] = False


class SearchRequest(_SearchRequest):
    """What to look for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"query": "parental leave", "collection": "default", "k": 5},
                {"query": "parental leave", "filters": _FILTERS, "max_per_document": 2, "merge": True},
            ]
        }
    )

    query: Annotated[str, _Question]
    merge: Annotated[
        bool, Field(description="Whether passages that follow one another in a text become one.")
    ] = False


Cursor = Annotated[
    str | None, Field(max_length=10_000, description="`next` of the page before; none for the first.")
]
PageSize = Annotated[int, Field(ge=1, le=500, description="How many entries a page has at most.")]


class PageQuery(BaseModel):
    """Which page of a list to show."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cursor: Cursor = None
    limit: PageSize = 100


class DocumentsQuery(BaseModel):
    """Which documents to list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    collection: CollectionName = "default"
    path: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=MAX_PATH_CHARACTERS)]],
        Field(
            max_length=MAX_PATHS,
            description="Globs as in the filters of a search, of which one has to fit: `docs/`, `*.pdf`.",
        ),
    ] = []
    media_type: Annotated[
        list[str],
        Field(max_length=MAX_MEDIA_TYPES, description="`application/pdf`, or a family as in `text/*`."),
    ] = []
    words: Annotated[
        str,
        Field(
            max_length=MAX_WORDS_CHARACTERS,
            description="Words of which every one has to be in the path or the title, in upper or lower case.",
        ),
    ] = ""
    status: Annotated[
        Literal["indexed", "pending", "failed", "skipped", "removed", "any"] | None,
        Field(
            description="Only what became this of its file; `any` for all. Without it: the documents that answers come "
            "from, also where a newer file of one is pending or has failed."
        ),
    ] = None
    cursor: Cursor = None
    limit: PageSize = 100


class RevisionQuery(BaseModel):
    """Which revision of a text to show."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    revision: Annotated[
        int | None,
        Field(ge=1, le=2_147_483_647, description="A citation's `revision`; without it the newest."),
    ] = None


Offset = Annotated[int | None, Field(ge=0, le=2_147_483_647)]


class PlaceQuery(BaseModel):
    """Which place of a revision is looked at."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    char_start: Annotated[
        Offset, Field(description="A citation's `char_start`: its page and the headings above it are told.")
    ] = None


class PictureQuery(BaseModel):
    """What of a page is marked, and how large it is drawn."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    char_start: Annotated[Offset, Field(description="Where the span begins, as in a citation.")] = None
    char_end: Annotated[Offset, Field(description="Where it ends.")] = None
    width: Annotated[
        int,
        Field(ge=100, le=2_000, description="Of the picture, in pixels; a very long page is drawn smaller."),
    ] = DEFAULT_WIDTH


class SessionRequest(StrictRequest):
    """Whom to sign in: by a key, or by the secret of the one-time link."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"key": "fn_x8Kq2LmZ_…"},
                {"link": "Jd0yX2o…"},
            ],
            "oneOf": [{"required": ["key"]}, {"required": ["link"]}],
        }
    )

    key: Annotated[str | None, Field(max_length=200, description="An API key.")] = None
    link: Annotated[
        str | None,
        Field(
            max_length=200, description="What follows `#link=` in the address that `footnote serve` prints."
        ),
    ] = None

    @model_validator(mode="after")
    def _one_of_both(self) -> SessionRequest:
        if (self.key is None) == (self.link is None):
            raise PydanticCustomError("one_of_both", "give either `key` or `link`")
        return self


class AuditQuery(BaseModel):
    """Which rows of the audit to list, newest first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: Annotated[Time | None, Field(description="Rows from then on.")] = None
    caller: Annotated[UUID | None, Field(description="Of this caller: a key's id.")] = None
    cursor: Annotated[
        str | None, Field(max_length=100, description="`next` of the page before; none for the first.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100
