"""What every way of asking over HTTP does with an answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from generation.events import AnswerEvent, Done
from service.http.parts import Parts


async def counted(
    events: AsyncGenerator[AnswerEvent, None], parts: Parts
) -> AsyncGenerator[AnswerEvent, None]:
    """The same events; a whole answer is counted."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Done):
                parts.metrics.answered(event.answer.status, dropped=event.answer.dropped)
            yield event
