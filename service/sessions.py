"""Sessions: a browser that has signed in, with a key or through the one-time link of a loopback `footnote serve`.

A session is known by a cookie, of which only the sha256 is kept. It ends with its time, by signing out, and with the
key that it was begun with.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from retrieval.database import Database, query
from retrieval.records import Scope
from service.identity import Identity
from service.keys import api_key_of

_BYTES = 32
_LONGEST = 200
"""Of a cookie or a link that is looked at at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunSession:
    """A session that has just begun, with its cookie's value, which cannot be had again."""

    id: UUID
    expires_at: datetime
    token: str = field(repr=False)


async def begin_session(database: Database, *, key_id: UUID | None, seconds: float) -> BegunSession:
    """Sign a browser in with a key, or, without one, as whoever holds the machine."""
    token = secrets.token_urlsafe(_BYTES)
    row = await database.fetch_one(
        query("sessions.begin"), {"token_hash": _hash(token), "key_id": key_id, "seconds": seconds}
    )
    assert row is not None, "an insert returns its row"
    return BegunSession(id=row["id"], expires_at=row["expires_at"], token=token)


async def find_session(database: Database, token: str) -> Identity | None:
    """Who has signed in with this cookie, if they still are."""
    if len(token) > _LONGEST:
        return None
    row = await database.fetch_one(query("sessions.find"), {"token_hash": _hash(token)})
    if row is None:
        return None
    if row["key_id"] is None:
        return local_identity(row["session_id"], row["session_expires_at"])
    return replace(
        api_key_of(row).identity, session_id=row["session_id"], expires_at=row["session_expires_at"]
    )


async def end_session(database: Database, session_id: UUID) -> None:
    """Sign a browser out; one that already is stays so."""
    await database.execute(query("sessions.end"), {"session_id": session_id})


def local_identity(session_id: UUID, expires_at: datetime) -> Identity:
    """Whoever came through the one-time link: they hold the machine, and see and do all."""
    return Identity(
        id=session_id,
        kind="link",
        name="this machine",
        role="admin",
        scope=Scope.everything(),
        shows_index_metrics=True,
        expires_at=expires_at,
        session_id=session_id,
    )


class OneTimeLink:
    """The secret of a link, good once and for a time."""

    def __init__(self, *, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.token = secrets.token_urlsafe(_BYTES)
        self._clock = clock
        self._ends_at = clock() + seconds
        self._is_used = False

    def take(self, token: str) -> bool:
        """Whether it is the secret, in time and for the first time; it is used up then."""
        is_right = hmac.compare_digest(_hash(token[:_LONGEST]), _hash(self.token))
        if not is_right or self._is_used or self._clock() >= self._ends_at:
            return False
        self._is_used = True
        return True

    def give_back(self) -> None:
        """What it was taken for did not come about."""
        self._is_used = False


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "backslashreplace")).digest()
