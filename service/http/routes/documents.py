"""GET /v1/documents…: what is in the index, and the texts that citations point into."""

from __future__ import annotations

import hashlib
from typing import Annotated
from uuid import UUID

from fastapi import Header, Query
from fastapi.responses import JSONResponse, Response

from retrieval.collections import find_readable_collection
from retrieval.documents import list_documents
from service.http.auth import Caller, CallersDesk, keyed_router
from service.http.cursors import decode_cursor, encode_cursor
from service.http.describing import ALWAYS, problems
from service.http.parts import PartsOf
from service.http.requests import DocumentsQuery, RevisionQuery
from service.http.responses import DocumentBody, DocumentsBody
from service.shapes import document_as_json

router = keyed_router("documents")

REVISION_HEADER = "Footnote-Revision"
_TEXT = {
    "description": "The revision's text and nothing else. Citations count its characters in Unicode code points.",
    "content": {
        "text/plain; charset=utf-8": {
            "schema": {"type": "string"},
            "example": "# Parental leave\n\nParents may …",
        }
    },
    "headers": {
        REVISION_HEADER: {"description": "The revision's number.", "schema": {"type": "integer"}},
        "ETag": {"description": "Of the text.", "schema": {"type": "string"}},
    },
}


@router.get(
    "/v1/documents",
    summary="List documents",
    response_model=DocumentsBody,
    responses=problems(*ALWAYS, 400, 404),
)
async def list_page(
    asked: Annotated[DocumentsQuery, Query()], parts: PartsOf, caller: Caller
) -> JSONResponse:
    """A page of a collection's current documents that the caller may read, in the order of their paths."""
    database = parts.footnote.database
    await find_readable_collection(database, asked.collection, scope=caller)
    after = {} if asked.cursor is None else {"after": decode_cursor(asked.cursor)}
    found = await list_documents(database, asked.collection, scope=caller, limit=asked.limit + 1, **after)
    page, rest = found[: asked.limit], found[asked.limit :]
    return JSONResponse(
        {
            "documents": [document_as_json(document) for document in page],
            "next": encode_cursor(page[-1].path, page[-1].id) if rest else None,
        }
    )


@router.get(
    "/v1/documents/{document_id}",
    summary="Show a document",
    response_model=DocumentBody,
    responses=problems(*ALWAYS, 404, 410),
)
async def show(document_id: UUID, desk: CallersDesk) -> JSONResponse:
    """A document, also one whose file has gone. What the caller may not read does not exist for them."""
    return JSONResponse(document_as_json(await desk.document(document_id)))


@router.get(
    "/v1/documents/{document_id}/text",
    summary="Read a document's text",
    response_class=Response,
    responses={200: _TEXT, 304: {"description": "The text has not changed."}, **problems(*ALWAYS, 404, 410)},
)
async def text(
    document_id: UUID,
    asked: Annotated[RevisionQuery, Query()],
    desk: CallersDesk,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The text of a revision, to the character: `text[char_start:char_end]` of a citation is its quote."""
    revision = await desk.text(document_id, revision=asked.revision)
    content = revision.text.encode()
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, REVISION_HEADER: str(revision.number), "Cache-Control": "private, no-cache"}
    if if_none_match is not None and _matches(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="text/plain; charset=utf-8")


def _matches(if_none_match: str, tag: str) -> bool:
    """Whether an If-None-Match header names the tag; weak comparison, as RFC 9110 (13.1.2) has it."""
    tags = [part.strip().removeprefix("W/") for part in if_none_match.split(",")]
    return tag in tags or tags == ["*"]
