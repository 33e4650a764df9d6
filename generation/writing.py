"""A language model writes, and what it has finished is checked while it writes on.

One sentence is checked at a time, in the order in which they were written. What waits here is bounded by the answer's
own limit of tokens, so that a slow check or a slow reader never holds up the model, whose time is limited.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack, aclosing
from dataclasses import dataclass

from generation.answers import NO_USAGE, CheckedSentence
from generation.citations import CitationReader, CitedSentence, CitedText
from generation.events import Delta
from generation.llms import LLM, Message, TextDelta, Usage
from retrieval.stages import NO_STAGES, Stages

_SENTENCE_ENDS = tuple(".!?。！？")

Check = Callable[[CitedSentence], Awaitable[CheckedSentence]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A sentence with what its check found, and where it ends in the text of the deltas."""

    sentence: CheckedSentence
    written: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """All that the model said, and what it cost; the last thing that comes."""

    text: CitedText
    usage: Usage


async def write_checked(
    llm: LLM,
    prompt: Sequence[Message],
    *,
    offered: int,
    max_tokens: int,
    check: Check,
    stages: Stages = NO_STAGES,
) -> AsyncGenerator[Delta | Checked | Said, None]:
    """Let the model answer `prompt`, in which passages 1 … `offered` are quoted. Wrap it in `contextlib.aclosing`.

    Leaving early closes the model's stream and ends the checks. Raises `LLMError` and what `check` raises, at once.
    """
    desk = _Desk(CitationReader(offered), check, stages)
    tasks = [asyncio.create_task(desk.write(llm, prompt, max_tokens)), asyncio.create_task(desk.check_all())]
    for task in tasks:
        task.add_done_callback(lambda _: desk.news.set())
    try:
        while not (all(task.done() for task in tasks) and not desk.outbox):
            await desk.news.wait()
            desk.news.clear()
            while desk.outbox:
                yield desk.outbox.popleft()
            for task in tasks:
                if task.done():
                    task.result()
        yield desk.said()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Desk:
    """What is being written, what waits for its check, and what can be handed out."""

    def __init__(self, reader: CitationReader, check: Check, stages: Stages) -> None:
        self._reader = reader
        self._check = check
        self._stages = stages
        self._known: set[str] = set()
        self._claims: asyncio.Queue[CitedSentence | None] = asyncio.Queue()
        self._text: CitedText | None = None
        self._usage = NO_USAGE
        self.outbox: deque[Delta | Checked] = deque()
        self.news = asyncio.Event()

    def said(self) -> Said:
        assert self._text is not None, "the model has finished"
        return Said(text=self._text, usage=self._usage)

    async def write(self, llm: LLM, prompt: Sequence[Message], max_tokens: int) -> None:
        known = 0
        async with AsyncExitStack() as stack:
            stack.enter_context(self._stages.stage("model"))
            until_first = stack.enter_context(ExitStack())
            until_first.enter_context(self._stages.stage("first_token"))
            stream = await stack.enter_async_context(aclosing(llm.stream(prompt, max_tokens=max_tokens)))
            async for event in stream:
                until_first.close()
                match event:
                    case TextDelta(text=text):
                        sentences = self._reader.feed(text)
                        known += len(sentences)
                        self._take(sentences)
                    case Usage():
                        self._usage = event
        self._text = self._reader.finish()
        self._take(self._without_cut(self._text.sentences[known:]))
        self._claims.put_nowait(None)

    async def check_all(self) -> None:
        while (claim := await self._claims.get()) is not None:
            with self._stages.stage("support"):
                sentence = await self._check(claim)
            self._hand_out(Checked(sentence=sentence, written=claim.written))

    def _take(self, sentences: Sequence[CitedSentence]) -> None:
        """Note what was written. A sentence counts once: small models go round in circles."""
        fresh = self._reader.new_text()
        if self._reader.declined:
            return
        if fresh:
            self._hand_out(Delta(text=fresh))
        for sentence in sentences:
            if sentence.text.casefold() not in self._known:
                self._known.add(sentence.text.casefold())
                self._claims.put_nowait(sentence)

    def _without_cut(self, last: Sequence[CitedSentence]) -> Sequence[CitedSentence]:
        """The last sentences without one that the limit of tokens cut off: half a claim may be a false one."""
        is_cut = self._usage.cut and last and not last[-1].text.endswith(_SENTENCE_ENDS)
        return last[:-1] if is_cut else last

    def _hand_out(self, item: Delta | Checked) -> None:
        self.outbox.append(item)
        self.news.set()
