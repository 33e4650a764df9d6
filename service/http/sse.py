"""Server-sent events (WHATWG HTML, section 9.2): frames, and the response that sends them until nobody listens."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.http.presence import until_gone

logger = logging.getLogger("footnote.events")

MEDIA_TYPE = "text/event-stream"
HEARTBEAT = b": still here\n\n"
# Not to be held back, kept or compressed by anything on the way.
_HEADERS = (
    (b"content-type", MEDIA_TYPE.encode()),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
)
# Ends of lines to some readers of events, though not to the standard.
_BREAKS = {ord(character): f"\\u{ord(character):04x}" for character in "\x85\u2028\u2029"}


def as_data(shape: Any) -> bytes:
    """JSON on one line, as answers are sent, whether as an event or as a body."""
    text = json.dumps(shape, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_BREAKS).encode("utf-8", "backslashreplace")


def frame(number: int, name: str, data: bytes) -> bytes:
    """An event with its id."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, name.encode(), data)


class EventStream(Response):
    """Sends frames as they come. A listener who leaves, or takes nothing for `send_timeout_s`, is let go."""

    def __init__(
        self,
        frames: AsyncGenerator[bytes, None],
        *,
        send_timeout_s: float,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        self.raw_headers = [*_HEADERS]
        self.headers.update(headers)
        self._frames = frames
        self._send_timeout_s = send_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.create_task(self._send_all(send))
        leaving = asyncio.create_task(until_gone(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
        if not sending.cancelled():
            sending.result()

    async def _send_all(self, send: Send) -> None:
        async with aclosing(self._frames) as frames:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async for piece in frames:
                try:
                    async with asyncio.timeout(self._send_timeout_s):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
                except TimeoutError:
                    logger.info("a listener took nothing for %g s and was let go", self._send_timeout_s)
                    return
            await send({"type": "http.response.body", "body": b"", "more_body": False})
