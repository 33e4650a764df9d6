"""Jobs over HTTP: put in, seen, listed, stopped; by their owner alone, and with the rights of the moment."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from retrieval.database import query
from service.http.job_shapes import JobBody
from service.keys import revoke_key, verify_key
from tests.service.http.conftest import House
from tests.service.workers import at_work, until

QUESTION = {"question": "When does the gate open?"}
TEXT = "The gate opens at seven in the morning."


async def put_in(house: House, headers: dict[str, str] | None = None) -> dict[str, Any]:
    response = await house.client.post("/v1/jobs", json=QUESTION, headers=headers)
    assert response.status_code == 202, response.text
    job: dict[str, Any] = response.json()
    assert response.headers["Location"] == f"/v1/jobs/{job['id']}"
    return job


async def ended(house: House, job: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        response = await house.client.get(f"/v1/jobs/{job['id']}", headers=headers)
        assert response.status_code == 200, response.text
        shown: dict[str, Any] = response.json()
        return shown if shown["state"] not in {"queued", "running"} else None

    return await until(look)


async def test_a_job_is_queued_then_done_with_the_answer_that_ask_gives(house: House) -> None:
    await house.add("gate.txt", TEXT)
    first, second = await put_in(house), await put_in(house)
    assert (first["state"], first["position"], second["position"]) == ("queued", 1, 2)
    async with at_work(house.footnote):
        done = await ended(house, first)
    asked = (await house.client.post("/v1/ask", json=QUESTION)).json()
    assert done["state"] == "done"
    assert done["answer"] == asked
    assert "seven" in done["answer"]["answer"]
    assert done["created_at"] <= done["started_at"] <= done["finished_at"]
    JobBody.model_validate_json((await house.client.get(f"/v1/jobs/{first['id']}")).text)


async def test_what_is_wrong_with_a_question_is_said_at_once(house: House) -> None:
    await house.add("gate.txt", TEXT)
    for body, status in (
        ({"question": " "}, 422),
        ({"question": "a", "stream": True}, 422),
        ({"question": "a", "collection": "none"}, 404),
        ({"question": "a", "callback_url": "ftp://example.com"}, 422),
        ({"question": "a", "callback_url": "https://127.0.0.1/"}, 422),
        ({"question": "a", "callback_url": "http://169.254.169.254/latest"}, 422),
    ):
        assert (await house.client.post("/v1/jobs", json=body)).status_code == status, body
    assert (await house.client.get("/v1/jobs")).json() == {"jobs": [], "next": None}


async def test_the_same_request_under_the_same_idempotency_key_is_the_same_job(house: House) -> None:
    await house.add("gate.txt", TEXT)
    first = await put_in(house, {"Idempotency-Key": "a-1"})
    assert (await put_in(house, {"Idempotency-Key": "a-1"}))["id"] == first["id"]
    assert (await put_in(house, {"Idempotency-Key": "a-2"}))["id"] != first["id"]
    other = {"question": "Who has the key of the gate?"}
    response = await house.client.post("/v1/jobs", json=other, headers={"Idempotency-Key": "a-1"})
    assert (response.status_code, response.json()["type"]) == (
        422,
        "urn:footnote:problem:idempotency-key-reused",
    )
    stranger = await house.client_as("user:ann")
    theirs = await put_in(house, {**stranger, "Idempotency-Key": "a-1"})
    assert theirs["id"] != first["id"]
    response = await house.client.post("/v1/jobs", json=QUESTION, headers={"Idempotency-Key": "a b"})
    assert response.status_code == 422


async def test_a_job_of_another_key_does_not_exist(house: House) -> None:
    await house.add("gate.txt", TEXT)
    job = await put_in(house)
    stranger = await house.client_as("user:ann")
    for method in ("GET", "DELETE"):
        answers = [
            await house.client.request(method, f"/v1/jobs/{job_id}", headers=stranger)
            for job_id in (job["id"], uuid4())
        ]
        bodies = [response.json() for response in answers]
        for body, job_id in zip(bodies, (job["id"], None), strict=True):
            body["detail"] = body["detail"].replace(body["instance"].rpartition("/")[2], "ID")
            del body["instance"], body["request_id"]
            assert job_id is None or job_id not in str(body)
        assert bodies[0] == bodies[1]
        assert [response.status_code for response in answers] == [404, 404]
    assert (await house.client.get("/v1/jobs", headers=stranger)).json()["jobs"] == []
    assert (await house.client.get(f"/v1/jobs/{job['id']}")).json()["state"] == "queued"


async def test_jobs_are_listed_page_by_page_newest_first(house: House) -> None:
    await house.add("gate.txt", TEXT)
    made = [(await put_in(house))["id"] for _ in range(5)]
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        asked = {"limit": "2"} | ({} if cursor is None else {"cursor": cursor})
        page = (await house.client.get("/v1/jobs", params=asked)).json()
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["next"]
    assert seen == made[::-1]
    assert cursor is None
    broken = await house.client.get("/v1/jobs", params={"cursor": "AAAA"})
    assert broken.status_code == 400


async def test_the_rights_are_those_of_the_moment_it_is_answered(house: House) -> None:
    await house.add("public.txt", "The canteen is on the second floor.")
    document = await house.add("gate.txt", TEXT, readers=["user:ann"])
    ann = await house.client_as("user:ann")
    job = await put_in(house, ann)
    await house.footnote.database.execute(
        "UPDATE documents SET readers = '{user:bob}' WHERE id = %(id)s", {"id": document}
    )
    async with at_work(house.footnote):
        done = await ended(house, job, ann)
    assert str(document) not in str(done)
    assert "seven" not in str(done["answer"])


async def test_a_key_revoked_meanwhile_fails_the_job(house: House) -> None:
    await house.add("gate.txt", TEXT)
    job = await put_in(house)
    key = await verify_key(house.footnote.database, house.key)
    assert key is not None
    await revoke_key(house.footnote.database, key.id)
    async with at_work(house.footnote):
        row = await until(lambda: failed(house, job["id"]))
    assert "revoked" in row["problem"]


async def failed(house: House, job_id: str) -> Any:
    return await house.footnote.database.fetch_one(
        "SELECT problem FROM jobs WHERE id = %(id)s AND state = 'failed'", {"id": job_id}
    )


@pytest.mark.parametrize("how", ["readers", "deleted", "collection"])
async def test_an_answer_does_not_outlive_what_it_quotes(house: House, how: str) -> None:
    document = await house.add("gate.txt", TEXT, readers=["user:ann"])
    await house.add("other.txt", "The canteen is on the second floor.")
    ann = await house.client_as("user:ann")
    job = await put_in(house, ann)
    async with at_work(house.footnote):
        assert str(document) in str((await ended(house, job, ann))["answer"])
    database = house.footnote.database
    statement = {
        "readers": "UPDATE documents SET readers = '{user:bob}' WHERE id = %(id)s",
        "deleted": query("removing.erase_document").replace("%(document_id)s", "%(id)s"),
        "collection": "DELETE FROM collections WHERE id = (SELECT collection_id FROM documents WHERE id = %(id)s)",
    }[how]
    async with database.connection() as connection:
        await connection.execute(statement.encode(), {"id": document})
    response = await house.client.get(f"/v1/jobs/{job['id']}", headers=ann)
    assert (response.status_code, response.json()["type"]) == (410, "urn:footnote:problem:job-gone")
    assert "seven" not in response.text
    row = await database.fetch_one("SELECT answer, request FROM jobs WHERE id = %(id)s", {"id": job["id"]})
    assert row is not None
    assert (row["answer"] is None) == (how != "readers")


async def test_a_job_that_waits_is_stopped_and_one_that_has_ended_is_forgotten(house: House) -> None:
    await house.add("gate.txt", TEXT)
    waiting, other = await put_in(house), await put_in(house)
    for _ in range(2):
        assert (await house.client.delete(f"/v1/jobs/{waiting['id']}")).status_code == 204
    async with at_work(house.footnote):
        await ended(house, other)
        stopped = (await house.client.get(f"/v1/jobs/{waiting['id']}")).json()
    assert (stopped["state"], stopped["question"], stopped["answer"]) == ("cancelled", None, None)
    assert (await house.client.delete(f"/v1/jobs/{other['id']}")).status_code == 204
    gone = await house.client.get(f"/v1/jobs/{other['id']}")
    assert (gone.status_code, gone.json()["type"]) == (410, "urn:footnote:problem:job-gone")
    assert (await house.client.get("/v1/jobs")).json()["jobs"] == []


async def test_a_result_is_kept_for_a_time_and_then_erased(house: House) -> None:
    await house.add("gate.txt", TEXT)
    job = await put_in(house)
    async with at_work(house.footnote):
        await ended(house, job)
    database = house.footnote.database
    await database.execute("UPDATE jobs SET finished_at = now() - interval '25 hours'")
    async with at_work(house.footnote):
        await until(lambda: database.fetch_one("SELECT id FROM jobs WHERE erased_at IS NOT NULL"))
    row = await database.fetch_one("SELECT request, answer FROM jobs")
    assert row == {"request": None, "answer": None}
    response = await house.client.get(f"/v1/jobs/{job['id']}")
    assert response.status_code == 410
    assert "jobs.retention_hours" in response.json()["detail"]


async def test_what_fails_for_good_says_why(house: House) -> None:
    await house.add("gate.txt", TEXT)
    job = await put_in(house)
    await house.footnote.database.execute(
        "UPDATE indexes SET embedder_hash = 'another', embedder = jsonb_set(embedder, '{model}', '\"another\"')"
    )
    async with at_work(house.footnote):
        shown = await ended(house, job)
    assert shown["state"] == "failed"
    assert shown["problem"]["type"] == "urn:footnote:problem:index-mismatch"
    assert shown["problem"]["instance"] == f"/v1/jobs/{job['id']}"


async def test_every_caller_is_answered_from_what_they_may_see_and_their_question_is_in_the_audit(
    house: House,
) -> None:
    await house.add("gate.txt", TEXT, readers=["user:ann"])
    await house.add("other.txt", "The gate of the other yard opens at nine.", readers=["group:hr"])
    await house.add("all.txt", "The canteen is on the second floor.")
    callers = [await house.client_as(*names) for names in ((), ("user:ann",), ("group:hr",))]
    jobs = [await put_in(house, caller) for caller in callers]
    async with at_work(house.footnote):
        for caller, job in zip(callers, jobs, strict=True):
            done = await ended(house, job, caller)
            asked = await house.client.post("/v1/ask", json=QUESTION, headers=caller)
            assert done["answer"] == asked.json()
    rows = await house.footnote.database.fetch_one("SELECT count(*) AS n FROM audit WHERE kind = 'ask'")
    assert rows is not None
    assert rows["n"] == 6


async def test_a_question_with_half_of_a_character_is_listed_like_any_other(house: House) -> None:
    await house.add("gate.txt", "The gate opens at seven.")
    asked = await house.client.post(
        "/v1/jobs",
        content=b'{"question": "\\ud800 When does the gate open?"}',
        headers={"Content-Type": "application/json"},
    )
    assert asked.status_code == 202
    listed = await house.client.get("/v1/jobs")
    assert listed.status_code == 200, listed.text
    [job] = listed.json()["jobs"]
    assert job["question"] == asked.json()["question"]
