"""Tokens of an outside issuer: taken if they are in order, refused with a reason if anything is not."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives import serialization
from starlette.responses import RedirectResponse, Response

from retrieval.records import Scope
from service.signing_keys import IssuerUnavailableError, SigningKeys
from service.tokens import MOST_CHARACTERS, TokenPolicy, TokenRefusedError, Tokens
from tests.service.issuer import AUDIENCE, ISSUER, Issuer, an_issuer, ec_key, ed_key, published, rsa_key

POLICY = TokenPolicy(
    issuer=ISSUER,
    audience=AUDIENCE,
    algorithms=("RS256", "ES256", "EdDSA"),
    user_claim="sub",
    groups_claim="groups",
    role_claim="roles",
    editors=frozenset({"writers"}),
    admins=frozenset({"chiefs"}),
    collections_claim=None,
    leeway_s=30,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def tokens_of(
    issuer: Issuer, policy: TokenPolicy = POLICY, *, clock: Clock | None = None, timeout_s: float = 5.0
) -> AsyncIterator[Tokens]:
    async with httpx2.AsyncClient() as client:
        keys = SigningKeys(
            issuer.url, client, max_age_s=600, pause_s=10, timeout_s=timeout_s, clock=clock or time.monotonic
        )
        yield Tokens(policy, keys)


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with an_issuer() as opened:
        opened.keys = [
            published("rsa", rsa_key("first"), alg="RS256", use="sig"),
            published("ec", ec_key("first")),
            published("ed", ed_key("first")),
        ]
        yield opened


@pytest.fixture
async def tokens(issuer: Issuer) -> AsyncIterator[Tokens]:
    async with tokens_of(issuer) as opened:
        yield opened


async def refusal(tokens: Tokens, text: str) -> str:
    with pytest.raises(TokenRefusedError) as refused:
        await tokens.verify(text)
    return str(refused.value)


@pytest.mark.parametrize(
    ("kid", "key", "algorithm"), [("rsa", rsa_key, "RS256"), ("ec", ec_key, "ES256"), ("ed", ed_key, "EdDSA")]
)
async def test_a_token_in_order_says_who_it_is(
    issuer: Issuer, tokens: Tokens, kid: str, key: Any, algorithm: str
) -> None:
    text = issuer.token(key("first"), kid=kid, algorithm=algorithm, groups=["hr", "law"], exp=4_000_000_000)
    caller = await tokens.verify(text)
    assert (caller.kind, caller.name, caller.role, caller.prefix) == ("token", "ann", "reader", None)
    assert caller.scope == Scope.of(["user:ann", "group:hr", "group:law"])
    assert caller.expires_at is not None
    assert caller.expires_at.timestamp() == 4_000_000_000
    again = await tokens.verify(issuer.token(ec_key("first"), kid="ec", algorithm="ES256"))
    assert again.id == caller.id, "it is the same caller, whichever token they send"
    assert issuer.asked == 1


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({}, "reader"),
        ({"roles": ["writers"]}, "editor"),
        ({"roles": "chiefs"}, "admin"),
        ({"roles": ["writers", "chiefs"]}, "admin"),
        ({"groups": ["chiefs"], "roles": ["admin", "editor"]}, "reader"),
    ],
)
async def test_a_role_is_had_by_whoever_the_settings_name(
    issuer: Issuer, tokens: Tokens, claims: dict[str, Any], role: str
) -> None:
    assert (await tokens.verify(issuer.token(rsa_key("first"), kid="rsa", **claims))).role == role


async def test_claims_are_read_where_the_settings_say(issuer: Issuer) -> None:
    policy = replace(
        POLICY,
        user_claim="email",
        groups_claim="https://x.example/groups",
        role_claim="realm.roles",
        collections_claim="footnote",
    )
    claims: dict[str, Any] = {
        "email": "ann@x.example",
        "https://x.example/groups": "hr",
        "realm": {"roles": ["writers"]},
    }
    async with tokens_of(issuer, policy) as tokens:
        caller = await tokens.verify(
            issuer.token(rsa_key("first"), kid="rsa", footnote=["hr", "No!"], **claims)
        )
        assert caller.name == "ann@x.example"
        assert caller.role == "editor"
        assert caller.scope == Scope.of(["user:ann@x.example", "group:hr"], collections=["hr"])
        without = await tokens.verify(issuer.token(rsa_key("first"), kid="rsa", **claims))
        assert without.scope.collections == frozenset(), "whoever is given no collections has none"


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": "other"}, "another audience"),
        ({"aud": ["other", "more"]}, "another audience"),
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"exp": int(time.time()) - 60}, "expired"),
        ({"nbf": int(time.time()) + 10**6}, "not valid yet"),
        ({"iat": int(time.time()) + 10**6}, "not valid yet"),
        ({"sub": ""}, "no name"),
        ({"sub": "a\nb"}, "no name"),
        ({"sub": "a" * 201}, "no name"),
        ({"groups": [{"a": 1}]}, "no name"),
        ({"groups": ["g"] * 501}, "more than 500"),
        ({"exp": 10**30}, "beyond all times"),
    ],
)
async def test_a_token_whose_claims_are_not_in_order_is_refused(
    issuer: Issuer, tokens: Tokens, claims: dict[str, Any], reason: str
) -> None:
    assert reason in await refusal(tokens, issuer.token(rsa_key("first"), kid="rsa", **claims))


@pytest.mark.parametrize("name", ["exp", "iss", "aud", "sub"])
async def test_a_token_without_what_is_required_is_refused(issuer: Issuer, tokens: Tokens, name: str) -> None:
    assert name in await refusal(tokens, issuer.token(rsa_key("first"), kid="rsa", drop=(name,)))


async def test_clocks_may_differ_by_as_much_as_the_settings_say(issuer: Issuer, tokens: Tokens) -> None:
    now = int(time.time())
    await tokens.verify(issuer.token(rsa_key("first"), kid="rsa", exp=now - 10, nbf=now + 10, iat=now + 10))


def _part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def test_a_token_signed_with_nothing_or_with_the_public_key_as_a_secret_is_refused(
    issuer: Issuer, tokens: Tokens
) -> None:
    payload = _part({"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": int(time.time()) + 600})
    for name in ("none", "None", "NONE", ""):
        unsigned = f"{_part({'alg': name, 'kid': 'rsa'})}.{payload}."
        assert "not signed with one of" in await refusal(tokens, unsigned)
    pem = (
        rsa_key("first")
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    signed = f"{_part({'alg': 'HS256', 'kid': 'rsa'})}.{payload}"
    mac = hmac.new(pem, signed.encode(), hashlib.sha256).digest()
    assert "not signed with one of" in await refusal(tokens, f"{signed}.{_part(mac)}")


async def test_a_signature_of_another_key_or_over_another_text_is_refused(
    issuer: Issuer, tokens: Tokens
) -> None:
    assert "signature" in await refusal(tokens, issuer.token(rsa_key("other"), kid="rsa"))
    head, _, tail = issuer.token(rsa_key("first"), kid="rsa").split(".")
    payload = _part({"iss": ISSUER, "aud": AUDIENCE, "sub": "eve", "exp": int(time.time()) + 600})
    assert "signature" in await refusal(tokens, f"{head}.{payload}.{tail}")


async def test_a_key_is_good_for_its_own_algorithm_alone(issuer: Issuer, tokens: Tokens) -> None:
    assert "no such key" in await refusal(tokens, issuer.token(ec_key("first"), kid="rsa", algorithm="ES256"))
    issuer.keys = [published("rsa", rsa_key("first"), use="enc")]
    async with tokens_of(issuer) as others:
        assert "no such key" in await refusal(others, issuer.token(rsa_key("first"), kid="rsa"))
    issuer.keys = [published("rsa", rsa_key("first"), alg="PS256")]
    async with tokens_of(issuer) as others:
        assert "no such key" in await refusal(others, issuer.token(rsa_key("first"), kid="rsa"))


async def test_a_key_too_short_to_be_safe_is_not_taken(issuer: Issuer) -> None:
    issuer.keys = [published("short", rsa_key("short", 1024))]
    async with tokens_of(issuer) as tokens:
        with pytest.warns(UserWarning, match="below the minimum"):
            text = issuer.token(rsa_key("short", 1024), kid="short")
        assert "cannot be verified" in await refusal(tokens, text)


async def test_a_token_without_a_name_of_a_key_needs_just_one_that_it_can_be(issuer: Issuer) -> None:
    async with tokens_of(issuer) as tokens:
        await tokens.verify(issuer.token(rsa_key("first"), kid=None))
    issuer.keys += [published("more", rsa_key("second"))]
    async with tokens_of(issuer) as tokens:
        assert "no such key" in await refusal(tokens, issuer.token(rsa_key("first"), kid=None))


@pytest.mark.parametrize(
    "text", ["a.b.c", "..", "a" * 100, "\u00e9.\u00e9.\u00e9", "e30.e30.e30", "[" * 5000]
)
async def test_what_is_no_token_is_refused_without_asking_the_issuer(
    issuer: Issuer, tokens: Tokens, text: str
) -> None:
    await refusal(tokens, text)
    assert issuer.asked == 0


async def test_a_huge_token_is_refused_unread(issuer: Issuer, tokens: Tokens) -> None:
    text = issuer.token(rsa_key("first"), kid="rsa", more="a" * MOST_CHARACTERS)
    assert "more than 8,192 characters" in await refusal(tokens, text)
    assert issuer.asked == 0


async def test_an_extension_that_is_critical_and_not_known_is_refused(issuer: Issuer, tokens: Tokens) -> None:
    head = _part({"alg": "RS256", "kid": "rsa", "crit": ["x"], "x": 1})
    _, payload, tail = issuer.token(rsa_key("first"), kid="rsa").split(".")
    await refusal(tokens, f"{head}.{payload}.{tail}")


async def test_a_new_key_is_found_and_made_up_names_do_not_have_the_issuer_asked_without_end(
    issuer: Issuer,
) -> None:
    clock = Clock()
    async with tokens_of(issuer, clock=clock) as tokens:
        await tokens.verify(issuer.token(rsa_key("first"), kid="rsa"))
        issuer.keys = [published("new", rsa_key("second"))]
        rotated = issuer.token(rsa_key("second"), kid="new")
        assert "no such key" in await refusal(tokens, rotated), "it was asked just now"
        clock.now += 10
        await tokens.verify(rotated)
        assert issuer.asked == 2
        made_up = [issuer.token(rsa_key("second"), kid=f"made-up-{number}") for number in range(20)]
        clock.now += 10
        await asyncio.gather(*(refusal(tokens, text) for text in made_up))
        assert issuer.asked == 3
        assert "no such key" in await refusal(tokens, issuer.token(rsa_key("first"), kid="rsa")), (
            "it was withdrawn"
        )


async def test_many_tokens_at_once_have_the_keys_fetched_once(issuer: Issuer, tokens: Tokens) -> None:
    text = issuer.token(rsa_key("first"), kid="rsa")
    await asyncio.gather(*(tokens.verify(text) for _ in range(20)))
    assert issuer.asked == 1


@pytest.mark.parametrize(
    "answer",
    [
        lambda: Response(status_code=500),
        lambda: Response("not JSON"),
        lambda: Response("[]"),
        lambda: Response('{"keys": 1}'),
        lambda: Response("[" * 100_000),
        lambda: Response(b" " * (1024 * 1024 + 1)),
        lambda: RedirectResponse("http://127.0.0.1:9/"),
    ],
)
async def test_where_the_keys_cannot_be_had_no_token_is_taken_and_the_reason_is_told(
    issuer: Issuer, answer: Any
) -> None:
    clock = Clock()
    async with tokens_of(issuer, clock=clock) as tokens:
        text = issuer.token(rsa_key("first"), kid="rsa")
        issuer.answer = answer
        for _ in range(2):
            with pytest.raises(IssuerUnavailableError, match="cannot be had"):
                await tokens.verify(text)
        assert issuer.asked == 1, "nor is it asked again at once"
        issuer.answer = None
        clock.now += 10
        await tokens.verify(text)


async def test_known_keys_outlast_a_short_absence_of_the_issuer_but_not_a_long_one(issuer: Issuer) -> None:
    clock = Clock()
    async with tokens_of(issuer, clock=clock) as tokens:
        text = issuer.token(rsa_key("first"), kid="rsa")
        await tokens.verify(text)
        issuer.answer = lambda: Response(status_code=503)
        clock.now += 599
        await tokens.verify(text)
        with pytest.raises(IssuerUnavailableError):
            await tokens.verify(issuer.token(rsa_key("first"), kid="unknown"))
        await tokens.verify(text)
        clock.now += 1
        with pytest.raises(IssuerUnavailableError):
            await tokens.verify(text)


async def test_an_issuer_that_is_not_there_is_told_of(issuer: Issuer) -> None:
    gone = replace_url(issuer, "http://127.0.0.1:9/keys")
    async with tokens_of(gone) as tokens:
        with pytest.raises(IssuerUnavailableError, match="cannot be reached"):
            await tokens.verify(issuer.token(rsa_key("first"), kid="rsa"))


def replace_url(issuer: Issuer, url: str) -> Issuer:
    return Issuer(url=url, keys=issuer.keys)
