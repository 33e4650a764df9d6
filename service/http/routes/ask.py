"""POST /v1/ask: a question answered, every sentence cited, or refused; whole, or as a stream of events."""

from __future__ import annotations

from contextlib import aclosing
from uuid import uuid4

from fastapi import Request
from fastapi.responses import Response

from generation.answer import whole
from service.http.answering import close_unless_told, counted
from service.http.auth import CallersDesk, CallersKey, keyed_router
from service.http.describing import ALWAYS, WITH_BODY, answered, problems
from service.http.parts import PartsOf
from service.http.presence import nobody_there, while_there
from service.http.requests import AskRequest
from service.http.responses.answers import AnswerBody
from service.http.sse import EventStream, as_data
from service.specs import passage_policy

router = keyed_router("answers")

ANSWER_HEADER = "Footnote-Answer"
"""The id of an answer, by which feedback is given to it."""


@router.post(
    "/v1/ask",
    summary="Ask a question",
    response_model=AnswerBody,
    responses={200: answered(), **problems(*ALWAYS, *WITH_BODY, 404, 502, 504)},
)
async def ask(
    asked: AskRequest, request: Request, parts: PartsOf, key: CallersKey, desk: CallersDesk
) -> Response:
    """Answer a question from a collection. One that the collection does not answer is refused, with status 200.

    With `stream`, what is wrong with the question is still a problem with its status; what goes wrong afterwards is an
    `error` event. Whoever leaves without `stream` has the work for the answer cancelled.
    """
    question = await desk.prepare(
        asked.collection,
        asked.question,
        k=asked.k,
        filters=asked.chosen(),
        passages=passage_policy(parts.footnote.settings, max_per_document=asked.max_per_document),
        turns=[turn.turn() for turn in asked.turns],
    )
    answer_id = uuid4()
    paid = await desk.begin(question, answer_id=answer_id)
    events = counted(paid, parts)
    if asked.stream:
        broadcast = await close_unless_told(
            paid, lambda: parts.broadcasts.start(events, owner=key.id, answer_id=answer_id)
        )
        return EventStream(broadcast.listen(0), send_timeout_s=parts.broadcasts.policy.send_timeout_s)
    async with aclosing(paid), aclosing(events):
        answer = await while_there(request, whole(events))
    if answer is None:
        return nobody_there()
    return Response(
        as_data(answer.as_json()), media_type="application/json", headers={ANSWER_HEADER: str(answer_id)}
    )
