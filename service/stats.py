"""Figures of the service at a glance: how answers went and what they cost, what waits, what failed, how large it is.

They are sums that the database makes of rows which are kept for other reasons: answers of the last 30 days, usage by
day, jobs, sources. Where collections are told apart, an admin gets the figures of those that exist for them; jobs,
webhooks and money are those of the whole service.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, LiteralString

from ingest.catalog import SourceState
from retrieval.database import Database, query
from retrieval.records import Scope
from service.collections import HeldCollection, list_held
from service.managed_sources import visible_sources

MAX_HOURS = 720
"""Answers are remembered for 30 days."""

_SLOTS_S = (300, 900, 3_600, 3 * 3_600, 6 * 3_600, 86_400)
_MOST_SLOTS = 31
_SPEND_DAYS = 30
_MOST_COLLECTIONS = 200
_MOST_SOURCES = 1_000
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The time that is looked at, cut into slots of `slot_s` seconds; the last one has not ended yet."""

    since: datetime
    until: datetime
    slot_s: int

    def starts(self) -> list[datetime]:
        count = -(-(self.until - self.since) // timedelta(seconds=self.slot_s))
        return [self.since + timedelta(seconds=self.slot_s * number) for number in range(count)]


def window(hours: int, *, now: datetime) -> Window:
    """The last `hours` hours in some 12 to 31 slots, which begin on the full hour, quarter or day (UTC)."""
    slot_s = next(slot for slot in _SLOTS_S if hours * 3600 // slot < _MOST_SLOTS)
    slot = timedelta(seconds=slot_s)
    begun = _BEGINNING + (now - _BEGINNING) // slot * slot
    count = -(-hours * 3600 // slot_s)
    return Window(since=begun - slot * (count - 1), until=now, slot_s=slot_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFigures:
    """How answers went. `sentences` were written, of which `unsupported` by no source, and so left out or marked. Times
    are None where no answer has one."""

    answered: int = 0
    partial: int = 0
    refused: int = 0
    sentences: int = 0
    unsupported: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> AnswerFigures:
        return cls(**{name: row[name] for name in cls.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What the answers of a day (UTC) cost."""

    day: date
    requests: int = 0
    tokens: int = 0
    money: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """The figures. `slots`: those of answers, slot by slot. `database_bytes`: None for admins of some collections."""

    window: Window
    answers: AnswerFigures
    slots: Sequence[tuple[datetime, AnswerFigures]]
    up: int
    down: int
    spend: Sequence[Spent]
    collections: Sequence[HeldCollection]
    database_bytes: int | None
    sources: Sequence[SourceState]
    queues: Mapping[str, int]
    failures: Mapping[str, int]


async def read_stats(database: Database, *, hours: int, scope: Scope, now: datetime) -> Stats:
    """The figures of the last `hours` hours, at most `MAX_HOURS`. Raises `DatabaseUnavailableError`."""
    looked_at = window(hours, now=now)
    within = {
        "since": looked_at.since,
        "until": looked_at.until,
        "slot_s": looked_at.slot_s,
        "collections": None if scope.collections is None else sorted(scope.collections),
    }
    by_slot = {
        row["at"]: AnswerFigures.of(row) for row in await database.fetch_all(query("stats.answers"), within)
    }
    feedback = await _counts(database, "stats.feedback", within)
    sources = await visible_sources(database, collection=None, scope=scope, after=None, limit=_MOST_SOURCES)
    return Stats(
        window=looked_at,
        answers=by_slot.get(None, AnswerFigures()),
        slots=[(start, by_slot.get(start, AnswerFigures())) for start in looked_at.starts()],
        up=feedback["up"],
        down=feedback["down"],
        spend=await _spend(database, last=now.astimezone(UTC).date()),
        collections=await list_held(database, scope=scope, is_admin=True, limit=_MOST_COLLECTIONS),
        database_bytes=await _database_bytes(database) if scope.collections is None else None,
        sources=sources,
        queues=await _counts(database, "stats.queues", within),
        failures={
            **await _counts(database, "stats.failures", within),
            "sources": sum(state.last_error is not None for state in sources),
        },
    )


async def _counts(database: Database, name: LiteralString, parameters: dict[str, Any]) -> dict[str, int]:
    row = await database.fetch_one(query(name), parameters)
    assert row is not None, "counts are always a row"
    return row


async def _spend(database: Database, *, last: date) -> list[Spent]:
    """Day by day, also days without any."""
    first = last - timedelta(days=_SPEND_DAYS - 1)
    rows = await database.fetch_all(query("stats.spend"), {"first": first, "last": last})
    by_day = {row["day"]: Spent(**row) for row in rows}
    days = [first + timedelta(days=number) for number in range(_SPEND_DAYS)]
    return [by_day.get(day, Spent(day=day)) for day in days]


async def _database_bytes(database: Database) -> int:
    return (await _counts(database, "stats.database_bytes", {}))["bytes"]
