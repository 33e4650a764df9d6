"""POST /v1/session: sign in with a browser; GET: who one is, and what one may do; DELETE: sign out."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from service.http.auth import CallersKey, keyed_router, sign_in
from service.http.browsers import COOKIE, is_secure
from service.http.describing import ALWAYS, WITH_BODY, problems
from service.http.parts import PartsOf
from service.http.requests import SessionRequest
from service.http.responses.callers import SessionBody
from service.identity import Identity, suffices
from service.sessions import end_session

open_router = APIRouter(tags=["session"])
router = keyed_router("session")


@open_router.post(
    "/v1/session",
    summary="Sign in",
    response_model=SessionBody,
    responses=problems(*ALWAYS, *WITH_BODY),
)
async def begin(asked: SessionRequest, request: Request, parts: PartsOf) -> Response:
    """Exchange a key, or the secret of the one-time link that a loopback `footnote serve` prints, for a cookie.

    The cookie is HttpOnly and SameSite=Strict; requests that change something are taken with it only from pages of this
    service itself.
    """
    session, caller = await sign_in(request, key=asked.key, link=asked.link)
    response = JSONResponse(_shape(caller))
    response.set_cookie(
        COOKIE,
        session.token,
        max_age=int(parts.footnote.settings.auth.session_hours * 3600),
        path="/",
        secure=is_secure(request),
        httponly=True,
        samesite="strict",
    )
    return response


@router.get("/v1/session", summary="Who one is", response_model=SessionBody, responses=problems(*ALWAYS))
async def show(caller: CallersKey) -> JSONResponse:
    """Who the caller is and what they may do, however they say who they are: by key, token or cookie."""
    return JSONResponse(_shape(caller))


@router.delete(
    "/v1/session",
    summary="Sign out",
    status_code=204,
    responses={204: {"description": "The cookie is worth nothing any more."}, **problems(*ALWAYS)},
)
async def end(request: Request, parts: PartsOf, caller: CallersKey) -> Response:
    """End the session of the cookie. A key or token stays as it is."""
    if caller.session_id is not None:
        await end_session(parts.footnote.database, caller.session_id)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/", secure=is_secure(request), httponly=True, samesite="strict")
    return response


def _shape(caller: Identity) -> dict[str, object]:
    scope = caller.scope
    return {
        "kind": caller.kind,
        "name": caller.name,
        "role": caller.role,
        "may": {
            "read": True,
            "edit": suffices(caller.role, "editor"),
            "administer": suffices(caller.role, "admin"),
        },
        "principals": None if scope.principals is None else sorted(scope.principals),
        "collections": None if scope.collections is None else sorted(scope.collections),
        "key": caller.prefix,
        "expires_at": None if caller.expires_at is None else caller.expires_at.isoformat(),
    }
