"""GET /v1/audit: who asked what of which documents, for admins."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from fastapi.responses import JSONResponse

from service.auditing import list_audit
from service.http.auth import Caller, keyed_router
from service.http.cursors import decode_row_cursor, encode_row_cursor
from service.http.describing import ALWAYS, problems
from service.http.parts import PartsOf
from service.http.requests import AuditQuery
from service.http.responses.callers import AuditBody

router = keyed_router("audit", role="admin")


@router.get(
    "/v1/audit",
    summary="List who asked what",
    response_model=AuditBody,
    responses=problems(*ALWAYS, 400),
)
async def list_page(asked: Annotated[AuditQuery, Query()], parts: PartsOf, caller: Caller) -> JSONResponse:
    """Who asked what of which documents, newest first, for admins: also of documents that they may not read themselves,
    but of no collection that does not exist for them."""
    found = await list_audit(
        parts.footnote.database,
        scope=caller,
        limit=asked.limit + 1,
        before=None if asked.cursor is None else decode_row_cursor(asked.cursor),
        since=asked.since,
        caller_id=asked.caller,
    )
    page, rest = found[: asked.limit], found[asked.limit :]
    return JSONResponse(
        {
            "entries": [entry.as_json() for entry in page],
            "next": encode_row_cursor(page[-1].id) if rest else None,
        }
    )
