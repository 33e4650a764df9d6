"""The response of GET /v1/stats: its shape, and the models that describe it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict

from service.http.responses.body import Body, moment
from service.managed_sources import name_of, standing_of
from service.stats import AnswerFigures, Stats

_FIGURES: dict[str, Any] = {
    "answered": 40,
    "partial": 3,
    "refused": 6,
    "sentences": 121,
    "unsupported": 4,
    "p50_ms": 412.5,
    "p95_ms": 1_310.0,
}
_STATS: dict[str, Any] = {
    "since": "2026-01-30T10:00:00+00:00",
    "until": "2026-01-31T09:31:07+00:00",
    "slot_s": 3_600,
    "answers": _FIGURES,
    "slots": [{"at": "2026-01-30T10:00:00+00:00", **_FIGURES}],
    "feedback": {"up": 11, "down": 2},
    "spend": [{"day": "2026-01-31", "requests": 49, "tokens": 127_310, "money": 0.62}],
    "collections": [{"name": "default", "documents": 130, "chunks": 2_911}],
    "database_bytes": 48_234_496,
    "sources": [
        {
            "id": "b7c5c9f0-33a1-4f0e-8e43-2d9d0f2b1c55",
            "collection": "handbook",
            "name": "handbook",
            "state": "idle",
            "schedule": "*/15 * * * *",
            "last_finished": "2026-01-31T09:30:02+00:00",
            "next_due": "2026-01-31T09:45:00+00:00",
            "failing": False,
        }
    ],
    "queues": {
        "jobs_queued": 0,
        "jobs_running": 1,
        "uploads_pending": 0,
        "sources_due": 0,
        "sources_running": 0,
        "webhooks_waiting": 0,
        "answers": 2,
        "models": 3,
    },
    "failures": {"files": 1, "sources": 0, "jobs": 0, "webhooks": 0},
}


class AnswerFiguresBody(Body):
    """How answers went. `sentences` were written, of which `unsupported` by no source, and so left out or marked. Half
    of the answers took at most `p50_ms`, 95 of 100 at most `p95_ms`, both null where there is none."""

    answered: int
    partial: int
    refused: int
    sentences: int
    unsupported: int
    p50_ms: float | None
    p95_ms: float | None


class SlotBody(AnswerFiguresBody):
    """The same from `at` on, for `slot_s` seconds."""

    at: datetime


class RatingsBody(Body):
    """What callers thought of answers."""

    up: int
    down: int


class SpentBody(Body):
    """What the answers of a day (UTC) cost, of all callers."""

    day: date
    requests: int
    tokens: int
    money: float


class SizeBody(Body):
    """How much of a collection the caller may read."""

    name: str
    documents: int
    chunks: int


class FreshnessBody(Body):
    """When a source was gone through last, and when it is next. `failing`: its last run did nothing."""

    id: UUID
    collection: str
    name: str
    state: Literal["running", "due", "idle"]
    schedule: str | None
    last_finished: datetime | None
    next_due: datetime | None
    failing: bool


class QueuesBody(Body):
    """What waits, and what is being done. In the process that was asked, `answers` are being told, and texts wait for
    `models`; the others are those of the whole service."""

    jobs_queued: int
    jobs_running: int
    uploads_pending: int
    sources_due: int
    sources_running: int
    webhooks_waiting: int
    answers: int
    models: int


class FailuresBody(Body):
    """What went wrong: `files` that are not taken in, and `sources` whose last run did nothing, as of now; `jobs` and
    `webhooks` that were given up since."""

    files: int
    sources: int
    jobs: int
    webhooks: int


class StatsBody(Body):
    """Figures of the service at a glance. `slots` cut the time from `since` to `until`; `spend` is that of the last 30
    days; `database_bytes` is null for admins of some collections."""

    model_config = ConfigDict(json_schema_extra={"examples": [_STATS]})

    since: datetime
    until: datetime
    slot_s: int
    answers: AnswerFiguresBody
    slots: list[SlotBody]
    feedback: RatingsBody
    spend: list[SpentBody]
    collections: list[SizeBody]
    database_bytes: int | None
    sources: list[FreshnessBody]
    queues: QueuesBody
    failures: FailuresBody


def stats_as_json(stats: Stats, *, answers_running: int, texts_waiting: int) -> dict[str, Any]:
    now = stats.window.until
    standings = [standing_of(state, now=now) for state in stats.sources]
    return {
        "since": stats.window.since.isoformat(),
        "until": now.isoformat(),
        "slot_s": stats.window.slot_s,
        "answers": asdict(stats.answers),
        "slots": [_slot(at, figures) for at, figures in stats.slots],
        "feedback": {"up": stats.up, "down": stats.down},
        "spend": [
            {**asdict(spent), "day": spent.day.isoformat(), "money": float(spent.money)}
            for spent in stats.spend
        ],
        "collections": [
            {"name": each.name, "documents": each.documents, "chunks": each.chunks}
            for each in stats.collections
        ],
        "database_bytes": stats.database_bytes,
        "sources": [
            {
                "id": str(state.source.id),
                "collection": state.collection,
                "name": name_of(state),
                "state": standing,
                "schedule": state.source.schedule,
                "last_finished": moment(state.last_finished),
                "next_due": moment(state.next_due),
                "failing": state.last_error is not None,
            }
            for state, standing in zip(stats.sources, standings, strict=True)
        ],
        "queues": {
            **stats.queues,
            "sources_due": standings.count("due"),
            "sources_running": standings.count("running"),
            "answers": answers_running,
            "models": texts_waiting,
        },
        "failures": {**stats.failures},
    }


def _slot(at: datetime, figures: AnswerFigures) -> dict[str, Any]:
    return {"at": at.isoformat(), **asdict(figures)}
