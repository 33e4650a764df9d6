"""The schedule: sources that are due are claimed, refreshed and given their next time.

A claim is a lease that its holder renews; one that ends (its worker died) is up for anyone. A run that was missed is
caught up once, since the next time is always counted from now.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from ingest.catalog import SourceRecord, finish_run, source_record
from ingest.parsing import ParserPool
from ingest.reports import Progress, RefreshReport
from retrieval.database import Database, query
from retrieval.errors import DatabaseUnavailableError, FootnoteError, InvalidRequestError
from service.ingestion import refresh_registered
from service.wiring import Intake

LEASE_S = 120
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshedSource:
    """A due source that was worked on: its report, or why there is none."""

    source: SourceRecord
    collection: str
    report: RefreshReport | None
    error: str | None


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


async def refresh_due(
    intake: Intake, pool: ParserPool, *, progress: Callable[[SourceRecord], Progress]
) -> AsyncIterator[RefreshedSource]:
    """Refresh sources that are due, one after the other, until none is."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{id(asyncio.current_task()):x}"
    while claimed := await _claim(intake.database, owner):
        source, collection = claimed.source, claimed.collection
        report, error = None, None
        async with _holding(intake.database, claimed, owner):
            try:
                report = await refresh_registered(
                    intake, pool, source, collection=collection, progress=progress(source)
                )
            except DatabaseUnavailableError:
                raise
            except FootnoteError as exc:
                error = str(exc)
                await finish_run(intake.database, source.id, report=None, error=error)
        yield RefreshedSource(source=source, collection=collection, report=report, error=error)


async def work(
    intake: Intake,
    pool: ParserPool,
    *,
    progress: Callable[[SourceRecord], Progress],
    report: Callable[[RefreshedSource], None],
    every_s: float = 5.0,
) -> None:
    """Refresh what is due, for ever.

    An outage of the database is waited out. A source with which Footnote itself fails is left alone until its lease
    ends, while the others go on.
    """
    while True:
        try:
            async for refreshed in refresh_due(intake, pool, progress=progress):
                report(refreshed)
        except DatabaseUnavailableError as exc:
            _log.warning("waiting for the database: %s", exc)
        except Exception:  # noqa: BLE001  # the worker's loop: what fails with one source is none of the others'
            _log.exception("an unexpected fault, which is a bug in Intake; the source is tried again later")
        await asyncio.sleep(every_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claimed:
    source: SourceRecord
    collection: str
    due: datetime


async def _claim(database: Database, owner: str) -> _Claimed | None:
    row = await database.fetch_one(query("catalog.claim_due"), {"owner": owner, "lease_s": LEASE_S})
    if row is None:
        return None
    return _Claimed(source=source_record(row), collection=row["collection"], due=row["next_due"])


@asynccontextmanager
async def _holding(database: Database, claimed: _Claimed, owner: str) -> AsyncIterator[None]:
    """Renew the lease while the work lasts; afterwards say when the source is due again. Whoever is stopped in mid-work
    gives the lease back, and the source stays due."""
    source = claimed.source
    heartbeat = asyncio.create_task(_renew(database, source, owner))
    try:
        yield
    except asyncio.CancelledError:
        with suppress(DatabaseUnavailableError):  # then the lease ends by itself
            await database.execute(query("catalog.give_back"), {"source_id": source.id, "owner": owner})
        raise
    finally:
        heartbeat.cancel()
        await asyncio.gather(heartbeat, return_exceptions=True)
    await database.execute(
        query("catalog.release"),
        {
            "source_id": source.id,
            "owner": owner,
            "schedule": source.schedule,
            "next_due": source.schedule and next_due(source.schedule, after=datetime.now(UTC)),
            "due": claimed.due,
        },
    )


async def _renew(database: Database, source: SourceRecord, owner: str) -> None:
    while True:
        await asyncio.sleep(LEASE_S / 4)
        try:
            await database.execute(
                query("catalog.renew_lease"), {"source_id": source.id, "owner": owner, "lease_s": LEASE_S}
            )
        except DatabaseUnavailableError as exc:
            _log.warning("the lease of %s could not be renewed: %s", source.id, exc)
