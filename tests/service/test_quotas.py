from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from psycopg.conninfo import make_conninfo

from retrieval.database import Database
from retrieval.errors import DatabaseUnavailableError, NotFoundError
from service.keys import create_key
from service.limits import LimitReachedError, Limits, OwnLimits
from service.prices import Cost
from service.quotas import Quotas, list_limits, set_limits

DAY = "UPDATE quotas SET day = day - 1 WHERE caller_id = %(id)s"
MONTH = "UPDATE quotas SET month = month - interval '1 month' WHERE caller_id = %(id)s"
MINUTE = "UPDATE quotas SET minute_began = minute_began - interval '1 minute' WHERE caller_id = %(id)s"


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    async with Database(dsn, max_connections=8) as opened:
        yield opened


def quotas(database: Database, **limits: int | Decimal) -> Quotas:
    return Quotas(database=database, limits=Limits(**limits))  # type: ignore[arg-type]


async def count(limited: Quotas, caller: UUID, times: int) -> int:
    """How many of so many requests at once come through."""
    ended = await asyncio.gather(
        *(limited.count_request(caller) for _ in range(times)), return_exceptions=True
    )
    assert all(not isinstance(e, BaseException) or isinstance(e, LimitReachedError) for e in ended), ended
    return sum(not isinstance(e, BaseException) for e in ended)


async def test_of_200_requests_at_once_over_two_pools_100_come_through(database: Database, dsn: str) -> None:
    caller = uuid4()
    async with Database(dsn, max_connections=8) as other:
        passed = await asyncio.gather(
            count(quotas(database, requests_per_minute=100), caller, 100),
            count(quotas(other, requests_per_minute=100), caller, 100),
        )
    assert sum(passed) == 100


async def test_a_refusal_says_which_limit_how_much_and_when_again(database: Database) -> None:
    caller = uuid4()
    limited = quotas(database, requests_per_minute=2, requests_per_day=10)
    await limited.count_request(caller)
    standing = await limited.count_request(caller)
    assert [(w.name, w.limit, w.left) for w in standing.windows] == [("minute", 2, 0), ("day", 10, 8)]
    with pytest.raises(
        LimitReachedError, match=r"2 requests a minute and has taken 2\. There is more in"
    ) as refused:
        await limited.count_request(caller)
    assert refused.value.name == "requests_per_minute"
    assert 1 <= refused.value.retry_after_s <= 60
    headers = refused.value.standing.headers()
    assert headers["RateLimit-Policy"] == '"minute";q=2;w=60, "day";q=10;w=86400'
    assert headers["RateLimit"].startswith('"minute";r=0;t=')
    assert (headers["RateLimit-Limit"], headers["RateLimit-Remaining"]) == ("2", "0")


async def test_a_minute_ends_and_a_day_goes_on(database: Database) -> None:
    caller = uuid4()
    limited = quotas(database, requests_per_minute=2, requests_per_day=3)
    assert await count(limited, caller, 4) == 2
    await database.execute(MINUTE, {"id": caller})
    assert await count(limited, caller, 4) == 1
    with pytest.raises(LimitReachedError) as refused:
        await limited.count_request(caller)
    assert refused.value.name == "requests_per_day"
    await database.execute(MINUTE, {"id": caller})
    await database.execute(DAY, {"id": caller})
    assert await count(limited, caller, 4) == 2


async def test_callers_do_not_count_for_one_another(database: Database) -> None:
    limited = quotas(database, requests_per_minute=1)
    assert [await count(limited, uuid4(), 3) for _ in range(3)] == [1, 1, 1]


async def test_without_limits_nothing_is_written(database: Database) -> None:
    caller = uuid4()
    assert (await Quotas(database=database).count_request(caller)).headers() == {}
    reservation = await Quotas(database=database).reserve(caller, Cost(), longest_s=60)
    await Quotas(database=database).settle(reservation)
    assert await database.fetch_all("SELECT caller_id FROM quotas") == []


async def test_what_is_said_of_a_key_goes_before_the_settings_and_holds_at_once(database: Database) -> None:
    key = await create_key(database, name="ann", principals=[])
    limited = quotas(database, requests_per_minute=1)
    assert await count(limited, key.id, 5) == 1
    own = OwnLimits(requests_per_minute=4)
    await set_limits(database, key.id, own)
    assert await count(limited, key.id, 5) == 3
    await set_limits(database, key.id, OwnLimits(requests_per_minute=0))
    assert await count(limited, key.id, 5) == 5
    assert await list_limits(database) == {key.id: OwnLimits(requests_per_minute=0)}
    with pytest.raises(NotFoundError):
        await set_limits(database, uuid4(), own)


async def test_of_20_answers_at_once_as_many_begin_as_may_and_an_end_makes_room(database: Database) -> None:
    caller = uuid4()
    limited = quotas(database, answers_at_once=3)
    begun = await asyncio.gather(
        *(limited.reserve(caller, Cost(), longest_s=60) for _ in range(20)), return_exceptions=True
    )
    held = [e for e in begun if not isinstance(e, BaseException)]
    assert len(held) == 3
    with pytest.raises(LimitReachedError, match="3 answers at once") as refused:
        await limited.reserve(caller, Cost(), longest_s=60)
    assert refused.value.retry_after_s <= 2
    await limited.settle(held[0])
    await limited.reserve(caller, Cost(), longest_s=60)


async def test_the_place_of_a_process_that_died_is_free_after_its_time(database: Database) -> None:
    caller = uuid4()
    limited = quotas(database, answers_at_once=1)
    await limited.reserve(caller, Cost(), longest_s=0.3)
    with pytest.raises(LimitReachedError):
        await limited.reserve(caller, Cost(), longest_s=60)
    await asyncio.sleep(0.35)
    await limited.reserve(caller, Cost(), longest_s=60)


async def test_tokens_are_reserved_before_and_settled_after(database: Database) -> None:
    caller = uuid4()
    limited = quotas(database, tokens_per_day=1000)
    first = await limited.reserve(caller, Cost(tokens=600), longest_s=60)
    with pytest.raises(LimitReachedError, match="has taken 600; an answer may take up to 600") as refused:
        await limited.reserve(caller, Cost(tokens=600), longest_s=60)
    assert refused.value.name == "tokens_per_day"
    await limited.settle(first, Cost(tokens=100))
    await limited.reserve(caller, Cost(tokens=600), longest_s=60)
    await database.execute(DAY, {"id": caller})
    await limited.reserve(caller, Cost(tokens=600), longest_s=60)


async def test_money_is_exact_under_concurrency_and_begins_anew_with_the_month(database: Database) -> None:
    caller = uuid4()
    limited = quotas(database, money_per_month=Decimal("1.00"))
    one = Cost(tokens=10, money=Decimal("0.1"))
    begun = await asyncio.gather(
        *(limited.reserve(caller, one, longest_s=60) for _ in range(30)), return_exceptions=True
    )
    assert sum(not isinstance(e, BaseException) for e in begun) == 10
    with pytest.raises(LimitReachedError) as refused:
        await limited.reserve(caller, one, longest_s=60)
    assert refused.value.as_json() == {
        "name": "money_per_month",
        "limit": 1.0,
        "used": 1.0,
        "retry_after_s": refused.value.retry_after_s,
    }
    await database.execute(MONTH, {"id": caller})
    await limited.reserve(caller, one, longest_s=60)


async def test_an_answer_that_ends_on_another_day_is_none_of_that_days(database: Database) -> None:
    caller = uuid4()
    limited = quotas(database, tokens_per_day=1000)
    held = await limited.reserve(caller, Cost(tokens=600), longest_s=60)
    await database.execute(DAY, {"id": caller})
    today = await limited.reserve(caller, Cost(tokens=700), longest_s=60)
    assert held.day is not None
    await limited.settle(replace(held, day=held.day - timedelta(days=1)), Cost(tokens=900))
    row = await database.fetch_one("SELECT day_tokens FROM quotas WHERE caller_id = %(id)s", {"id": caller})
    assert row == {"day_tokens": 700}
    await limited.settle(today, Cost(tokens=1))


async def test_what_costs_nothing_is_answered_also_when_tokens_are_used_up(database: Database) -> None:
    caller = uuid4()
    limited = quotas(database, tokens_per_day=10)
    held = await limited.reserve(caller, Cost(tokens=10), longest_s=60)
    await limited.settle(held, Cost(tokens=50))
    await limited.reserve(caller, Cost(), longest_s=60)


async def test_a_limit_below_what_one_answer_may_take_is_told_as_that(database: Database) -> None:
    with pytest.raises(LimitReachedError, match="more than the limit: an operator has to raise it"):
        await quotas(database, tokens_per_day=10).reserve(uuid4(), Cost(tokens=11), longest_s=60)


async def test_without_the_database_nothing_is_given(dsn: str) -> None:
    async with Database(dsn, max_connections=1, connect_timeout_s=1) as opened:
        limited = quotas(opened, requests_per_minute=5)
        await limited.count_request(uuid4())
    gone = Database(make_conninfo(dsn, host="127.0.0.1", port="1"), connect_timeout_s=0.2)
    with pytest.raises(DatabaseUnavailableError):
        async with gone:
            pass
    with pytest.raises(DatabaseUnavailableError):
        await limited.count_request(uuid4())
