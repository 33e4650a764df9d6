"""Owners of jobs: who asked, and what they may see when it is answered or shown, which is not what it was before.

A key is looked up again. A browser that came in by the one-time link has to be signed in still. A token of an outside
issuer cannot be asked for again: what it said holds for as long as it said.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from retrieval.database import Database, query
from retrieval.records import Scope
from service.identity import Identity
from service.keys import find_key
from service.sessions import local_identity


def owner_as_json(owner: Identity) -> dict[str, Any]:
    """What has to be kept of an owner."""
    kept: dict[str, Any] = {"kind": owner.kind}
    if owner.kind == "token":
        scope = owner.scope
        kept |= {
            "name": owner.name,
            "role": owner.role,
            "principals": sorted(scope.principals or ()),
            "collections": None if scope.collections is None else sorted(scope.collections),
            "expires_at": None if owner.expires_at is None else owner.expires_at.isoformat(),
        }
    return kept


async def owner_now(database: Database, owner_id: UUID, kept: Mapping[str, Any]) -> Identity | None:
    """An owner as they are now; None for one who would not be let in any more."""
    match kept["kind"]:
        case "key":
            key = await find_key(database, owner_id)
            return None if key is None else key.identity
        case "link":
            row = await database.fetch_one(query("jobs.session"), {"session_id": owner_id})
            return None if row is None else local_identity(owner_id, row["expires_at"])
        case _:
            return _token_owner(owner_id, kept)


def _token_owner(owner_id: UUID, kept: Mapping[str, Any]) -> Identity | None:
    ends = None if kept["expires_at"] is None else datetime.fromisoformat(kept["expires_at"])
    if ends is not None and ends <= datetime.now(UTC):
        return None
    return Identity(
        id=owner_id,
        kind="token",
        name=kept["name"],
        role=kept["role"],
        scope=Scope.of(kept["principals"], collections=kept["collections"]),
        expires_at=ends,
    )
