"""POST /v1/feedback: what callers think of answers."""

from __future__ import annotations

from fastapi.responses import JSONResponse, Response

from service.http.auth import CallersKey, keyed_router
from service.http.changes import FeedbackRequest
from service.http.describing import ALWAYS, WITH_BODY, problems
from service.http.idempotency import OnlyOnce
from service.http.parts import PartsOf
from service.http.responses.usage import FeedbackBody, feedback_as_json
from service.usage import give_feedback

router = keyed_router("answers")


@router.post(
    "/v1/feedback",
    summary="Say what you think of an answer",
    status_code=201,
    response_model=FeedbackBody,
    responses=problems(*ALWAYS, *WITH_BODY, 404, 409),
)
async def give(asked: FeedbackRequest, parts: PartsOf, key: CallersKey, once: OnlyOnce) -> Response:
    """A thumb up or down, and a word if you like, for an answer that you got in the last 30 days. Said again, it takes
    the place of what you said before."""

    async def work() -> Response:
        given = await give_feedback(
            parts.footnote.database,
            asked.answer,
            caller_id=key.id,
            rating=asked.rating,
            comment=asked.comment,
        )
        parts.metrics.feedback_given(asked.rating)
        return JSONResponse(feedback_as_json(given), status_code=201)

    return await once.do(work)
