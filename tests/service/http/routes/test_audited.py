"""GET /v1/audit and what is noted: who asked what of which documents, by whatever way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from retrieval.database import Database, query
from service.auditing import Audit
from service.identity import Identity
from service.keys import create_key, verify_key
from service.sections import AuditSettings
from service.settings import Settings
from tests.service.http.conftest import House, open_house
from tests.service.http.wire import listening, on_the_wire

ROOT = Path(__file__).resolve().parents[4]


async def audit_of(house: House, **parameters: str) -> list[dict[str, Any]]:
    admin = await house.client_as(role="admin")
    response = await house.client.get("/v1/audit", headers=admin, params=parameters)
    assert response.status_code == 200, response.text
    entries: list[dict[str, Any]] = response.json()["entries"]
    return entries


async def test_what_was_asked_searched_and_read_is_noted_with_who_and_which_documents(house: House) -> None:
    cats = await house.add("cats.txt", "Cats sleep for most of the day.")
    key = await verify_key(house.footnote.database, house.key)
    assert key is not None
    asked = {"X-Request-ID": "asked"}
    await house.client.post("/v1/ask", json={"question": "How long do cats sleep?"}, headers=asked)
    await house.client.post("/v1/search", json={"query": "cats"})
    await house.client.get(f"/v1/documents/{cats}")
    await house.client.get(f"/v1/documents/{cats}/text")
    entries = await audit_of(house)
    assert [(entry["kind"], entry["status"]) for entry in entries] == [
        ("document", "returned"),
        ("document", "returned"),
        ("search", "returned"),
        ("ask", "answered"),
    ]
    caller = {"id": str(key.id), "kind": "key", "name": "tests", "prefix": key.prefix}
    for entry in entries:
        assert entry["caller"] == caller
        assert entry["documents"] == [str(cats)]
        assert entry["collection"] == "default"
    assert entries[-1]["request_id"] == "asked"


async def test_what_was_not_found_or_could_not_be_done_is_noted_too(house: House) -> None:
    await house.add("cats.txt", "Cats sleep for most of the day.")
    secret = await house.add("secret.txt", "Dogs bark.", readers=["user:ann"])
    gone = await house.add("gone.txt", "Birds sing.")
    await house.footnote.database.execute(query("removing.erase_document"), {"document_id": gone})
    await house.client.get(f"/v1/documents/{secret}")
    await house.client.get(f"/v1/documents/{gone}/text")
    await house.client.post("/v1/search", json={"query": "cats", "collection": "nowhere"})
    await house.client.post("/v1/ask", json={"question": " "})
    await house.client.post("/v1/ask", json={"question": "Who was Ada Lovelace's tailor?"})
    told = [(entry["kind"], entry["status"], entry["documents"]) for entry in await audit_of(house)]
    assert told[1:] == [
        ("ask", "failed", []),
        ("search", "not_found", []),
        ("document", "erased", [str(gone)]),
        ("document", "not_found", [str(secret)]),
    ]
    assert told[0][:2] == ("ask", "refused")


async def test_an_answer_told_as_events_is_noted_before_its_first_event(house: House) -> None:
    await house.add("cats.txt", "Cats sleep for most of the day.")
    async with on_the_wire(house.footnote) as wired:
        asked = {"question": "How long do cats sleep?", "stream": True}
        async with listening(wired.client, "POST", "/v1/ask", body=asked) as listener:
            async for event in listener.events():
                (entry,) = await audit_of(house)
                assert entry["status"] in (["begun", "answered"] if event.name != "done" else ["answered"])
    assert (await audit_of(house))[0]["documents"]


@pytest.mark.parametrize("questions", ["text", "hash", "off"])
async def test_of_a_question_there_is_kept_what_the_settings_say(house: House, questions: Any) -> None:
    await house.add("cats.txt", "Cats sleep for most of the day.")
    audit = Audit(house.footnote.database, questions=questions, retention_days=0)
    for question in ("Do cats\x00 sleep?", "do  CATS\x00 sleep?"):
        await audit.write(await caller(house), "search", status="returned", question=question)
    second, first = await audit_of(house)
    assert first["question"] == ("Do cats\ufffd sleep?" if questions == "text" else None)
    assert first["question_hash"] == second["question_hash"]
    assert (first["question_hash"] is None) == (questions == "off")


async def caller(house: House) -> Identity:
    key = await verify_key(house.footnote.database, house.key)
    assert key is not None
    return key.identity


async def test_nothing_is_noted_where_the_audit_is_off(house: House) -> None:
    await house.add("cats.txt", "Cats sleep for most of the day.")
    off = Settings(home=house.footnote.settings.home, audit=AuditSettings(enabled=False))
    object.__setattr__(house.footnote, "settings", off)
    async with open_house(house.footnote) as opened:
        response = await opened.client.post("/v1/ask", json={"question": "How long do cats sleep?"})
        assert response.json()["answered"]
        assert await audit_of(opened) == []


async def test_an_answer_that_cannot_be_noted_is_not_given(house: House) -> None:
    cats = await house.add("cats.txt", "Cats sleep for most of the day.")
    await house.footnote.database.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = '53100'; END $$"
    )
    await house.footnote.database.execute(
        "CREATE TRIGGER full_disk BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    for method, url, body in (
        ("POST", "/v1/ask", {"question": "How long do cats sleep?"}),
        ("POST", "/v1/search", {"query": "cats"}),
        ("GET", f"/v1/documents/{cats}", None),
        ("GET", f"/v1/documents/{cats}/text", None),
    ):
        response = await house.client.request(method, url, json=body)
        assert response.status_code == 503, url
        assert "most of the day" not in response.text


async def test_pages_follow_one_another_whatever_is_noted_meanwhile(house: House) -> None:
    audit = Audit(house.footnote.database, questions="off", retention_days=0)
    who = await caller(house)
    rows = [await audit.write(who, "search", status="returned") for _ in range(5)]
    admin = await house.client_as(role="admin")
    seen: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await house.client.get("/v1/audit", headers=admin, params={"limit": 2, **cursor})).json()
        seen += [entry["id"] for entry in page["entries"]]
        await audit.write(who, "search", status="returned")
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == sorted((row for row in rows if row), reverse=True)
    broken = await house.client.get("/v1/audit", headers=admin, params={"cursor": "x"})
    assert broken.status_code == 400


async def test_the_audit_is_for_admins_and_narrowed_to_their_collections(house: House) -> None:
    for name in ("mine", "other"):
        await house.add("a.txt", "Cats sleep.", collection=name)
        await house.client.post("/v1/search", json={"query": "cats", "collection": name})
    for role in ("reader", "editor"):
        headers = await house.client_as(role=role)
        assert (await house.client.get("/v1/audit", headers=headers)).status_code == 403
    headers = await house.client_as(role="admin", collections=["mine"])
    entries = (await house.client.get("/v1/audit", headers=headers)).json()["entries"]
    assert [entry["collection"] for entry in entries] == ["mine"]
    mine = await caller(house)
    assert len(await audit_of(house, caller=str(mine.id))) == 2
    assert await audit_of(house, caller=str(UUID(int=7))) == []
    assert await audit_of(house, since="2100-01-01T00:00:00Z") == []


async def test_rows_are_forgotten_when_their_time_has_come(database: Database) -> None:
    key = await create_key(database, name="one", principals=[])
    verified = await verify_key(database, key.key)
    assert verified is not None
    audit = Audit(database, questions="off", retention_days=30)
    for days in (29, 31):
        row = await audit.write(verified.identity, "search", status="returned")
        await database.execute(
            "UPDATE audit SET at = now() - make_interval(days => %(days)s) WHERE id = %(id)s",
            {"days": days, "id": row},
        )
    async with audit:
        for _ in range(100):
            left: Sequence[Any] = await database.fetch_all("SELECT at FROM audit")
            if len(left) == 1:
                break
            await asyncio.sleep(0.02)
    assert len(left) == 1


def test_nothing_that_speaks_http_asks_but_at_the_desk() -> None:
    """What is asked elsewhere would not be noted."""
    beside = ("find_revision(", "footnote.search(", "footnote.prepare(", "footnote.answer(", "footnote.ask(")
    for module in (ROOT / "service" / "http").rglob("*.py"):
        written = [call for call in beside if call in module.read_text()]
        assert not written, f"{module.name} has {written}: a Desk has to do that"
