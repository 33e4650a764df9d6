"""The schedule: sources that are due are claimed, refreshed and given their next time.

A claim is a lease that its holder renews; one that ends (its worker died) is up for anyone. A run that was missed is
caught up once, since the next time is always counted from now. A source that fails is tried again after a minute, then
two, then four, at most an hour, whatever its schedule says; the first run that works puts it back on schedule.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from cronsim import CronSim, CronSimError

from ingest.catalog import SourceRecord, finish_run, source_record
from ingest.parsing import ParserPool
from ingest.reports import Progress, RefreshReport
from retrieval.database import Database, query
from retrieval.errors import DatabaseUnavailableError, FootnoteError, InvalidRequestError
from service.heartbeat import Heartbeat
from service.ingestion import refresh_registered
from service.intake import Intake
from service.progress import noted_progress
from service.webhooks.delivering import tell_of_refresh

LEASE_S = 120.0
_LONGEST_PAUSE = timedelta(hours=1)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshedSource:
    """A due source that was worked on: its report, or why there is none."""

    source: SourceRecord
    collection: str
    report: RefreshReport | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """A source that is ours for now. due: since when. failures: how many runs in a row have failed before."""

    source: SourceRecord
    collection: str
    owner: str
    due: datetime
    failures: int


def next_due(schedule: str, *, after: datetime) -> datetime:
    """The first time of a cron schedule (five fields, UTC) after `after`. Raises `InvalidRequestError`."""
    try:
        if len(schedule.split()) != 5:  # CronSim would take six, with seconds
            raise CronSimError("Wrong number of fields")
        due: datetime = next(CronSim(schedule, after.astimezone(UTC)))
    except (CronSimError, StopIteration) as exc:
        raise InvalidRequestError(
            f"{schedule[:80]!r} is not a schedule. It has five fields, minute, hour, day, month, weekday, in UTC: "
            "'*/15 * * * *' is every quarter of an hour, '0 3 * * *' every night at three."
        ) from exc
    return due


def pause_after(failures: int) -> timedelta:
    """How long a source is left alone after so many runs in a row that failed, give or take a tenth."""
    pause = min(_LONGEST_PAUSE, timedelta(minutes=2 ** min(failures - 1, 10)))
    return pause * random.uniform(0.9, 1.1)  # noqa: S311  # not a secret


async def refresh_due(
    intake: Intake, pool: ParserPool, *, progress: Callable[[SourceRecord], Progress]
) -> AsyncIterator[RefreshedSource]:
    """Refresh sources that are due, one after the other, until none is."""
    while claim := await _claim(intake.database, None, LEASE_S):
        yield await _refresh(intake, pool, claim, progress=progress, lease_s=LEASE_S)


async def refresh_if_due(
    intake: Intake,
    pool: ParserPool,
    source_id: UUID,
    *,
    progress: Callable[[SourceRecord], Progress],
    lease_s: float = LEASE_S,
) -> RefreshedSource | None:
    """Refresh a source, if it is due and nobody holds it."""
    claim = await _claim(intake.database, source_id, lease_s)
    if claim is None:
        return None
    return await _refresh(intake, pool, claim, progress=progress, lease_s=lease_s)


async def _claim(database: Database, source_id: UUID | None, lease_s: float) -> _Claim | None:
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
    parameters = {"source_id": source_id, "owner": owner, "lease_s": lease_s}
    row = await database.fetch_one(query("schedule.claim"), parameters)
    if row is None:
        return None
    return _Claim(
        source=source_record(row),
        collection=row["collection"],
        owner=owner,
        due=row["next_due"],
        failures=row["failures"],
    )


async def _refresh(
    intake: Intake,
    pool: ParserPool,
    claim: _Claim,
    *,
    progress: Callable[[SourceRecord], Progress],
    lease_s: float,
) -> RefreshedSource:
    """Refresh a source under its lease, and say when it is due again. Whoever is stopped in mid-work gives the lease
    back, and the source stays due."""
    source, database = claim.source, intake.database
    held: dict[str, Any] = {"source_id": source.id, "owner": claim.owner, "lease_s": lease_s}
    report, error = None, None
    try:
        with Heartbeat(
            database.dsn, query("schedule.renew_lease"), lambda: held, every_s=min(30.0, lease_s / 4)
        ):
            async with noted_progress(database, held, progress(source)) as noted:
                report = await refresh_registered(
                    intake, pool, source, collection=claim.collection, progress=noted
                )
    except asyncio.CancelledError:
        with suppress(DatabaseUnavailableError):  # then the lease ends by itself
            await asyncio.shield(database.execute(query("schedule.give_back"), held))
        raise
    except DatabaseUnavailableError:
        raise
    except FootnoteError as exc:
        error = str(exc)
    except Exception:  # noqa: BLE001  # the worker's loop: what fails with one source is none of the others'
        _log.exception("an unexpected fault, which is a bug, with source %s", source.id)
        error = "an unexpected fault, which is a bug in Footnote. The log has its cause."
    if error is not None:
        await finish_run(database, source.id, report=None, error=error)
    refreshed = RefreshedSource(source=source, collection=claim.collection, report=report, error=error)
    await _release(database, claim, refreshed)
    return refreshed


async def _release(database: Database, claim: _Claim, refreshed: RefreshedSource) -> None:
    """Give the source its next time, and have the run told, in one transaction."""
    now, source = datetime.now(UTC), claim.source
    failures = 0 if refreshed.error is None else claim.failures + 1
    due = None if source.schedule is None else next_due(source.schedule, after=now)
    if failures:
        due = now + pause_after(failures)
    async with database.transaction() as connection:
        released = await connection.execute(
            query("schedule.release"),
            {
                "source_id": source.id,
                "owner": claim.owner,
                "schedule": source.schedule,
                "due": claim.due,
                "next_due": due,
                "failures": failures,
            },
        )
        row = await released.fetchone()
        if row is None:
            _log.warning("the lease of source %s had ended: another worker has it", source.id)
            return
        event = "refresh.failed" if refreshed.error is not None else "refresh.done"
        content = _told(refreshed, next_due=row["next_due"])
        await tell_of_refresh(connection, source.id, event=event, content=content)


def _told(refreshed: RefreshedSource, *, next_due: datetime | None) -> dict[str, Any]:
    """What subscribers are told of a run: figures, and no names of files."""
    report = refreshed.report
    figures = None
    if report is not None:
        figures = {
            name: getattr(report, name)
            for name in ("added", "updated", "renamed", "removed", "unchanged", "chunks")
        }
        figures |= {"skipped": len(report.skipped), "failed": len(report.failed)}
        figures["seconds"] = round(report.seconds, 3)
    return {
        "source": {"id": str(refreshed.source.id), "collection": refreshed.collection},
        "report": figures,
        "error": refreshed.error,
        "next_due": None if next_due is None else next_due.isoformat(),
    }
