"""Who is asking, and whether they may: by a key or an issuer's token in `Authorization: Bearer …`, or by a cookie.

    keyed_router("documents")                      routes for everybody with a key
    keyed_router("audit", role="admin")            routes for admins alone
    @router.delete(…, dependencies=[needs("editor")])    one route that takes more than its router's others

Who lacks the role is told so (403) before anything is read or looked up, so that it is the same whether or not what
they ask for exists.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response, Security
from fastapi.params import Depends as Dependency
from fastapi.routing import APIRoute
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.requests import HTTPConnection

from retrieval.errors import FootnoteError
from retrieval.records import Scope
from service.desk import Desk
from service.http.admission import admitted
from service.http.browsers import COOKIE, check_origin, is_on_this_machine, is_own_origin
from service.http.parts import Parts, parts_of
from service.http.refusals import (
    CrossOriginError,
    KeyMissingError,
    KeyRefusedError,
    LinkRefusedError,
    RoleLackingError,
)
from service.identity import ROLES, Identity, Role, suffices
from service.keys import key_prefix, verify_key
from service.sessions import BegunSession, begin_session, find_session, local_identity
from service.tokens import TokenRefusedError

_BEARER = HTTPBearer(
    auto_error=False,
    description="An API key: `footnote keys create NAME` makes one and shows it once. Or a token (JWT) of the issuer "
    "that the settings name.",
)
_COOKIE = APIKeyCookie(
    name=COOKIE, auto_error=False, description="A browser's session: POST /v1/session begins one."
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
            async with admitted(request, caller):
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
    return APIRouter(
        route_class=KeyedRoute,
        dependencies=[Security(_BEARER), Security(_COOKIE), needs(role)],
        tags=[tag],
    )


def check_role(caller: Identity, needed: Role) -> None:
    """Raise `RoleLackingError` unless the caller has the role, or one that may do more."""
    if not suffices(caller.role, needed):
        raise RoleLackingError(
            f"this takes the role {needed}, and '{caller.name}' is {_article(caller.role)} {caller.role}. An operator "
            f"makes a key for it with: footnote keys create NAME --role {needed}"
        )


def _article(role: Role) -> str:
    return "a" if role == "reader" else "an"


def key_of(request: Request) -> Identity:
    """The caller of a `KeyedRoute`."""
    caller: Identity = request.state.caller
    return caller


def scope_of(request: Request) -> Scope:
    """What the caller of a `KeyedRoute` may see."""
    return key_of(request).scope


def desk_of(request: Request) -> Desk:
    """Where the caller of a `KeyedRoute` asks for what they may see."""
    parts = parts_of(request)
    return Desk(footnote=parts.footnote, audit=parts.audit, caller=key_of(request))


CallersDesk = Annotated[Desk, Depends(desk_of)]
CallersKey = Annotated[Identity, Depends(key_of)]
Caller = Annotated[Scope, Depends(scope_of)]


async def authenticate(connection: HTTPConnection) -> Identity:
    """Who sends a request. Raises `KeyMissingError`, `KeyRefusedError`, `TokenRefusedError`, `CrossOriginError`, and
    `IssuerUnavailableError`.

    The one place where that is settled, for whatever speaks HTTP: also what is mounted beside the routes asks here,
    with the request or the scope that came to the app. Where both come, the header counts and the cookie does not.
    """
    authorization = connection.headers.get("authorization", "").strip()
    if not authorization and (cookie := connection.cookies.get(COOKIE)):
        return await _signed_in(connection, cookie)
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise KeyMissingError(
            "this address needs a key in the header Authorization: Bearer KEY. An operator makes one with: "
            "footnote keys create NAME"
        )
    return await _holder(connection, text.strip())


async def _holder(connection: HTTPConnection, text: str) -> Identity:
    """Whoever holds a key or a token."""
    parts: Parts = connection.app.state.parts
    connection.state.key_prefix = key_prefix(text)
    if connection.state.key_prefix is None and parts.tokens is not None:
        try:
            return await parts.tokens.verify(text)
        except TokenRefusedError as exc:
            raise TokenRefusedError(f"the token is not accepted: {exc}.") from exc
    key = await verify_key(parts.footnote.database, text)
    if key is None:
        raise KeyRefusedError(
            "the key is unknown, has been revoked, or has ended. An operator makes a new one with: footnote keys "
            "create NAME"
        )
    return key.identity


async def _signed_in(connection: HTTPConnection, cookie: str) -> Identity:
    """Whoever has signed in with a browser."""
    parts: Parts = connection.app.state.parts
    check_origin(connection)
    caller = await find_session(parts.footnote.database, cookie)
    if caller is None:
        raise KeyRefusedError("the session has ended. Sign in again.")
    connection.state.key_prefix = caller.prefix
    if caller.kind == "link" and not _takes_links(connection):
        raise KeyRefusedError(
            "the session of a one-time link holds on the service's own machine alone, without a proxy. Sign in with a "
            "key."
        )
    return caller


def _takes_links(connection: HTTPConnection) -> bool:
    """Whether a request reached a loopback service as such."""
    parts: Parts = connection.app.state.parts
    return parts.link is not None and is_on_this_machine(connection)


async def sign_in(request: Request, *, key: str | None, link: str | None) -> tuple[BegunSession, Identity]:
    """Begin a session with a key or with the secret of the one-time link. Raises `KeyRefusedError`,
    `LinkRefusedError`, `CrossOriginError`."""
    origin = request.headers.get("origin")
    if origin is not None and not is_own_origin(request, origin):
        raise CrossOriginError("signing in takes a page of this service itself.")
    return await (_with_link(request, link) if link is not None else _with_key(request, key or ""))


async def _with_key(request: Request, text: str) -> tuple[BegunSession, Identity]:
    parts = parts_of(request)
    request.state.key_prefix = key_prefix(text)
    key = await verify_key(parts.footnote.database, text)
    if key is None:
        raise KeyRefusedError("the key is unknown, has been revoked, or has ended.")
    session = await begin_session(
        parts.footnote.database, key_id=key.id, seconds=parts.footnote.settings.auth.session_hours * 3600
    )
    return session, key.identity


async def _with_link(request: Request, secret: str) -> tuple[BegunSession, Identity]:
    parts = parts_of(request)
    link = parts.link if _takes_links(request) else None
    if link is None or not link.take(secret):
        raise LinkRefusedError(
            "the link is not accepted: it is good once, for some minutes, and on the service's own machine alone. "
            "Start `footnote serve` anew for another, or sign in with a key."
        )
    try:
        session = await begin_session(
            parts.footnote.database, key_id=None, seconds=parts.footnote.settings.auth.session_hours * 3600
        )
    except FootnoteError:
        link.give_back()
        raise
    return session, local_identity(session.id, session.expires_at)
