"""POST /mcp: the Model Context Protocol, streamable HTTP. Needs a key like all else."""

from __future__ import annotations

import asyncio

from fastapi import Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from service.http.auth import keyed_router
from service.http.origins import check_place
from service.http.parts import Parts, PartsOf
from service.http.presence import nobody_there, until_gone

router = keyed_router("mcp")


@router.post("/mcp", include_in_schema=False)  # it speaks JSON-RPC, which OpenAPI does not describe
async def exchange(request: Request, parts: PartsOf) -> Response:
    """Answer a message, whole or as a stream of events. There are no sessions, so GET and DELETE are not taken."""
    check_place(request)
    try:
        body = await request.body()
    except ClientDisconnect:
        return nobody_there()
    return _Exchange(parts, body)


class _Exchange(Response):
    """Has the MCP server answer, which is work as any other request's. Whoever leaves has it cancelled."""

    def __init__(self, parts: Parts, body: bytes) -> None:
        super().__init__()
        self._parts = parts
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._parts.crowd.joined():  # the route's own place was given back with this response
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.Event()
        unread: list[Message] = [{"type": "http.request", "body": self._body, "more_body": False}]

        async def receive_again() -> Message:
            if unread:
                return unread.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def answer() -> None:
            await self._parts.mcp(scope, receive_again, send)

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
