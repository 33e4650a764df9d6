"""Requests of the HTTP API: these models validate what comes in."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from retrieval.collections import NAME
from retrieval.search import MAX_K, MAX_QUESTION_CHARACTERS
from service.wiring import DEFAULT_K

# The pattern of names of collections, for engines that match anywhere in a text.
CollectionName = Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")]
HowMany = Annotated[int, Field(ge=1, le=MAX_K, description="How many passages.")]
# Length is checked by search itself, on the question without surrounding white space; here it is only described.
_Question = Field(json_schema_extra={"minLength": 1, "maxLength": MAX_QUESTION_CHARACTERS})


class _Request(BaseModel):
    """Unknown fields and wrong types are refused: a slip of the pen must not pass for a request."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class AskRequest(_Request):
    """A question."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"question": "How long is parental leave?", "collection": "default"}]}
    )

    question: Annotated[str, _Question]
    collection: CollectionName = "default"
    k: HowMany = DEFAULT_K


class SearchRequest(_Request):
    """What to look for."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"query": "parental leave", "collection": "default", "k": 5}]}
    )

    query: Annotated[str, _Question]
    collection: CollectionName = "default"
    k: HowMany = DEFAULT_K


class DocumentsQuery(BaseModel):
    """Which documents to list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    collection: CollectionName = "default"
    cursor: Annotated[
        str | None, Field(max_length=10_000, description="`next` of the page before; none for the first.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class RevisionQuery(BaseModel):
    """Which revision of a text to show."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    revision: Annotated[
        int | None,
        Field(ge=1, le=2_147_483_647, description="A citation's `revision`; without it the newest."),
    ] = None
