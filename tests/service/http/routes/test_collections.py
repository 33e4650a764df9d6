"""Collections over HTTP: what is seen of them, and what admins change."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from ingest.catalog import ensure_source
from retrieval.collections import find_collection
from tests.service.http.conftest import House

Headers = Mapping[str, str]


@pytest.fixture
async def admin(house: House) -> dict[str, str]:
    return await house.client_as("user:root", role="admin")


async def test_a_caller_sees_collections_of_which_they_may_read_anything_and_counts_of_that(
    house: House, admin: Headers
) -> None:
    await house.add("a.txt", "One.\n\nTwo.")
    await house.add("b.txt", "Three.", readers=["group:hr"])
    await house.add("c.txt", "Four.", readers=["group:hr"], collection="merger")
    seen = (await house.client.get("/v1/collections")).json()
    assert [(one["name"], one["documents"], one["chunks"]) for one in seen["collections"]] == [
        ("default", 1, 2)
    ]
    assert seen["next"] is None
    await house.client.post("/v1/collections", json={"name": "new"}, headers=admin)
    everything = (await house.client.get("/v1/collections?limit=1", headers=admin)).json()
    assert [one["name"] for one in everything["collections"]] == ["default"]
    rest = await house.client.get(f"/v1/collections?cursor={everything['next']}", headers=admin)
    assert [(one["name"], one["documents"]) for one in rest.json()["collections"]] == [("new", 0)]
    hidden = await house.client.get("/v1/collections/merger")
    absent = await house.client.get("/v1/collections/nothing")
    assert hidden.status_code == absent.status_code == 404
    assert hidden.json()["detail"].replace("merger", "nothing") == absent.json()["detail"]


async def test_admins_make_change_and_delete_them(house: House, admin: Headers) -> None:
    made = await house.client.post(
        "/v1/collections", json={"name": "handbook", "language": "german"}, headers=admin
    )
    assert (made.status_code, made.headers["location"]) == (201, "/v1/collections/handbook")
    assert made.json() == {
        "name": "handbook",
        "language": "german",
        "allow_outside": False,
        "documents": 0,
        "chunks": 0,
    }
    again = await house.client.post("/v1/collections", json={"name": "handbook"}, headers=admin)
    assert again.status_code == 409
    wrong = await house.client.post(
        "/v1/collections", json={"name": "x", "language": "klingon"}, headers=admin
    )
    assert wrong.status_code == 422
    tag = made.headers["etag"]
    changed = await house.client.patch(
        "/v1/collections/handbook", json={"allow_outside": True}, headers={**admin, "If-Match": tag}
    )
    assert changed.json()["allow_outside"] is True
    assert (await find_collection(house.footnote.database, "handbook")).allow_outside
    late = await house.client.delete("/v1/collections/handbook", headers={**admin, "If-Match": tag})
    assert late.status_code == 412
    assert (await house.client.delete("/v1/collections/handbook", headers=admin)).status_code == 204
    assert (await house.client.get("/v1/collections/handbook", headers=admin)).status_code == 404


async def test_one_that_holds_documents_stays(house: House, admin: Headers) -> None:
    await house.add("a.txt", "One.")
    response = await house.client.delete("/v1/collections/default", headers=admin)
    assert response.status_code == 409
    assert "still holds documents" in response.json()["detail"]


async def test_one_that_held_documents_goes_with_its_index(house: House, admin: Headers) -> None:
    document_id = await house.add("a.txt", "One.")
    await house.client.delete(f"/v1/documents/{document_id}", headers=admin)
    [source] = (await house.client.get("/v1/sources", headers=admin)).json()["sources"]
    assert (await house.client.delete(f"/v1/sources/{source['id']}", headers=admin)).status_code == 204
    assert (await house.client.delete("/v1/collections/default", headers=admin)).status_code == 204
    left = await house.footnote.database.fetch_all("SELECT id FROM indexes")
    assert left == []


async def test_one_that_is_given_a_source_while_it_is_deleted_stays_with_it(
    house: House, admin: Headers
) -> None:
    document_id = await house.add("a.txt", "One.")
    await house.client.delete(f"/v1/documents/{document_id}", headers=admin)
    [source] = (await house.client.get("/v1/sources", headers=admin)).json()["sources"]
    assert (await house.client.delete(f"/v1/sources/{source['id']}", headers=admin)).status_code == 204
    database = house.footnote.database
    deleting = asyncio.create_task(house.client.delete("/v1/collections/default", headers=admin))
    async with asyncio.timeout(20):
        while await database.fetch_one("SELECT FROM indexes WHERE state = 'active'") is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    made = await ensure_source(
        database, await find_collection(database, "default"), "/new", default_readers=["public"]
    )
    assert (await deleting).status_code == 409
    shown = await house.client.get(f"/v1/sources/{made.id}", headers=admin)
    assert shown.status_code == 200


async def test_neither_readers_nor_editors_change_them(house: House) -> None:
    await house.add("a.txt", "One.")
    for role in ("reader", "editor"):
        headers = await house.client_as("user:ann", role=role)
        place = "/v1/collections/default"
        made = await house.client.post("/v1/collections", json={"name": "x"}, headers=headers)
        changed = await house.client.patch(place, json={"allow_outside": True}, headers=headers)
        deleted = await house.client.delete(place, headers=headers)
        assert {made.status_code, changed.status_code, deleted.status_code} == {403}


async def test_what_is_sent_many_times_under_one_idempotency_key_is_done_once(
    house: House, admin: Headers
) -> None:
    headers = {**admin, "Idempotency-Key": "make-it"}
    responses = await asyncio.gather(
        *(house.client.post("/v1/collections", json={"name": "once"}, headers=headers) for _ in range(12))
    )
    statuses = [response.status_code for response in responses]
    assert set(statuses) <= {201, 409}
    assert (
        sum(
            response.status_code == 201 and "idempotency-replayed" not in response.headers
            for response in responses
        )
        == 1
    )
    for response in responses:
        if response.status_code == 409:
            assert response.json()["type"] == "urn:footnote:problem:still-at-work"
    later = await house.client.post("/v1/collections", json={"name": "once"}, headers=headers)
    assert (later.status_code, later.headers["idempotency-replayed"]) == (201, "true")


async def test_what_came_to_nothing_may_be_tried_again_under_its_key(house: House, admin: Headers) -> None:
    headers = {**admin, "Idempotency-Key": "try"}
    wrong = {"name": "x", "language": "klingon"}
    assert (await house.client.post("/v1/collections", json=wrong, headers=headers)).status_code == 422
    assert (
        await house.client.post("/v1/collections", json={"name": "x"}, headers=headers)
    ).status_code == 201
