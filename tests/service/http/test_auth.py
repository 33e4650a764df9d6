"""Who gets in: holders of a key in force."""

from __future__ import annotations

from itertools import product

from service.keys import revoke_key, verify_key
from tests.service.http.conftest import House, unopened_app

_KEYED = [
    ("POST", "/v1/ask"),
    ("POST", "/v1/search"),
    ("GET", "/v1/answers/0d9f6d52-6a3f-4a53-8c6b-2f1f3c2f7a10/events"),
    ("DELETE", "/v1/answers/0d9f6d52-6a3f-4a53-8c6b-2f1f3c2f7a10"),
    ("GET", "/v1/documents"),
    ("GET", "/v1/documents/0d9f6d52-6a3f-4a53-8c6b-2f1f3c2f7a10"),
    ("GET", "/v1/documents/0d9f6d52-6a3f-4a53-8c6b-2f1f3c2f7a10/text"),
]


def test_every_address_under_v1_needs_a_key() -> None:
    paths = unopened_app().openapi()["paths"]
    operations = {
        (method.upper(), path)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if operation.get("security")
    }
    under_v1 = {
        (method.upper(), path)
        for path, methods in paths.items()
        for method in methods
        if path.startswith("/v1")
    }
    assert operations == under_v1
    assert len(under_v1) == len(_KEYED)


async def test_without_a_key_it_is_401_whatever_else_was_sent(house: House) -> None:
    for (method, path), sent in product(_KEYED, ("", "Basic YTpi", "Bearer", "Bearer  ")):
        headers = {"Authorization": sent, "Content-Type": "application/json"}
        response = await house.client.request(method, path, headers=headers, content=b"{broken")
        assert response.status_code == 401, (method, path, sent)
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="footnote"'
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
