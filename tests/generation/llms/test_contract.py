"""The contract of the language models, run against every member of the family."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from generation.errors import LLMUnavailableError
from generation.llms import LLM, LLMSpec, Message, TextDelta, Usage, load_llm
from generation.llms.ordered import OrderedLLMs
from generation.llms.scripted import ScriptedLLM
from tests.generation.llms.dialects import ANTHROPIC, BEDROCK, OPENAI, VERTEX, llm_at, whole
from tests.generation.llms.llm_server import llm_server

MESSAGES = [Message(role="system", content="Rules."), Message(role="user", content="How long is it?")]


@pytest.fixture(
    params=[
        "scripted",
        "ordered",
        OPENAI,
        ANTHROPIC,
        VERTEX,
        pytest.param(BEDROCK, marks=pytest.mark.extras),
    ],
    ids=lambda member: member if isinstance(member, str) else member.kind,
)
async def llm(request: pytest.FixtureRequest) -> AsyncIterator[LLM]:
    """A model that answers "It is 16 weeks [1]." in three pieces."""
    pieces = ("It is ", "16 weeks", " [1].")
    if request.param == "scripted":
        yield ScriptedLLM(*pieces)
        return
    if request.param == "ordered":
        failing = ScriptedLLM(error=LLMUnavailableError("away."))
        yield OrderedLLMs([ScriptedLLM(*pieces), failing])
        return
    async with llm_server(whole(request.param, *pieces)) as server:
        made = llm_at(server, request.param)
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
    assert last.model == llm.model


async def test_a_stream_may_be_left_early_and_another_begun(llm: LLM) -> None:
    async with aclosing(llm.stream(MESSAGES, max_tokens=20)) as stream:
        assert await anext(stream) == TextDelta(text="It is ")
    async with aclosing(llm.stream(MESSAGES, max_tokens=20)) as stream:
        assert len([item async for item in stream]) == 4


async def test_it_says_who_and_where_it_is(llm: LLM) -> None:
    assert llm.model
    assert llm.location == "inside"
    assert llm.inside() is not None


def test_a_model_is_outside_unless_it_is_declared_inside() -> None:
    llm = load_llm(LLMSpec(base_url="http://127.0.0.1:9/v1", model="tiny"))
    assert llm.location == "outside"
    assert llm.inside() is None
