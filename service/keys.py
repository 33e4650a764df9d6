"""API keys: made, listed, revoked and verified. A key is shown once, when it is made; only its sha256 is kept.

A key reads `fn_<8 characters>_<43 characters>`: the first part tells keys apart in lists, the second is the secret,
256 bits from the operating system's generator, so that a plain sha256 of it cannot be reversed by guessing.
A key has a role (what its holder may do) and principals (whose documents they may see); it may have an end, and
collections beside which no others exist for it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from psycopg.rows import DictRow

from retrieval.collections import check_collection_name
from retrieval.database import Database, query
from retrieval.errors import InvalidRequestError, NotFoundError
from retrieval.records import Scope
from service.identity import Identity, Role

METRICS = "role:metrics"
"""Whoever counts as this sees at /metrics what is in the index, whoever may read it. It makes no document readable."""

_ALPHABET = string.ascii_letters + string.digits
_FORM = re.compile(r"(fn_[A-Za-z0-9]{8})_[A-Za-z0-9]{43}", re.ASCII)
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key without its secret. `prefix` is how its text begins; `principals` are whom its holder counts as.

    collections: those that exist for its holder; None for all. expires_at: from then on it is refused; None for never.
    """

    id: UUID
    name: str
    prefix: str
    principals: tuple[str, ...]
    role: Role
    collections: tuple[str, ...] | None
    expires_at: datetime | None
    created_at: datetime
    last_used: datetime | None
    revoked_at: datetime | None

    @property
    def scope(self) -> Scope:
        """What the key's holder may see: what its principals may, and what is public, in its collections."""
        return Scope.of(self.principals, collections=self.collections)

    @property
    def shows_index_metrics(self) -> bool:
        return METRICS in self.principals

    @property
    def identity(self) -> Identity:
        """Whoever asks with this key."""
        return Identity(
            id=self.id,
            kind="key",
            name=self.name,
            role=self.role,
            scope=self.scope,
            prefix=self.prefix,
            shows_index_metrics=self.shows_index_metrics,
            expires_at=self.expires_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedKey:
    """A key that has just been made, with its text, which cannot be had again."""

    id: UUID
    name: str
    key: str = field(repr=False)


async def create_key(
    database: Database,
    *,
    name: str,
    principals: Sequence[str],
    role: Role = "reader",
    collections: Sequence[str] | None = None,
    expires_at: datetime | None = None,
) -> CreatedKey:
    """Make a key whose holder counts as `principals`, and as public. Raises `InvalidRequestError`.

    collections: the only ones that exist for its holder, whether there are any of these names or not yet; None for all.
    expires_at: an aware time, from which on it is refused.
    """
    prefix = f"fn_{_random(8)}"
    text = f"{prefix}_{_random(43)}"
    row = await database.fetch_one(
        query("keys.create"),
        {
            "name": _check_name(name),
            "prefix": prefix,
            "secret_hash": _hash(text, is_limited=collections is not None or expires_at is not None),
            "principals": _check_principals(principals),
            "role": role,
            "collections": _check_collections(collections),
            "expires_at": _check_end(expires_at),
        },
    )
    assert row is not None, "an insert returns its row"
    return CreatedKey(id=row["id"], name=row["name"], key=text)


async def list_keys(database: Database) -> list[ApiKey]:
    """All keys, revoked ones included, oldest first."""
    return [api_key_of(row) for row in await database.fetch_all(query("keys.list"))]


async def find_key(database: Database, key_id: UUID) -> ApiKey | None:
    """The key of that id if it is in force, else None."""
    row = await database.fetch_one(query("keys.find"), {"key_id": key_id})
    return None if row is None else api_key_of(row)


async def revoke_key(database: Database, key_id: UUID) -> ApiKey:
    """Put a key out of force: the next request with it is refused. Raises `NotFoundError`."""
    row = await database.fetch_one(query("keys.revoke"), {"key_id": key_id})
    if row is None:
        raise NotFoundError(f"there is no key {key_id}. `footnote keys list` shows all of them.")
    return api_key_of(row)


async def verify_key(database: Database, text: str) -> ApiKey | None:
    """The key with this text if it is in force, else None. Notes its use, at most once a minute."""
    form = _FORM.fullmatch(text)
    if form is None:
        return None
    for row in await database.fetch_all(query("keys.candidates"), {"prefix": form[1]}):
        given = _hash(text, is_limited=row["collections"] is not None or row["expires_at"] is not None)
        if hmac.compare_digest(given, bytes(row["secret_hash"])):
            if row["mark_used"]:
                await database.execute(query("keys.mark_used"), {"key_id": row["id"]})
            return api_key_of(row)
    return None


def _check_name(name: str) -> str:
    cleaned = name.strip()
    if not cleaned or len(cleaned) > _LONGEST_NAME or not cleaned.isprintable():
        raise InvalidRequestError(
            f"a key's name has 1 to {_LONGEST_NAME} printable characters: say whose key it is, or what for."
        )
    return cleaned


def _check_principals(principals: Sequence[str]) -> list[str]:
    for principal in principals:
        if not principal or not principal.isprintable():
            raise InvalidRequestError(
                f"{principal[:80]!r} cannot be whom a key counts as: write user:NAME or group:NAME."
            )
    return list(dict.fromkeys(principals))


def _check_collections(names: Sequence[str] | None) -> list[str] | None:
    if names is None:
        return None
    if not names:
        raise InvalidRequestError(
            "a key for no collection opens nothing. Name collections, or leave them out for all."
        )
    return list(dict.fromkeys(check_collection_name(name) for name in names))


def _check_end(expires_at: datetime | None) -> datetime | None:
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise InvalidRequestError(
            f"the key would have ended at {expires_at.isoformat()}, before it was made."
        )
    return expires_at


def key_prefix(text: str) -> str | None:
    """How a text that has the form of a key begins, which may be shown; None for any other text."""
    form = _FORM.fullmatch(text)
    return None if form is None else form[1]


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _hash(text: str, *, is_limited: bool) -> bytes:
    """The hash that is kept. That of a key with collections or an end is one that the release before does not know:
    it would take such a key for one without limits, as long as it still runs beside this one."""
    return hashlib.sha256(b"limited:" + text.encode() if is_limited else text.encode()).digest()


def api_key_of(row: DictRow) -> ApiKey:
    """The key that a row with its columns tells of."""
    return ApiKey(
        id=row["id"],
        name=row["name"],
        prefix=row["prefix"],
        principals=tuple(row["principals"]),
        role=row["role"],
        collections=None if row["collections"] is None else tuple(row["collections"]),
        expires_at=row["expires_at"],
        created_at=row["created_at"],
        last_used=row["last_used"],
        revoked_at=row["revoked_at"],
    )
