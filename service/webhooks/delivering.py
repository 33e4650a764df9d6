"""Deliveries: what is to be told to the outside is told, tried again with growing pauses, and at last given up.

A delivery is made in the transaction that ends what it tells of, so that none is lost. It may arrive more than once, if
whoever sent it died before that was noted; its id, in body and header, is the same each time.
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from ingest.fetching.addresses import Network
from retrieval.database import Connection, Database, query
from retrieval.errors import DatabaseUnavailableError
from service.jobs import job_as_json, job_as_told
from service.queue import enqueue
from service.webhooks.sending import Outcome, send
from service.webhooks.signing import (
    DELIVERY_HEADER,
    EVENT_HEADER,
    SIGNATURE_HEADER,
    sign,
    subscriber_secret,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPolicy:
    """How webhooks are sent: where to besides the internet, how often at most, and after which pauses.

    The pause after the n-th attempt is `first_pause_s` times 4 to the n-1, give or take a quarter, and at most an hour.
    """

    allowed: Sequence[Network] = ()
    secret: str | None = None
    max_attempts: int = 8
    timeout_s: float = 10.0
    first_pause_s: float = 5.0

    def pause_s(self, attempt: int) -> float | None:
        """How long to wait after a failed attempt (from 1); None where it was the last."""
        if attempt >= self.max_attempts:
            return None
        return min(3600.0, self.first_pause_s * 4.0 ** (attempt - 1)) * random.uniform(0.75, 1.25)  # noqa: S311


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliverer:
    """Sends what is due."""

    database: Database
    policy: DeliveryPolicy

    async def run(self, delivery_id: UUID) -> None:
        """Send a delivery, if it is still to be sent, and note what became of it."""
        try:
            row = await self.database.fetch_one(query("deliveries.due"), {"delivery_id": delivery_id})
            if row is not None:
                await self._note(row, await self._send_safely(row))
        except DatabaseUnavailableError as exc:
            _log.warning("webhook %s waits for the database: %s", delivery_id, exc)

    async def _send_safely(self, row: DictRow) -> Outcome:
        try:
            return await self._send(row)
        except DatabaseUnavailableError:
            raise
        except Exception:  # noqa: BLE001  # the worker's loop: what fails with one is none of the others'
            _log.exception("an unexpected fault, which is a bug, with webhook %s", row["id"])
            return Outcome(status=None, error="an unexpected fault; the worker's log has its cause")

    async def _send(self, row: DictRow) -> Outcome:
        told: dict[str, Any] = {
            "id": str(row["id"]),
            "type": row["event"],
            "created_at": row["created_at"].isoformat(),
        }
        if row["job_id"] is None:
            told |= row["content"]
        else:
            # Made now: what its owner may see may have changed since the job ended.
            told["job"] = job_as_json(await job_as_told(self.database, row["job_id"]))
            del told["job"]["webhook"]
        body = json.dumps(told).encode()
        subscriber = row["owner_id"] or row["source_id"]
        secret = await subscriber_secret(self.database, self.policy.secret, subscriber)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Footnote",
            EVENT_HEADER: row["event"],
            DELIVERY_HEADER: str(row["id"]),
            SIGNATURE_HEADER: sign(secret, body, timestamp=int(time.time())),
        }
        return await send(
            row["url"], body, headers, allowed=self.policy.allowed, timeout_s=self.policy.timeout_s
        )

    async def _note(self, row: DictRow, outcome: Outcome) -> None:
        noted = {"delivery_id": row["id"], "status": outcome.status, "error": outcome.error}
        if outcome.error is None:
            await self.database.execute(query("deliveries.note_delivered"), noted)
            return
        pause_s = None if outcome.final else self.policy.pause_s(row["attempts"] + 1)
        await self.database.execute(query("deliveries.note_failed"), {**noted, "delay_s": pause_s})
        _log.warning(
            "webhook %s was not delivered: %s; %s",
            row["id"],
            outcome.error,
            "it is given up" if pause_s is None else f"it is tried again in {pause_s:.0f} s",
        )


async def tell_of_refresh(
    connection: Connection, source_id: UUID, *, event: str, content: dict[str, Any]
) -> None:
    """Have a run of a source told to whoever subscribed, in the caller's transaction."""
    row = await (
        await connection.execute(query("deliveries.notify_url"), {"source_id": source_id})
    ).fetchone()
    if row is None or row["notify_url"] is None:
        return
    told = {
        "job_id": None,
        "source_id": source_id,
        "event": event,
        "url": row["notify_url"],
        "content": Jsonb(content),
    }
    made = await (await connection.execute(query("deliveries.create"), told)).fetchone()
    if made is not None:
        await enqueue(connection, "deliver", made["id"])


async def subscribe(database: Database, source_id: UUID, url: str | None) -> None:
    """Have every run of a source told at a URL that was checked, or nowhere any more."""
    await database.execute(query("deliveries.set_notify_url"), {"source_id": source_id, "url": url})
