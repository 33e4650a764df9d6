"""Jobs of callers whose rights change: put in, answered, shown, and told to a webhook, one after the other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import httpx

from retrieval.database import query
from service.footnote import Footnote
from service.webhooks.delivering import Deliverer, DeliveryPolicy
from tests.service.webhooks.receiver import Receiver
from tests.service.workers import LOOPBACK, answer_now

_MADE = re.compile(r'"(id|trace_id|created_at|started_at|finished_at|next_attempt_at)": ?"[^"]*"')
_ASKED = re.compile(r'"question": ?"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldOfJob:
    """What was said of a job at some point of its life, as it was sent."""

    status: int
    body: str

    def without_times(self) -> ToldOfJob:
        """The same, but for when it was and which it is."""
        return ToldOfJob(status=self.status, body=_MADE.sub("", self.body))

    def without_question(self) -> str:
        """What it says beside the caller's own words."""
        return _ASKED.sub("", self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Jobs:
    """The jobs of one caller: by whom they are asked, of whom they are answered, and where their webhooks go."""

    footnote: Footnote
    client: httpx.AsyncClient
    key: str
    receiver: Receiver

    async def put_in(self, asked: Sequence[Mapping[str, object]]) -> tuple[list[UUID], list[ToldOfJob]]:
        """Put jobs in; returns those that were accepted, and what was said of each."""
        told: list[ToldOfJob] = []
        accepted: list[UUID] = []
        for body in asked:
            response = await self._send("POST", "/v1/jobs", {**body, "callback_url": self.receiver.url})
            told.append(response)
            if response.status == 202:
                accepted.append(UUID(httpx.Response(200, text=response.body).json()["id"]))
                await answer_now(self.footnote, accepted[-1])
        return accepted, told

    async def show(self, jobs: Sequence[UUID]) -> list[ToldOfJob]:
        """What polling shows of each."""
        return [await self._send("GET", f"/v1/jobs/{job}") for job in jobs]

    async def tell_anew(self) -> None:
        """Have no webhook told yet."""
        await self.footnote.database.execute(
            "UPDATE deliveries SET state = 'waiting', attempts = 0, next_attempt_at = created_at, delivered_at = NULL,"
            " last_status = NULL, last_error = NULL"
        )

    async def deliver(self, jobs: Sequence[UUID]) -> list[ToldOfJob]:
        """What the webhook of each is told."""
        database = self.footnote.database
        policy = DeliveryPolicy(allowed=LOOPBACK)
        told = []
        for job in jobs:
            [delivery] = await database.fetch_all(
                "SELECT id FROM deliveries WHERE job_id = %(job)s", {"job": job}
            )
            await Deliverer(database=database, policy=policy).run(delivery["id"])
            assert await database.fetch_one(query("deliveries.due"), {"delivery_id": delivery["id"]}) is None
            told.append(ToldOfJob(status=200, body=self.receiver.received[-1].body.decode()))
        return told

    async def _send(self, method: str, url: str, body: Mapping[str, object] | None = None) -> ToldOfJob:
        headers = {
            "Authorization": f"Bearer {self.key}",
            "X-Request-ID": "the-same",
            "traceparent": f"00-{1:032x}-{1:016x}-00",
        }
        response = await self.client.request(method, url, json=body, headers=headers)
        return ToldOfJob(status=response.status_code, body=response.text)
