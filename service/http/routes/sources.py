"""/v1/sources…: folders, buckets and lists that are kept fresh. Admins see to them; editors see and refresh some."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from fastapi.responses import JSONResponse, Response

from service.http.auth import CallersKey, keyed_router, needs
from service.http.callbacks import check_callback
from service.http.changes import SourceChange, SourceCreation, SourcesQuery
from service.http.cursors import decode_cursor, encode_cursor
from service.http.describing import ALWAYS, WITH_BODY, problems
from service.http.idempotency import OnlyOnce
from service.http.job_shapes import WebhookSecretBody
from service.http.parts import PartsOf
from service.http.responses.sources import (
    SourceBody,
    SourcesBody,
    WantedBody,
    editors_source_as_json,
    source_as_json,
)
from service.identity import suffices
from service.managed_sources import (
    SourceChanges,
    SourceDraft,
    add_source,
    change_source,
    editable_source,
    editable_sources,
    named_place_of,
    place_of,
    refresh_soon,
    take_away,
    visible_source,
    visible_sources,
)
from service.places import read_place
from service.webhooks.signing import subscriber_secret
from service.work_policies import webhook_secret

router = keyed_router("sources")
_ADMIN = [needs("admin")]
_EDITOR = [needs("editor")]


@router.get(
    "/v1/sources",
    summary="List sources",
    response_model=SourcesBody,
    responses=problems(*ALWAYS, 400),
    dependencies=_EDITOR,
)
async def list_page(asked: Annotated[SourcesQuery, Query()], parts: PartsOf, key: CallersKey) -> JSONResponse:
    """A page of the sources with their last and next runs, by collection and location. For editors: those that they may
    have refreshed, without what concerns admins alone."""
    database, now = parts.footnote.database, datetime.now(UTC)
    after = None if asked.cursor is None else decode_cursor(asked.cursor)
    limit = asked.limit + 1
    if suffices(key.role, "admin"):
        found = [
            (place_of(state), source_as_json(state, now=now))
            for state in await visible_sources(
                database, collection=asked.collection, scope=key.scope, after=after, limit=limit
            )
        ]
    else:
        found = [
            (named_place_of(source.state), editors_source_as_json(source, now=now))
            for source in await editable_sources(
                database, collection=asked.collection, scope=key.scope, after=after, limit=limit
            )
        ]
    page, rest = found[: asked.limit], found[asked.limit :]
    return JSONResponse(
        {
            "sources": [shape for _, shape in page],
            "next": encode_cursor(*page[-1][0]) if rest else None,
        }
    )


@router.post(
    "/v1/sources",
    summary="Add a source",
    status_code=201,
    response_model=SourceBody,
    responses=problems(*ALWAYS, *WITH_BODY, 409),
    dependencies=_ADMIN,
)
async def create(asked: SourceCreation, parts: PartsOf, key: CallersKey, once: OnlyOnce) -> Response:
    """Make a folder, a bucket or a list of files on the web a source. With a schedule it is read at once, if a worker
    runs; without one when a refresh is asked for."""

    async def work() -> Response:
        if asked.notify_url is not None:
            await check_callback(asked.notify_url, parts.footnote.settings)
        source_id = await add_source(
            parts.footnote,
            SourceDraft(
                location=read_place(asked.location),
                collection=asked.collection,
                schedule=asked.schedule,
                include=asked.include,
                exclude=asked.exclude,
                readers=asked.readers,
                metadata=asked.metadata,
                notify_url=asked.notify_url,
            ),
            scope=key.scope,
        )
        return await _shown(parts, source_id, key, status=201)

    return await once.do(work)


async def _shown(parts: PartsOf, source_id: UUID, key: CallersKey, *, status: int = 200) -> Response:
    state = await visible_source(parts.footnote.database, source_id, scope=key.scope)
    return JSONResponse(
        source_as_json(state, now=datetime.now(UTC)),
        status_code=status,
        headers={"Location": f"/v1/sources/{source_id}"} if status == 201 else None,
    )


@router.get(
    "/v1/sources/{source_id}",
    summary="Show a source",
    response_model=SourceBody,
    responses=problems(*ALWAYS, 404),
    dependencies=_EDITOR,
)
async def show(source_id: UUID, parts: PartsOf, key: CallersKey) -> Response:
    """A source with its last and its next run; for editors without what concerns admins alone."""
    if suffices(key.role, "admin"):
        return await _shown(parts, source_id, key)
    source = await editable_source(parts.footnote.database, source_id, scope=key.scope)
    return JSONResponse(editors_source_as_json(source, now=datetime.now(UTC)))


@router.patch(
    "/v1/sources/{source_id}",
    summary="Change a source",
    response_model=SourceBody,
    responses=problems(*ALWAYS, *WITH_BODY, 404),
    dependencies=_ADMIN,
)
async def change(source_id: UUID, asked: SourceChange, parts: PartsOf, key: CallersKey) -> Response:
    """Change a source's schedule, rules, readers, metadata, or where its runs are told. What concerns its documents
    reaches them when it is refreshed next."""
    state = await visible_source(parts.footnote.database, source_id, scope=key.scope)
    if asked.notify_url is not None:
        await check_callback(asked.notify_url, parts.footnote.settings)
    await change_source(
        parts.footnote.database,
        state,
        SourceChanges(
            reschedule="schedule" in asked.model_fields_set,
            schedule=asked.schedule,
            resubscribe="notify_url" in asked.model_fields_set,
            notify_url=asked.notify_url,
            include=asked.include,
            exclude=asked.exclude,
            readers=asked.readers,
            metadata=asked.metadata,
        ),
    )
    return await _shown(parts, source_id, key)


@router.get(
    "/v1/sources/{source_id}/webhook-secret",
    summary="Show what a source's webhooks are signed with",
    response_model=WebhookSecretBody,
    responses=problems(*ALWAYS, 404),
    dependencies=_ADMIN,
)
async def show_secret(source_id: UUID, parts: PartsOf, key: CallersKey) -> JSONResponse:
    """The secret of this source, and of no other."""
    footnote = parts.footnote
    await visible_source(footnote.database, source_id, scope=key.scope)
    secret = await subscriber_secret(footnote.database, webhook_secret(footnote.settings), source_id)
    return JSONResponse({"secret": secret})


@router.delete(
    "/v1/sources/{source_id}",
    summary="Remove a source",
    status_code=204,
    responses={204: {"description": "It is gone, with its documents."}, **problems(*ALWAYS, 404, 409)},
    dependencies=_ADMIN,
)
async def delete(source_id: UUID, parts: PartsOf, key: CallersKey) -> Response:
    """Take a source's documents out of the index, with their texts, and forget it. Its files are left alone."""
    await take_away(parts.footnote, await visible_source(parts.footnote.database, source_id, scope=key.scope))
    return Response(status_code=204)


@router.post(
    "/v1/sources/{source_id}/refresh",
    summary="Refresh a source",
    status_code=202,
    response_model=WantedBody,
    responses={
        202: {"description": "A worker does it as soon as one is free."},
        **problems(*ALWAYS, 404),
    },
    dependencies=_EDITOR,
)
async def refresh(source_id: UUID, parts: PartsOf, key: CallersKey) -> JSONResponse:
    """Have a source refreshed as soon as a worker is free; one that is being refreshed now, once more. How it goes on
    is shown by `GET /v1/sources/{id}` and by the documents themselves."""
    await refresh_soon(
        parts.footnote.database, source_id, scope=key.scope, is_admin=suffices(key.role, "admin")
    )
    return JSONResponse({"id": str(source_id), "state": "due"}, status_code=202)
