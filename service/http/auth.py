"""Who is asking, and whether they may: the holder of the API key in `Authorization: Bearer KEY`.

    keyed_router("documents")                      routes for everybody with a key
    keyed_router("audit", role="admin")            routes for admins alone
    @router.delete(…, dependencies=[needs("editor")])    one route that takes more than its router's others

Who lacks the role is told so (403) before anything is read or looked up, so that it is the same whether or not what
they ask for exists.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response, Security
from fastapi.params import Depends as Dependency
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection

from retrieval.database import Database
from retrieval.records import Scope
from service.http.parts import Parts
from service.http.problems import KeyMissingError, KeyRefusedError, RoleLackingError
from service.identity import ROLES, Identity, Role, suffices
from service.keys import verify_key

logger = logging.getLogger("footnote.auth")

_BEARER = HTTPBearer(
    auto_error=False, description="An API key: `footnote keys create NAME` makes one and shows it once."
)


@dataclass(frozen=True, slots=True)
class _Needed:
    """What marks a route that takes a role; `KeyedRoute` reads it, and refuses before the body is read."""

    role: Role

    def __call__(self) -> None:
        """A dependency of FastAPI's has to be called; all was settled before."""


def needs(role: Role) -> Any:
    """What a route of a `keyed_router` has among its `dependencies` if it takes this role."""
    return Depends(_Needed(role))


class KeyedRoute(APIRoute):
    """A route for holders of a key. That is settled before the body is read: strangers learn nothing of its shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        needed = _needed(self.dependencies)

        async def handle_keyed(request: Request) -> Response:
            caller = await authenticate(request)
            check_role(caller, needed)
            request.state.caller = caller
            return await handle(request)

        return handle_keyed


def _needed(dependencies: list[Dependency]) -> Role:
    """The most that is asked for by a route and its router."""
    roles = [
        dependency.dependency.role
        for dependency in dependencies
        if isinstance(dependency.dependency, _Needed)
    ]
    return max(roles, key=ROLES.index, default="reader")


def keyed_router(tag: str, *, role: Role = "reader") -> APIRouter:
    """A router all of whose routes need a key, of a holder with at least this role."""
    return APIRouter(route_class=KeyedRoute, dependencies=[Security(_BEARER), needs(role)], tags=[tag])


def check_role(caller: Identity, needed: Role) -> None:
    """Raise `RoleLackingError` unless the caller has the role, or one that may do more."""
    if not suffices(caller.role, needed):
        raise RoleLackingError(
            f"this takes the role {needed}, and '{caller.name}' is {_article(caller.role)} {caller.role}. An operator "
            f"makes a key for it with: footnote keys create NAME --role {needed}"
        )


def _article(role: Role) -> str:
    return "a" if role == "reader" else "an"


def identity_of(request: Request) -> Identity:
    """The caller of a `KeyedRoute`."""
    caller: Identity = request.state.caller
    return caller


def scope_of(request: Request) -> Scope:
    """What the caller of a `KeyedRoute` may see."""
    return identity_of(request).scope


CallersKey = Annotated[Identity, Depends(identity_of)]
Caller = Annotated[Scope, Depends(scope_of)]


async def authenticate(connection: HTTPConnection) -> Identity:
    """Who sends a request. Raises `KeyMissingError` or `KeyRefusedError`.

    The one place where that is settled, for whatever speaks HTTP: also what is mounted beside the routes asks here,
    with the request or the scope that came to the app.
    """
    parts: Parts = connection.app.state.parts
    scheme, _, text = connection.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise KeyMissingError(
            "this address needs a key in the header Authorization: Bearer KEY. An operator makes one with: "
            "footnote keys create NAME"
        )
    return await _holder(parts.footnote.database, text.strip())


async def _holder(database: Database, text: str) -> Identity:
    key = await verify_key(database, text)
    if key is None:
        logger.warning("a request with a key that is not in force was refused")
        raise KeyRefusedError(
            "the key is unknown, has been revoked, or has ended. An operator makes a new one with: footnote keys "
            "create NAME"
        )
    return key.identity
