"""Usage and feedback: written down once for every answer, for the caller that had it alone."""

from __future__ import annotations

from uuid import UUID

from tests.service.http.conftest import House
from tests.service.http.wire import listening, on_the_wire

QUESTION = {"question": "What do cats do for most of the day?"}


async def test_answers_are_counted_by_day_key_and_model(house: House) -> None:
    await house.add("a.txt", "Cats sleep for most of the day.")
    other = await house.client_as("user:ann")
    for _ in range(2):
        await house.client.post("/v1/ask", json=QUESTION)
    await house.client.post("/v1/ask", json=QUESTION, headers=other)
    [own] = (await house.client.get("/v1/usage")).json()["usage"]
    assert (own["name"], own["model"], own["requests"]) == ("tests", "extractive", 2)
    refused = await house.client.get("/v1/usage?key=all")
    assert refused.status_code == 403
    assert (await house.client.get(f"/v1/usage?key={own['key']}")).json()["usage"] == [own]
    admin = await house.client_as("user:root", role="admin")
    first = (await house.client.get("/v1/usage?key=all&limit=1", headers=admin)).json()
    rest = (await house.client.get(f"/v1/usage?key=all&cursor={first['next']}", headers=admin)).json()
    assert sorted(row["requests"] for row in first["usage"] + rest["usage"]) == [1, 2]
    assert (await house.client.get("/v1/usage?last=2001-01-01")).json()["usage"] == []
    assert (await house.client.get("/v1/usage?cursor=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")).status_code == 400


async def test_feedback_is_for_an_answer_that_one_got_and_the_last_word_counts(house: House) -> None:
    await house.add("a.txt", "Cats sleep for most of the day.")
    answer = (await house.client.post("/v1/ask", json=QUESTION)).headers["footnote-answer"]
    said = {"answer": answer, "rating": "down", "comment": "It left out\nthe nights."}
    given = await house.client.post("/v1/feedback", json=said)
    assert given.status_code == 201
    assert {name: given.json()[name] for name in said} == said
    better = await house.client.post("/v1/feedback", json={"answer": answer, "rating": "up"})
    assert (better.json()["rating"], better.json()["comment"]) == ("up", "")
    other = await house.client_as("user:ann")
    unknown = {"answer": str(UUID(int=7)), "rating": "up"}
    assert (await house.client.post("/v1/feedback", json=said, headers=other)).status_code == 404
    assert (await house.client.post("/v1/feedback", json=unknown)).status_code == 404
    metrics = (await house.client.get("/metrics")).text
    assert 'footnote_feedback_total{rating="down"} 1.0' in metrics
    for wrong in ({"rating": "meh"}, {"comment": "x" * 2_001}, {"comment": "a\x00b"}, {"more": 1}):
        response = await house.client.post("/v1/feedback", json={**said, **wrong})
        assert response.status_code == 422, wrong


async def test_an_answer_that_is_streamed_is_counted_under_its_own_id(house: House) -> None:
    await house.add("a.txt", "Cats sleep for most of the day.")
    async with on_the_wire(house.footnote) as wired:
        async with listening(wired.client, "POST", "/v1/ask", body={**QUESTION, "stream": True}) as stream:
            told = [event async for event in stream.events()]
        said = {"answer": told[0].shape["answer_id"], "rating": "up"}
        assert (await wired.client.post("/v1/feedback", json=said)).status_code == 201
        [row] = (await wired.client.get("/v1/usage")).json()["usage"]
        assert row["requests"] == 1
