"""Workers: a kill, an outage or a stop loses no job, and nothing is told twice."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from retrieval.database import Database, query
from service.footnote import Footnote
from service.heartbeat import Heartbeat
from service.jobs import JobPolicy, TooManyJobsError, create_job, stop_job
from service.queue import enqueue, open_queue
from tests.service.conftest import OpenFootnote
from tests.service.http.conftest import add_document
from tests.service.test_cli import ROOT, command
from tests.service.webhooks.receiver import receiving
from tests.service.workers import answer_now, at_work, make_owner, until

POLICY = JobPolicy(max_open=100, retention=timedelta(hours=1))
REQUEST = {"question": "When does the gate open?", "collection": "default", "k": 5}


async def put_in(footnote: Footnote, *, callback_url: str | None = None) -> tuple[UUID, UUID]:
    owner = await make_owner(footnote.database)
    accepted = await create_job(footnote.database, owner, REQUEST, policy=POLICY, callback_url=callback_url)
    return accepted.id, owner.id


async def state(footnote: Footnote, job_id: UUID, *states: str) -> Any:
    return await footnote.database.fetch_one(
        "SELECT * FROM jobs WHERE id = %(id)s AND state = ANY(%(states)s)",
        {"id": job_id, "states": list(states)},
    )


@contextmanager
def worker_process(dsn: str, home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`footnote worker`, a process that is killed at the end."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FOOTNOTE_")}
    if folder := os.environ.get("FOOTNOTE_WEIGHTS_DIR"):
        kept["FOOTNOTE_WEIGHTS_DIR"] = folder
    environment = kept | {
        "FOOTNOTE_HOME": str(home),
        "FOOTNOTE_DATABASE__DSN": dsn,
        "FOOTNOTE_WORKER__DEAD_AFTER_S": "2",
        "FOOTNOTE_WEBHOOKS__ALLOW_NETWORKS": "127.0.0.0/8",
        "PYTHONPATH": str(ROOT),
    }
    process = subprocess.Popen(command("worker"), env=environment, stdout=sys.stderr)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@contextmanager
def nobody_reads_documents(dsn: str) -> Iterator[None]:
    """Whoever searches waits, in the middle of its job."""
    with psycopg.connect(dsn) as connection:
        connection.execute("LOCK TABLE documents IN ACCESS EXCLUSIVE MODE")
        yield
        connection.rollback()


@pytest.mark.timeout(600)
async def test_a_worker_killed_in_mid_job_loses_nothing_and_the_end_is_told_once(
    footnote: Footnote, dsn: str, tmp_path: Path
) -> None:
    await add_document(footnote, "gate.txt", "The gate opens at seven.")
    with receiving() as receiver:
        job_id, _ = await put_in(footnote, callback_url=receiver.url)
        with nobody_reads_documents(dsn), worker_process(dsn, tmp_path) as process:
            await until(lambda: state(footnote, job_id, "running"), within_s=280)
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert await state(footnote, job_id, "running")
        async with at_work(footnote):
            done = await until(lambda: state(footnote, job_id, "done"))
            assert done["attempts"] == 2

            async def told() -> bool:
                return bool(receiver.received)

            await until(told)
            await asyncio.sleep(1)
        assert len(receiver.received) == 1
        left = await footnote.database.fetch_one("SELECT count(*) AS n FROM procrastinate_jobs")
        assert left == {"n": 0}


@pytest.mark.timeout(600)
async def test_a_worker_told_to_stop_ends_well_and_gives_its_job_back(
    footnote: Footnote, dsn: str, tmp_path: Path
) -> None:
    await add_document(footnote, "gate.txt", "The gate opens at seven.")
    with worker_process(dsn, tmp_path) as process:
        job_id, _ = await put_in(footnote)
        await until(lambda: state(footnote, job_id, "done"), within_s=280)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 120) == 0
    workers = await footnote.database.fetch_one("SELECT count(*) AS n FROM procrastinate_workers")
    assert workers == {"n": 0}


async def test_an_outage_in_mid_work_is_waited_out(
    footnote: Footnote, dsn: str, open_footnote_at: OpenFootnote
) -> None:
    await add_document(footnote, "gate.txt", "The gate opens at seven.")
    async with at_work(footnote):
        for _ in range(3):
            jobs = [(await put_in(footnote))[0] for _ in range(3)]
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            for job_id in jobs:

                async def done(job_id: UUID = job_id) -> Any:
                    with psycopg.connect(dsn) as connection:
                        return connection.execute(
                            "SELECT 1 FROM jobs WHERE id = %s AND state = 'done'", (job_id,)
                        ).fetchone()

                await until(done)


async def test_a_job_whose_entry_was_lost_is_put_in_again(footnote: Footnote) -> None:
    await add_document(footnote, "gate.txt", "The gate opens at seven.")
    job_id, _ = await put_in(footnote)
    await footnote.database.execute("DELETE FROM procrastinate_jobs")
    async with at_work(footnote):
        await until(lambda: state(footnote, job_id, "done"))


async def test_what_a_dead_worker_held_is_taken_over_also_where_it_waits_in_the_queue_once_more(
    footnote: Footnote,
) -> None:
    """Two rounds at once may put a row in twice, where a worker fetches the first entry in between."""
    await add_document(footnote, "gate.txt", "The gate opens at seven.")
    held, _ = await put_in(footnote)
    await footnote.database.execute("UPDATE procrastinate_jobs SET status = 'doing', worker_id = NULL")
    async with footnote.database.connection() as connection:
        assert await enqueue(connection, "answer", held)
    lost, _ = await put_in(footnote)
    await footnote.database.execute(
        "DELETE FROM procrastinate_jobs WHERE lock = %(lock)s", {"lock": f"answer:{lost}"}
    )
    async with at_work(footnote):
        await until(lambda: state(footnote, held, "done"))
        await until(lambda: state(footnote, lost, "done"))

        async def nothing_left() -> bool:
            row = await footnote.database.fetch_one("SELECT count(*) AS n FROM procrastinate_jobs")
            return row == {"n": 0}

        await until(nothing_left)


async def test_two_rounds_that_take_over_at_once_are_no_outage(footnote: Footnote, dsn: str) -> None:
    for _ in range(20):
        await put_in(footnote)
    await footnote.database.execute("UPDATE procrastinate_jobs SET status = 'doing', worker_id = NULL")
    async with (
        open_queue(dsn, {}, dead_after_s=2) as one,
        open_queue(dsn, {}, dead_after_s=2) as other,
    ):
        assert sum(await asyncio.gather(one.take_over(), other.take_over())) == 20


async def test_whoever_begins_a_job_takes_it_from_whoever_began_it_before(
    footnote: Footnote, caplog: pytest.LogCaptureFixture
) -> None:
    await add_document(footnote, "gate.txt", "The gate opens at seven.")
    job_id, _ = await put_in(footnote, callback_url="https://example.com/")
    await asyncio.gather(*(answer_now(footnote, job_id) for _ in range(4)))
    row = await state(footnote, job_id, "done")
    assert row is not None
    told = await footnote.database.fetch_one("SELECT count(*) AS n FROM deliveries")
    assert told == {"n": 1}


async def test_a_job_that_kills_its_workers_is_given_up_with_a_reason(footnote: Footnote) -> None:
    job_id, _ = await put_in(footnote)
    await footnote.database.execute("UPDATE jobs SET state = 'running', attempts = 8")
    await answer_now(footnote, job_id)
    row = await state(footnote, job_id, "failed")
    assert "job-interrupted" in row["problem"]


async def test_a_running_job_that_is_stopped_writes_nothing(footnote: Footnote, dsn: str) -> None:
    await add_document(footnote, "gate.txt", "The gate opens at seven.")
    job_id, owner_id = await put_in(footnote)
    async with at_work(footnote):
        with nobody_reads_documents(dsn):
            await until(lambda: state(footnote, job_id, "running"))
            await stop_job(footnote.database, job_id, owner_id=owner_id)

        async def nothing_left() -> bool:
            row = await footnote.database.fetch_one("SELECT count(*) AS n FROM procrastinate_jobs")
            return row == {"n": 0}

        await until(nothing_left)
    row = await state(footnote, job_id, "cancelled")
    assert (row["answer"], row["request"]) == (None, None)


async def test_what_may_pass_is_tried_again_later(footnote: Footnote) -> None:
    """A collection's vectors in a store that is away: here, a document erased while it was answered from."""
    await add_document(footnote, "gate.txt", "The gate opens at seven.")
    job_id, _ = await put_in(footnote)
    await footnote.database.execute(query("jobs.begin"), {"job_id": job_id})
    await footnote.database.execute(query("jobs.postpone"), {"job_id": job_id, "attempt": 1, "delay_s": 3600})
    await answer_now(footnote, job_id)
    row = await state(footnote, job_id, "queued")
    assert row["attempts"] == 1
    assert await footnote.database.fetch_all(query("jobs.unqueued")) == []
    await footnote.database.execute("UPDATE jobs SET not_before = now()")
    await footnote.database.execute("DELETE FROM procrastinate_jobs")
    assert len(await footnote.database.fetch_all(query("jobs.unqueued"))) == 1


async def test_no_more_jobs_of_a_key_are_open_than_may_be(footnote: Footnote) -> None:
    owner = await make_owner(footnote.database)
    policy = JobPolicy(max_open=5, retention=timedelta(hours=1))
    made = await asyncio.gather(
        *(create_job(footnote.database, owner, REQUEST, policy=policy) for _ in range(12)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, TooManyJobsError) for one in made) == 7


async def test_an_entry_is_put_in_once(database: Database) -> None:
    row_id = UUID(int=1)
    async with database.transaction() as connection:
        assert await enqueue(connection, "answer", row_id)
        assert not await enqueue(connection, "answer", row_id)
    rows = await database.fetch_all("SELECT lock FROM procrastinate_jobs")
    assert [row["lock"] for row in rows] == [f"answer:{row_id}"]


async def test_a_heartbeat_goes_on_while_the_event_loop_is_busy(database: Database) -> None:
    import time

    await database.execute("CREATE TABLE beats (at timestamptz DEFAULT clock_timestamp())")
    with Heartbeat(database.dsn, "INSERT INTO beats DEFAULT VALUES", dict, every_s=0.05):
        time.sleep(2)  # noqa: ASYNC251  # that is the point
        beats = await database.fetch_one("SELECT count(*) AS n FROM beats")
    assert beats is not None
    assert beats["n"] >= 2
