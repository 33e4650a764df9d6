"""Jobs: questions that are answered later. What they hold, who may see it, and how long.

A job belongs to the caller who made it; for all others it does not exist. Its answer is made with the rights that its
owner has when it is made, and shown with those that they have when they look: an answer that tells of a document which
its owner may no longer read is held back, and one that tells of a deleted document went with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from retrieval.database import Database, query
from retrieval.errors import FootnoteError, NotFoundError
from retrieval.records import Scope
from service.identity import Identity
from service.owners import owner_as_json, owner_now
from service.queue import enqueue

State = Literal["queued", "running", "done", "failed", "cancelled"]

_GONE = {
    "expired": "it ended longer ago than jobs.retention_hours, and its question and answer were erased.",
    "forgotten": "it was stopped or forgotten by DELETE, and its question and answer were erased.",
    "document": "its answer told of a document that is no longer there for this key. Ask again.",
}


class JobGoneError(FootnoteError):
    """A job did end, and what it held is no longer there, or not for its owner."""


class JobConflictError(FootnoteError):
    """An idempotency key was used before, with another request."""


class TooManyJobsError(FootnoteError):
    """A caller has too many jobs that have not ended."""

    retryable = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of telling somebody of something."""

    id: UUID
    url: str
    state: Literal["waiting", "delivered", "failed"]
    attempts: int
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    last_status: int | None
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job. `request`, `answer` and `problem` are JSON as it was sent or will be; None where there is none.

    position: its place among all that wait, from 1. withheld: why its answer is not shown, though there is one.
    """

    id: UUID
    number: int
    owner_id: UUID
    state: State
    request: Mapping[str, Any] | None
    attempts: int
    position: int | None
    created_at: datetime
    not_before: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    answer: Mapping[str, Any] | None
    problem: Mapping[str, Any] | None
    erased_because: str | None
    callback_url: str | None
    delivery: Delivery | None
    withheld: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPolicy:
    """How many jobs of one caller may be open, and how long what they hold is kept."""

    max_open: int
    retention: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A job that was put in now, or under the same idempotency key before."""

    id: UUID
    is_new: bool


async def create_job(
    database: Database,
    owner: Identity,
    request: Mapping[str, Any],
    *,
    policy: JobPolicy,
    callback_url: str | None = None,
    idempotency_key: str | None = None,
) -> Accepted:
    """Put a job in, once for an idempotency key. Raises `JobConflictError`, `TooManyJobsError`."""
    written = json.dumps(request, sort_keys=True)
    digest = hashlib.sha256(json.dumps([written, callback_url]).encode()).digest()
    row: dict[str, Any] = {
        "owner_id": owner.id,
        "owner": Jsonb(owner_as_json(owner)),
        "request": written,
        "request_hash": digest,
        "idempotency_key": idempotency_key,
        "callback_url": callback_url,
    }
    async with database.transaction() as connection:
        await connection.execute(query("jobs.hold_owner"), row)
        if idempotency_key is not None:
            known = await (await connection.execute(query("jobs.by_idempotency_key"), row)).fetchone()
            if known is not None and bytes(known["request_hash"]) != digest:
                raise JobConflictError(
                    "this Idempotency-Key was sent before, with another request. Send a new key with a new request."
                )
            if known is not None:
                return Accepted(id=known["id"], is_new=False)
        counted = await (await connection.execute(query("jobs.count_open"), row)).fetchone()
        if counted is not None and counted["open"] >= policy.max_open:
            raise TooManyJobsError(
                f"{policy.max_open:,} jobs of this key have not ended yet, which is the most it may have "
                "(jobs.max_open). Wait for some to end, or stop them with DELETE."
            )
        made = await (await connection.execute(query("jobs.create"), row)).fetchone()
        assert made is not None, "an insert returns its row"
        await enqueue(connection, "answer", made["id"])
    return Accepted(id=made["id"], is_new=True)


async def find_job(database: Database, job_id: UUID, *, owner_id: UUID, scope: Scope) -> Job:
    """A job as its owner may see it now. Raises `NotFoundError`, and `JobGoneError` where what it held is gone."""
    row = await database.fetch_one(query("jobs.find"), {"job_id": job_id, "owner_id": owner_id})
    if row is None:
        raise NotFoundError(f"there is no job {job_id}.")
    job = _job(row)
    if job.erased_because is not None and job.state != "cancelled":
        raise _gone(job_id, job.erased_because)
    if job.answer is not None and not await may_see(database, job.answer, scope):
        # In the words of a document that was deleted: which of the two it is, is not told.
        raise _gone(job_id, "document")
    return job


def _gone(job_id: UUID, why: str) -> JobGoneError:
    return JobGoneError(f"job {job_id} is gone: {_GONE[why]}")


async def job_as_told(database: Database, job_id: UUID) -> Job:
    """A job as its owner may be told of it now; `withheld` says why its answer is not."""
    row = await database.fetch_one(query("jobs.find"), {"job_id": job_id, "owner_id": None})
    if row is None:
        raise NotFoundError(f"there is no job {job_id}.")
    if row["erased_because"] is not None and row["state"] != "cancelled":
        return _job(row, withheld=_GONE[row["erased_because"]])
    job = _job(row)
    if job.answer is None:
        return job
    owner = await owner_now(database, job.owner_id, row["owner"])
    if owner is None:
        return _job(
            {**row, "request": None, "answer": None}, withheld="the key that asked is no longer in force."
        )
    if not await may_see(database, job.answer, owner.scope):
        return _job({**row, "request": None, "answer": None}, withheld=_GONE["document"])
    return job


async def list_jobs(database: Database, *, owner_id: UUID, before: int | None, limit: int) -> list[Job]:
    """An owner's jobs, newest first, without their answers; those that are gone are left out."""
    rows = await database.fetch_all(
        query("jobs.list"), {"owner_id": owner_id, "before": before, "limit": limit}
    )
    return [_job(row) for row in rows]


async def stop_job(database: Database, job_id: UUID, *, owner_id: UUID) -> None:
    """Stop a job that has not ended; erase its question and answer. Raises `NotFoundError`."""
    async with database.transaction() as connection:
        parameters = {"job_id": job_id, "owner_id": owner_id}
        if await (await connection.execute(query("jobs.stop"), parameters)).fetchone() is None:
            raise NotFoundError(f"there is no job {job_id}.")
        await connection.execute(query("jobs.abort"), parameters)


async def may_see(database: Database, answer: Mapping[str, Any], scope: Scope) -> bool:
    """Whether everything that an answer tells of is there, and may be read."""
    places = sorted(set(_places(answer)), key=str)
    if not places or scope.principals is None:
        return True
    row = await database.fetch_one(
        query("jobs.hidden"),
        {
            "documents": [document for document, _ in places],
            "revisions": [revision for _, revision in places],
            "principals": sorted(scope.principals),
            "collections": None if scope.collections is None else sorted(scope.collections),
        },
    )
    return row is not None and row["hidden"] == 0


def documents_of(answer: Mapping[str, Any]) -> list[UUID]:
    """The documents that an answer tells of."""
    return sorted({document for document, _ in _places(answer)})


async def erase_old_jobs(database: Database, retention: timedelta) -> int:
    """Erase questions and answers whose time has passed; returns how many."""
    await database.execute(query("jobs.forget_old"))
    hours = retention / timedelta(hours=1)
    return await database.execute(query("jobs.erase_old"), {"retention_hours": int(hours)})


def _places(told: Any) -> Iterator[tuple[UUID, int | None]]:
    """Every document that is named anywhere in it, with the revision where one is."""
    if isinstance(told, Mapping):
        if isinstance(told.get("document"), str):
            yield UUID(told["document"]), told.get("revision")
        for part in told.values():
            yield from _places(part)
    elif isinstance(told, Sequence) and not isinstance(told, str):
        for part in told:
            yield from _places(part)


def _job(row: DictRow, *, withheld: str | None = None) -> Job:
    delivery = None
    if row["delivery_id"] is not None:
        delivery = Delivery(
            id=row["delivery_id"],
            url=row["callback_url"],
            state=row["delivery_state"],
            attempts=row["delivery_attempts"],
            next_attempt_at=row["next_attempt_at"] if row["delivery_state"] == "waiting" else None,
            delivered_at=row["delivered_at"],
            last_status=row["last_status"],
            last_error=row["last_error"],
        )
    return Job(
        id=row["id"],
        number=row["number"],
        owner_id=row["owner_id"],
        state=row["state"],
        request=_read(row["request"]),
        attempts=row["attempts"],
        position=row["position"],
        created_at=row["created_at"],
        not_before=row["not_before"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        answer=_read(row["answer"]),
        problem=_read(row["problem"]),
        erased_because=row["erased_because"],
        callback_url=row["callback_url"],
        delivery=delivery,
        withheld=withheld,
    )


def _read(text: str | None) -> Mapping[str, Any] | None:
    return None if text is None else json.loads(text)


def job_as_json(job: Job) -> dict[str, Any]:
    """A job as it is sent, to its owner and to their webhook."""
    delivery = job.delivery
    request = job.request or {}
    return {
        "id": str(job.id),
        "state": job.state,
        "position": job.position,
        "question": request.get("question"),
        "collection": request.get("collection"),
        "attempts": job.attempts,
        "created_at": job.created_at.isoformat(),
        "started_at": _moment(job.started_at),
        "finished_at": _moment(job.finished_at),
        "answer": job.answer,
        "problem": job.problem,
        "withheld": job.withheld,
        "webhook": None
        if job.callback_url is None
        else {
            "url": job.callback_url,
            "state": "none" if delivery is None else delivery.state,
            "attempts": 0 if delivery is None else delivery.attempts,
            "next_attempt_at": None if delivery is None else _moment(delivery.next_attempt_at),
            "delivered_at": None if delivery is None else _moment(delivery.delivered_at),
            "last_status": None if delivery is None else delivery.last_status,
            "last_error": None if delivery is None else delivery.last_error,
        },
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
