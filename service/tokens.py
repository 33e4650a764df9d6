"""Tokens of an outside issuer (JWT, RFC 7519; RFC 8725 for what to beware of): verified, and read for who it is.

Only asymmetric algorithms, only those that the settings name; the issuer, the audience and an end are required.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt

from retrieval.collections import NAME
from retrieval.errors import FootnoteError
from retrieval.records import Scope
from service.identity import Identity, Role
from service.signing_keys import SigningKeys

MOST_CHARACTERS = 8_192
_MOST_VALUES = 500
_LONGEST_VALUE = 200
_CALLERS = uuid.UUID("c1f7a5c2-8a0e-4a55-9d0a-6c5d1ce3a4b7")


class TokenRefusedError(FootnoteError):
    """A token is not accepted. The message says why; nothing of the token is in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPolicy:
    """What is accepted, and what the claims mean.

    user_claim: its value NAME counts as user:NAME. groups_claim: its values as group:NAME.
    role_claim: who has one of `editors` or `admins` among its values has that role; others are readers.
    collections_claim: names of the only collections that exist for the caller; None where all do.
    leeway_s: by how much the clocks may differ.
    """

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    user_claim: str
    groups_claim: str
    role_claim: str
    editors: frozenset[str]
    admins: frozenset[str]
    collections_claim: str | None
    leeway_s: float


class Tokens:
    """Verifies tokens."""

    def __init__(self, policy: TokenPolicy, keys: SigningKeys) -> None:
        self._policy = policy
        self._keys = keys

    async def verify(self, text: str) -> Identity:
        """Whose token it is. Raises `TokenRefusedError`, and `IssuerUnavailableError` where the keys cannot be had."""
        kid, algorithm = self._header(text)
        key = await self._keys.find(kid, algorithm)
        if key is None:
            raise TokenRefusedError("its issuer has no such key, or none of its kind")
        return self._identity(self._claims(text, key, algorithm))

    def _header(self, text: str) -> tuple[str | None, str]:
        """The key's name and the algorithm that the token claims to be signed with, which is one of those accepted."""
        if len(text) > MOST_CHARACTERS:
            raise TokenRefusedError(f"it has more than {MOST_CHARACTERS:,} characters")
        try:
            header = jwt.get_unverified_header(text)
        except (jwt.PyJWTError, ValueError, RecursionError) as exc:
            raise TokenRefusedError("it is not a token that can be read") from exc
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in self._policy.algorithms:
            raise TokenRefusedError(
                f"it is not signed with one of {', '.join(self._policy.algorithms)}, which are accepted"
            )
        return kid, algorithm

    def _claims(self, text: str, key: jwt.PyJWK, algorithm: str) -> Mapping[str, Any]:
        try:
            claims: Mapping[str, Any] = jwt.decode(
                text,
                key,
                algorithms=[algorithm],
                issuer=self._policy.issuer,
                audience=self._policy.audience,
                leeway=self._policy.leeway_s,
                options={"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True},
            )
        except jwt.ExpiredSignatureError as exc:
            raise TokenRefusedError("it has expired") from exc
        except jwt.ImmatureSignatureError as exc:
            raise TokenRefusedError("it is not valid yet") from exc
        except jwt.InvalidAudienceError as exc:
            raise TokenRefusedError("it is for another audience") from exc
        except jwt.InvalidIssuerError as exc:
            raise TokenRefusedError("it is from another issuer") from exc
        except jwt.MissingRequiredClaimError as exc:
            raise TokenRefusedError(f"it lacks the claim {exc.claim}") from exc
        except jwt.InvalidSignatureError as exc:
            raise TokenRefusedError("its signature does not fit") from exc
        except (jwt.PyJWTError, ValueError, RecursionError) as exc:
            raise TokenRefusedError("it cannot be verified") from exc
        return claims

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        policy = self._policy
        user = _values(claims, policy.user_claim)
        if len(user) != 1:
            raise TokenRefusedError(f"its claim {policy.user_claim} does not say who it is")
        principals = [f"user:{user[0]}", *(f"group:{name}" for name in _values(claims, policy.groups_claim))]
        return Identity(
            id=uuid.uuid5(_CALLERS, f"{policy.issuer}\n{user[0]}"),
            kind="token",
            name=user[0],
            role=self._role({*_values(claims, policy.role_claim)}),
            scope=Scope.of(principals, collections=self._collections(claims)),
            expires_at=_end(claims),
        )

    def _role(self, values: set[str]) -> Role:
        if values & self._policy.admins:
            return "admin"
        return "editor" if values & self._policy.editors else "reader"

    def _collections(self, claims: Mapping[str, Any]) -> list[str] | None:
        """None for all; a token without the claim has none."""
        if self._policy.collections_claim is None:
            return None
        return [name for name in _values(claims, self._policy.collections_claim) if NAME.fullmatch(name)]


def _end(claims: Mapping[str, Any]) -> datetime:
    try:
        return datetime.fromtimestamp(int(claims["exp"]), UTC)
    except (OverflowError, OSError, ValueError) as exc:
        raise TokenRefusedError("its end lies beyond all times") from exc


def _values(claims: Mapping[str, Any], name: str) -> list[str]:
    """The texts that a claim holds, one or a list; `a.b` is b within a, unless a claim has just that name."""
    found: Any = claims.get(name)
    if found is None and "." in name:
        found = claims
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    values = [] if found is None else found if isinstance(found, list) else [found]
    if len(values) > _MOST_VALUES:
        raise TokenRefusedError(f"its claim {name} has more than {_MOST_VALUES} values")
    for value in values:
        if (
            not isinstance(value, str)
            or not value.strip()
            or len(value) > _LONGEST_VALUE
            or not value.isprintable()
        ):
            raise TokenRefusedError(f"its claim {name} holds something that is no name")
    return values
