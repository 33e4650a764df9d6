"""Several language models in order: the first that begins an answer gives it."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing

from generation.errors import LLMError, LLMRejectedError, LLMUnavailableError
from generation.llms import LLM, Location, Message, TextDelta, Usage

_LOG = logging.getLogger(__name__)

_REST_S = 30.0
"""For so long a model that failed is asked after all others: a dead server should not cost every question its time."""


class OrderedLLMs:
    """Asks its members in turn until one begins. See `generation.llms.LLM` for the contract; it owns its members.

    A failure after the first piece of text is the answer's failure: what was said cannot be taken back.
    """

    def __init__(
        self,
        members: Sequence[LLM],
        *,
        clock: Callable[[], float] = time.monotonic,
        resting: dict[LLM, float] | None = None,
    ) -> None:
        self._members = tuple(members)
        self._clock = clock
        self._resting: dict[LLM, float] = {} if resting is None else resting

    @property
    def model(self) -> str:
        return self._members[0].model

    @property
    def location(self) -> Location:
        return "inside" if all(member.location == "inside" for member in self._members) else "outside"

    def inside(self) -> LLM | None:
        kept = [within for member in self._members if (within := member.inside()) is not None]
        return OrderedLLMs(kept, clock=self._clock, resting=self._resting) if kept else None

    async def count_tokens(self, texts: Sequence[str]) -> list[int] | None:
        """As the first member counts that is to be asked."""
        return await self._in_turn()[0].count_tokens(texts)

    async def close(self) -> None:
        async with AsyncExitStack() as stack:
            for member in self._members:
                stack.push_async_callback(member.close)

    async def stream(
        self, messages: Sequence[Message], *, max_tokens: int
    ) -> AsyncGenerator[TextDelta | Usage, None]:
        """Answer `messages`; see `generation.llms.LLM.stream`. `Usage.model` is the model that answered."""
        failures: list[LLMError] = []
        for member in self._in_turn():
            async with aclosing(member.stream(messages, max_tokens=max_tokens)) as events:
                try:
                    first = await anext(events)
                except LLMError as error:
                    failures.append(error)
                    self._note(member, error)
                    continue
                self._resting.pop(member, None)
                yield first
                try:
                    async for event in events:
                        yield event
                except LLMError:
                    self._rest(member)
                    raise
                return
        raise _none_answered(failures) from failures[-1]

    def _in_turn(self) -> list[LLM]:
        """The members as they were given, those that failed a short while ago last."""
        now = self._clock()
        return sorted(self._members, key=lambda member: self._resting.get(member, now) > now)

    def _rest(self, member: LLM) -> None:
        self._resting[member] = self._clock() + _REST_S

    def _note(self, member: LLM, error: LLMError) -> None:
        self._rest(member)
        if error.retryable:
            _LOG.warning("%s Another language model is asked, where there is one.", error)
        else:
            _LOG.error(
                "%s The same request will fail again: mend this model's settings. Another language model is asked, "
                "where there is one.",
                error,
            )


def _none_answered(failures: Sequence[LLMError]) -> LLMError:
    """The one failure, or all of them in one."""
    if len(failures) == 1:
        return failures[0]
    told = " ".join(f"({place}) {failure}" for place, failure in enumerate(failures, start=1))
    kind = LLMUnavailableError if any(failure.retryable for failure in failures) else LLMRejectedError
    return kind(f"none of the {len(failures)} language models answered. {told}")
