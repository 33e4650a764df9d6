"""API keys: shown once, kept as hashes, revoked at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.database import Database
from retrieval.errors import InvalidRequestError, NotFoundError
from retrieval.records import Scope
from service.keys import create_key, list_keys, revoke_key, verify_key


async def test_a_key_that_was_made_is_verified_with_whom_its_holder_counts_as(database: Database) -> None:
    created = await create_key(
        database, name=" Ann's laptop ", principals=["user:ann", "group:hr", "user:ann"]
    )
    key = await verify_key(database, created.key)
    assert key is not None
    assert (key.id, key.name, key.principals) == (created.id, "Ann's laptop", ("user:ann", "group:hr"))
    assert key.scope.principals == frozenset({"user:ann", "group:hr", "public"})


async def test_of_a_secret_only_its_hash_is_kept_and_nothing_shows_it_again(database: Database) -> None:
    created = await create_key(database, name="one", principals=[])
    secret = created.key.rsplit("_", 1)[1]
    row = await database.fetch_one("SELECT api_keys::text AS whole FROM api_keys")
    assert row is not None
    assert secret not in row["whole"]
    assert secret not in repr(created)
    (listed,) = await list_keys(database)
    assert created.key.startswith(listed.prefix)
    assert secret not in repr(listed)


async def test_a_revoked_key_is_refused_and_stays_listed(database: Database) -> None:
    created = await create_key(database, name="one", principals=[])
    revoked = await revoke_key(database, created.id)
    again = await revoke_key(database, created.id)
    assert revoked.revoked_at is not None
    assert again.revoked_at == revoked.revoked_at
    assert await verify_key(database, created.key) is None
    assert [key.id for key in await list_keys(database)] == [created.id]


async def test_a_right_beginning_with_a_wrong_secret_is_refused(database: Database) -> None:
    created = await create_key(database, name="one", principals=[])
    last = "a" if created.key[-1] != "a" else "b"
    assert await verify_key(database, created.key[:-1] + last) is None
    assert (await list_keys(database))[0].last_used is None


async def test_use_is_noted_at_most_once_a_minute(database: Database) -> None:
    created = await create_key(database, name="one", principals=[])
    await verify_key(database, created.key)
    first = (await list_keys(database))[0].last_used
    assert first is not None
    await verify_key(database, created.key)
    assert (await list_keys(database))[0].last_used == first
    await database.execute("UPDATE api_keys SET last_used = now() - interval '61 seconds'")
    await verify_key(database, created.key)
    noted = (await list_keys(database))[0].last_used
    assert noted is not None
    assert noted >= first


@pytest.mark.parametrize("name", ["", "   ", "a" * 101, "a\nb", "a\x00b", "\ud800"])
async def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequestError, match="1 to 100 printable characters"):
        await create_key(_NoDatabase(), name=name, principals=[])


@pytest.mark.parametrize("principal", ["", "user:\x00", "user:\ud800"])
async def test_a_principal_that_cannot_be_stored_is_refused(principal: str) -> None:
    with pytest.raises(InvalidRequestError, match="whom a key counts as"):
        await create_key(_NoDatabase(), name="one", principals=[principal])


async def test_revoking_a_key_that_is_not_there_says_so(database: Database) -> None:
    with pytest.raises(NotFoundError, match="footnote keys list"):
        await revoke_key(database, UUID(int=7))


class _NoDatabase(Database):
    """A database that must not be asked."""

    def __init__(self) -> None:
        super().__init__("")

    async def fetch_all(self, *_: object) -> list[dict[str, object]]:
        raise AssertionError("this must not reach the database")

    async def fetch_one(self, *_: object) -> dict[str, object]:
        raise AssertionError("this must not reach the database")


@given(st.text())
async def test_what_does_not_look_like_a_key_is_refused_without_asking_the_database(text: str) -> None:
    assert await verify_key(_NoDatabase(), text) is None


async def test_a_key_has_the_role_collections_and_end_that_it_was_made_with(database: Database) -> None:
    end = datetime.now(UTC) + timedelta(days=90)
    created = await create_key(
        database,
        name="one",
        principals=["user:ann"],
        role="editor",
        collections=["hr", "law", "hr"],
        expires_at=end,
    )
    key = await verify_key(database, created.key)
    assert key is not None
    assert (key.role, key.collections, key.expires_at) == ("editor", ("hr", "law"), end)
    assert key.scope == Scope.of(["user:ann"], collections=["hr", "law"])
    assert await list_keys(database) == [replace(key, last_used=(await list_keys(database))[0].last_used)]


async def test_a_key_made_without_them_reads_everywhere_and_for_ever(database: Database) -> None:
    created = await create_key(database, name="one", principals=[])
    key = await verify_key(database, created.key)
    assert key is not None
    assert (key.role, key.collections, key.expires_at) == ("reader", None, None)


async def test_a_key_is_refused_once_it_has_ended_and_stays_listed(database: Database) -> None:
    created = await create_key(
        database, name="one", principals=[], expires_at=datetime.now(UTC) + timedelta(hours=1)
    )
    assert await verify_key(database, created.key) is not None
    await database.execute("UPDATE api_keys SET expires_at = now()")
    assert await verify_key(database, created.key) is None
    assert [key.id for key in await list_keys(database)] == [created.id]


async def test_the_release_before_does_not_know_keys_with_limits_that_it_would_not_keep(
    database: Database,
) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    plain = await create_key(database, name="plain", principals=[], role="admin")
    limited = [
        await create_key(database, name="ends", principals=[], expires_at=end),
        await create_key(database, name="scoped", principals=[], collections=["hr"]),
    ]
    hashes = {
        row["id"]: bytes(row["secret_hash"]) for row in await database.fetch_all("SELECT * FROM api_keys")
    }
    assert hashes[plain.id] == sha256(plain.key.encode()).digest()
    for key in limited:
        assert hashes[key.id] != sha256(key.key.encode()).digest()
        assert await verify_key(database, key.key) is not None


async def test_a_key_that_would_open_nothing_is_refused() -> None:
    database = _NoDatabase()
    with pytest.raises(InvalidRequestError, match="opens nothing"):
        await create_key(database, name="one", principals=[], collections=[])
    with pytest.raises(InvalidRequestError, match="cannot be the name of a collection"):
        await create_key(database, name="one", principals=[], collections=["No Such"])
    with pytest.raises(InvalidRequestError, match="before it was made"):
        await create_key(database, name="one", principals=[], expires_at=datetime(2020, 1, 1, tzinfo=UTC))
