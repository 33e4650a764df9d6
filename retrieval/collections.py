"""Collections: named sets of documents that are searched together."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from retrieval.database import Database, query
from retrieval.errors import InvalidRequestError, NotFoundError
from retrieval.records import Collection, Scope

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


def check_collection_name(name: str) -> str:
    """Return `name`, or raise `InvalidRequestError` where it is not fit to be a collection's name."""
    if not NAME.fullmatch(name):
        raise InvalidRequestError(
            f"{name[:80]!r} cannot be the name of a collection: use 1 to 63 of a-z, 0-9, '.', '_' and '-', "
            "starting with a letter or digit."
        )
    return name


async def find_collection(database: Database, name: str) -> Collection:
    """The collection of that name. Raises `NotFoundError`."""
    # What cannot be a name is not asked for: Postgres takes no NUL and no lone surrogate.
    possible = NAME.fullmatch(name)
    row = await database.fetch_one(query("collections.find"), {"name": name}) if possible else None
    if row is None:
        raise NotFoundError(
            f"there is no collection {name[:80]!r}. Collections come to be by ingesting into them: "
            "footnote ingest PATH --collection NAME."
        )
    return Collection(**row)


async def find_readable_collection(database: Database, name: str, *, scope: Scope) -> Collection:
    """The collection of that name, if the scope may read anything in it. Raises `NotFoundError`, the same where it may
    not and where there is no such collection."""
    if scope.principals is None and scope.has_collection(name):
        return await find_collection(database, name)
    row = None
    if scope.principals is not None and scope.has_collection(name) and NAME.fullmatch(name):
        parameters = {"name": name, "principals": sorted(scope.principals)}
        row = await database.fetch_one(query("collections.find_readable"), parameters)
    if row is None:
        raise NotFoundError(
            f"there is no collection {name[:80]!r}, or nothing in it that the caller may read. Collections come to be "
            "by ingesting into them: footnote ingest PATH --collection NAME."
        )
    return Collection(**row)


async def list_readable_collections(database: Database, *, scope: Scope) -> dict[str, datetime]:
    """The names of the collections in which the scope may read anything, in their order, and when they were made."""
    principals = None if scope.principals is None else sorted(scope.principals)
    rows = await database.fetch_all(query("collections.list_readable"), {"principals": principals})
    return {row["name"]: row["created_at"] for row in rows if scope.has_collection(row["name"])}


async def ensure_collection(database: Database, name: str, *, language: str = "english") -> Collection:
    """The collection of that name, made where it does not exist."""
    existing = await database.fetch_one(query("collections.find"), {"name": check_collection_name(name)})
    row = existing or await database.fetch_one(
        query("collections.ensure"), {"name": name, "language": language}
    )
    assert row is not None, "an upsert returns its row"
    return Collection(**row)


async def allow_outside(database: Database, name: str, *, allow: bool) -> None:
    """Say whether passages of a collection may be sent to models declared outside. Raises `NotFoundError`."""
    found = await find_collection(database, name)
    await database.execute(query("collections.allow_outside"), {"name": found.name, "allow": allow})


async def list_collections(database: Database) -> list[dict[str, Any]]:
    """All collections as rows: id, name, language, allow_outside, documents, chunks."""
    return [dict(row) for row in await database.fetch_all(query("collections.list"))]
