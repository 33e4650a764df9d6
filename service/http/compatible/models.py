"""Models as clients of OpenAI's API know them: a collection each. `footnote` is the one named default."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from retrieval.collections import list_readable_collections
from retrieval.database import Database
from retrieval.errors import NotFoundError
from retrieval.records import Scope

DEFAULT_MODEL = "footnote"
_DEFAULT_COLLECTION = "default"
_LONGEST_SHOWN = 80


def collection_of(model: str) -> str:
    """The name of the collection that a model's id stands for. Raises `NotFoundError` where it can stand for none."""
    name = _DEFAULT_COLLECTION if model == DEFAULT_MODEL else model.removeprefix(f"{DEFAULT_MODEL}/")
    if name == model:
        raise no_such_model(model)
    return name


def no_such_model(model: str) -> NotFoundError:
    """The same for one that never was and for one in which the caller may read nothing."""
    return NotFoundError(
        f"The model {model[:_LONGEST_SHOWN]!r} does not exist, or there is nothing in it that this key may read. "
        "GET /v1/models lists those that there are: footnote for the collection default, footnote/NAME for another."
    )


async def list_models(database: Database, *, scope: Scope) -> list[dict[str, Any]]:
    """Those in which the scope may read anything, the default one first."""
    found = await list_readable_collections(database, scope=scope)
    names = sorted(found, key=lambda name: (name != _DEFAULT_COLLECTION, name))
    return [_as_json(_id(name), found[name]) for name in names]


async def show_model(database: Database, model: str, *, scope: Scope) -> dict[str, Any]:
    """One of them. Raises `NotFoundError`."""
    asked = _id(collection_of(model))
    for found in await list_models(database, scope=scope):
        if found["id"] == asked:
            return found
    raise no_such_model(model)


def _as_json(model: str, created_at: datetime) -> dict[str, Any]:
    return {
        "id": model,
        "object": "model",
        "created": int(created_at.timestamp()),
        "owned_by": "footnote",
    }


def _id(collection: str) -> str:
    return DEFAULT_MODEL if collection == _DEFAULT_COLLECTION else f"{DEFAULT_MODEL}/{collection}"
