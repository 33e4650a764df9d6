"""Counting a model's own tokens, against a real server on 127.0.0.1."""

from __future__ import annotations

import asyncio
import json

import pytest

from generation.counting import counted
from generation.llms import LLM, LLMSpec, load_llm
from generation.llms.scripted import ScriptedLLM
from generation.tokens import approximate_tokens
from tests.generation.llms.dialects import KEY, OPENAI, llm_at
from tests.generation.llms.llm_server import Reply, Step, llm_server, problem


def counts(number: int, *before: Step) -> Reply:
    tokens = json.dumps({"count": number, "max_model_len": 4096, "tokens": [1] * number}).encode()
    return Reply(content_type="application/json", steps=[*before, tokens])


async def test_tokens_are_counted_by_the_server_beside_the_interface() -> None:
    async with llm_server(counts(3)) as seen:
        llm = llm_at(seen, OPENAI)
        assert await llm.count_tokens(["Hello", "you"]) == [3, 3]
        await llm.close()
    assert all(head.startswith("POST /tokenize ") for head in seen.heads)
    assert all(f"authorization: bearer {KEY}" in head.lower() for head in seen.heads)
    assert sorted(body["prompt"] for body in seen.bodies) == ["Hello", "you"]
    assert all(body["model"] == "tiny" and body["content"] == body["prompt"] for body in seen.bodies)


async def test_what_was_counted_is_not_asked_again() -> None:
    async with llm_server(counts(3), counts(4)) as seen:
        llm = llm_at(seen, OPENAI)
        assert await llm.count_tokens(["Hello", "Hello"]) == [3, 3]
        assert await llm.count_tokens(["you", "Hello"]) == [4, 3]
        await llm.close()
    assert [body["prompt"] for body in seen.bodies] == ["Hello", "you"]


async def test_what_another_question_pushes_out_meanwhile_is_still_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("generation.llms.tokenizing._KEPT", 2)
    async with llm_server(counts(3), counts(4, 0.3), counts(5)) as seen:
        llm = llm_at(seen, OPENAI)
        assert await llm.count_tokens(["known"]) == [3]
        seen.asked.clear()
        slow = asyncio.create_task(llm.count_tokens(["known", "slow"]))
        await seen.asked.wait()
        assert await llm.count_tokens(["one", "two"]) == [5, 5]
        assert await slow == [3, 4]
        await llm.close()


@pytest.mark.parametrize(
    "reply",
    [
        problem(404, "Not Found"),
        problem(500, "boom"),
        Reply(content_type="text/html", steps=[b"<html></html>"]),
        Reply(content_type="application/json", steps=[b"[]"]),
        Reply(content_type="application/json", steps=[b"[" * 100_000]),
        Reply(content_type="application/json", steps=[b'{"tokens": "many"}']),
        Reply(steps=["die"]),
    ],
)
async def test_a_server_that_does_not_count_is_left_alone_for_a_while(reply: Reply) -> None:
    async with llm_server(reply) as seen:
        llm = llm_at(seen, OPENAI)
        assert await llm.count_tokens(["Hello"]) is None
        assert await llm.count_tokens(["Hello"]) is None
        await llm.close()
    assert len(seen.bodies) == 1


async def test_counting_holds_no_answer_up_for_more_than_a_second() -> None:
    async with llm_server(counts(3, "stall")) as seen:
        llm = llm_at(seen, OPENAI)
        async with asyncio.timeout(2):
            assert await llm.count_tokens(["Hello"] * 3) is None
        await llm.close()


async def test_an_outside_server_is_never_sent_texts_to_count() -> None:
    async with llm_server(counts(3)) as seen:
        llm = llm_at(seen, OPENAI, location="outside")
        assert await llm.count_tokens(["Hello"]) is None
        await llm.close()
    assert seen.bodies == []


@pytest.mark.parametrize("told", [True, False])
async def test_an_unknown_text_is_estimated_on_the_high_side(told: bool) -> None:
    async with llm_server(counts(3)) as seen:
        llm: LLM = llm_at(seen, OPENAI) if told else ScriptedLLM()
        count = await counted(["Hello, you there"], llm)
        await llm.close()
    assert count("Hello, you there") == (3 if told else approximate_tokens("Hello, you there"))
    assert count("Another text") == approximate_tokens("Another text")


async def test_nobody_listening_is_no_error() -> None:
    llm = load_llm(LLMSpec(base_url="http://127.0.0.1:9/v1", model="m", location="inside"))
    assert await llm.count_tokens(["Hello"]) is None
    await llm.close()
