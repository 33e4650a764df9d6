"""POST /v1/search: the passages that bear on a question."""

from __future__ import annotations

from fastapi.responses import JSONResponse

from service.http.auth import CallersDesk, keyed_router
from service.http.describing import ALWAYS, WITH_BODY, problems
from service.http.parts import PartsOf
from service.http.requests import SearchRequest
from service.http.responses.answers import HitsBody
from service.shapes import found_as_json
from service.specs import passage_policy

router = keyed_router("search")


@router.post(
    "/v1/search",
    summary="Search for passages",
    response_model=HitsBody,
    responses=problems(*ALWAYS, *WITH_BODY, 404, 504),
)
async def search(asked: SearchRequest, parts: PartsOf, desk: CallersDesk) -> JSONResponse:
    """The best `k` passages of a collection for a query, best first."""
    found = await desk.search(
        asked.collection,
        asked.query,
        k=asked.k,
        filters=asked.chosen(),
        passages=passage_policy(
            parts.footnote.settings, max_per_document=asked.max_per_document, merge=asked.merge
        ),
    )
    return JSONResponse(found_as_json(found))
