"""A job is answered: begun, with its owner's rights of that moment, and its result written once.

Whoever begins a job takes it from whoever began it before: only the last one's result is taken. What may pass (a
model's server away, a vector store away) is tried again later; an outage of the database leaves the job as it is, and
the rounds of the workers find it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow

from generation.answers import Answer
from generation.rewriting import Turn
from retrieval.database import query
from retrieval.errors import DatabaseUnavailableError, FootnoteError
from retrieval.filters import NO_FILTERS, Filters
from service.auditing import Audit
from service.desk import Desk
from service.footnote import Footnote
from service.jobs import documents_of
from service.moments import read_time
from service.owners import owner_now
from service.queue import enqueue
from service.specs import passage_policy

MAX_ATTEMPTS = 8
_log = logging.getLogger(__name__)

Describe = Callable[[Exception, str], Mapping[str, Any]]
"""A problem of an error, as callers are told of it over HTTP, and of the address that it is told at."""


class OwnerGoneError(FootnoteError):
    """The key that a job was made with is no longer in force."""


class JobInterruptedError(FootnoteError):
    """A job's worker died again and again."""


class _DocumentsGoneError(FootnoteError):
    """A document was erased while the answer was made that tells of it."""

    retryable = True


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAnswerer:
    """Answers jobs. `describe` makes of an error what callers are told of it."""

    footnote: Footnote
    audit: Audit
    describe: Describe

    async def run(self, job_id: UUID) -> None:
        """Answer a job, if it is still to be answered."""
        database = self.footnote.database
        try:
            begun = await database.fetch_one(query("jobs.begin"), {"job_id": job_id})
            if begun is not None:
                await self._run(job_id, begun)
        except DatabaseUnavailableError as exc:
            _log.warning("job %s waits for the database: %s", job_id, exc)

    async def _run(self, job_id: UUID, begun: DictRow) -> None:
        attempt: int = begun["attempts"]
        try:
            if attempt > MAX_ATTEMPTS:
                raise JobInterruptedError(
                    f"the job was begun {MAX_ATTEMPTS} times and its worker died or failed each time. The workers' "
                    "logs say why."
                )
            with self.footnote.observer.request("job"):
                answer = (await self._answer(begun)).as_json()
            await self._finish(job_id, attempt, state="done", answer=answer)
        except asyncio.CancelledError:
            with suppress(DatabaseUnavailableError):  # then it is found without a worker
                await asyncio.shield(self._give_back(job_id, attempt))
            raise
        except DatabaseUnavailableError:
            raise
        except FootnoteError as exc:
            if exc.retryable and attempt < MAX_ATTEMPTS:
                await self._postpone(job_id, attempt)
            else:
                await self._fail(job_id, attempt, exc)
        except Exception as exc:  # noqa: BLE001  # the worker's loop: what fails with one job is none of the others'
            await self._fail(job_id, attempt, exc)

    async def _answer(self, begun: DictRow) -> Answer:
        owner = await owner_now(self.footnote.database, begun["owner_id"], begun["owner"])
        if owner is None:
            raise OwnerGoneError(
                "the key that asked was revoked or has expired before the question was answered."
            )
        request = json.loads(begun["request"])
        desk = Desk(footnote=self.footnote, audit=self.audit, caller=owner)
        question = await desk.prepare(
            request["collection"],
            request["question"],
            k=request["k"],
            filters=_filters(request.get("filters")),
            passages=passage_policy(self.footnote.settings, max_per_document=request.get("max_per_document")),
            turns=[Turn(**turn) for turn in request.get("turns", ())],
        )
        return await desk.ask(question)

    async def _fail(self, job_id: UUID, attempt: int, error: Exception) -> None:
        problem = self.describe(error, f"/v1/jobs/{job_id}")
        await self._finish(job_id, attempt, state="failed", problem=problem)

    async def _finish(
        self,
        job_id: UUID,
        attempt: int,
        *,
        state: str,
        answer: Mapping[str, Any] | None = None,
        problem: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the result, and in the same transaction that it is to be told."""
        documents = [] if answer is None else documents_of(answer)
        result = {
            "job_id": job_id,
            "attempt": attempt,
            "state": state,
            "answer": None if answer is None else json.dumps(answer),
            "problem": None if problem is None else json.dumps(problem),
            "documents": documents,
        }
        async with self.footnote.database.transaction() as connection:
            held = await connection.execute(query("jobs.hold_documents"), {"documents": documents})
            if len(await held.fetchall()) < len(documents):
                raise _DocumentsGoneError("a document was deleted while the question was answered.")
            finished = await (await connection.execute(query("jobs.finish"), result)).fetchone()
            if finished is None:
                _log.info("job %s was stopped, or is somebody else's by now: its result is dropped", job_id)
                return
            if finished["callback_url"] is None:
                return
            told = {
                "job_id": job_id,
                "source_id": None,
                "event": f"job.{state}",
                "url": finished["callback_url"],
                "content": None,
            }
            made = await (await connection.execute(query("deliveries.create"), told)).fetchone()
            if made is not None:
                await enqueue(connection, "deliver", made["id"])

    async def _postpone(self, job_id: UUID, attempt: int) -> None:
        delay_s = min(300.0, 5.0 * 2 ** (attempt - 1)) * random.uniform(0.8, 1.2)  # noqa: S311  # not a secret
        await self.footnote.database.execute(
            query("jobs.postpone"), {"job_id": job_id, "attempt": attempt, "delay_s": delay_s}
        )

    async def _give_back(self, job_id: UUID, attempt: int) -> None:
        await self.footnote.database.execute(query("jobs.give_back"), {"job_id": job_id, "attempt": attempt})


def _filters(told: Mapping[str, Any] | None) -> Filters:
    if told is None:
        return NO_FILTERS
    times = {name: told.get(name) for name in ("modified_from", "modified_before")}
    return Filters(
        paths=tuple(told.get("paths", ())),
        media_types=tuple(told.get("media_types", ())),
        metadata=told.get("metadata", {}),
        **{name: None if time is None else read_time(time) for name, time in times.items()},
    )
