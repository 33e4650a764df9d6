"""POST /v1/ask: a question answered, every sentence cited, or refused."""

from __future__ import annotations

from fastapi.responses import JSONResponse

from service.http.auth import Caller, keyed_router
from service.http.describing import ALWAYS, WITH_BODY, problems
from service.http.parts import PartsOf
from service.http.requests import AskRequest
from service.http.responses import AnswerBody
from service.specs import passage_policy

router = keyed_router("answers")


@router.post(
    "/v1/ask",
    summary="Ask a question",
    response_model=AnswerBody,
    responses=problems(*ALWAYS, *WITH_BODY, 403, 404, 502, 504),
)
async def ask(asked: AskRequest, parts: PartsOf, caller: Caller) -> JSONResponse:
    """Answer a question from a collection. One that the collection does not answer is refused, with status 200."""
    footnote = parts.footnote
    answer = await footnote.ask(
        asked.collection,
        asked.question,
        k=asked.k,
        scope=caller,
        filters=asked.chosen(),
        passages=passage_policy(footnote.settings, max_per_document=asked.max_per_document),
        turns=[turn.turn() for turn in asked.turns],
    )
    parts.metrics.answered(answer.status, dropped=answer.dropped)
    return JSONResponse(answer.as_json())
