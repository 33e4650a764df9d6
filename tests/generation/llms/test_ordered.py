"""Language models in order: who is asked, who answers, and what is told."""

from __future__ import annotations

import logging
from contextlib import aclosing

import pytest

from generation.errors import (
    LLMError,
    LLMRejectedError,
    LLMResponseError,
    LLMTimeoutError,
    LLMUnavailableError,
    OutsideNotAllowedError,
)
from generation.llms import LLM, LLMSpec, Message, TextDelta, Usage, load_llms
from generation.llms.ordered import OrderedLLMs
from generation.llms.scripted import ScriptedLLM
from generation.permission import permitted
from tests.generation.llms.dialects import ANTHROPIC, KEY, OPENAI, llm_at, reply, whole
from tests.generation.llms.llm_server import Reply, llm_server, problem

DOCUMENT = "The blue folder lies in safe number seven."
MESSAGES = [Message(role="user", content=DOCUMENT)]


async def read(llm: LLM) -> tuple[str, Usage]:
    text, used = "", None
    async with aclosing(llm.stream(MESSAGES, max_tokens=20)) as stream:
        async for event in stream:
            if isinstance(event, TextDelta):
                text += event.text
            else:
                used = event
    assert used is not None
    return text, used


@pytest.mark.parametrize(
    "failing",
    [
        problem(429, f"slow down: {DOCUMENT}"),
        problem(500, f"CUDA error: {DOCUMENT}"),
        problem(401, f"Incorrect API key provided: {KEY}"),
        problem(400, f"bad: {DOCUMENT}"),
        problem(404, "no such model"),
        Reply(steps=["die"]),
        Reply(steps=["stall"]),
        Reply(content_type="text/html", steps=[b"<html></html>"]),
        whole(OPENAI),
    ],
)
async def test_what_fails_before_its_first_token_moves_on_and_the_answer_names_who_gave_it(
    failing: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    async with llm_server(failing) as first, llm_server(whole(ANTHROPIC, "From the second.")) as second:
        llm = OrderedLLMs(
            [
                llm_at(first, OPENAI, first_token_timeout_s=0.5),
                llm_at(second, ANTHROPIC, model="second", fallback=1),
            ]
        )
        text, used = await read(llm)
        await llm.close()
    assert (text, used.model) == ("From the second.", "second")
    assert "'tiny'" in caplog.text
    assert KEY not in caplog.text
    assert DOCUMENT not in caplog.text


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (LLMRejectedError("wrong key."), logging.ERROR),
        (LLMResponseError("no answer."), logging.ERROR),
        (LLMTimeoutError("slow."), logging.WARNING),
        (LLMUnavailableError("away."), logging.WARNING),
    ],
)
async def test_a_wrong_configuration_is_told_louder_than_an_outage(
    error: LLMError, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    await read(OrderedLLMs([ScriptedLLM(error=error), ScriptedLLM("Yes.")]))
    assert [(record.levelno, str(error) in record.message) for record in caplog.records] == [(level, True)]


async def test_a_server_that_cannot_be_reached_moves_on() -> None:
    async with llm_server(whole(OPENAI, "never")) as away:
        pass
    async with llm_server(whole(OPENAI, "Yes.")) as there:
        llm = OrderedLLMs([llm_at(away, OPENAI), llm_at(there, OPENAI, model="second")])
        text, used = await read(llm)
        await llm.close()
    assert (text, used.model) == ("Yes.", "second")


async def test_a_failure_after_the_first_token_is_the_answer_s_failure() -> None:
    second = ScriptedLLM("never")
    async with llm_server(reply(OPENAI, OPENAI.text("It is "), "die")) as seen:
        llm = OrderedLLMs([llm_at(seen, OPENAI), second])
        with pytest.raises(LLMUnavailableError):
            await read(llm)
        await llm.close()
    assert second.prompts == []


async def test_leaving_early_closes_the_stream_of_the_member_that_answers() -> None:
    member = ScriptedLLM("one", "two")
    async with aclosing(OrderedLLMs([member]).stream(MESSAGES, max_tokens=5)) as stream:
        assert await anext(stream) == TextDelta(text="one")
    assert member.closed_early == 1


async def test_where_none_answers_each_reason_is_told() -> None:
    llm = OrderedLLMs(
        [ScriptedLLM(error=LLMRejectedError("wrong key.")), ScriptedLLM(error=LLMTimeoutError("slow."))]
    )
    with pytest.raises(
        LLMUnavailableError, match=r"none of the 2 .* \(1\) wrong key\. \(2\) slow\."
    ) as caught:
        await read(llm)
    assert caught.value.retryable


async def test_where_none_answers_and_none_ever_will_it_is_a_rejection() -> None:
    wrong = LLMRejectedError("wrong key.")
    with pytest.raises(LLMRejectedError, match="none of the 2"):
        await read(OrderedLLMs([ScriptedLLM(error=wrong), ScriptedLLM(error=wrong)]))


async def test_who_failed_is_asked_last_for_half_a_minute() -> None:
    now = 0.0
    first = ScriptedLLM(error=LLMUnavailableError("away."))
    second = ScriptedLLM("Yes.", model="second")
    llm = OrderedLLMs([first, second], clock=lambda: now)
    await read(llm)
    await read(llm)
    assert (len(first.prompts), len(second.prompts)) == (1, 2)
    now = 31.0
    await read(llm)
    assert len(first.prompts) == 2


async def test_who_failed_in_mid_answer_is_asked_last_the_next_time() -> None:
    llm = OrderedLLMs(
        [ScriptedLLM("It is ", error=LLMUnavailableError("broke off.")), ScriptedLLM("Yes.", model="second")]
    )
    with pytest.raises(LLMUnavailableError):
        await read(llm)
    assert (await read(llm))[1].model == "second"


async def test_who_rests_is_still_asked_before_giving_up() -> None:
    away = LLMUnavailableError("away.")
    first, second = ScriptedLLM(error=away), ScriptedLLM(error=away)
    llm = OrderedLLMs([first, second])
    for _ in range(2):
        with pytest.raises(LLMUnavailableError):
            await read(llm)
    assert (len(first.prompts), len(second.prompts)) == (2, 2)


async def test_where_passages_must_stay_inside_only_members_inside_are_asked() -> None:
    outside, inside = ScriptedLLM("out", location="outside"), ScriptedLLM("in", model="house")
    llm = OrderedLLMs([outside, inside])
    assert llm.location == "outside"
    text, used = await read(permitted(llm, allow_outside=False))
    assert (text, used.model) == ("in", "house")
    assert outside.prompts == []


def test_where_passages_must_stay_inside_and_nobody_is_there_it_is_refused() -> None:
    llm = OrderedLLMs([ScriptedLLM("a", location="outside"), ScriptedLLM("b", location="outside")])
    with pytest.raises(OutsideNotAllowedError):
        permitted(llm, allow_outside=False)
    assert permitted(llm, allow_outside=True) is llm


async def test_rest_is_the_same_for_all_askers() -> None:
    first = ScriptedLLM(error=LLMUnavailableError("away."))
    llm = OrderedLLMs([first, ScriptedLLM("Yes."), ScriptedLLM("out", location="outside")])
    await read(permitted(llm, allow_outside=False))
    await read(llm)
    assert len(first.prompts) == 1


async def test_one_spec_makes_one_model_and_several_make_them_in_order() -> None:
    one = LLMSpec(base_url="http://127.0.0.1:9/v1", model="one")
    two = LLMSpec(base_url="http://127.0.0.1:9/v1", model="two", fallback=1)
    single, both = load_llms([one]), load_llms([one, two])
    assert (single.model, isinstance(single, OrderedLLMs)) == ("one", False)
    assert (both.model, isinstance(both, OrderedLLMs)) == ("one", True)
    await single.close()
    await both.close()
