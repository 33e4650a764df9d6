"""GET /v1/usage: what answers cost."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Query
from fastapi.responses import JSONResponse

from service.http.auth import CallersKey, check_role, keyed_router
from service.http.changes import UsageQuery
from service.http.cursors import CursorError, decode_cursor, encode_cursor
from service.http.describing import ALWAYS, problems
from service.http.parts import PartsOf
from service.http.responses.usage import UsagesBody, usage_as_json
from service.identity import Identity
from service.usage import UsageRow, list_usage

router = keyed_router("usage")


@router.get(
    "/v1/usage",
    summary="List what answers cost",
    response_model=UsagesBody,
    responses=problems(*ALWAYS, 400),
)
async def list_page(asked: Annotated[UsageQuery, Query()], parts: PartsOf, key: CallersKey) -> JSONResponse:
    """A page of requests, tokens and money by day (UTC), key and model, newest day first: your own; for admins also
    that of others."""
    found = await list_usage(
        parts.footnote.database,
        caller_id=_whose(asked.key, key),
        model=asked.model,
        first=asked.first,
        last=asked.last,
        after=None if asked.cursor is None else _place(asked.cursor),
        limit=asked.limit + 1,
    )
    page, rest = found[: asked.limit], found[asked.limit :]
    return JSONResponse(
        {
            "usage": [usage_as_json(row) for row in page],
            "next": _cursor(page[-1]) if rest else None,
        }
    )


def _whose(asked: UUID | str | None, key: Identity) -> UUID | None:
    """Whose usage is meant; None for everybody's. Raises `RoleLackingError`."""
    if asked is None or asked == key.id:
        return key.id
    check_role(key, "admin")
    return asked if isinstance(asked, UUID) else None


def _cursor(row: UsageRow) -> str:
    return encode_cursor(f"{row.day.isoformat()} {row.model}", row.caller_id)


def _place(cursor: str) -> tuple[date, UUID, str]:
    text, caller_id = decode_cursor(cursor)
    day, _, model = text.partition(" ")
    try:
        return date.fromisoformat(day), caller_id, model
    except ValueError as exc:
        raise CursorError(
            "the cursor is not one that this list has given out. Take `next` as it is."
        ) from exc
