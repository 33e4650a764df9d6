"""One answer that is told to whoever listens: its frames are kept, so that a listener can leave and come back.

It goes on without listeners for a while, and is stopped if none comes. What it keeps has a bound; a listener keeps no
more than a place in it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID, uuid4

from generation.events import AnswerEvent
from retrieval.errors import FootnoteError, InvalidRequestError
from service.http.sse import HEARTBEAT

_POSITION = re.compile(r"[0-9]{1,9}", re.ASCII)
_FRAMES_AT_ONCE = 64


class AnswerStoppedError(FootnoteError):
    """The answer was stopped before its end: by its caller, or because nobody listened."""


class AnswerTooLongError(FootnoteError):
    """The answer grew beyond what is kept of one."""


class ServiceStoppingError(FootnoteError):
    """The service stops, and what was not finished in time with it."""

    retryable = True


class TooManyAnswersError(FootnoteError):
    """As many answers are being told as may be at once."""

    retryable = True


class Telling(Protocol):
    """How what happens is put into frames. `number` counts those of an answer from 1; empty ones are not sent."""

    def begin(self, answer_id: UUID) -> bytes:
        """The first frame."""

    def tell(self, event: AnswerEvent, number: int) -> bytes:
        """What tells of an event."""

    def fail(self, error: Exception, answer_id: UUID, number: int) -> bytes:
        """The last frame of an answer that went wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BroadcastPolicy:
    """Times and bounds of answers that are told as they come about.

    resume_s: for how long an answer can be listened to again after its end.
    grace_s: for how long it goes on without a listener.
    heartbeat_s: between two comments that keep the connection alive.
    send_timeout_s: for how long a listener may take nothing of what is sent.
    most_running, most_kept: answers at once, and with those that have ended.
    most_bytes_each, most_bytes: what is kept of one, and of all that have ended.
    """

    resume_s: float = 600.0
    grace_s: float = 15.0
    heartbeat_s: float = 15.0
    send_timeout_s: float = 60.0
    most_running: int = 64
    most_kept: int = 1_000
    most_bytes_each: int = 4 * 1024**2
    most_bytes: int = 64 * 1024**2


class Broadcast:
    """An answer on its way to its listeners. `owner` is the key that asked."""

    def __init__(
        self,
        owner: UUID,
        *,
        answer_id: UUID | None = None,
        policy: BroadcastPolicy,
        telling: Telling,
        on_end: Callable[[Broadcast], None],
    ) -> None:
        self.id = answer_id or uuid4()
        self.owner = owner
        self.size = 0
        self.has_ended = False
        self._policy = policy
        self._telling = telling
        self._on_end = on_end
        self._frames: list[bytes] = []
        self._news = asyncio.Event()
        self._listeners = 0
        self._patience: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self, events: AsyncGenerator[AnswerEvent, None]) -> asyncio.Task[None]:
        """Tell the events; the task is the caller's to wait for."""
        self._add(self._telling.begin(self.id))
        self._task = asyncio.create_task(self._tell(events))
        self._wait_for_listeners()
        return self._task

    def stop(self, why: FootnoteError) -> None:
        """End it now, with an error event; what works for it is cancelled. Of no effect after its end."""
        if not self.has_ended:
            self._fail(why)
            if self._task is not None:
                self._task.cancel()

    def position(self, last_event_id: str | None) -> int:
        """How many frames a listener has had. Raises `InvalidRequestError` for an id that no event has."""
        if not last_event_id:
            return 0
        if not _POSITION.fullmatch(last_event_id) or int(last_event_id) > len(self._frames):
            raise InvalidRequestError(
                "Last-Event-ID is not the id of an event of this answer. Send the last `id` that was received, or "
                "leave the header out to hear the answer from its beginning."
            )
        return int(last_event_id)

    def is_over_after(self, position: int) -> bool:
        """Whether nothing follows after so many frames."""
        return self.has_ended and position == len(self._frames)

    async def listen(self, position: int) -> AsyncGenerator[bytes, None]:
        """Frames from `position` on, as they come, to the end. Wrap it in `contextlib.aclosing`."""
        self._arrive()
        clock = asyncio.get_running_loop().time
        heartbeat_at = clock() + self._policy.heartbeat_s
        try:
            while not self.is_over_after(position):
                if pieces := self._frames[position : position + _FRAMES_AT_ONCE]:
                    position += len(pieces)
                    yield b"".join(pieces)
                    continue
                try:
                    async with asyncio.timeout_at(heartbeat_at):
                        await self._news.wait()
                except TimeoutError:
                    heartbeat_at = clock() + self._policy.heartbeat_s
                    yield HEARTBEAT
        finally:
            self._leave()

    async def _tell(self, events: AsyncGenerator[AnswerEvent, None]) -> None:
        try:
            async with aclosing(events):
                async for event in events:
                    self._add(self._telling.tell(event, self._number))
        except Exception as error:  # noqa: BLE001  # the outermost handler of these events: listeners are told of it
            self._fail(error)
        else:
            self._end()

    @property
    def _number(self) -> int:
        """That of the next frame."""
        return len(self._frames) + 1

    def _add(self, made: bytes) -> None:
        if self.has_ended or not made:
            return
        if self.size + len(made) > self._policy.most_bytes_each:
            self.stop(
                AnswerTooLongError(
                    f"the answer's events take more than the {self._policy.most_bytes_each:,} bytes that are kept of "
                    "one. Ask for it without `stream`."
                )
            )
            return
        self._keep(made)

    def _fail(self, error: Exception) -> None:
        """The last event tells what went wrong; it is told whatever room there is."""
        if not self.has_ended:
            self._keep(self._telling.fail(error, self.id, self._number))
            self._end()

    def _keep(self, made: bytes) -> None:
        self._frames.append(made)
        self.size += len(made)
        self._tell_news()

    def _end(self) -> None:
        if not self.has_ended:
            self.has_ended = True
            self._end_patience()
            self._tell_news()
            self._on_end(self)

    def _tell_news(self) -> None:
        """Wake everybody who waits now; those who come after wait for the next news."""
        self._news.set()
        self._news = asyncio.Event()

    def _arrive(self) -> None:
        self._listeners += 1
        self._end_patience()

    def _leave(self) -> None:
        self._listeners -= 1
        self._wait_for_listeners()

    def _wait_for_listeners(self) -> None:
        if self._listeners or self.has_ended:
            return
        why = AnswerStoppedError(
            f"nobody had listened to the answer for {self._policy.grace_s:g} s, so it was stopped. Ask again."
        )
        self._patience = asyncio.get_running_loop().call_later(self._policy.grace_s, self.stop, why)

    def _end_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
