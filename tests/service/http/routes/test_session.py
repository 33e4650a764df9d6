"""Signing in with a browser: by key or by the one-time link, and what a cookie is good for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import nullcontext
from http.cookies import SimpleCookie
from types import MappingProxyType

import httpx
import pytest

from service.footnote import Footnote
from service.http.app import create_app
from service.http.browsers import COOKIE
from service.keys import create_key, revoke_key
from service.sessions import OneTimeLink
from tests.service.http.conftest import add_document

HERE = "http://127.0.0.1:8080"
OWN = MappingProxyType({"Origin": HERE})


@pytest.fixture
def link() -> OneTimeLink:
    return OneTimeLink(seconds=600)


@pytest.fixture
async def browser(footnote: Footnote, link: OneTimeLink) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a loopback service that has no key."""
    app = create_app(lambda: nullcontext(footnote), link=link)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=HERE) as client,
    ):
        yield client


async def sign_in(browser: httpx.AsyncClient, **body: str) -> httpx.Response:
    return await browser.post("/v1/session", json=body, headers=OWN)


async def test_the_link_signs_whoever_holds_the_machine_in_as_an_admin_who_sees_all(
    footnote: Footnote, browser: httpx.AsyncClient, link: OneTimeLink
) -> None:
    secret = await add_document(footnote, "a.txt", "Cats sleep.", readers=["user:ann"])
    assert (await browser.get("/v1/session")).status_code == 401
    response = await sign_in(browser, link=link.token)
    assert response.status_code == 200
    told = response.json()
    assert (told["kind"], told["role"], told["principals"], told["collections"]) == (
        "link",
        "admin",
        None,
        None,
    )
    assert told["may"] == {"read": True, "edit": True, "administer": True}
    assert (await browser.get("/v1/session")).json() == told
    assert (await browser.get(f"/v1/documents/{secret}")).status_code == 200
    assert (await browser.get("/v1/audit")).status_code == 200
    asked = await browser.post("/v1/search", json={"query": "cats"}, headers=OWN)
    assert [hit["document"] for hit in asked.json()["hits"]] == [str(secret)]


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(
    browser: httpx.AsyncClient, link: OneTimeLink
) -> None:
    response = await sign_in(browser, link=link.token)
    (morsel,) = SimpleCookie(response.headers["set-cookie"]).values()
    assert morsel.key == COOKIE
    assert morsel["httponly"] is True
    assert (morsel["samesite"], morsel["path"], morsel["secure"]) == ("strict", "/", "")
    assert morsel["max-age"] == str(12 * 3600)
    assert link.token not in response.text + response.headers["set-cookie"]


async def test_the_link_is_good_once(browser: httpx.AsyncClient, link: OneTimeLink) -> None:
    assert (await sign_in(browser, link="x" * 43)).status_code == 401
    assert (await sign_in(browser, link=link.token)).status_code == 200
    again = await sign_in(browser, link=link.token)
    assert again.status_code == 401
    assert again.json()["type"] == "urn:footnote:problem:link-refused"


def test_the_link_is_good_for_its_time_alone() -> None:
    now = 0.0
    link = OneTimeLink(seconds=60, clock=lambda: now)
    now = 60.0
    assert not link.take(link.token)
    now = 59.9
    assert link.take(link.token)
    assert not link.take(link.token)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example:8080", "Origin": "http://evil.example:8080"},
        {"Host": "127.0.0.1.evil.example", "Origin": "http://127.0.0.1.evil.example"},
        {"Host": ""},
        {"X-Forwarded-For": "203.0.113.7"},
        {"Forwarded": "for=203.0.113.7"},
        {"X-Real-IP": "203.0.113.7"},
        {"Via": "1.1 proxy"},
    ],
)
async def test_the_link_and_its_session_are_off_under_another_name_and_behind_a_proxy(
    browser: httpx.AsyncClient, link: OneTimeLink, headers: dict[str, str]
) -> None:
    refused = await browser.post("/v1/session", json={"link": link.token}, headers={**OWN, **headers})
    assert refused.status_code in {401, 403}
    response = await sign_in(browser, link=link.token)
    assert response.status_code == 200, "an attempt from elsewhere does not use the link up"
    assert (await browser.get("/v1/session", headers=headers)).status_code in {401, 403}
    assert (await browser.get("/v1/session")).status_code == 200


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "127.0.0.9:1", "[::1]:8080"])
async def test_every_name_of_this_machine_will_do(
    browser: httpx.AsyncClient, link: OneTimeLink, host: str
) -> None:
    headers = {"Host": host, "Origin": f"http://{host}"}
    response = await browser.post("/v1/session", json={"link": link.token}, headers=headers)
    assert response.status_code == 200


async def test_a_service_that_others_can_reach_has_no_link(footnote: Footnote, link: OneTimeLink) -> None:
    app = create_app(lambda: nullcontext(footnote))
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=HERE) as client,
    ):
        assert (await sign_in(client, link=link.token)).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost:3000"},
        {"Origin": "http://127.0.0.1:3000"},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": f"{HERE}.evil.example"},
        {**OWN, "Sec-Fetch-Site": "same-site"},
        {**OWN, "Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_with_a_cookie_nothing_is_changed_from_a_page_of_another_origin(
    browser: httpx.AsyncClient, link: OneTimeLink, headers: dict[str, str]
) -> None:
    await sign_in(browser, link=link.token)
    for method, url in (("POST", "/v1/search"), ("DELETE", "/v1/session")):
        response = await browser.request(method, url, headers=headers)
        assert response.status_code == 403, (method, url)
        assert response.json()["type"] == "urn:footnote:problem:cross-origin"
    if headers:
        assert (await browser.get("/v1/session", headers=headers)).status_code == 403
    assert (await browser.get("/v1/session", headers=OWN)).status_code == 200


async def test_a_key_needs_no_origin(footnote: Footnote, browser: httpx.AsyncClient) -> None:
    key = (await create_key(footnote.database, name="one", principals=[])).key
    await sign_in(browser, key=key)
    headers = {"Authorization": f"Bearer {key}", "Origin": "https://other.example"}
    response = await browser.post("/v1/search", json={"query": "cats"}, headers=headers)
    assert response.status_code == 404  # there is no collection: it got that far


async def test_a_key_signs_in_as_what_it_is_also_behind_a_proxy(
    footnote: Footnote, browser: httpx.AsyncClient
) -> None:
    created = await create_key(
        footnote.database, name="Ann's", principals=["user:ann"], role="editor", collections=["hr"]
    )
    proxied = {"Host": "footnote.example", "Origin": "https://footnote.example", "X-Forwarded-Proto": "https"}
    response = await browser.post("/v1/session", json={"key": created.key}, headers=proxied)
    assert response.status_code == 200
    assert "Secure" in response.headers["set-cookie"]
    browser.cookies.set(COOKIE, response.cookies[COOKIE])
    told = (await browser.get("/v1/session", headers=proxied)).json()
    told.pop("expires_at")
    assert told == {
        "kind": "key",
        "name": "Ann's",
        "role": "editor",
        "may": {"read": True, "edit": True, "administer": False},
        "principals": ["public", "user:ann"],
        "collections": ["hr"],
        "key": created.key[:11],
    }
    await revoke_key(footnote.database, created.id)
    assert (await browser.get("/v1/session", headers=proxied)).status_code == 401


async def test_who_signs_out_is_out(
    footnote: Footnote, browser: httpx.AsyncClient, link: OneTimeLink
) -> None:
    response = await sign_in(browser, link=link.token)
    cookie = response.cookies[COOKIE]
    assert (await browser.delete("/v1/session", headers=OWN)).status_code == 204
    browser.cookies.set(COOKIE, cookie)
    assert (await browser.get("/v1/session")).status_code == 401


async def test_a_session_ends_with_its_time(
    footnote: Footnote, browser: httpx.AsyncClient, link: OneTimeLink
) -> None:
    await sign_in(browser, link=link.token)
    await footnote.database.execute("UPDATE sessions SET expires_at = now()")
    assert (await browser.get("/v1/session")).status_code == 401


async def test_of_a_session_only_a_hash_is_kept(
    footnote: Footnote, browser: httpx.AsyncClient, link: OneTimeLink
) -> None:
    response = await sign_in(browser, link=link.token)
    row = await footnote.database.fetch_one("SELECT sessions::text AS whole FROM sessions")
    assert row is not None
    assert response.cookies[COOKIE] not in row["whole"]


@pytest.mark.parametrize("body", [{}, {"key": "a", "link": "b"}, {"key": "a" * 201}, {"other": "x"}])
async def test_signing_in_takes_either_a_key_or_a_link(
    browser: httpx.AsyncClient, body: dict[str, str]
) -> None:
    assert (await sign_in(browser, **body)).status_code == 422


async def test_a_made_up_key_or_cookie_signs_nobody_in(browser: httpx.AsyncClient) -> None:
    assert (await sign_in(browser, key="fn_aaaaaaaa_" + "a" * 43)).status_code == 401
    for cookie in ("x", "a" * 5000):
        browser.cookies.set(COOKIE, cookie)
        assert (await browser.get("/v1/session")).status_code == 401
