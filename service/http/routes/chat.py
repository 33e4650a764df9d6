"""POST /v1/chat/completions: what clients of OpenAI's API ask with."""

from __future__ import annotations

import time
from contextlib import aclosing
from uuid import uuid4

from fastapi import Request
from fastapi.responses import Response

from generation.answer import whole
from retrieval.errors import NotFoundError
from service.asking import Question
from service.desk import Desk
from service.http.answering import close_unless_told, counted
from service.http.auth import CallersDesk, CallersKey, keyed_router
from service.http.compatible.bodies import CompletionBody
from service.http.compatible.completions import ChatFrames, Wanted, completion
from service.http.compatible.models import collection_of, no_such_model
from service.http.compatible.requests import ChatRequest
from service.http.describing import CHUNKS, chat_errors
from service.http.parts import Parts, PartsOf
from service.http.presence import nobody_there, while_there
from service.http.sse import EventStream, as_data
from service.specs import passage_policy

router = keyed_router("openai")

IGNORED_HEADER = "Footnote-Ignored"
_GRACE_S = 1.0
"""There is no coming back to such a stream: an answer ends soon after its listener has left."""


@router.post(
    "/v1/chat/completions",
    summary="Answer a conversation's last question (OpenAI-compatible)",
    response_model=CompletionBody,
    responses={
        200: {
            "description": "The answer; with `stream` as chunks.",
            "content": CHUNKS,
            "headers": {
                IGNORED_HEADER: {
                    "description": "What was sent and has no effect, with commas between.",
                    "schema": {"type": "string"},
                }
            },
        },
        **chat_errors(400, 401, 403, 404, 408, 413, 415, 429, 500, 502, 503, 504),
    },
)
async def complete(
    asked: ChatRequest, request: Request, parts: PartsOf, key: CallersKey, desk: CallersDesk
) -> Response:
    """The last user message is the question, what was said before is the conversation; system messages have no effect.

    Answers have markers behind their sentences and a list of the sources; a refusal is an answer that says so. With
    `stream` only checked sentences are sent. Errors have the shape of OpenAI's.
    """
    question = await _prepare(asked, parts, desk)
    wanted = Wanted(
        model=asked.model,
        created=int(time.time()),
        base_url=_base_url(request, parts.footnote.settings.serve.public_url),
        with_list=asked.footnote.sources,
        includes_usage=asked.includes_usage,
    )
    headers = {IGNORED_HEADER: ", ".join(asked.ignored)} if asked.ignored else {}
    paid = await desk.begin(question)
    events = counted(paid, parts)
    if asked.stream:
        broadcast = await close_unless_told(
            paid,
            lambda: parts.broadcasts.start(
                events, owner=key.id, telling=ChatFrames(wanted), grace_s=_GRACE_S
            ),
        )
        timeout_s = parts.broadcasts.policy.send_timeout_s
        return EventStream(broadcast.listen(0), send_timeout_s=timeout_s, headers=headers)
    async with aclosing(paid), aclosing(events):
        answer = await while_there(request, whole(events))
    if answer is None:
        return nobody_there()
    return Response(
        as_data(completion(answer, uuid4(), wanted)), media_type="application/json", headers=headers
    )


def _base_url(request: Request, public_url: str | None) -> str:
    """Where links begin. The Host header is what whoever called has written, or a proxy: the settings go before it."""
    return str(request.base_url) if public_url is None else f"{public_url.rstrip('/')}/"


async def _prepare(asked: ChatRequest, parts: Parts, desk: Desk) -> Question:
    settings = parts.footnote.settings
    try:
        return await desk.prepare(
            collection_of(asked.model),
            asked.question,
            k=asked.footnote.k,
            filters=asked.footnote.chosen(),
            passages=passage_policy(settings, max_per_document=asked.footnote.max_per_document),
            turns=asked.turns,
        )
    except NotFoundError as exc:
        raise no_such_model(asked.model) from exc
