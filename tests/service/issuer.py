"""An issuer of tokens for the tests: real keys, published at a port of this machine."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.service.http.wire import Wire

ISSUER = "https://login.example"
AUDIENCE = "footnote"


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key of that name: making one takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def ed_key(name: str) -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def published(kid: str, key: Any, **more: str) -> dict[str, Any]:
    """The public half of a key, as a JWKS holds it."""
    algorithm: Any = jwt.algorithms.OKPAlgorithm
    if isinstance(key, rsa.RSAPrivateKey):
        algorithm = jwt.algorithms.RSAAlgorithm
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        algorithm = jwt.algorithms.ECAlgorithm
    return {**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, **more}


@dataclass(slots=True, kw_only=True)
class Issuer:
    """What is published at `url`, and how often it was asked for."""

    url: str = ""
    keys: list[dict[str, Any]] = field(default_factory=list)
    answer: Callable[[], Response] | None = None
    asked: int = 0

    def token(
        self,
        key: Any,
        *,
        kid: str | None,
        algorithm: str = "RS256",
        drop: tuple[str, ...] = (),
        **claims: Any,
    ) -> str:
        """A token that is in order but for what is said."""
        whole = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "ann",
            "exp": int(time.time()) + 600,
            **claims,
        }
        said = {name: value for name, value in whole.items() if name not in drop}
        return jwt.encode(said, key, algorithm=algorithm, headers=None if kid is None else {"kid": kid})


@asynccontextmanager
async def an_issuer() -> AsyncIterator[Issuer]:
    issuer = Issuer()

    async def publish(_: Request) -> Response:
        issuer.asked += 1
        if issuer.answer is not None:
            return issuer.answer()
        return Response(json.dumps({"keys": issuer.keys}), media_type="application/json")

    app = Starlette(routes=[Route("/keys", publish)])
    async with Wire(uvicorn.Config(app, log_config=None)).running() as address:
        issuer.url = f"{address}/keys"
        yield issuer
