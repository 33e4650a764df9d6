"""Who is asking: the holder of the API key in `Authorization: Bearer KEY`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from retrieval.database import Database
from retrieval.records import Scope
from service.http.parts import parts_of
from service.http.problems import KeyMissingError, KeyRefusedError
from service.keys import ApiKey, verify_key

logger = logging.getLogger("footnote.auth")

_BEARER = HTTPBearer(
    auto_error=False, description="An API key: `footnote keys create NAME` makes one and shows it once."
)


class KeyedRoute(APIRoute):
    """A route for holders of a key. That is settled before the body is read: strangers learn nothing of its shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_keyed(request: Request) -> Response:
            database = parts_of(request).footnote.database
            request.state.key = await authenticate(database, request.headers.get("authorization"))
            request.state.key_prefix = request.state.key.prefix
            return await handle(request)

        return handle_keyed


def keyed_router(tag: str) -> APIRouter:
    """A router all of whose routes need a key."""
    return APIRouter(route_class=KeyedRoute, dependencies=[Security(_BEARER)], tags=[tag])


def key_of(request: Request) -> ApiKey:
    """The key of the caller of a `KeyedRoute`."""
    key: ApiKey = request.state.key
    return key


def caller_of(request: Request) -> Scope:
    """What the caller of a `KeyedRoute` may see."""
    return key_of(request).scope


CallersKey = Annotated[ApiKey, Depends(key_of)]
Caller = Annotated[Scope, Depends(caller_of)]


async def authenticate(database: Database, authorization: str | None) -> ApiKey:
    """The key in force that an Authorization header holds. Raises `KeyMissingError` or `KeyRefusedError`."""
    scheme, _, text = (authorization or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise KeyMissingError(
            "this address needs a key in the header Authorization: Bearer KEY. An operator makes one with: "
            "footnote keys create NAME"
        )
    key = await verify_key(database, text.strip())
    if key is None:
        logger.warning("a request with a key that is not in force was refused")
        raise KeyRefusedError(
            "the key is unknown or has been revoked. An operator makes a new one with: footnote keys create NAME"
        )
    return key
