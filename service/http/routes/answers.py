"""GET /v1/answers/{id}/events: an answer listened to again; DELETE /v1/answers/{id}: it is stopped."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Header
from fastapi.responses import Response

from service.http.auth import CallersKey, keyed_router
from service.http.describing import ALWAYS, EVENTS, problems
from service.http.parts import PartsOf
from service.http.sse import EventStream

router = keyed_router("answers")

_LAST_EVENT_ID = Header(
    alias="Last-Event-ID",
    description="The `id` of the last event that was received; without it all are sent from the first.",
)


@router.get(
    "/v1/answers/{answer_id}/events",
    summary="Listen to an answer again",
    response_class=Response,
    responses={
        200: {"description": "The events that are left, and those to come.", "content": EVENTS},
        204: {"description": "The answer has ended, and nothing is left."},
        **problems(*ALWAYS, 404),
    },
)
async def listen(
    answer_id: UUID,
    parts: PartsOf,
    key: CallersKey,
    last_event_id: Annotated[str | None, _LAST_EVENT_ID] = None,
) -> Response:
    """Go on after the last event that was received. An answer is kept for ten minutes after its end, for the key that
    asked for it alone."""
    broadcast = parts.broadcasts.find(answer_id, owner=key.id)
    position = broadcast.position(last_event_id)
    if broadcast.is_over_after(position):
        return Response(status_code=204)  # a browser's EventSource would come back for ever after a 200
    return EventStream(broadcast.listen(position), send_timeout_s=parts.broadcasts.policy.send_timeout_s)


@router.delete(
    "/v1/answers/{answer_id}",
    summary="Stop an answer",
    status_code=204,
    responses={204: {"description": "It is stopped and forgotten."}, **problems(*ALWAYS, 404)},
)
async def stop(answer_id: UUID, parts: PartsOf, key: CallersKey) -> Response:
    """Stop an answer that is being told, and forget it. Whoever listens gets an `error` event as the last."""
    parts.broadcasts.stop(answer_id, owner=key.id)
    return Response(status_code=204)
