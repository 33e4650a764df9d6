"""The queue: who is at work on what, with heartbeats, in Postgres (Procrastinate).

What there is to do stands in tables of Footnote's own: jobs, deliveries, sources. An entry of the queue names one row
there, under a lock of that row's, so that nobody else works on it; it is put in when the row is made, and put in again
by whoever finds a row without one. So an entry may be lost at any moment, and nothing is lost with it.

Entries are deleted when they end. A worker that dies leaves its entries "doing"; `take_over` gives them to others once
its heartbeat has been missing for long enough.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

import procrastinate
import psycopg
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException, UniqueViolation
from procrastinate.jobs import DeleteJobCondition, Status
from procrastinate.worker import Worker

from retrieval.database import Connection
from retrieval.errors import DatabaseUnavailableError

Task = Literal["answer", "deliver", "refresh"]
TASKS: tuple[Task, ...] = ("answer", "deliver", "refresh")

# Puts entries in on connections of its callers; it has none of its own.
_unconnected = procrastinate.App(connector=procrastinate.PsycopgConnector())


async def enqueue(connection: Connection, task: Task, row_id: UUID) -> bool:
    """Put the entry of a row in, in the caller's transaction if there is one; False where it is there already."""
    lock = f"{task}:{row_id}"
    entry = _unconnected.configure_task(
        _name(task), queue=task, lock=lock, queueing_lock=lock, connection=connection
    )
    try:
        async with connection.transaction():
            await entry.defer_async(row_id=str(row_id))
    except AlreadyEnqueued:
        return False
    except ConnectorException as exc:
        # psycopg's own error: whoever lent the connection knows how to tell it.
        raise exc.__cause__ or _away() from exc
    return True


class QueueWorker:
    """Works on the entries of one kind, several at a time, until it is stopped or the database goes away."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    @property
    def worker_id(self) -> int | None:
        """Under what its heartbeat is kept; None while it is not at work."""
        return self._worker.worker_id

    async def run(self) -> None:
        await self._worker.run()  # type: ignore[no-untyped-call]  # the package does not say that it returns nothing

    def stop(self, *, grace_s: float) -> None:
        """Begin nothing new; what is at work after `grace_s` is cancelled."""
        self._worker.shutdown_graceful_timeout = grace_s
        self._worker.stop()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """The queue as workers see it. Made by `open_queue`."""

    app: procrastinate.App
    dead_after_s: float

    def worker(self, task: Task, *, concurrency: int) -> QueueWorker:
        """A worker for one kind of task; `run` it again and again, since it ends with every outage."""
        return QueueWorker(
            Worker(
                self.app,
                queues=[task],
                name=task,
                concurrency=concurrency,
                delete_jobs=DeleteJobCondition.ALWAYS,
                install_signal_handlers=False,
                fetch_job_polling_interval=2.0,
                # A thread keeps the heartbeat (service/working.py): here it would stop with the event loop, and
                # could keep the worker from ending (service/ending.py).
                update_heartbeat_interval=86_400.0,
                abort_job_polling_interval=60.0,
                stalled_worker_timeout=self.dead_after_s,
            )
        )

    async def take_over(self) -> int:
        """Give the entries of workers that have died to others; returns how many there were."""
        try:
            await self.app.job_manager.prune_stalled_workers(self.dead_after_s)
            stalled = await self.app.job_manager.get_stalled_jobs(seconds_since_heartbeat=self.dead_after_s)
            count = 0
            for entry in stalled:
                assert entry.id is not None, "an entry from the database has an id"
                count += await self._give_to_others(entry.id)
        except ConnectorException as exc:
            raise _away() from exc
        return count

    async def _give_to_others(self, entry_id: int) -> bool:
        """False where somebody else was faster."""
        manager = self.app.job_manager
        try:
            try:
                await manager.retry_job_by_id_async(entry_id, retry_at=datetime.now(UTC))
            except UniqueViolation:
                # Its row waits under another entry already, which two rounds at once may bring about.
                await manager.finish_job_by_id_async(entry_id, Status.FAILED, delete_job=True)
        except ConnectorException as exc:
            if isinstance(exc.__cause__, psycopg.errors.RaiseException):  # there is no such entry any more
                return False
            raise
        return True


@asynccontextmanager
async def open_queue(
    dsn: str, tasks: Mapping[Task, Callable[[UUID], Awaitable[None]]], *, dead_after_s: float
) -> AsyncIterator[Queue]:
    """The queue with what is to be done for an entry of each kind. Raises `DatabaseUnavailableError`."""
    connector = procrastinate.PsycopgConnector(
        conninfo=dsn,
        min_size=1,
        max_size=4,
        timeout=10.0,
        kwargs={"application_name": "footnote queue"},
        name="queue",
    )
    app = procrastinate.App(connector=connector)
    for name, work in tasks.items():
        app.task(name=_name(name), queue=name)(_by_id(work))
    try:
        async with app.open_async():
            yield Queue(app=app, dead_after_s=dead_after_s)
    except (ConnectorException, psycopg.OperationalError) as exc:  # the pool's own, while it opens
        raise _away() from exc


def _by_id(work: Callable[[UUID], Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def run(row_id: str) -> None:
        await work(UUID(row_id))

    return run


def _name(task: Task) -> str:
    return f"footnote.{task}"


def is_outage(error: Exception) -> bool:
    """Whether a worker ended because of the database, and may be started again."""
    return isinstance(error, ConnectorException | DatabaseUnavailableError)


def _away() -> DatabaseUnavailableError:
    return DatabaseUnavailableError("the database of the queue cannot be reached or went away.")
