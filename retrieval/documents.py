"""Reading documents and the texts of their revisions."""

from __future__ import annotations

from uuid import UUID

from psycopg.rows import DictRow

from retrieval.database import Database, query
from retrieval.errors import ErasedError, NotFoundError
from retrieval.records import Document, Revision, Scope

_NIL = UUID(int=0)


def seen_by(scope: Scope) -> dict[str, list[str] | None]:
    """Parameters of every query here: whom the caller counts as, and which collections exist for them."""
    return {
        "principals": None if scope.principals is None else sorted(scope.principals),
        "collections": None if scope.collections is None else sorted(scope.collections),
    }


def _document(row: DictRow) -> Document:
    return Document(**{**row, "readers": tuple(row["readers"])})


async def list_documents(
    database: Database,
    collection: str,
    *,
    scope: Scope,
    after: tuple[str, UUID] = ("", _NIL),
    limit: int = 100,
) -> list[Document]:
    """Up to `limit` current documents of a collection that the scope may see, in (path, id) order after `after`."""
    rows = await database.fetch_all(
        query("documents.list"),
        {
            "collection": collection,
            **seen_by(scope),
            "after_path": after[0],
            "after_id": after[1],
            "limit": limit,
        },
    )
    return [_document(row) for row in rows]


async def find_document(database: Database, document_id: UUID, *, scope: Scope) -> Document:
    """The document of that id. Raises `NotFoundError`, the same for one that the scope may not see, and `ErasedError`
    for one that it could see and that was erased."""
    row = await database.fetch_one(query("documents.find"), {"document_id": document_id, **seen_by(scope)})
    if row is None:
        await check_not_erased(database, document_id, scope)
        raise NotFoundError(f"there is no document {document_id}.")
    return _document(row)


async def find_revision(
    database: Database, document_id: UUID, *, revision: int | None = None, scope: Scope
) -> Revision:
    """A revision with its whole text: the newest where no number is given. A former one is there for scopes that could
    see the document then and still may. Raises `NotFoundError`, `ErasedError`."""
    row = await database.fetch_one(
        query("documents.revision"),
        {"document_id": document_id, "revision": revision, **seen_by(scope)},
    )
    if row is None:
        await check_not_erased(database, document_id, scope)
        which = (
            f"document {document_id}"
            if revision is None
            else f"revision {revision} of document {document_id}"
        )
        raise NotFoundError(f"there is no {which}, or its text is no longer kept.")
    return Revision(**{**row, "page_starts": tuple(row["page_starts"])})


async def check_not_erased(database: Database, document_id: UUID, scope: Scope) -> None:
    parameters = {"document_id": document_id, **seen_by(scope)}
    if await database.fetch_one(query("documents.is_erased"), parameters):
        raise ErasedError(f"document {document_id} was deleted, and its text with it.")
