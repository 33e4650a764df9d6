"""Quotas: what callers take is counted in Postgres before it is given, exactly, however many processes give it.

    count_request(…)    every request, before anything is done for it
    reserve(…)          an answer: a place, and the most that it may cost; `settle` puts in what it did cost

One statement on the caller's one row decides (`sql/queries/quotas.sql`). Where the database is away nothing is given:
`DatabaseUnavailableError`, as with everything else that the service cannot account for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from psycopg.rows import DictRow

from retrieval.database import Database, query
from retrieval.errors import NotFoundError
from service.limits import (
    LIMIT_NAMES,
    LimitName,
    LimitReachedError,
    Limits,
    OwnLimits,
    Standing,
    Window,
    place_retry_s,
)
from service.prices import NOTHING, Cost

_MINUTE_S = 60
_DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What is held for an answer: a place until `settle` or until it ends by itself, and the most that it may cost.

    day, month: whose sums it is part of; None where nothing had to be reserved.
    """

    id: UUID
    caller_id: UUID
    most: Cost
    day: date | None
    month: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """The limits of all callers; `limits` hold for those of whom nothing else was said."""

    database: Database
    limits: Limits = Limits()  # noqa: RUF009  # it is frozen

    async def count_request(self, caller_id: UUID) -> Standing:
        """Count a request; returns what is left. Raises `LimitReachedError`, and nothing is counted then."""
        row = await self.database.fetch_one(
            query("quotas.count_request"), {"caller_id": caller_id, **self.limits.as_parameters()}
        )
        assert row is not None, "the query always returns a row"
        per_minute, per_day = row["per_minute"], row["per_day"]
        if not per_minute and not per_day:
            return Standing()
        if row["minute_requests"] is None:
            raise await self._request_refused(caller_id, per_minute, per_day)
        return _standing(row, per_minute=per_minute, per_day=per_day)

    async def _request_refused(self, caller_id: UUID, per_minute: int, per_day: int) -> LimitReachedError:
        row = await self._taken(caller_id)
        used = {"requests_per_minute": row["minute_requests"], "requests_per_day": row["day_requests"]}
        # The day goes first: who waits for the minute's end would only be refused again. What the row says may be
        # younger than the refusal: of two that are not reached any more it was the minute's.
        is_day = per_day > 0 and (used["requests_per_day"] >= per_day or per_minute == 0)
        name: LimitName = "requests_per_day" if is_day else "requests_per_minute"
        limit = per_day if is_day else per_minute
        return LimitReachedError(
            name,
            limit=limit,
            used=min(used[name], limit),
            needed=1,
            retry_after_s=row["day_ends_s"] if is_day else row["minute_ends_s"],
            standing=_standing(row, per_minute=per_minute, per_day=per_day),
        )

    async def reserve(self, caller_id: UUID, most: Cost, *, longest_s: float) -> Reservation:
        """Take a place for an answer, and the most that it may cost. Raises `LimitReachedError`.

        longest_s: after which the place is free again even if nobody settles, since the process died; the answer has to
        be over by then. What was reserved then stays spent: how much of it was, nobody knows.
        """
        answer_id = uuid4()
        row = await self.database.fetch_one(
            query("quotas.reserve"),
            {
                "caller_id": caller_id,
                "answer": str(answer_id),
                "tokens": most.tokens,
                "money": most.money,
                "longest_s": longest_s,
                **self.limits.as_parameters(),
            },
        )
        assert row is not None, "the query always returns a row"
        needs_any = most.tokens > 0 or most.money > 0 or row["answers_at_once"] > 0
        if needs_any and not row["reserved"]:
            raise await self._answer_refused(caller_id, most, row)
        return Reservation(id=answer_id, caller_id=caller_id, most=most, day=row["day"], month=row["month"])

    async def _answer_refused(self, caller_id: UUID, most: Cost, limits: DictRow) -> LimitReachedError:
        row = await self._taken(caller_id)
        standing = Standing()
        tokens, money = limits["tokens_per_day"], limits["money_per_month"]
        # The longest wait first; what the row says may be younger than the refusal, which was for a place then.
        if money and most.money and row["month_money"] + most.money > money:
            return LimitReachedError(
                "money_per_month",
                limit=money,
                used=row["month_money"],
                needed=most.money,
                retry_after_s=row["month_ends_s"],
                standing=standing,
            )
        if tokens and most.tokens and row["day_tokens"] + most.tokens > tokens:
            return LimitReachedError(
                "tokens_per_day",
                limit=tokens,
                used=row["day_tokens"],
                needed=most.tokens,
                retry_after_s=row["day_ends_s"],
                standing=standing,
            )
        return LimitReachedError(
            "answers_at_once",
            limit=limits["answers_at_once"],
            used=min(row["answers"], limits["answers_at_once"]),
            needed=1,
            retry_after_s=place_retry_s(row["next_ends_s"]),
            standing=standing,
        )

    async def settle(self, reservation: Reservation, spent: Cost = NOTHING) -> None:
        """Put what an answer did cost in the place of what was reserved, and give its place back."""
        if reservation.day is None:
            return
        await self.database.execute(
            query("quotas.settle"),
            {
                "caller_id": reservation.caller_id,
                "answer": str(reservation.id),
                "day": reservation.day,
                "month": reservation.month,
                "tokens": spent.tokens - reservation.most.tokens,
                "money": spent.money - reservation.most.money,
            },
        )

    async def _taken(self, caller_id: UUID) -> dict[str, Any]:
        row = await self.database.fetch_one(query("quotas.standing"), {"caller_id": caller_id})
        assert row is not None, "the query always returns a row"
        nothing = {"minute_requests": 0, "day_requests": 0, "day_tokens": 0, "month_money": Decimal(0)}
        return {**row, **{name: row[name] or zero for name, zero in nothing.items()}}


async def set_limits(database: Database, key_id: UUID, own: OwnLimits) -> None:
    """Say what a key may take, in place of what was said before; it holds from the next request on. Raises
    `NotFoundError`."""
    known = await database.fetch_one(query("keys.exists"), {"key_id": key_id})
    if known is None:
        raise NotFoundError(f"there is no key {key_id}. `footnote keys list` shows all of them.")
    await database.execute(query("quotas.set_limits"), {"key_id": key_id, **own.as_parameters()})


async def list_limits(database: Database) -> dict[UUID, OwnLimits]:
    """What was said of keys, by their ids; of others the settings' limits hold."""
    rows = await database.fetch_all(query("quotas.list_limits"))
    return {row["key_id"]: OwnLimits(**{name: row[name] for name in LIMIT_NAMES}) for row in rows}


def _standing(row: DictRow, *, per_minute: int, per_day: int) -> Standing:
    windows = []
    if per_minute:
        windows.append(
            Window(
                name="minute",
                limit=per_minute,
                left=max(0, per_minute - row["minute_requests"]),
                ends_in_s=max(1, math.ceil(row["minute_ends_s"])),
                seconds=_MINUTE_S,
            )
        )
    if per_day:
        windows.append(
            Window(
                name="day",
                limit=per_day,
                left=max(0, per_day - row["day_requests"]),
                ends_in_s=max(1, math.ceil(row["day_ends_s"])),
                seconds=_DAY_S,
            )
        )
    return Standing(windows=tuple(windows))
