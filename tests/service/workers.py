"""Workers of the tests: they look often, give up soon, and may call this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network
from typing import TypeVar
from uuid import UUID

from ingest.catalog import SourceRecord
from ingest.reports import Progress
from retrieval.database import Database
from service.answering_jobs import JobAnswerer
from service.footnote import Footnote
from service.http.problems import problem_of_job
from service.identity import Identity
from service.keys import create_key, find_key
from service.schedule import RefreshedSource
from service.webhooks.delivering import DeliveryPolicy
from service.wiring import open_audit
from service.working import Reporting, Unwatched, WorkPolicy, working

T = TypeVar("T")
LOOPBACK = (ip_network("127.0.0.0/8"),)
QUICK = WorkPolicy(
    dead_after_s=2.0,
    rounds_s=0.1,
    grace_s=5.0,
    delivery=DeliveryPolicy(allowed=LOOPBACK, first_pause_s=0.05, timeout_s=60.0),
)


@asynccontextmanager
async def at_work(
    footnote: Footnote,
    policy: WorkPolicy = QUICK,
    *,
    progress: Callable[[SourceRecord], Progress] = lambda _: Unwatched(),
    report: Callable[[RefreshedSource], None] = lambda _: None,
) -> AsyncIterator[None]:
    """Workers in this process, for as long as it is entered."""
    async with open_audit(footnote.settings, footnote.database) as audit, footnote.parser_pool() as pool:
        reporting = Reporting(audit=audit, describe=problem_of_job, progress=progress, report=report)
        async with working(footnote, pool, policy, reporting):
            yield


async def make_owner(database: Database, *principals: str) -> Identity:
    """Whoever holds a new key."""
    created = await create_key(database, name="k", principals=list(principals))
    key = await find_key(database, created.id)
    assert key is not None
    return key.identity


async def answer_now(footnote: Footnote, job_id: UUID) -> None:
    """Answer a job here, without a queue."""
    async with open_audit(footnote.settings, footnote.database) as audit:
        await JobAnswerer(footnote=footnote, audit=audit, describe=problem_of_job).run(job_id)


async def until(look: Callable[[], Awaitable[T | None]], *, within_s: float = 120.0) -> T:
    """What `look` finds once it finds something."""
    async with asyncio.timeout(within_s):
        while not (found := await look()):  # noqa: ASYNC110  # what is waited for is in a database
            await asyncio.sleep(0.05)
    return found


def with_attempts(attempts: int) -> WorkPolicy:
    return replace(QUICK, delivery=replace(QUICK.delivery, max_attempts=attempts))
