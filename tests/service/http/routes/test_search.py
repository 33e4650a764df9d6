"""POST /v1/search."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from generation.llms.scripted import ScriptedLLM
from service.http.responses.answers import HitsBody
from service.sections import QueriesSettings
from tests.service.http.conftest import House, open_house


async def found(house: House, query: str, **more: Any) -> list[dict[str, Any]]:
    response = await house.client.post("/v1/search", json={"query": query, **more})
    assert response.status_code == 200, response.text
    body = HitsBody.model_validate(response.json())
    assert json.loads(body.model_dump_json(exclude_unset=True)) == response.json()
    hits: list[dict[str, Any]] = response.json()["hits"]
    return hits


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
        "also_at": [],
    }
    assert hits[0]["score"] > hits[1]["score"]
    HitsBody.model_validate(response.json())


async def test_a_caller_finds_what_they_may_read_alone(house: House) -> None:
    await house.add("secret.txt", "The safe opens with 4711.", readers=["user:ann"])
    await house.add("cats.txt", "Cats sleep for most of the day.")
    ann = await house.client_as("user:ann")
    theirs = await house.client.post("/v1/search", json={"query": "the safe"}, headers=ann)
    others = await house.client.post("/v1/search", json={"query": "the safe"})
    assert [hit["path"] for hit in theirs.json()["hits"]] == ["secret.txt", "cats.txt"]
    assert [hit["path"] for hit in others.json()["hits"]] == ["cats.txt"]


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


async def test_a_search_looks_at_the_documents_that_fit_every_filter(house: House) -> None:
    text = "Foxes hunt at dusk in"
    await house.add(
        "notes/a.txt", f"{text} A.", modified=datetime(2025, 5, 1, tzinfo=UTC), metadata={"team": "hr"}
    )
    await house.add(
        "notes/b.md", f"{text} B.", media_type="text/markdown", metadata={"team": "hr", "year": "2026"}
    )
    await house.add("c.txt", f"{text} C.", modified=datetime(2026, 5, 1, tzinfo=UTC))
    for filters, paths in (
        (None, {"notes/a.txt", "notes/b.md", "c.txt"}),
        ({"paths": ["notes/"]}, {"notes/a.txt", "notes/b.md"}),
        ({"paths": ["*.md", "c.*"]}, {"notes/b.md", "c.txt"}),
        ({"media_types": ["text/markdown"]}, {"notes/b.md"}),
        ({"modified_from": "2026-05-01T02:00:00+02:00"}, {"c.txt"}),
        (
            {"modified_from": "2025-01-01T00:00:00Z", "modified_before": "2026-05-01T00:00:00Z"},
            {"notes/a.txt"},
        ),
        ({"metadata": {"team": "hr"}}, {"notes/a.txt", "notes/b.md"}),
        ({"metadata": {"team": "hr"}, "paths": ["*.txt"]}, {"notes/a.txt"}),
        ({"metadata": {"team": "it"}}, set()),
    ):
        hits = await found(house, "when do foxes hunt", filters=filters)
        assert {hit["path"] for hit in hits} == paths, filters


async def test_the_same_words_elsewhere_are_another_place_of_the_hit(house: House) -> None:
    kept = await house.add("a.txt", "Foxes hunt at dusk.")
    copy = await house.add("b.txt", "By day they sleep.\n\nFoxes hunt at dusk.")
    await house.add("c.txt", "Foxes hunt at dusk.", readers=["user:ann"])
    hits = await found(house, "foxes hunt at dusk")
    [hit] = [hit for hit in hits if hit["text"] == "Foxes hunt at dusk."]
    assert {hit["document"], hit["also_at"][0]["document"]} == {str(kept), str(copy)}
    assert {hit["path"], hit["also_at"][0]["path"]} == {"a.txt", "b.txt"}
    assert len(hit["also_at"]) == 1, "what the caller may not read is no place"
    places = {place["path"]: (place["char_start"], place["char_end"]) for place in (hit, hit["also_at"][0])}
    assert places == {"a.txt": (0, 19), "b.txt": (20, 39)}


async def test_documents_take_turns_where_that_is_asked_for(house: House) -> None:
    await house.add("foxes.txt", "Foxes hunt.\n\nFoxes hunt at dusk.\n\nFoxes hunt in winter.")
    await house.add("tax.txt", "The tax return is due in July.")
    paths = [hit["path"] for hit in await found(house, "foxes hunt", k=2)]
    turns = [hit["path"] for hit in await found(house, "foxes hunt", k=2, max_per_document=1)]
    assert (paths, turns) == (["foxes.txt"] * 2, ["foxes.txt", "tax.txt"])


async def test_neighbours_are_joined_where_that_is_asked_for(house: House) -> None:
    text = "Foxes hunt at dusk.\n\nFoxes sleep by day."
    await house.add("foxes.txt", text)
    assert len(await found(house, "foxes")) == 2
    [hit] = await found(house, "foxes", merge=True)
    assert (hit["text"], hit["char_start"], hit["char_end"]) == (text, 0, len(text))


async def test_what_was_searched_for_instead_of_the_query_is_said(house: House) -> None:
    await house.add("foxes.txt", "Foxes hunt at dusk.")
    settings = house.footnote.settings.model_copy(update={"queries": QueriesSettings(rewrite="rewrite")})
    llm = ScriptedLLM("foxes hunting times")
    async with open_house(replace(house.footnote, llm=llm, settings=settings)) as with_llm:
        response = await with_llm.client.post("/v1/search", json={"query": "when do foxes hunt"})
        HitsBody.model_validate(response.json())
    assert response.json()["hits"][0]["path"] == "foxes.txt"
    searched = response.json()["searched"]
    assert searched["usage"].pop("prompt_tokens") > 0
    assert searched == {
        "question": "when do foxes hunt",
        "texts": ["foxes hunting times"],
        "hypothetical": [],
        "outcome": "rewritten",
        "why": None,
        "usage": {"completion_tokens": searched["usage"]["completion_tokens"], "estimated": True},
    }
