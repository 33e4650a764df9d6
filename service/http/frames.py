"""The frames of an answer that is told at POST /v1/ask: an event each, by its own name, with an id."""

from __future__ import annotations

from uuid import UUID

from generation.events import AnswerEvent
from service.http.problems import problem_in_stream
from service.http.sse import as_data, frame


class EventFrames:
    """Puts what happens into events as docs/asking.md describes them."""

    def begin(self, answer_id: UUID) -> bytes:
        return frame(1, "started", as_data({"answer_id": str(answer_id)}))

    def tell(self, event: AnswerEvent, number: int) -> bytes:
        return frame(number, event.name, as_data(event.as_json()))

    def fail(self, error: Exception, answer_id: UUID, number: int) -> bytes:
        shape = problem_in_stream(error, path=f"/v1/answers/{answer_id}")
        return frame(number, "error", as_data(shape))
