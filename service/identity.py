"""Who is asking, however they said so: what they are called, what they may do, and what they may see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from retrieval.records import Scope

Role = Literal["reader", "editor", "admin"]
"""What a caller may do: read and ask; also change what is in the index; also see to keys, audit and the service."""

ROLES: tuple[Role, ...] = ("reader", "editor", "admin")
"""From the least to the most: each may do what those before it may."""


def suffices(role: Role, needed: Role) -> bool:
    """Whether whoever has one role may do what takes the other."""
    return ROLES.index(role) >= ROLES.index(needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A caller. A role makes nothing readable: what a caller sees is what their `scope` says, whatever they may do.

    id: what is theirs is kept under it: the key's id, also in a browser that signed in with the key; made of issuer
        and subject for a token. prefix: how the key begins, where there is one.
    """

    id: UUID
    kind: Literal["key", "token", "link"]
    name: str
    role: Role
    scope: Scope
    prefix: str | None = None
    shows_index_metrics: bool = False
    expires_at: datetime | None = None
    session_id: UUID | None = None
