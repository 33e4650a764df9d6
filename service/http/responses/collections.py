"""Collections."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict

from service.collections import HeldCollection
from service.http.responses.body import Body

_COLLECTION: dict[str, Any] = {
    "name": "default",
    "language": "english",
    "allow_outside": False,
    "documents": 130,
    "chunks": 2_911,
}


class CollectionBody(Body):
    """A collection; `documents` and `chunks` count what the caller may read of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_COLLECTION]})

    name: str
    language: str
    allow_outside: bool
    documents: int
    chunks: int


def collection_as_json(collection: HeldCollection) -> dict[str, Any]:
    return {
        "name": collection.name,
        "language": collection.language,
        "allow_outside": collection.allow_outside,
        "documents": collection.documents,
        "chunks": collection.chunks,
    }


class CollectionsBody(Body):
    """A page of collections in the order of their names."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"collections": [_COLLECTION], "next": None}]})

    collections: list[CollectionBody]
    next: str | None
