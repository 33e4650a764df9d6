"""API keys: made, listed, revoked and verified. A key is shown once, when it is made; only its sha256 is kept.

A key reads `fn_<8 characters>_<43 characters>`: the first part tells keys apart in lists, the second is the secret,
256 bits from the operating system's generator, so that a plain sha256 of it cannot be reversed by guessing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from psycopg.rows import DictRow

from retrieval.database import Database, query
from retrieval.errors import InvalidRequestError, NotFoundError
from retrieval.records import Scope

METRICS = "role:metrics"
"""Whoever counts as this sees at /metrics what is in the index, whoever may read it. It makes no document readable."""

_ALPHABET = string.ascii_letters + string.digits
_FORM = re.compile(r"(fn_[A-Za-z0-9]{8})_[A-Za-z0-9]{43}", re.ASCII)
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key without its secret. `prefix` is how its text begins; `principals` are whom its holder counts as."""

    id: UUID
    name: str
    prefix: str
    principals: tuple[str, ...]
    created_at: datetime
    last_used: datetime | None
    revoked_at: datetime | None

    @property
    def scope(self) -> Scope:
        """What the key's holder may see: what its principals may, and what is public."""
        return Scope.of(self.principals)

    @property
    def shows_index_metrics(self) -> bool:
        return METRICS in self.principals


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedKey:
    """A key that has just been made, with its text, which cannot be had again."""

    id: UUID
    name: str
    key: str = field(repr=False)


async def create_key(database: Database, *, name: str, principals: Sequence[str]) -> CreatedKey:
    """Make a key whose holder counts as `principals`, and as public. Raises `InvalidRequestError`."""
    prefix = f"fn_{_random(8)}"
    text = f"{prefix}_{_random(43)}"
    row = await database.fetch_one(
        query("keys.create"),
        {
            "name": _check_name(name),
            "prefix": prefix,
            "secret_hash": _hash(text),
            "principals": _check_principals(principals),
        },
    )
    assert row is not None, "an insert returns its row"
    return CreatedKey(id=row["id"], name=row["name"], key=text)


async def list_keys(database: Database) -> list[ApiKey]:
    """All keys, revoked ones included, oldest first."""
    return [_api_key(row) for row in await database.fetch_all(query("keys.list"))]


async def revoke_key(database: Database, key_id: UUID) -> ApiKey:
    """Put a key out of force: the next request with it is refused. Raises `NotFoundError`."""
    row = await database.fetch_one(query("keys.revoke"), {"key_id": key_id})
    if row is None:
        raise NotFoundError(f"there is no key {key_id}. `footnote keys list` shows all of them.")
    return _api_key(row)


async def verify_key(database: Database, text: str) -> ApiKey | None:
    """The key with this text if it is in force, else None. Notes its use, at most once a minute."""
    form = _FORM.fullmatch(text)
    if form is None:
        return None
    given = _hash(text)
    for row in await database.fetch_all(query("keys.candidates"), {"prefix": form[1]}):
        if hmac.compare_digest(given, bytes(row["secret_hash"])):
            if row["mark_used"]:
                await database.execute(query("keys.mark_used"), {"key_id": row["id"]})
            return _api_key(row)
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


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _api_key(row: DictRow) -> ApiKey:
    return ApiKey(
        id=row["id"],
        name=row["name"],
        prefix=row["prefix"],
        principals=tuple(row["principals"]),
        created_at=row["created_at"],
        last_used=row["last_used"],
        revoked_at=row["revoked_at"],
    )
