"""Collections as their callers see them and as admins change them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from psycopg.rows import DictRow

from retrieval.collections import NAME, check_collection_name
from retrieval.database import Connection, Database, query
from retrieval.documents import seen_by
from retrieval.dropping import drop_index
from retrieval.errors import FootnoteError, InvalidRequestError, NotFoundError
from retrieval.indexes import index_records, indexes_to_oneself
from retrieval.records import Collection, Scope
from retrieval.stores import VectorStore


class AlreadyThereError(FootnoteError):
    """What was to be made is there already."""


class StillInUseError(FootnoteError):
    """What was to be taken away is in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCollection:
    """A collection, with how many documents and chunks of it the caller may read."""

    id: int
    name: str
    language: str
    allow_outside: bool
    documents: int
    chunks: int


async def list_held(
    database: Database, *, scope: Scope, is_admin: bool, after: str = "", limit: int
) -> list[HeldCollection]:
    """Up to `limit` collections in the order of their names: those that the caller may read anything of; for admins
    also those that hold nothing at all."""
    rows = await database.fetch_all(
        query("collections.held"),
        {**seen_by(scope), "empty_too": is_admin, "name": None, "after": after, "limit": limit},
    )
    return [HeldCollection(**row) for row in rows]


async def find_held(database: Database, name: str, *, scope: Scope, is_admin: bool) -> HeldCollection:
    """The collection of that name. Raises `NotFoundError`, the same where the caller may not know of it."""
    row = None
    if NAME.fullmatch(name):
        row = await database.fetch_one(query("collections.held"), _one(name, scope, is_admin))
    return _held(row, name)


def _one(name: str, scope: Scope, is_admin: bool) -> dict[str, Any]:
    return {**seen_by(scope), "empty_too": is_admin, "name": name, "after": "", "limit": 1}


def _held(row: DictRow | None, name: str) -> HeldCollection:
    if row is None:
        raise NotFoundError(
            f"there is no collection {name[:80]!r}, or nothing in it that the caller may read."
        )
    return HeldCollection(**row)


async def create_collection(
    database: Database, name: str, *, language: str, allow_outside: bool, scope: Scope
) -> None:
    """Make a collection. Raises `InvalidRequestError`, `AlreadyThereError`."""
    check_collection_name(name)
    if not scope.has_collection(name):
        raise InvalidRequestError(f"no collection {name!r} exists for this key, so it cannot make one.")
    if await database.fetch_one(query("collections.language"), {"language": language}) is None:
        raise InvalidRequestError(
            f"{language[:40]!r} is not a language that words are known of: english, german, french, spanish, simple…"
        )
    parameters = {"name": name, "language": language, "allow_outside": allow_outside}
    if await database.fetch_one(query("collections.create"), parameters) is None:
        raise AlreadyThereError(f"there is a collection {name!r} already. To change it, PATCH it.")


async def change_collection(
    database: Database,
    name: str,
    *,
    allow_outside: bool,
    scope: Scope,
    check: Callable[[HeldCollection], None],
) -> None:
    """Say whether passages may leave the house. `check` sees the collection as it is, held, and raises where it is not
    to be changed."""
    found = await find_held(database, name, scope=scope, is_admin=True)
    async with database.transaction() as connection:
        await _hold(connection, found)
        cursor = await connection.execute(query("collections.held"), _one(name, scope, is_admin=True))
        check(_held(await cursor.fetchone(), name))
        await connection.execute(query("collections.allow_outside"), {"name": name, "allow": allow_outside})


async def _hold(connection: Connection, collection: HeldCollection) -> None:
    await connection.execute(query("collections.hold"), {"collection_id": collection.id})


async def delete_collection(database: Database, store: VectorStore, name: str, *, scope: Scope) -> None:
    """Take a collection away that holds nothing any more.

    Raises `NotFoundError`, `StillInUseError`, and what `drop_index` raises.
    """
    found = await find_held(database, name, scope=scope, is_admin=True)
    contents = await database.fetch_one(query("collections.contents"), {"collection_id": found.id})
    assert contents is not None, "counts are always there"
    if contents["documents"] or contents["sources"]:
        raise StillInUseError(
            f"collection {name!r} still holds documents, or sources of documents. Delete those first."
        )
    collection = Collection(
        id=found.id, name=found.name, language=found.language, allow_outside=found.allow_outside
    )
    async with indexes_to_oneself(database, collection):
        await database.execute(query("collections.retire_indexes"), {"collection_id": found.id})
        for record in await index_records(database, collection=collection):
            await drop_index(database, store, record.index)
        async with database.transaction() as connection:
            await _hold(connection, found)  # so that what is put in at this moment is seen
            cursor = await connection.execute(query("collections.delete"), {"collection_id": found.id})
            if await cursor.fetchone() is None:
                raise StillInUseError(
                    f"collection {name!r} was given documents, or a source of documents, in the meantime. It stays."
                )
