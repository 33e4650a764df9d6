"""Limits on what a request may bring."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """Refuses to read a request's body beyond `max_bytes`, whether its length was announced or not, and to wait for it
    longer than `max_s`: whoever sends none of it takes the place of others meanwhile.

    except_for: requests, by method and path, that have limits of their own.

    The refusal is raised where the body is read, so that a request that is refused for another reason never sees it.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: int,
        max_s: float,
        except_for: frozenset[tuple[str, str]] = frozenset(),
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_s = max_s
        self._except_for = except_for

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) in self._except_for:
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        seen, is_whole = 0, False
        ends_at: float | None = None

        async def receive_within_limits() -> Message:
            nonlocal seen, is_whole, ends_at
            if is_whole:  # what comes now is that the sender has left, whenever that is
                return await receive()
            if announced.isdecimal() and int(announced[:20]) > self._max_bytes:
                raise self._too_large()
            ends_at = ends_at or asyncio.get_running_loop().time() + self._max_s
            try:
                async with asyncio.timeout_at(ends_at):
                    message = await receive()
            except TimeoutError as exc:
                raise self._too_slow() from exc
            seen += len(message.get("body", b""))
            if seen > self._max_bytes:
                raise self._too_large()
            is_whole = not message.get("more_body", False)
            return message

        await self._app(scope, receive_within_limits, send)

    # HTTPExceptions, because FastAPI takes any other one raised while it reads a body for broken JSON.

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"the body is larger than the {self._max_bytes:,} bytes that are accepted.")

    def _too_slow(self) -> HTTPException:
        return HTTPException(408, f"the body was not whole after {self._max_s:g} s. Send it again, at once.")
