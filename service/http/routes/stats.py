"""GET /v1/stats: figures of the service at a glance, for admins."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from service.http.auth import Caller, keyed_router
from service.http.describing import ALWAYS, problems
from service.http.parts import PartsOf
from service.http.responses.stats import StatsBody, stats_as_json
from service.stats import MAX_HOURS, read_stats

router = keyed_router("usage", role="admin")


class StatsQuery(BaseModel):
    """Which time to look at."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hours: Annotated[
        int, Field(ge=1, le=MAX_HOURS, description="How many hours back; answers are remembered for 30 days.")
    ] = 24


@router.get(
    "/v1/stats",
    summary="Figures at a glance",
    response_model=StatsBody,
    responses=problems(*ALWAYS),
)
async def show(asked: Annotated[StatsQuery, Query()], parts: PartsOf, caller: Caller) -> JSONResponse:
    """How answers went, what they cost, what waits, what failed, how large and how fresh the index is: for admins, of
    the collections that exist for them. Money, jobs and webhooks are those of the whole service."""
    footnote = parts.footnote
    stats = await read_stats(footnote.database, hours=asked.hours, scope=caller, now=datetime.now(UTC))
    shape = stats_as_json(
        stats, answers_running=parts.broadcasts.running, texts_waiting=sum(footnote.waiting().values())
    )
    return JSONResponse(shape, headers={"Cache-Control": "no-store"})
