"""Workers: they answer jobs, refresh sources that are due, and deliver webhooks, until they are stopped.

    work    ├── a worker of the queue for each kind of task, with a heartbeat, begun anew after an outage
            └── rounds: what is due and not in the queue goes in, what dead workers held is given to others, what is
                old is erased

Told to stop, they begin nothing new, finish what can be finished within a grace, and give the rest back.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import LiteralString
from uuid import UUID

from ingest.catalog import SourceRecord
from ingest.parsing import ParserPool
from ingest.reports import Fate, Progress
from retrieval.database import Database, query
from retrieval.errors import DatabaseUnavailableError
from service.answering_jobs import Describe, JobAnswerer
from service.auditing import Audit
from service.ending import end_task
from service.footnote import Footnote
from service.heartbeat import Heartbeat
from service.jobs import erase_old_jobs
from service.queue import Queue, QueueWorker, Task, enqueue, is_outage, open_queue
from service.schedule import RefreshedSource, refresh_if_due
from service.webhooks.delivering import Deliverer, DeliveryPolicy

_log = logging.getLogger(__name__)
_PAUSE_S = 1.0
_BEAT: LiteralString = "SELECT procrastinate_update_heartbeat_v1(%(worker_id)s)"
_UNQUEUED: dict[Task, LiteralString] = {
    "answer": "jobs.unqueued",
    "deliver": "deliveries.unqueued",
    "refresh": "schedule.unqueued",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkPolicy:
    """What a process works on. answers, refreshes, deliveries: how many at a time; 0 leaves them to others.

    dead_after_s: without a heartbeat for so long a worker counts as dead, and what it held is given to others.
    grace_s: what was begun may take so long to end after a stop. retention: of questions and answers of jobs.
    """

    answers: int = 2
    refreshes: int = 1
    deliveries: int = 4
    dead_after_s: float = 30.0
    rounds_s: float = 2.0
    grace_s: float = 20.0
    retention: timedelta = timedelta(hours=24)
    delivery: DeliveryPolicy = field(default_factory=DeliveryPolicy)

    def concurrency(self) -> dict[Task, int]:
        counts: dict[Task, int] = {
            "answer": self.answers,
            "deliver": self.deliveries,
            "refresh": self.refreshes,
        }
        return {task: count for task, count in counts.items() if count}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporting:
    """Where it is noted who asked what, who is told of refreshes, and how the errors of jobs are put into words."""

    audit: Audit
    describe: Describe
    progress: Callable[[SourceRecord], Progress]
    report: Callable[[RefreshedSource], None]


class Unwatched:
    """Progress that nobody watches."""

    def planned(self, *, files: int) -> None:
        pass

    def finished(self, path: str, fate: Fate, chunks: int) -> None:
        pass


def log_refresh(refreshed: RefreshedSource) -> None:
    """A line in the log for a run, without names of files."""
    report, source = refreshed.report, refreshed.source.id
    if report is None:
        _log.warning("source %s could not be refreshed: %s", source, refreshed.error)
        return
    _log.info(
        "source %s: %d added, %d updated, %d removed, %d failed, %.1f s",
        source,
        report.added,
        report.updated,
        report.removed,
        len(report.failed),
        report.seconds,
    )


async def work(
    footnote: Footnote, pool: ParserPool, policy: WorkPolicy, reporting: Reporting, *, stop: asyncio.Event
) -> None:
    """Work until `stop` is set, and then stop in order. An outage of the database is waited out."""

    async def refresh(source_id: UUID) -> None:
        try:
            refreshed = await refresh_if_due(
                footnote, pool, source_id, progress=reporting.progress, lease_s=4 * policy.dead_after_s
            )
        except DatabaseUnavailableError as exc:
            _log.warning("source %s waits for the database: %s", source_id, exc)
            return
        if refreshed is not None:
            reporting.report(refreshed)

    tasks: dict[Task, Callable[[UUID], Awaitable[None]]] = {
        "answer": JobAnswerer(footnote=footnote, audit=reporting.audit, describe=reporting.describe).run,
        "deliver": Deliverer(database=footnote.database, policy=policy.delivery).run,
        "refresh": refresh,
    }
    while not stop.is_set():
        try:
            async with open_queue(footnote.database.dsn, tasks, dead_after_s=policy.dead_after_s) as queue:
                await _Shift(footnote.database, queue, policy).run(stop)
        except DatabaseUnavailableError as exc:
            _log.warning("waiting for the database: %s", exc)
        except Exception:  # noqa: BLE001  # the worker's loop
            _log.exception("an unexpected fault, which is a bug, in the workers")
        if not stop.is_set():
            await asyncio.sleep(_PAUSE_S)


@asynccontextmanager
async def working(
    footnote: Footnote, pool: ParserPool, policy: WorkPolicy, reporting: Reporting
) -> AsyncIterator[None]:
    """Workers that run beside something else, for as long as it is entered."""
    stop = asyncio.Event()
    task = asyncio.create_task(work(footnote, pool, policy, reporting, stop=stop), name="workers")
    try:
        yield
    finally:
        stop.set()
        await task


class _Shift:
    """The workers of one process, and the rounds they make."""

    def __init__(self, database: Database, queue: Queue, policy: WorkPolicy) -> None:
        self._database = database
        self._queue = queue
        self._policy = policy
        self._stopping = False
        self._workers: dict[Task, QueueWorker] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        tasks = [
            asyncio.create_task(self._keep(task, count), name=f"{task} worker")
            for task, count in self._policy.concurrency().items()
        ]
        rounds = asyncio.create_task(self._make_rounds(), name="rounds")
        told = asyncio.create_task(self._wait(stop), name="told to stop")
        try:
            await asyncio.wait([*tasks, rounds, told], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._stopping = True
            await end_task(told)
            await end_task(rounds)
            for task, worker in self._workers.items():
                # What a refresh has done is kept, so there is nothing to wait for.
                worker.stop(grace_s=0.5 if task == "refresh" else self._policy.grace_s)
            _, late = await asyncio.wait(tasks, timeout=self._policy.grace_s + 10)
            for unfinished in late:
                unfinished.cancel()
            if late:
                _, left = await asyncio.wait(late, timeout=10)
                for unfinished in left:
                    _log.error("the %s did not end; what it held is given to others", unfinished.get_name())

    async def _wait(self, stop: asyncio.Event) -> None:
        await stop.wait()

    async def _keep(self, task: Task, concurrency: int) -> None:
        """Keep a worker running. It ends with every outage of the database; another is begun."""
        while not self._stopping:
            worker = self._queue.worker(task, concurrency=concurrency)
            self._workers[task] = worker

            def beat(worker: QueueWorker = worker) -> dict[str, int] | None:
                return None if worker.worker_id is None else {"worker_id": worker.worker_id}

            try:
                with Heartbeat(self._database.dsn, _BEAT, beat, every_s=self._policy.dead_after_s / 4):
                    await worker.run()
            except Exception as exc:  # noqa: BLE001  # the worker's loop
                if is_outage(exc):
                    _log.warning("the worker that has to %s waits for the database", task)
                else:
                    _log.exception("an unexpected fault, which is a bug, in the worker that has to %s", task)
            if not self._stopping:
                await asyncio.sleep(_PAUSE_S)

    async def _make_rounds(self) -> None:
        took_over = erased = float("-inf")
        while True:
            try:
                now = time.monotonic()
                if now - took_over >= self._policy.dead_after_s / 4:
                    if count := await self._queue.take_over():
                        _log.warning("took over %d tasks of workers that have died", count)
                    took_over = now
                for task in self._policy.concurrency():
                    await self._put_in(task)
                if now - erased >= 60:
                    await erase_old_jobs(self._database, self._policy.retention)
                    await self._database.execute(query("deliveries.forget_old"))
                    erased = now
            except DatabaseUnavailableError as exc:
                _log.warning("rounds wait for the database: %s", exc)
            except Exception:  # noqa: BLE001  # the worker's loop
                _log.exception("an unexpected fault, which is a bug, in the rounds of the workers")
            await asyncio.sleep(self._policy.rounds_s)

    async def _put_in(self, task: Task) -> None:
        for row in await self._database.fetch_all(query(_UNQUEUED[task])):
            async with self._database.connection() as connection:
                await enqueue(connection, task, row["id"])
