"""What every way of asking over HTTP does with an answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from generation.events import AnswerEvent, Done
from retrieval.errors import FootnoteError
from service.http.broadcast import Broadcast
from service.http.parts import Parts
from service.metering import MeteredAnswer


async def counted(
    events: AsyncGenerator[AnswerEvent, None], parts: Parts
) -> AsyncGenerator[AnswerEvent, None]:
    """The same events; a whole answer is counted."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Done):
                parts.metrics.answered(event.answer.status, dropped=event.answer.dropped)
            yield event


async def close_unless_told(events: MeteredAnswer, tell: Callable[[], Broadcast]) -> Broadcast:
    """Have an answer told; one that nobody tells gives its place back. Raises what `tell` raises."""
    try:
        return tell()
    except FootnoteError:
        await events.aclose()
        raise
