"""/v1/collections…: sets of documents that are searched together, and what holds for them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query
from fastapi.responses import JSONResponse, Response

from service.collections import (
    HeldCollection,
    change_collection,
    create_collection,
    delete_collection,
    find_held,
    list_held,
)
from service.http.auth import CallersKey, keyed_router, needs
from service.http.changes import CollectionChange, CollectionCreation
from service.http.cursors import decode_cursor, encode_cursor
from service.http.describing import ALWAYS, NOT_MODIFIED, TAG, WITH_BODY, problems
from service.http.etags import IF_MATCH, IF_NONE_MATCH, check_unchanged, tagged
from service.http.idempotency import OnlyOnce
from service.http.parts import PartsOf
from service.http.requests import PageQuery
from service.http.responses.collections import CollectionBody, CollectionsBody, collection_as_json
from service.identity import Identity, suffices

router = keyed_router("collections")

_NOBODY = UUID(int=0)


def _is_admin(key: Identity) -> bool:
    return suffices(key.role, "admin")


@router.get(
    "/v1/collections",
    summary="List collections",
    response_model=CollectionsBody,
    responses=problems(*ALWAYS, 400),
)
async def list_page(asked: Annotated[PageQuery, Query()], parts: PartsOf, key: CallersKey) -> JSONResponse:
    """A page of the collections that hold anything the caller may read; admins also see empty ones. Counts are of what
    the caller may read."""
    after = "" if asked.cursor is None else decode_cursor(asked.cursor)[0]
    found = await list_held(
        parts.footnote.database,
        scope=key.scope,
        is_admin=_is_admin(key),
        after=after,
        limit=asked.limit + 1,
    )
    page, rest = found[: asked.limit], found[asked.limit :]
    return JSONResponse(
        {
            "collections": [collection_as_json(one) for one in page],
            "next": encode_cursor(page[-1].name, _NOBODY) if rest else None,
        }
    )


@router.post(
    "/v1/collections",
    summary="Make a collection",
    status_code=201,
    response_model=CollectionBody,
    responses=problems(*ALWAYS, *WITH_BODY, 409),
    dependencies=[needs("admin")],
)
async def create(asked: CollectionCreation, parts: PartsOf, key: CallersKey, once: OnlyOnce) -> Response:
    """Make a collection before anything is brought into it, which otherwise makes it, in English and closed to language
    models outside."""

    async def work() -> Response:
        await create_collection(
            parts.footnote.database,
            asked.name,
            language=asked.language,
            allow_outside=asked.allow_outside,
            scope=key.scope,
        )
        made = await _find(parts, asked.name, key)
        return tagged(
            collection_as_json(made), status=201, headers={"Location": f"/v1/collections/{asked.name}"}
        )

    return await once.do(work)


async def _find(parts: PartsOf, name: str, key: Identity) -> HeldCollection:
    return await find_held(parts.footnote.database, name, scope=key.scope, is_admin=_is_admin(key))


@router.get(
    "/v1/collections/{name}",
    summary="Show a collection",
    response_model=CollectionBody,
    responses={200: {"headers": TAG}, 304: NOT_MODIFIED, **problems(*ALWAYS, 404)},
)
async def show(name: str, parts: PartsOf, key: CallersKey, if_none_match: IF_NONE_MATCH = None) -> Response:
    """A collection, with how much of it the caller may read."""
    return tagged(collection_as_json(await _find(parts, name, key)), if_none_match)


@router.patch(
    "/v1/collections/{name}",
    summary="Change a collection",
    response_model=CollectionBody,
    responses={200: {"headers": TAG}, **problems(*ALWAYS, *WITH_BODY, 404, 412)},
    dependencies=[needs("admin")],
)
async def change(
    name: str, asked: CollectionChange, parts: PartsOf, key: CallersKey, if_match: IF_MATCH = None
) -> Response:
    """Say whether a collection's passages may go to models outside: language models, embedder, reranker."""
    await change_collection(
        parts.footnote.database,
        name,
        allow_outside=asked.allow_outside,
        scope=key.scope,
        check=lambda held: check_unchanged(collection_as_json(held), if_match),
    )
    return tagged(collection_as_json(await _find(parts, name, key)))


@router.delete(
    "/v1/collections/{name}",
    summary="Delete a collection",
    status_code=204,
    responses={204: {"description": "It is gone."}, **problems(*ALWAYS, 404, 409, 412)},
    dependencies=[needs("admin")],
)
async def delete(name: str, parts: PartsOf, key: CallersKey, if_match: IF_MATCH = None) -> Response:
    """Take a collection away that holds no documents and has no sources any more."""
    check_unchanged(collection_as_json(await _find(parts, name, key)), if_match)
    footnote = parts.footnote
    await delete_collection(footnote.database, footnote.store, name, scope=key.scope)
    return Response(status_code=204)
