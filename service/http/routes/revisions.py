"""GET /v1/documents/{id}/revisions/{number}…: what a citation points into, and the page that it stands on."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from fastapi.responses import Response

from ingest.parsers.page_pictures import MEDIA_TYPE, Box, PageOrder, Picture
from retrieval.errors import InvalidRequestError
from service.http.auth import CallersDesk, keyed_router
from service.http.describing import ALWAYS, NOT_MODIFIED, TAG, problems
from service.http.etags import CACHE_CONTROL, IF_NONE_MATCH, names, tag_of, tagged
from service.http.parts import PartsOf
from service.http.requests import PictureQuery, PlaceQuery
from service.http.responses.revisions import RevisionBody, revision_as_json
from service.revisions import headings_at

router = keyed_router("documents")

MARKED_HEADER = "Footnote-Marked"
_Number = Annotated[int, Path(ge=1, le=2_147_483_647, description="A citation's `revision`.")]
_PageNumber = Annotated[int, Path(ge=1, le=100_000, description="A citation's `page`.")]
_PICTURE = {
    "description": "The page.",
    "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    "headers": {
        MARKED_HEADER: {
            "description": "Where on the page the span is marked: left, top, right and bottom of all of it, as shares "
            "of the page's width and height. Left out where nothing is.",
            "schema": {"type": "string"},
            "example": "0.118 0.342 0.871 0.389",
        },
        **TAG,
    },
}


@router.get(
    "/v1/documents/{document_id}/revisions/{number}",
    summary="Show a revision",
    response_model=RevisionBody,
    responses={200: {"headers": TAG}, 304: NOT_MODIFIED, **problems(*ALWAYS, 404, 410)},
)
async def show(
    document_id: UUID,
    number: _Number,
    asked: Annotated[PlaceQuery, Query()],
    parts: PartsOf,
    desk: CallersDesk,
    if_none_match: IF_NONE_MATCH = None,
) -> Response:
    """What a revision is, of the time when it was made, and what stands above a place in it. Its text is at
    `/v1/documents/{document_id}/text?revision=`."""
    revision = await desk.revision(document_id, number)
    headings = None
    if asked.char_start is not None:
        headings = await headings_at(parts.footnote.database, revision, asked.char_start)
    return tagged(revision_as_json(revision, char_start=asked.char_start, headings=headings), if_none_match)


@router.get(
    "/v1/documents/{document_id}/revisions/{number}/pages/{page}/image",
    summary="Show a page as a picture",
    response_class=Response,
    responses={200: _PICTURE, 304: NOT_MODIFIED, **problems(*ALWAYS, 404, 410)},
)
async def picture(
    document_id: UUID,
    number: _Number,
    page: _PageNumber,
    asked: Annotated[PictureQuery, Query()],
    parts: PartsOf,
    desk: CallersDesk,
    if_none_match: IF_NONE_MATCH = None,
) -> Response:
    """A page of a PDF as a picture, the span of its text from `char_start` to `char_end` marked line by line. How far a
    mark reaches within a line is estimated from its characters.

    The file is drawn that the revision was made from. Where it has changed or gone since there is no picture (404,
    `no-picture`), and the revision's text is what there is.
    """
    span = _span(asked)
    revision = await desk.revision(document_id, number)
    boxes = () if span is None else revision.boxes(page=page, char_start=span[0], char_end=span[1])
    tag = tag_of(repr((revision.content_hash, page, asked.width, boxes)).encode())
    headers = {"ETag": tag, "Cache-Control": CACHE_CONTROL}
    if if_none_match is not None and names(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    drawn = await parts.pictures.draw(revision, PageOrder(page=page, width=asked.width, boxes=boxes))
    if boxes:
        headers[MARKED_HEADER] = _marked(boxes, drawn)
    return Response(drawn.content, headers=headers, media_type=MEDIA_TYPE)


def _span(asked: PictureQuery) -> tuple[int, int] | None:
    if asked.char_start is None and asked.char_end is None:
        return None
    if asked.char_start is None or asked.char_end is None or asked.char_start >= asked.char_end:
        raise InvalidRequestError("give char_start and char_end, the former before the latter, or neither.")
    return asked.char_start, asked.char_end


def _marked(boxes: tuple[Box, ...], drawn: Picture) -> str:
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[2] for box in boxes), max(box[3] for box in boxes)
    shares = (
        left / drawn.page_width,
        top / drawn.page_height,
        right / drawn.page_width,
        bottom / drawn.page_height,
    )
    return " ".join(f"{min(max(share, 0.0), 1.0):.4f}" for share in shares)
