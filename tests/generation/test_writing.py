"""A model that writes while what it wrote is checked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest

from generation.answers import CheckedSentence
from generation.citations import CitedSentence
from generation.errors import LLMUnavailableError
from generation.events import Delta
from generation.llms import LLM, Message, TextDelta, Usage
from generation.llms.scripted import ScriptedLLM
from generation.writing import Check, Checked, Said, write_checked
from retrieval.errors import ModelError


async def check(sentence: CitedSentence) -> CheckedSentence:
    return CheckedSentence(text=sentence.text, supported=True, support=1.0, places=())


async def write(llm: LLM, check: Check = check) -> list[Delta | Checked | Said]:
    async with aclosing(write_checked(llm, [], offered=3, max_tokens=100, check=check)) as items:
        return [item async for item in items]


def texts(items: Sequence[Delta | Checked | Said]) -> list[str]:
    return [item.sentence.text for item in items if isinstance(item, Checked)]


async def test_sentences_come_in_order_however_long_their_checks_take() -> None:
    async def slow_first(sentence: CitedSentence) -> CheckedSentence:
        await asyncio.sleep(0.05 if sentence.text.startswith("One") else 0)
        return await check(sentence)

    items = await write(ScriptedLLM("One is so. ", "Two is so. ", "Three is so."), slow_first)
    assert texts(items) == ["One is so.", "Two is so.", "Three is so."]
    written = "".join(item.text for item in items if isinstance(item, Delta))
    assert written == "One is so. Two is so. Three is so."
    ends = [item.written for item in items if isinstance(item, Checked)]
    assert [written[:end][-10:] for end in ends] == ["One is so.", "Two is so.", "ree is so."]
    assert isinstance(items[-1], Said)


async def test_a_sentence_is_checked_and_handed_out_while_the_model_still_writes() -> None:
    seen = asyncio.Event()

    class Waiting(ScriptedLLM):
        async def stream(
            self, messages: Sequence[Message], *, max_tokens: int
        ) -> AsyncGenerator[TextDelta | Usage, None]:
            yield TextDelta(text="One is so [1]. Two")
            await seen.wait()
            yield TextDelta(text=" is so [2].")
            yield Usage(prompt_tokens=1, completion_tokens=1, estimated=True)

    async with (
        asyncio.timeout(5),
        aclosing(write_checked(Waiting(), [], offered=3, max_tokens=100, check=check)) as items,
    ):
        async for item in items:
            if isinstance(item, Checked):
                seen.set()
    assert seen.is_set()


async def test_the_model_is_never_held_up_by_checks() -> None:
    finished = asyncio.Event()

    class Telling(ScriptedLLM):
        async def stream(
            self, messages: Sequence[Message], *, max_tokens: int
        ) -> AsyncGenerator[TextDelta | Usage, None]:
            async for event in super().stream(messages, max_tokens=max_tokens):
                yield event
            finished.set()

    async def patient(sentence: CitedSentence) -> CheckedSentence:
        await finished.wait()
        return await check(sentence)

    llm = Telling(*(f"Number {n} is so. " for n in range(200)))
    async with asyncio.timeout(10):
        assert len(texts(await write(llm, patient))) == 200


async def test_a_failing_check_ends_the_writing_with_its_error_and_closes_the_stream() -> None:
    async def failing(sentence: CitedSentence) -> CheckedSentence:
        raise ModelError("the model m failed")

    class Endless(ScriptedLLM):
        async def stream(
            self, messages: Sequence[Message], *, max_tokens: int
        ) -> AsyncGenerator[TextDelta | Usage, None]:
            try:
                while True:
                    yield TextDelta(text="It is so. ")
                    await asyncio.sleep(0)
            finally:
                self.closed_early += 1

    llm = Endless()
    with pytest.raises(ModelError, match="the model m failed"):
        await write(llm, failing)
    assert llm.closed_early == 1


async def test_a_failing_model_ends_the_checks_at_once() -> None:
    began = asyncio.Event()

    async def never(sentence: CitedSentence) -> CheckedSentence:
        began.set()
        await asyncio.Event().wait()
        raise AssertionError

    llm = ScriptedLLM("One is so. Two", error=LLMUnavailableError("it broke off"))
    async with asyncio.timeout(5):
        with pytest.raises(LLMUnavailableError, match="it broke off"):
            await write(llm, never)


async def test_leaving_early_closes_the_models_stream_and_ends_the_checks() -> None:
    ended = 0

    async def never(sentence: CitedSentence) -> CheckedSentence:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            ended += 1
        raise AssertionError

    class Stalling(ScriptedLLM):
        async def stream(
            self, messages: Sequence[Message], *, max_tokens: int
        ) -> AsyncGenerator[TextDelta | Usage, None]:
            try:
                yield TextDelta(text="One is so. Two")
                await asyncio.Event().wait()
            finally:
                self.closed_early += 1

    llm = Stalling()
    async with aclosing(write_checked(llm, [], offered=3, max_tokens=100, check=never)) as items:
        async for _ in items:
            await asyncio.sleep(0.01)
            break
    assert (llm.closed_early, ended) == (1, 1)


async def test_after_a_model_has_declined_nothing_it_says_is_shown_or_checked() -> None:
    items = await write(ScriptedLLM("NOT_IN_SOURCES\n", "But I think that it is so [1]. ", "Surely."))
    assert [type(item) for item in items] == [Said]
