"""Answers that were made before, and such as are just being made for somebody else.

An answer is looked for after retrieval, by all that it is made of (`answer_key`). The passages are in that, as the
caller was given them now: a document that changed, or that this caller may not read, makes another key. Equal questions
at one time share one making, which ends when nobody follows it any more; one who leaves takes nothing from the others.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from hashlib import sha256
from typing import TypeAlias

from generation.answers import EXTRACTIVE_MODEL, AnswerPolicy
from generation.errors import GenerationError
from generation.events import AnswerEvent, Delta, Done
from generation.llms import LLM
from generation.prompt import template
from generation.rewriting import Turn
from retrieval.kept import Kept, KeptFigures
from retrieval.records import Hit

Make: TypeAlias = Callable[[], AsyncGenerator[AnswerEvent, None]]
KeptAnswers: TypeAlias = Kept[str, tuple[AnswerEvent, ...]]

_OBJECTS_PER_BYTE = 3
"""What events take in memory for a byte of their JSON, about."""


def answer_key(
    question: str,
    turns: Sequence[Turn],
    hits: Sequence[Hit],
    *,
    llm: LLM | None,
    policy: AnswerPolicy,
) -> str:
    """What tells answers apart: question, turns, wording of the prompt, policy, model, and the passages in their order.

    A passage is its document, revision and offsets, and besides all that a prompt or a citation says of it: a file that
    was renamed has another path in the same revision. Of the hits those count that the evidence check reads.
    """
    wording = [template(name).template for name in ("system", "question", "judge")]
    passages = [hit.passage for hit in hits[: policy.passages]]
    made_of = (question, [*turns], wording, policy, _model(llm), passages)
    return sha256(repr(made_of).encode("utf-8", "backslashreplace")).hexdigest()


def _model(llm: LLM | None) -> str:
    return EXTRACTIVE_MODEL if llm is None else f"{llm.location} {llm.model}"


class AnswerCache:
    """Keeps answers by their keys. What failed is not kept, nor what another model than the first in order said."""

    def __init__(self, kept: KeptAnswers) -> None:
        self._kept = kept
        self._makings: dict[str, _Making] = {}

    def figures(self) -> KeptFigures:
        return self._kept.figures()

    async def stream(self, key: str, make: Make, *, model: str) -> AsyncGenerator[AnswerEvent, None]:
        """The events of the answer: kept, being made, or made now. Wrap it in `contextlib.aclosing`.

        model: the name that the answer's model has to have for the answer to be kept. Raises what `make` raises.
        """
        making = self._makings.get(key)
        if making is not None:
            self._kept.shared += 1
        elif (kept := self._kept.get(key)) is not None:
            for event in kept:
                yield event
            return
        else:
            making = self._makings[key] = _Making(
                make,
                on_done=lambda made: self._keep(key, made, model),
                on_end=lambda ended: self._forget(key, ended),
            )
        async with aclosing(making.follow()) as events:
            async for event in events:
                yield event

    def _forget(self, key: str, making: _Making) -> None:
        if self._makings.get(key) is making:  # and not one that has begun since
            del self._makings[key]

    def _keep(self, key: str, events: Sequence[AnswerEvent], model: str) -> None:
        done = events[-1]
        if isinstance(done, Done) and done.answer.model == model:
            joined = tuple(_joined(events))
            size = sum(len(json.dumps(event.as_json())) for event in joined)
            self._kept.put(key, joined, size_bytes=_OBJECTS_PER_BYTE * size)


class _Making:
    """One run that makes an answer, for all who follow it. It is cancelled when the last of them leaves."""

    def __init__(
        self,
        make: Make,
        *,
        on_done: Callable[[Sequence[AnswerEvent]], None],
        on_end: Callable[[_Making], None],
    ) -> None:
        self._events: list[AnswerEvent] = []
        self._on_done = on_done
        self._on_end = on_end
        self._followers = 0
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._run(make))
        self._task.add_done_callback(self._ended)

    async def follow(self) -> AsyncGenerator[AnswerEvent, None]:
        """All events from the first on, as they come. Raises what making them raises."""
        self._followers += 1
        position = 0
        try:
            while True:
                while position < len(self._events):
                    position += 1
                    yield self._events[position - 1]
                if self._task.cancelled():
                    raise GenerationError("the answer was given up while it was made. Ask again.")
                if self._task.done():
                    self._task.result()
                    return
                await self._news.wait()
        finally:
            self._followers -= 1
            if not self._followers and not self._task.done():
                self._on_end(self)  # nobody is to join what is being given up
                self._task.cancel()
                await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, make: Make) -> None:
        try:
            async with aclosing(make()) as events:
                async for event in events:
                    self._events.append(event)
                    self._tell_news()
            self._on_done(self._events)
        finally:
            self._on_end(self)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            task.exception()  # followers raise it; where they have all left, nobody does
        self._tell_news()

    def _tell_news(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def _joined(events: Sequence[AnswerEvent]) -> list[AnswerEvent]:
    """The events with deltas that follow one another as one: nobody writes them any more."""
    joined: list[AnswerEvent] = []
    for event in events:
        last = joined[-1] if joined else None
        if isinstance(event, Delta) and isinstance(last, Delta):
            joined[-1] = Delta(text=last.text + event.text)
        else:
            joined.append(event)
    return joined
