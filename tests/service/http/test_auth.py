"""Who gets in: holders of a key in force."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from itertools import product
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import Response

from retrieval.database import Database, query
from service.footnote import Footnote
from service.http.auth import CallersKey, keyed_router, needs
from service.http.chat_errors import speaks_openai
from service.http.crowd import Crowd
from service.http.problems import install_problems
from service.identity import ROLES, Role
from service.keys import METRICS, create_key, revoke_key, verify_key
from service.limits import Limits
from service.quotas import Quotas
from service.sections import AuthSettings
from tests.service.http.conftest import House, add_document, open_house, unopened_app
from tests.service.issuer import AUDIENCE, ISSUER, an_issuer, ec_key, published

_OPEN = {("POST", "/v1/session")}
_ID = "0d9f6d52-6a3f-4a53-8c6b-2f1f3c2f7a10"


def _operations() -> dict[tuple[str, str], bool]:
    """All that is under /v1, and whether its description says that it needs a key."""
    paths = unopened_app().openapi()["paths"]
    return {
        (method.upper(), path): bool(operation.get("security"))
        for path, methods in paths.items()
        for method, operation in methods.items()
        if path.startswith("/v1")
    }


def _keyed() -> list[tuple[str, str]]:
    return [(method, re.sub(r"\{\w+\}", _ID, path)) for method, path in _operations().keys() - _OPEN]


def test_every_address_under_v1_needs_a_key() -> None:
    operations = _operations()
    assert len(operations) > 30
    assert {operation for operation, is_keyed in operations.items() if not is_keyed} == _OPEN


async def test_without_a_key_it_is_401_whatever_else_was_sent(house: House) -> None:
    for (method, path), sent in product(_keyed(), ("", "Basic YTpi", "Bearer", "Bearer  ")):
        headers = {"Authorization": sent, "Content-Type": "application/json"}
        response = await house.client.request(method, path, headers=headers, content=b"{broken")
        assert response.status_code == 401, (method, path, sent)
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="footnote"'
        if speaks_openai(path):
            assert response.json()["error"]["code"] == "invalid_api_key"
            continue
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["type"] == "urn:footnote:problem:key-missing"


async def test_a_key_that_was_never_made_is_401(house: House) -> None:
    for sent in ("xyz", "fn_aaaaaaaa_" + "a" * 43, "fn_\x01", "\xff", "a" * 5000):
        headers = [(b"Authorization", f"Bearer {sent}".encode("latin-1"))]
        response = await house.client.get("/v1/documents", headers=headers)
        assert response.status_code == 401, sent
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="footnote", error="invalid_token"'
        assert response.json()["type"] == "urn:footnote:problem:key-refused"
        assert sent not in response.text


async def test_a_revoked_key_is_refused_at_once(house: House) -> None:
    await house.add("a.txt", "One.")
    assert (await house.client.get("/v1/documents")).status_code == 200
    key = await verify_key(house.footnote.database, house.key)
    assert key is not None
    await revoke_key(house.footnote.database, key.id)
    assert (await house.client.get("/v1/documents")).status_code == 401


async def test_the_scheme_may_be_written_in_any_case(house: House) -> None:
    await house.add("a.txt", "One.")
    response = await house.client.get("/v1/documents", headers={"Authorization": f"bEARER  {house.key} "})
    assert response.status_code == 200


def app_with_roles(database: Database) -> FastAPI:
    """An app of routes for each role, by the router's and by the route's own word."""
    app = FastAPI()
    quotas = Quotas(database=database, limits=Limits())
    app.state.parts = SimpleNamespace(
        footnote=SimpleNamespace(database=database, quotas=quotas), tokens=None, crowd=Crowd(10)
    )
    for role in ROLES:
        router = keyed_router("tests", role=role)

        @router.post(f"/router/{role}")
        async def by_router(body: dict[str, int], caller: CallersKey) -> str:
            return caller.role

        app.include_router(router)
    mixed = keyed_router("tests")
    for role in ROLES:

        @mixed.post(f"/route/{role}", dependencies=[needs(role)])
        async def by_route(body: dict[str, int], caller: CallersKey) -> str:
            return caller.role

    app.include_router(mixed)
    install_problems(app)
    return app


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_may_do_what_lesser_roles_may_and_is_told_what_else_takes(
    database: Database, role: Role
) -> None:
    key = (await create_key(database, name="Ann's", principals=[], role=role)).key
    transport = httpx.ASGITransport(app=app_with_roles(database))
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://x", headers=headers) as client:
        for way, needed in product(("router", "route"), ROLES):
            good = await client.post(f"/{way}/{needed}", json={"a": 1})
            broken = await client.post(
                f"/{way}/{needed}", content=b"{broken", headers={"Content-Type": "application/json"}
            )
            if ROLES.index(role) >= ROLES.index(needed):
                assert (good.status_code, good.json()) == (200, role)
                assert broken.status_code == 400
            else:
                assert good.status_code == broken.status_code == 403
                assert good.headers["content-type"] == "application/problem+json"
                problem = good.json()
                assert problem["type"] == "urn:footnote:problem:role-lacking"
                assert f"takes the role {needed}" in problem["detail"]
                assert problem["detail"] == broken.json()["detail"]


async def test_collections_that_a_key_was_not_made_for_do_not_exist_for_it(house: House) -> None:
    mine = await house.add("a.txt", "Cats sleep.", collection="mine")
    other = await house.add("b.txt", "Cats sleep.", collection="other")
    headers = await house.client_as(collections=["mine", "none"])

    async def ask(method: str, url: str, body: object = None) -> tuple[int, str]:
        response = await house.client.request(
            method, url, json=body, headers={**headers, "X-Request-ID": "same"}
        )
        return response.status_code, response.text

    assert (await ask("GET", f"/v1/documents/{mine}"))[0] == 200
    assert (await ask("GET", f"/v1/documents/{mine}/text"))[0] == 200
    assert (await ask("POST", "/v1/search", {"query": "cats", "collection": "mine"}))[0] == 200
    never = "00000000-0000-0000-0000-000000000007"
    for ending in ("", "/text", "/text?revision=1"):
        status, told = await ask("GET", f"/v1/documents/{never}{ending}")
        assert status == 404
        assert await ask("GET", f"/v1/documents/{other}{ending}") == (404, told.replace(never, str(other)))
    for method, url, body in (
        ("GET", "/v1/documents?collection=NAME", None),
        ("POST", "/v1/search", {"query": "cats", "collection": "NAME"}),
        ("POST", "/v1/ask", {"question": "cats?", "collection": "NAME"}),
    ):
        told_of = [
            await ask(method, url.replace("NAME", name), body and {**body, "collection": name})
            for name in ("other", "nowhere")
        ]
        assert told_of[0][0] == 404
        assert told_of[0][1] == told_of[1][1].replace("nowhere", "other")


async def test_a_document_that_was_deleted_is_gone_only_for_keys_of_its_collection(house: House) -> None:
    document = await house.add("a.txt", "Cats sleep.", collection="other")
    await house.footnote.database.execute(query("removing.erase_document"), {"document_id": document})
    theirs = await house.client_as(collections=["other"])
    others = await house.client_as(collections=["mine"])
    assert (await house.client.get(f"/v1/documents/{document}")).status_code == 410
    assert (await house.client.get(f"/v1/documents/{document}", headers=theirs)).status_code == 410
    assert (await house.client.get(f"/v1/documents/{document}", headers=others)).status_code == 404


async def test_metrics_show_a_key_with_collections_those_alone(house: House) -> None:
    await house.add("a.txt", "Cats sleep.", collection="mine")
    await house.add("b.txt", "Cats sleep.", collection="other")
    scoped = await house.client_as(METRICS, collections=["mine"])
    free = await house.client_as(METRICS)
    for _ in range(200):
        seen = (await house.client.get("/metrics", headers=free)).text
        shown = (await house.client.get("/metrics", headers=scoped)).text
        if "footnote_index_rows{" in seen:
            break
        await asyncio.sleep(0.05)
    assert 'collection="other"' in seen
    assert 'footnote_index_rows{collection="mine"' in shown
    assert "other" not in shown
    assert "footnote_files_failed NaN" in shown


async def test_a_token_of_the_configured_issuer_opens_what_it_says_and_no_more(
    footnote: Footnote,
) -> None:
    secret = await add_document(footnote, "a.txt", "Cats sleep.", readers=["group:hr"])
    async with an_issuer() as issuer:
        issuer.keys = [published("one", ec_key("first"))]
        settings = footnote.settings.model_copy(
            update={
                "auth": AuthSettings(
                    issuer=ISSUER,
                    audience=AUDIENCE,
                    jwks_url=issuer.url,
                    admins=("chiefs",),
                    algorithms=("ES256",),
                )
            }
        )
        async with open_house(replace(footnote, settings=settings)) as house:

            async def get(url: str, *, at: House = house, **claims: Any) -> httpx.Response:
                token = issuer.token(ec_key("first"), kid="one", algorithm="ES256", **claims)
                return await at.client.get(url, headers={"Authorization": f"Bearer {token}"})

            assert (await get(f"/v1/documents/{secret}", groups=["hr"])).status_code == 200
            assert (await get(f"/v1/documents/{secret}")).status_code == 404
            assert (await get("/v1/audit")).status_code == 403
            entries = (await get("/v1/audit", roles=["chiefs"])).json()["entries"]
            assert [(entry["caller"]["kind"], entry["caller"]["name"]) for entry in entries] == [
                ("token", "ann")
            ] * 2
            refused = await get("/v1/session", aud="other")
            assert refused.status_code == 401
            assert refused.json()["type"] == "urn:footnote:problem:token-refused"
            assert (await house.client.get("/v1/session")).status_code == 200, "keys are taken beside tokens"
            issuer.answer = lambda: Response(status_code=500)
            async with open_house(replace(footnote, settings=settings)) as later:
                away = await get("/v1/session", at=later)
                assert away.status_code == 503
                assert away.json()["type"] == "urn:footnote:problem:issuer-unavailable"
                assert away.headers["Retry-After"]
                assert (await later.client.get("/v1/session")).status_code == 200
