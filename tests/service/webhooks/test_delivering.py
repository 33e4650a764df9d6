"""What has happened is told, signed, again and again until it is taken; and no more than its owner may know by then."""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from retrieval.errors import NotFoundError
from retrieval.records import Scope
from service.footnote import Footnote
from service.jobs import JobPolicy, create_job, find_job
from service.keys import create_key, revoke_key
from service.webhooks.delivering import DeliveryPolicy, subscribe
from service.webhooks.signing import sign, subscriber_secret
from tests.service.http.conftest import add_document
from tests.service.test_schedule import schedule_folder
from tests.service.webhooks.receiver import Received, Receiver, receiving
from tests.service.workers import QUICK, at_work, make_owner, until, with_attempts

POLICY = JobPolicy(max_open=10, retention=timedelta(hours=1))
REQUEST = {"question": "When does the gate open?", "collection": "default", "k": 5}


def verified(received: Received, secret: str) -> bool:
    """What docs/jobs.md has receivers do."""
    parts = dict(part.split("=", 1) for part in received.headers["Footnote-Signature"].split(","))
    if abs(time.time() - int(parts["t"])) > 300:
        return False
    signed = parts["t"].encode() + b"." + received.body
    expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, parts["v1"])


async def ask_with(footnote: Footnote, receiver: Receiver, *principals: str) -> Any:
    key = await make_owner(footnote.database, *principals)
    accepted = await create_job(footnote.database, key, REQUEST, policy=POLICY, callback_url=receiver.url)
    return key, accepted.id


async def state_of(footnote: Footnote, state: str) -> Any:
    return await footnote.database.fetch_one(
        "SELECT * FROM deliveries WHERE state = %(state)s", {"state": state}
    )


async def test_the_end_of_a_job_is_told_signed_until_it_is_taken(footnote: Footnote) -> None:
    await add_document(footnote, "gate.txt", "The gate opens at seven.")
    with receiving([500, 302]) as receiver:
        key, job_id = await ask_with(footnote, receiver)
        async with at_work(footnote):
            row = await until(lambda: state_of(footnote, "delivered"))
        assert (row["attempts"], row["last_status"], row["last_error"]) == (3, 204, None)
        assert len(receiver.received) == 3
        secret = await subscriber_secret(footnote.database, None, key.id)
        assert all(verified(one, secret) for one in receiver.received)
        assert not verified(receiver.received[0], "whsec_other")
        told = receiver.received[-1]
        assert {one.headers["Footnote-Delivery"] for one in receiver.received} == {str(row["id"])}
        assert told.headers["Footnote-Event"] == told.shape["type"] == "job.done"
        assert told.shape["id"] == str(row["id"])
        assert told.shape["job"]["id"] == str(job_id)
        assert "seven" in told.shape["job"]["answer"]["answer"]
    job = await find_job(footnote.database, job_id, owner_id=key.id, scope=Scope.of([]))
    assert job.delivery is not None
    assert job.delivery.state == "delivered"


async def test_after_so_many_attempts_it_is_given_up_and_says_why(footnote: Footnote) -> None:
    await add_document(footnote, "gate.txt", "The gate opens at seven.")
    with receiving([500] * 9) as receiver:
        await ask_with(footnote, receiver)
        async with at_work(footnote, with_attempts(3)):
            row = await until(lambda: state_of(footnote, "failed"))
        assert (row["attempts"], row["last_status"]) == (3, 500)
        assert row["last_error"] == "it was not taken, with the status 500"
        assert len(receiver.received) == 3


@pytest.mark.parametrize("what", ["readers", "key", "document"])
async def test_what_may_not_be_seen_any_more_is_not_told(footnote: Footnote, what: str) -> None:
    await add_document(footnote, "other.txt", "The canteen is on the second floor.")
    document = await add_document(footnote, "gate.txt", "The gate opens at seven.", readers=["user:ann"])
    with receiving() as receiver:
        key, _ = await ask_with(footnote, receiver, "user:ann")
        async with at_work(footnote, replace(QUICK, deliveries=0)):
            await until(lambda: state_of(footnote, "waiting"))
        if what == "key":
            await revoke_key(footnote.database, key.id)
        elif what == "readers":
            await footnote.database.execute("UPDATE documents SET readers = '{user:bob}'")
        else:
            await footnote.database.execute("DELETE FROM documents WHERE id = %(id)s", {"id": document})
        async with at_work(footnote):
            await until(lambda: state_of(footnote, "delivered"))
        [told] = receiver.received
        assert told.shape["job"]["answer"] is None
        assert told.shape["job"]["withheld"]
        assert told.shape["job"]["question"] is None
        assert b"seven" not in told.body


async def test_runs_of_a_source_are_told_to_whoever_subscribed(footnote: Footnote, tmp_path: Path) -> None:
    source = await schedule_folder(footnote, tmp_path / "a", due=datetime.now(UTC) - timedelta(minutes=1))
    with receiving() as receiver:
        await subscribe(footnote.database, source.id, receiver.url)
        async with at_work(footnote):
            await until(lambda: state_of(footnote, "delivered"))
            Path(source.location).rename(tmp_path / "away")
            await footnote.database.execute("UPDATE sources SET next_due = now()")

            async def second() -> bool:
                return len(receiver.received) == 2

            await until(second)
        secret = await subscriber_secret(footnote.database, None, source.id)
        assert all(verified(one, secret) for one in receiver.received)
        done, failed = (one.shape for one in receiver.received)
        assert (done["type"], done["report"]["added"], done["error"]) == ("refresh.done", 1, None)
        assert done["source"] == {"id": str(source.id), "collection": "default"}
        assert "note.txt" not in str(done)
        assert failed["type"] == "refresh.failed"
        assert failed["report"] is None
        assert failed["error"]


def test_pauses_grow_to_an_hour() -> None:
    policy = DeliveryPolicy()
    pauses = [policy.pause_s(attempt) for attempt in range(1, 9)]
    assert pauses[-1] is None
    for pause, expected in zip(pauses[:-1], (5, 20, 80, 320, 1280, 3600, 3600), strict=True):
        assert pause is not None
        assert 0.74 * expected < pause < 1.26 * expected


async def test_every_subscriber_has_a_secret_of_their_own_that_stays(footnote: Footnote) -> None:
    one = await create_key(footnote.database, name="a", principals=[])
    other = await create_key(footnote.database, name="b", principals=[])
    secrets = [await subscriber_secret(footnote.database, None, key.id) for key in (one, one, other)]
    assert secrets[0] == secrets[1] != secrets[2]
    assert await subscriber_secret(footnote.database, "x" * 20, one.id) != secrets[0]
    assert sign("a", b"{}", timestamp=1) == ("t=1,v1=" + hmac.new(b"a", b"1.{}", hashlib.sha256).hexdigest())
    with pytest.raises(NotFoundError):
        await find_job(footnote.database, uuid4(), owner_id=one.id, scope=Scope.of([]))
