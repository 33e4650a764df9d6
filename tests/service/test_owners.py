"""Owners of jobs are who they are now, not who they were."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from retrieval.database import Database
from retrieval.records import Scope
from service.identity import Identity
from service.keys import create_key, find_key, revoke_key
from service.owners import owner_as_json, owner_now


async def test_the_holder_of_a_key_is_who_the_key_says_now(database: Database) -> None:
    made = await create_key(database, name="a", principals=["user:ann"], collections=["hr"])
    key = await find_key(database, made.id)
    assert key is not None
    kept = owner_as_json(key.identity)
    assert kept == {"kind": "key"}
    assert await owner_now(database, key.id, kept) == key.identity
    await database.execute("UPDATE api_keys SET principals = '{user:bob}'")
    now = await owner_now(database, key.id, kept)
    assert now is not None
    assert now.scope == Scope.of(["user:bob"], collections=["hr"])
    await revoke_key(database, key.id)
    assert await owner_now(database, key.id, kept) is None


async def test_a_key_that_has_ended_is_nobody(database: Database) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    made = await create_key(database, name="a", principals=[], expires_at=soon)
    await database.execute("UPDATE api_keys SET expires_at = now() - interval '1 second'")
    assert await owner_now(database, made.id, {"kind": "key"}) is None


async def test_what_a_token_said_holds_for_as_long_as_it_said(database: Database) -> None:
    for minutes, holds in ((5, True), (-5, False)):
        holder = Identity(
            id=uuid4(),
            kind="token",
            name="ann",
            role="reader",
            scope=Scope.of(["user:ann"], collections=["hr"]),
            expires_at=datetime.now(UTC) + timedelta(minutes=minutes),
        )
        now = await owner_now(database, holder.id, owner_as_json(holder))
        assert now == (holder if holds else None)


async def test_a_browser_of_the_one_time_link_has_to_be_signed_in_still(database: Database) -> None:
    row = await database.fetch_one(
        "INSERT INTO sessions (token_hash, expires_at) VALUES ('x', now() + interval '1 hour') RETURNING id"
    )
    assert row is not None
    now = await owner_now(database, row["id"], {"kind": "link"})
    assert now is not None
    assert now.scope == Scope.everything()
    await database.execute("DELETE FROM sessions")
    assert await owner_now(database, row["id"], {"kind": "link"}) is None
