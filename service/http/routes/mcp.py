"""POST /mcp: the Model Context Protocol, streamable HTTP. Needs a key like all else."""

from __future__ import annotations

import asyncio

from fastapi import Request
from fastapi.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.auth import keyed_router
from service.http.origins import check_place
from service.http.parts import PartsOf
from service.http.presence import until_gone

router = keyed_router("mcp")


@router.post("/mcp", include_in_schema=False)  # it speaks JSON-RPC, which OpenAPI does not describe
async def exchange(request: Request, parts: PartsOf) -> Response:
    """Answer a message, whole or as a stream of events. There are no sessions, so GET and DELETE are not taken."""
    check_place(request)
    return _Exchange(parts.mcp, await request.body())


class _Exchange(Response):
    """Has the MCP server answer. Whoever leaves has the work cancelled."""

    def __init__(self, server: ASGIApp, body: bytes) -> None:
        super().__init__()
        self._server = server
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.Event()
        unread: list[Message] = [{"type": "http.request", "body": self._body, "more_body": False}]

        async def receive_again() -> Message:
            if unread:
                return unread.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def answer() -> None:
            await self._server(scope, receive_again, send)

        working = asyncio.create_task(answer())
        leaving = asyncio.create_task(until_gone(receive))
        try:
            await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
            gone.set()
        finally:
            for task in (working, leaving):
                task.cancel()
            await asyncio.gather(working, leaving, return_exceptions=True)
        if not working.cancelled():
            working.result()
