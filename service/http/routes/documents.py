"""GET /v1/documents…: what is in the index or on its way there, and the texts that citations point into."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query
from fastapi.responses import JSONResponse, Response

from retrieval.collections import find_readable_collection
from service.collections import find_held
from service.entries import find_entry, list_chunks, list_entries
from service.http.auth import CallersDesk, CallersKey, keyed_router
from service.http.cursors import decode_cursor, decode_number, encode_cursor
from service.http.describing import ALWAYS, NOT_MODIFIED, TAG, problems
from service.http.etags import CACHE_CONTROL, IF_NONE_MATCH, names, tag_of, tagged
from service.http.parts import PartsOf
from service.http.requests import DocumentsQuery, PageQuery, RevisionQuery
from service.http.responses.documents import ChunksBody, EntriesBody, EntryBody, chunk_as_json, entry_as_json
from service.identity import suffices

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
        **TAG,
    },
}


@router.get(
    "/v1/documents",
    summary="List documents",
    response_model=EntriesBody,
    responses=problems(*ALWAYS, 400, 404),
)
async def list_page(
    asked: Annotated[DocumentsQuery, Query()], parts: PartsOf, key: CallersKey
) -> JSONResponse:
    """A page of a collection's documents that the caller may read, in the order of their paths. With `status=failed`:
    files that could not be taken in, each with its reason."""
    database = parts.footnote.database
    if suffices(key.role, "admin"):
        await find_held(database, asked.collection, scope=key.scope, is_admin=True)
    else:
        await find_readable_collection(database, asked.collection, scope=key.scope)
    found = await list_entries(
        database,
        asked.collection,
        scope=key.scope,
        status=asked.status,
        paths=asked.path,
        media_types=asked.media_type,
        words=asked.words,
        limit=asked.limit + 1,
        **({} if asked.cursor is None else {"after": decode_cursor(asked.cursor)}),
    )
    page, rest = found[: asked.limit], found[asked.limit :]
    with_readers = suffices(key.role, "editor")
    return JSONResponse(
        {
            "documents": [entry_as_json(entry, with_readers=with_readers) for entry in page],
            "next": encode_cursor(page[-1].path, page[-1].sort_id) if rest else None,
        }
    )


@router.get(
    "/v1/documents/{document_id}",
    summary="Show a document",
    response_model=EntryBody,
    responses={200: {"headers": TAG}, 304: NOT_MODIFIED, **problems(*ALWAYS, 404, 410)},
)
async def show(
    document_id: UUID,
    parts: PartsOf,
    desk: CallersDesk,
    if_none_match: IF_NONE_MATCH = None,
) -> Response:
    """A document: in the index, on its way there, or one whose file has gone. What the caller may not read does not
    exist for them."""
    await desk.document(document_id)
    entry = await find_entry(parts.footnote.database, document_id, scope=desk.caller.scope)
    return tagged(entry_as_json(entry, with_readers=suffices(desk.caller.role, "editor")), if_none_match)


@router.get(
    "/v1/documents/{document_id}/chunks",
    summary="List a document's chunks",
    response_model=ChunksBody,
    responses=problems(*ALWAYS, 400, 404, 410),
)
async def chunks(
    document_id: UUID, asked: Annotated[PageQuery, Query()], parts: PartsOf, desk: CallersDesk
) -> JSONResponse:
    """A document's chunks as its current revision was cut, in the order of its text: what searches find."""
    await desk.document(document_id)
    after = -1 if asked.cursor is None else decode_number(asked.cursor, of=document_id)
    revision, found = await list_chunks(
        parts.footnote.database, document_id, scope=desk.caller.scope, after=after, limit=asked.limit + 1
    )
    page, rest = found[: asked.limit], found[asked.limit :]
    return JSONResponse(
        {
            "revision": revision,
            "chunks": [chunk_as_json(chunk) for chunk in page],
            "next": encode_cursor(str(page[-1].number), document_id) if rest else None,
        }
    )


@router.get(
    "/v1/documents/{document_id}/text",
    summary="Read a document's text",
    response_class=Response,
    responses={200: _TEXT, 304: NOT_MODIFIED, **problems(*ALWAYS, 404, 410)},
)
async def text(
    document_id: UUID,
    asked: Annotated[RevisionQuery, Query()],
    desk: CallersDesk,
    if_none_match: IF_NONE_MATCH = None,
) -> Response:
    """The text of a revision, to the character: `text[char_start:char_end]` of a citation is its quote."""
    revision = await desk.text(document_id, revision=asked.revision)
    content = revision.text.encode()
    tag = tag_of(content)
    headers = {"ETag": tag, REVISION_HEADER: str(revision.number), "Cache-Control": CACHE_CONTROL}
    if if_none_match is not None and names(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="text/plain; charset=utf-8")
