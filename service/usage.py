"""Usage: what answers cost, by day (UTC), caller and model; and what callers thought of them.

`record_answer` is called once for every whole answer, however it was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from generation.answers import Answer
from generation.llms import Usage
from retrieval.database import Database, query
from retrieval.errors import NotFoundError

Rating = Literal["up", "down"]
_NOTHING = Decimal(0)
_LONGEST_MS = 2**31 - 1  # of an integer


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """What the answers of one day cost that one caller had from one model. `caller` is the name of the key, if it is
    one. `money` is in the currency of the prices in the settings."""

    day: date
    caller_id: UUID
    caller: str | None
    model: str
    requests: int
    prompt_tokens: int
    completion_tokens: int
    money: Decimal

    def as_json(self) -> dict[str, Any]:
        """The shape of `footnote usage --json` and `GET /v1/usage`."""
        return {
            "day": self.day.isoformat(),
            "key": str(self.caller_id),
            "name": self.caller,
            "model": self.model,
            "requests": self.requests,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "money": float(self.money),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What a caller thinks of an answer."""

    answer_id: UUID
    rating: Rating
    comment: str
    created_at: datetime


async def record_answer(
    database: Database,
    *,
    answer_id: UUID,
    caller_id: UUID,
    answer: Answer,
    collection: str,
    seconds: float,
    money: Decimal = _NOTHING,
) -> None:
    """Count a whole answer, and remember that it was given to this caller, from which collection and in what time.
    Raises `DatabaseUnavailableError`."""
    # Finding other words for the question came on top of the answer.
    spent = (answer.usage, *(() if answer.searched is None else (answer.searched.usage,)))
    async with database.transaction() as connection:
        await connection.execute(
            query("usage.add"),
            {
                "caller_id": caller_id,
                "model": answer.model,
                "prompt_tokens": sum(usage.prompt_tokens for usage in spent),
                "completion_tokens": sum(usage.completion_tokens for usage in spent),
                "money": money,
            },
        )
        await connection.execute(
            query("usage.note_answer"),
            {
                "answer_id": answer_id,
                "caller_id": caller_id,
                "model": answer.model,
                "status": answer.status,
                "collection": collection,
                "milliseconds": min(round(seconds * 1000), _LONGEST_MS),
                "sentences": len(answer.sentences) + answer.dropped,
                "unsupported": answer.dropped + sum(not each.supported for each in answer.sentences),
            },
        )
    await database.execute(query("usage.forget_answers"))


async def add_usage(
    database: Database, *, caller_id: UUID, model: str, usage: Usage, money: Decimal = _NOTHING
) -> None:
    """Count what was used for an answer that nobody got. Raises `DatabaseUnavailableError`."""
    await database.execute(
        query("usage.add"),
        {
            "caller_id": caller_id,
            "model": model,
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "money": money,
        },
    )


async def list_usage(
    database: Database,
    *,
    caller_id: UUID | None,
    model: str | None = None,
    first: date | None = None,
    last: date | None = None,
    after: tuple[date, UUID, str] | None = None,
    limit: int,
) -> list[UsageRow]:
    """Up to `limit` rows after one, newest day first; of all callers where none is named."""
    day, caller, name = after or (None, None, None)
    rows = await database.fetch_all(
        query("usage.list"),
        {
            "caller_id": caller_id,
            "model": model,
            "first": first,
            "last": last,
            "before_day": day,
            "after_caller": caller,
            "after_model": name,
            "limit": limit,
        },
    )
    return [UsageRow(**row) for row in rows]


async def give_feedback(
    database: Database, answer_id: UUID, *, caller_id: UUID, rating: Rating, comment: str
) -> Feedback:
    """Keep what a caller thinks of an answer that they got. Raises `NotFoundError`, the same for an answer that
    somebody else got."""
    row = await database.fetch_one(
        query("usage.give_feedback"),
        {"answer_id": answer_id, "caller_id": caller_id, "rating": rating, "comment": comment},
    )
    if row is None:
        raise NotFoundError(
            f"there is no answer {answer_id} that you got in the last 30 days. Its id is in the header "
            "Footnote-Answer, and in the event `started` of one that is streamed."
        )
    return Feedback(**row)
