"""Requests of the HTTP API that change something: these models validate what comes in."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from retrieval import metadata as said
from service.http.requests import CollectionName, Cursor, PageSize, StrictRequest
from service.sections import Reader
from service.webhooks.addresses import MAX_URL_CHARACTERS

MAX_READERS = 100
MAX_PATTERNS = 100
MAX_COMMENT_CHARACTERS = 2_000
_LONGEST_LOCATION = 2_000


def _plain(text: str) -> str:
    if not said.is_plain(text):
        message = "it holds a control character or half of a character"
        raise PydanticCustomError("not_plain", message)
    return text


def _writing(text: str) -> str:
    """Several lines are fine, other control characters are not."""
    _plain(text.replace("\n", " ").replace("\r", " ").replace("\t", " "))
    return text


Readers = Annotated[
    list[Annotated[Reader, Field(max_length=200), AfterValidator(_plain)]],
    Field(
        min_length=1,
        max_length=MAX_READERS,
        description="Who may read: `public`, `user:NAME`, `group:NAME`.",
        examples=[["group:hr", "user:ann"]],
    ),
]
Metadata = Annotated[
    dict[str, Annotated[str, Field(min_length=1, max_length=said.MAX_VALUE_CHARACTERS)]],
    Field(
        max_length=said.MAX_NAMES,
        json_schema_extra={"propertyNames": {"pattern": f"^{said.NAME.pattern}$"}},
        description="Names and values that searches can be narrowed down by.",
        examples=[{"team": "hr"}],
    ),
]
_Patterns = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_plain)]],
    Field(max_length=MAX_PATTERNS, description="Patterns as in .gitignore files."),
]
_Schedule = Annotated[
    str | None,
    Field(
        max_length=100, description="When it is refreshed, as cron in UTC: `*/15 * * * *`; null for never."
    ),
    AfterValidator(lambda text: text if text is None else _plain(text)),
]

_NotifyUrl = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=MAX_URL_CHARACTERS,
        description="Where every run is told by a signed POST: an https address of the internet, or one that the "
        "settings allow; null for nowhere.",
    ),
]


class _Change(StrictRequest):
    """At least one of its fields has to be there: what is left out, or null, stays as it is."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            names = ", ".join(type(self).model_fields)
            raise PydanticCustomError("nothing", "there is nothing to change: give {names}", {"names": names})
        return self


class DocumentChange(_Change):
    """What is said of one document alone: it goes before what is said of its source, also in later refreshes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"readers": ["group:hr", "user:ann"]}]})

    readers: Readers | None = None
    metadata: Metadata | None = None


class CollectionCreation(StrictRequest):
    """A collection to be made."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "handbook", "language": "english", "allow_outside": False}]}
    )

    name: CollectionName
    language: Annotated[
        str,
        Field(
            max_length=63,
            pattern=r"^[a-z_]+$",
            description="By whose rules words are counted as the same; it cannot be changed later.",
        ),
    ] = "english"
    allow_outside: Annotated[
        bool, Field(description="Whether its passages may go to a language model outside of the house.")
    ] = False


class CollectionChange(_Change):
    """What is to be another way."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"allow_outside": True}]})

    allow_outside: bool


class SourceCreation(StrictRequest):
    """A folder, a bucket or a list of files on the web, to be kept fresh."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "location": "/srv/handbook",
                    "collection": "handbook",
                    "schedule": "*/15 * * * *",
                    "exclude": ["drafts/"],
                    "readers": ["group:staff"],
                    "notify_url": "https://hooks.example.com/footnote",
                },
                {"location": "https://docs.example.com/sitemap.xml", "schedule": "0 3 * * *"},
            ]
        }
    )

    location: Annotated[
        str,
        Field(
            min_length=1,
            max_length=_LONGEST_LOCATION,
            pattern="^(/|s3://|https?://)",
            description="A folder's absolute path on the service's machine, at or below one of "
            "`sources.allowed_roots`; or `s3://BUCKET/PREFIX`, or the `https://` address of a list of files, at or "
            "below one of `sources.allowed_urls`.",
        ),
        AfterValidator(_plain),
    ]
    collection: CollectionName = "default"
    schedule: _Schedule = None
    include: _Patterns | None = None
    exclude: _Patterns | None = None
    readers: Readers | None = None
    metadata: Metadata | None = None
    notify_url: _NotifyUrl = None


class SourceChange(_Change):
    """What is to be another way with a source. Readers and metadata reach its documents when it is refreshed next."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"schedule": "0 3 * * *", "exclude": ["drafts/", "*.tmp"]}]}
    )

    schedule: _Schedule = None
    include: _Patterns | None = None
    exclude: _Patterns | None = None
    readers: Readers | None = None
    metadata: Metadata | None = None
    notify_url: _NotifyUrl = None


class FeedbackRequest(StrictRequest):
    """What you think of an answer that you got."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "answer": "6f0f7c0e-0e0e-4d55-9f3e-6f0b6a1f7f5d",
                    "rating": "down",
                    "comment": "It left out the other parent.",
                }
            ]
        }
    )

    answer: Annotated[
        UUID,
        Field(
            strict=False,
            description="Its id: of the header `Footnote-Answer`, or of the event `started` of a stream.",
        ),
    ]
    rating: Literal["up", "down"]
    comment: Annotated[str, Field(max_length=MAX_COMMENT_CHARACTERS), AfterValidator(_writing)] = ""


class SourcesQuery(BaseModel):
    """Which sources to list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    collection: Annotated[CollectionName | None, Field(description="Only those of this collection.")] = None
    cursor: Cursor = None
    limit: PageSize = 100


class UsageQuery(BaseModel):
    """Whose usage to list, and of which days."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Annotated[
        UUID | Literal["all"] | None,
        Field(description="For admins: the usage of another key, or of `all`. Without it: your own."),
    ] = None
    model: Annotated[
        str | None, Field(max_length=200), AfterValidator(lambda v: v if v is None else _plain(v))
    ] = None
    first: Annotated[date | None, Field(description="The first day (UTC).")] = None
    last: Annotated[date | None, Field(description="The last day (UTC).")] = None
    cursor: Cursor = None
    limit: PageSize = 100
