"""Admission: whether a caller who may ask may ask now: their limits first, then whether the process has room.

In that order, since a caller who is refused by a limit is not to be told to come back in a second. Both come before the
body is read, and cost one statement.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import HTTPConnection

from service.http.parts import Parts
from service.identity import Identity
from service.limits import LimitReachedError


@asynccontextmanager
async def admitted(connection: HTTPConnection, caller: Identity) -> AsyncIterator[None]:
    """Let a request in, for as long as it is worked on. Raises `LimitReachedError` and `OverloadedError`.

    What is left of the caller's limits goes into the response's headers, whatever it will be (`service.http.envelope`).
    """
    parts: Parts = connection.app.state.parts
    try:
        connection.state.standing = await parts.footnote.quotas.count_request(caller.id)
    except LimitReachedError as exc:
        connection.state.standing = exc.standing
        raise
    with parts.crowd.joined():
        yield
