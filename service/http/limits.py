"""Limits on what a request may bring."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """Refuses to read a request's body beyond `max_bytes`, whether its length was announced or not.

    except_for: requests, by method and path, that have a limit of their own.

    The refusal is raised where the body is read, so that a request that is refused for another reason never sees it.
    """

    def __init__(
        self, app: ASGIApp, *, max_bytes: int, except_for: frozenset[tuple[str, str]] = frozenset()
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._except_for = except_for

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) in self._except_for:
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        seen = 0

        async def receive_within_limit() -> Message:
            nonlocal seen
            if announced.isdecimal() and int(announced[:20]) > self._max_bytes:
                raise self._too_large()
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_bytes:
                raise self._too_large()
            return message

        await self._app(scope, receive_within_limit, send)

    def _too_large(self) -> HTTPException:
        # An HTTPException, because FastAPI takes any other one raised while it reads a body for broken JSON.
        return HTTPException(413, f"the body is larger than the {self._max_bytes:,} bytes that are accepted.")
