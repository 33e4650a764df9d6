"""POST /v1/search."""

from __future__ import annotations

from service.http.responses import HitsBody
from tests.service.http.conftest import House


async def test_hits_are_passages_at_their_exact_places_best_first(house: House) -> None:
    ids = {
        path: str(await house.add(path, text))
        for path, text in {
            "cats.txt": "Cats sleep for most of the day and hunt at dusk.",
            "dogs.txt": "Dogs are walked in the morning and in the evening.",
            "tax.txt": "The tax return is due at the end of July.",
        }.items()
    }
    response = await house.client.post("/v1/search", json={"query": "when do cats hunt", "k": 2})
    hits = response.json()["hits"]
    assert response.status_code == 200
    assert len(hits) == 2
    assert hits[0] == {
        "document": ids["cats.txt"],
        "path": "cats.txt",
        "page": None,
        "char_start": 0,
        "char_end": 48,
        "text": "Cats sleep for most of the day and hunt at dusk.",
        "score": hits[0]["score"],
    }
    assert hits[0]["score"] > hits[1]["score"]
    HitsBody.model_validate(response.json())


async def test_a_caller_finds_what_they_may_read_alone(house: House) -> None:
    await house.add("secret.txt", "The safe opens with 4711.", readers=["user:ann"])
    ann = await house.client_as("user:ann")
    theirs = await house.client.post("/v1/search", json={"query": "the safe"}, headers=ann)
    others = await house.client.post("/v1/search", json={"query": "the safe"})
    assert [hit["path"] for hit in theirs.json()["hits"]] == ["secret.txt"]
    assert others.json() == {"hits": []}


async def test_what_cannot_be_searched_for_is_a_problem(house: House) -> None:
    await house.add("a.txt", "One.")
    for body, status in (
        (b'{"query": ""}', 422),
        (b'{"query": "x", "question": "x"}', 422),
        (b'{"query": "x", "collection": "nowhere"}', 404),
        (b"[]", 422),
        (b"null", 422),
        (b'"x"', 422),
    ):
        response = await house.client.post(
            "/v1/search", content=body, headers={"Content-Type": "application/json"}
        )
        assert response.status_code == status, body
        assert response.headers["content-type"] == "application/problem+json"
