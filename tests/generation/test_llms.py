"""The contract of the language models, run against every member of the family."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from generation.llms import LLM, LLMSpec, Message, TextDelta, Usage, load_llm
from generation.llms.scripted import ScriptedLLM
from tests.generation.llm_server import answer, llm_server

MESSAGES = [Message(role="system", content="Rules."), Message(role="user", content="How long is it?")]


@pytest.fixture(params=["openai_api", "scripted"])
async def llm(request: pytest.FixtureRequest) -> AsyncIterator[LLM]:
    """A model that answers "It is 16 weeks [1]." in three pieces."""
    pieces = ("It is ", "16 weeks", " [1].")
    if request.param == "scripted":
        yield ScriptedLLM(*pieces)
        return
    async with llm_server(answer(*pieces)) as server:
        made = load_llm(LLMSpec(base_url=server.base_url, model="tiny", location="inside"))
        yield made
        await made.close()


async def test_text_comes_first_and_usage_once_at_the_end(llm: LLM) -> None:
    async with aclosing(llm.stream(MESSAGES, max_tokens=20)) as stream:
        *texts, last = [item async for item in stream]
    assert "".join(item.text for item in texts if isinstance(item, TextDelta)) == "It is 16 weeks [1]."
    assert len(texts) == 3
    assert isinstance(last, Usage)
    assert last.prompt_tokens > 0
    assert last.completion_tokens > 0
    assert not last.cut


async def test_a_stream_may_be_left_early_and_another_begun(llm: LLM) -> None:
    async with aclosing(llm.stream(MESSAGES, max_tokens=20)) as stream:
        assert await anext(stream) == TextDelta(text="It is ")
    async with aclosing(llm.stream(MESSAGES, max_tokens=20)) as stream:
        assert len([item async for item in stream]) == 4


async def test_it_says_who_and_where_it_is(llm: LLM) -> None:
    assert llm.model
    assert llm.location == "inside"


def test_a_model_is_outside_unless_it_is_declared_inside() -> None:
    assert load_llm(LLMSpec(base_url="http://127.0.0.1:9/v1", model="tiny")).location == "outside"
