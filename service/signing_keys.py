"""The keys that an issuer signs its tokens with, fetched from where it publishes them (a JWKS, RFC 7517).

They are kept for a time and fetched again when that is over, or when a token names one that is not among them: at most
once in `pause_s`, so that made-up names of keys are no way to have the issuer asked without end.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import httpx2
import jwt

from retrieval.errors import FootnoteError

logger = logging.getLogger("footnote.auth")

_MOST_BYTES = 1024 * 1024
_MOST_KEYS = 100
# What a key is, by the algorithm that it is for: RFC 7518 (3.1), RFC 8037.
_KINDS: Mapping[str, tuple[str, str | None]] = MappingProxyType(
    {
        **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
        "ES256": ("EC", "P-256"),
        "ES384": ("EC", "P-384"),
        "ES512": ("EC", "P-521"),
        "EdDSA": ("OKP", "Ed25519"),
    }
)


class IssuerUnavailableError(FootnoteError):
    """The issuer's keys cannot be had now: no token can be verified."""

    retryable = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fetched:
    """The keys of one fetch, as they were published."""

    keys: tuple[Mapping[str, Any], ...]
    at: float


class SigningKeys:
    """The keys published at an address. `client` belongs to whoever made it."""

    def __init__(
        self,
        url: str,
        client: httpx2.AsyncClient,
        *,
        max_age_s: float,
        pause_s: float = 10.0,
        timeout_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._client = client
        self._max_age_s = max_age_s
        self._pause_s = pause_s
        self._timeout_s = timeout_s
        self._clock = clock
        self._fetched: _Fetched | None = None
        self._failure: str | None = None
        self._tried_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def find(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        """The key of that name for that algorithm; None where the issuer has none. Without a name there has to be just
        one that it can be. Raises `IssuerUnavailableError`."""
        if self._is_fresh() and (found := self._among(kid, algorithm)) is not None:
            return found
        async with self._fetching:
            if self._clock() - self._tried_at >= self._pause_s:
                await self._fetch()
        if self._failure is not None or not self._is_fresh():
            raise IssuerUnavailableError(
                f"the keys of the tokens' issuer cannot be had, so that no token can be verified: {self._failure}. "
                "Keys of Footnote's own are taken all the same."
            )
        return self._among(kid, algorithm)

    def _is_fresh(self) -> bool:
        return self._fetched is not None and self._clock() - self._fetched.at < self._max_age_s

    def _among(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        kind, curve = _KINDS[algorithm]
        fitting = [
            key
            for key in (self._fetched.keys if self._fetched is not None else ())
            if key.get("kty") == kind
            and (curve is None or key.get("crv") == curve)
            and key.get("use", "sig") == "sig"
            and key.get("alg", algorithm) == algorithm
            and (kid is None or key.get("kid") == kid)
        ]
        if len(fitting) != 1:
            return None
        try:
            return jwt.PyJWK(dict(fitting[0]), algorithm=algorithm)
        except jwt.PyJWTError:
            logger.warning(
                "a key of the tokens' issuer cannot be read, and tokens signed with it are refused"
            )
            return None

    async def _fetch(self) -> None:
        self._tried_at = self._clock()
        try:
            async with asyncio.timeout(self._timeout_s):
                keys = await self._read()
        except (TimeoutError, httpx2.TimeoutException):
            self._failure = f"it did not answer within {self._timeout_s:g} s"
        except httpx2.HTTPError:
            self._failure = "it cannot be reached"
        except _NotKeysError as exc:
            self._failure = str(exc)
        else:
            self._failure = None
            self._fetched = _Fetched(keys=keys, at=self._clock())
            return
        logger.error("the keys at auth.jwks_url cannot be had: %s", self._failure)

    async def _read(self) -> tuple[Mapping[str, Any], ...]:
        async with self._client.stream("GET", self._url, follow_redirects=False) as response:
            if response.status_code != 200:
                raise _NotKeysError(f"it answered with status {response.status_code}")
            body = b""
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > _MOST_BYTES:
                    raise _NotKeysError(f"it sent more than {_MOST_BYTES:,} bytes")
        try:
            keys = json.loads(body)["keys"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise _NotKeysError("what it sent is no JSON Web Key Set") from None
        if not isinstance(keys, list) or len(keys) > _MOST_KEYS:
            raise _NotKeysError("what it sent is no JSON Web Key Set")
        return tuple(key for key in keys if isinstance(key, dict))


class _NotKeysError(Exception):
    """What was fetched are no keys; the message says what it is."""
