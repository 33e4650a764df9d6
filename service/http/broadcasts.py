"""The answers that are being told, and those that can still be listened to again; each to the key that asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from types import TracebackType
from typing import Self
from uuid import UUID

from generation.events import AnswerEvent
from retrieval.errors import NotFoundError
from service.http.broadcast import (
    AnswerStoppedError,
    Broadcast,
    BroadcastPolicy,
    ServiceStoppingError,
    Telling,
    TooManyAnswersError,
)


class Broadcasts:
    """Owns every answer that is told over a stream. To be entered with `async with`; leaving stops those that run."""

    def __init__(self, policy: BroadcastPolicy, *, telling: Telling) -> None:
        self.policy = policy
        self._telling = telling
        self._known: dict[UUID, Broadcast] = {}  # in the order in which they began
        self._expiries: dict[UUID, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.drain(within_s=0)

    @property
    def running(self) -> int:
        """How many answers work is done for now."""
        return len(self._tasks)

    def start(
        self,
        events: AsyncGenerator[AnswerEvent, None],
        *,
        owner: UUID,
        answer_id: UUID | None = None,
        telling: Telling | None = None,
        grace_s: float | None = None,
    ) -> Broadcast:
        """Tell an answer, under an id of the caller's, in a way and with a patience of its own where they are given.

        Raises `TooManyAnswersError`, `ServiceStoppingError`.
        """
        if self._is_stopping:
            raise ServiceStoppingError("the service is stopping and begins no more answers. Ask again soon.")
        if len(self._tasks) >= self.policy.most_running:
            raise TooManyAnswersError(
                f"{self.policy.most_running} answers are being told, which is as many as may be at once. Ask again "
                "soon, or without `stream`."
            )
        policy = self.policy if grace_s is None else replace(self.policy, grace_s=grace_s)
        broadcast = Broadcast(
            owner,
            answer_id=answer_id,
            policy=policy,
            telling=telling or self._telling,
            on_end=self._ended,
        )
        self._known[broadcast.id] = broadcast
        task = broadcast.begin(events)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return broadcast

    def find(self, answer_id: UUID, *, owner: UUID) -> Broadcast:
        """An answer that can be listened to. Raises `NotFoundError`, also for one that somebody else asked for."""
        broadcast = self._known.get(answer_id)
        if broadcast is None or broadcast.owner != owner:
            raise NotFoundError(
                f"there is no answer {answer_id} that could be listened to: it was never begun, was stopped, or ended "
                "too long ago. Ask again."
            )
        return broadcast

    def stop(self, answer_id: UUID, *, owner: UUID) -> None:
        """Stop an answer and forget it. Raises `NotFoundError`."""
        broadcast = self.find(answer_id, owner=owner)
        broadcast.stop(AnswerStoppedError("the answer was stopped by the one who asked for it."))
        self._forget(broadcast)

    async def drain(self, *, within_s: float) -> None:
        """Begin no more answers, give those that run so much time, then stop them; nothing runs afterwards."""
        self._is_stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)
        for broadcast in [*self._known.values()]:
            broadcast.stop(
                ServiceStoppingError("the service stopped before the answer was complete. Ask again soon.")
            )
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for broadcast in [*self._known.values()]:
            self._forget(broadcast)

    def _ended(self, broadcast: Broadcast) -> None:
        if broadcast.id in self._known:
            self._expiries[broadcast.id] = asyncio.get_running_loop().call_later(
                self.policy.resume_s, self._forget, broadcast
            )
            self._make_room()

    def _make_room(self) -> None:
        """Forget the oldest of those that have ended, where they are too many or too large."""
        ended = [broadcast for broadcast in self._known.values() if broadcast.has_ended]
        size = sum(broadcast.size for broadcast in ended)
        for broadcast in ended:
            if len(self._known) <= self.policy.most_kept and size <= self.policy.most_bytes:
                return
            size -= broadcast.size
            self._forget(broadcast)

    def _forget(self, broadcast: Broadcast) -> None:
        self._known.pop(broadcast.id, None)
        if (expiry := self._expiries.pop(broadcast.id, None)) is not None:
            expiry.cancel()
