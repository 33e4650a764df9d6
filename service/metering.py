"""Metering: an answer within its caller's limits and its time, and what it did cost, written down.

`Meter.begin` reserves before anything is done for the answer; the answer's end settles, however it comes: whole,
failed, too late, or left by whoever asked. What was used of a model then is not told by it: the prompt counts as it
was estimated, and what it had written as what was seen of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from uuid import UUID

from generation.answers import NO_USAGE, Answer, AnswerPolicy
from generation.events import AnswerEvent, Delta, Done, Retrieved, UsageReported
from generation.llms import Usage
from generation.tokens import approximate_tokens
from retrieval.errors import DatabaseUnavailableError, FootnoteError
from service.asking import Question
from service.observing import Observer
from service.prices import NOTHING, Cost, Prices, most_used
from service.quotas import Quotas, Reservation
from service.usage import add_usage, record_answer

logger = logging.getLogger("footnote.usage")

_SETTLE_TIMEOUT_S = 10.0
_PLACE_MARGIN_S = 15.0
"""A place is held for so much longer than an answer may take: what is cancelled does not end on the dot."""


class AnswerTimeoutError(FootnoteError):
    """An answer took longer than the settings let it, and was given up."""

    retryable = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """What answers may cost and how long they may take. `models`: that may answer; none where answers are quoted."""

    quotas: Quotas
    prices: Prices
    models: tuple[str, ...]
    policy: AnswerPolicy
    rewrites: bool
    timeout_s: float
    observer: Observer

    async def begin(
        self,
        question: Question,
        events: AsyncGenerator[AnswerEvent, None],
        *,
        caller_id: UUID,
        answer_id: UUID,
    ) -> MeteredAnswer:
        """The same events, paid for. Raises `LimitReachedError`; nothing of the answer has begun then.

        Wrap it in `contextlib.aclosing`, at once: it holds a place until it is closed, also if nobody ever listens.
        """
        most = self._most(question)
        try:
            reservation = await self.quotas.reserve(
                caller_id, self._cost(most), longest_s=self.timeout_s + _PLACE_MARGIN_S
            )
        except BaseException:
            await events.aclose()
            raise
        return MeteredAnswer(
            self,
            reservation,
            events,
            most=most,
            answer_id=answer_id,
            collection=question.collection.name,
        )

    def _most(self, question: Question) -> Usage:
        if not self.models:
            return NO_USAGE
        return most_used(question.text, question.turns, self.policy, rewrites=self.rewrites)

    def _cost(self, most: Usage) -> Cost:
        return self.prices.most(most, self.models) if self.models else NOTHING

    async def finish(
        self, reservation: Reservation, answer: Answer, *, answer_id: UUID, collection: str, seconds: float
    ) -> None:
        """Settle a whole answer and write down what it cost. It is not taken back where that fails: the log has it."""
        usages = (answer.usage, *(() if answer.searched is None else (answer.searched.usage,)))
        cost = self.prices.of(usages, model=answer.model)
        caller_id = reservation.caller_id
        self.observer.paid(answer.model, cost.money)
        await self._write_down(
            record_answer(
                self.quotas.database,
                answer_id=answer_id,
                caller_id=caller_id,
                answer=answer,
                collection=collection,
                seconds=seconds,
                money=cost.money,
            ),
            f"the usage of answer {answer_id} for {caller_id} ({answer.model}, {cost.tokens} tokens)",
        )
        await self._settle(reservation, cost)

    async def give_up(self, reservation: Reservation, used: Usage, searched: Usage) -> None:
        """Settle an answer that was not completed, by what can be known of it."""
        if not _any((used, searched)):
            await self._settle(reservation, NOTHING)
            return
        model = used.model or searched.model or self.models[0]
        cost = self.prices.most(_sum(used, searched), (model,) if used.model else self.models)
        self.observer.paid(model, cost.money)
        await self._write_down(
            add_usage(
                self.quotas.database,
                caller_id=reservation.caller_id,
                model=model,
                usage=_sum(used, searched),
                money=cost.money,
            ),
            f"the usage of an answer that {reservation.caller_id} did not get whole ({model}, {cost.tokens} tokens)",
        )
        await self._settle(reservation, cost)

    async def _settle(self, reservation: Reservation, cost: Cost) -> None:
        await self._write_down(
            self.quotas.settle(reservation, cost),
            f"that an answer for {reservation.caller_id} took {cost.tokens} of {reservation.most.tokens} tokens",
        )

    async def _write_down(self, work: Coroutine[Any, Any, None], what: str) -> None:
        try:
            async with asyncio.timeout(_SETTLE_TIMEOUT_S):
                await work
        except (DatabaseUnavailableError, TimeoutError) as exc:
            logger.error(  # the message says all
                "%s was not written down: %s", what, str(exc) or "the database took too long"
            )


class MeteredAnswer(AsyncGenerator[AnswerEvent, None]):
    """The events of an answer that was begun by `Meter.begin`. To be closed; a generator that nobody starts would not
    notice that it is."""

    def __init__(
        self,
        meter: Meter,
        reservation: Reservation,
        events: AsyncGenerator[AnswerEvent, None],
        *,
        most: Usage,
        answer_id: UUID,
        collection: str,
    ) -> None:
        self._meter = meter
        self._reservation = reservation
        self._events = events
        self._most = most
        self._answer_id = answer_id
        self._collection = collection
        self._clock = asyncio.get_running_loop().time
        self._began_at = self._clock()
        self._ends_at = self._began_at + meter.timeout_s
        self._is_settled = False
        self._has_looked = False
        self._written = ""
        self._used: Usage | None = None
        self._searched = NO_USAGE

    async def asend(self, value: None) -> AnswerEvent:
        try:
            async with asyncio.timeout_at(self._ends_at):
                event = await anext(self._events)
        except TimeoutError as exc:
            await self._give_up()
            raise AnswerTimeoutError(
                f"the answer was not complete after {self._meter.timeout_s:g} s, which is as long as one may take. "
                "Ask again, or ask for less at a time."
            ) from exc
        except FootnoteError:
            # What failed before its first word is not charged for: the model's server refused, or was not there.
            self._has_looked = self._has_looked and bool(self._written)
            await self._give_up()
            raise
        except BaseException:
            await self._give_up()
            raise
        await self._note(event)
        return event

    async def athrow(
        self,
        typ: type[BaseException] | BaseException,
        val: BaseException | object = None,
        tb: TracebackType | None = None,
    ) -> AnswerEvent:
        await self.aclose()
        raise typ

    async def aclose(self) -> None:
        try:
            await self._events.aclose()
        finally:
            await self._give_up()

    async def _note(self, event: AnswerEvent) -> None:
        match event:
            case Retrieved(searched=searched):
                self._has_looked = True
                self._searched = NO_USAGE if searched is None else searched.usage
            case Delta(text=text):
                self._written += text
            case UsageReported(usage=usage):
                self._used = usage
            case Done(answer=answer):
                self._is_settled = True
                await _see_through(
                    self._meter.finish(
                        self._reservation,
                        answer,
                        answer_id=self._answer_id,
                        collection=self._collection,
                        seconds=self._clock() - self._began_at,
                    )
                )

    async def _give_up(self) -> None:
        """Settle what was not completed; of no effect on what was."""
        if self._is_settled:
            return
        self._is_settled = True
        await _see_through(self._meter.give_up(self._reservation, self._spent(), self._searched))

    def _spent(self) -> Usage:
        if self._used is not None:
            return self._used
        if not self._has_looked or not self._meter.models:
            return NO_USAGE
        return Usage(
            prompt_tokens=self._most.prompt_tokens,
            completion_tokens=approximate_tokens(self._written),
            estimated=True,
        )


async def _see_through(work: Coroutine[Any, Any, None]) -> None:
    """Have work done also while the one who waits for it is cancelled; it has a time limit of its own."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def _any(usages: tuple[Usage, ...]) -> bool:
    return any(usage.prompt_tokens or usage.completion_tokens for usage in usages)


def _sum(first: Usage, second: Usage) -> Usage:
    return Usage(
        prompt_tokens=first.prompt_tokens + second.prompt_tokens,
        completion_tokens=first.completion_tokens + second.completion_tokens,
        estimated=True,
        model=first.model,
    )
