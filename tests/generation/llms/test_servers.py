"""What every adapter owes when its server behaves, and when it does not: against a real server on 127.0.0.1."""

from __future__ import annotations

import asyncio
import logging
import traceback
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from generation.errors import (
    LLMError,
    LLMRejectedError,
    LLMResponseError,
    LLMTimeoutError,
    LLMUnavailableError,
)
from generation.llms import LLM, Message, TextDelta, Usage
from tests.generation.llms.dialects import (
    ANTHROPIC,
    BEDROCK,
    KEY,
    OPENAI,
    VERTEX,
    Dialect,
    llm_at,
    reply,
    whole,
)
from tests.generation.llms.llm_server import Reply, Step, llm_server, problem

DOCUMENT = "The blue folder lies in safe number seven."
MESSAGES = [Message(role="system", content="Rules."), Message(role="user", content=DOCUMENT)]


@pytest.fixture(
    params=[
        pytest.param(OPENAI, id="openai_api"),
        pytest.param(ANTHROPIC, id="anthropic_api"),
        pytest.param(VERTEX, id="anthropic_vertex"),
        pytest.param(BEDROCK, id="anthropic_bedrock", marks=pytest.mark.extras),
    ]
)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    chosen: Dialect = request.param
    return chosen


async def read(llm: LLM, *, max_tokens: int = 50) -> tuple[str, Usage]:
    text, last = "", None
    try:
        async with aclosing(llm.stream(MESSAGES, max_tokens=max_tokens)) as stream:
            async for item in stream:
                if isinstance(item, TextDelta):
                    assert last is None, "text after the usage"
                    text += item.text
                else:
                    last = item
    finally:
        await llm.close()
    assert last is not None
    return text, last


async def failure(dialect: Dialect, *replies: Reply, **changes: Any) -> LLMError:
    """The error that replies lead to, after making sure that it tells no secrets, chained causes included."""
    async with llm_server(*replies) as seen:
        with pytest.raises(LLMError) as caught:
            await read(llm_at(seen, dialect, **changes))
    told = "".join(traceback.format_exception(caught.value))
    assert KEY not in told
    assert DOCUMENT not in told
    assert "tiny" in str(caught.value)
    return caught.value


async def test_text_then_the_usage_that_the_server_reports_and_the_key_goes_along(dialect: Dialect) -> None:
    async with llm_server(whole(dialect, "It is ", "16 weeks", " [1].")) as seen:
        text, used = await read(llm_at(seen, dialect))
    assert text == "It is 16 weeks [1]."
    assert used == Usage(prompt_tokens=11, completion_tokens=7, estimated=False, model="tiny")
    assert f"authorization: bearer {KEY}".lower() in seen.heads[0].lower()
    (body,) = seen.bodies
    assert body["messages"][-1] == {"role": "user", "content": DOCUMENT}
    assert body["max_tokens"] == 50
    assert body["temperature"] == 0


async def test_usage_is_estimated_and_marked_where_the_server_reports_none(dialect: Dialect) -> None:
    async with llm_server(whole(dialect, "It is 16 weeks [1].", with_usage=False)) as seen:
        _, used = await read(llm_at(seen, dialect))
    assert used.estimated
    assert used.prompt_tokens > 5
    assert used.completion_tokens > 3


@pytest.mark.parametrize("completion", [-1, 10**30])
async def test_usage_that_can_be_none_is_estimated(dialect: Dialect, completion: int) -> None:
    if dialect is BEDROCK:
        pytest.skip("its frames have checksums")
    steps: list[Step] = [
        step.replace(b'_tokens": 7', f'_tokens": {completion}'.encode()) if isinstance(step, bytes) else step
        for step in dialect.end()
    ]
    async with llm_server(reply(dialect, dialect.text("Yes."), *steps)) as seen:
        _, used = await read(llm_at(seen, dialect))
    assert used.estimated
    assert 0 < used.completion_tokens < 10


async def test_an_answer_that_hit_its_limit_is_marked_as_cut(dialect: Dialect) -> None:
    async with llm_server(whole(dialect, "It is", end="cut")) as seen:
        text, used = await read(llm_at(seen, dialect))
    assert (text, used.cut) == ("It is", True)


async def test_a_thought_is_no_text_but_a_sign_of_life(dialect: Dialect) -> None:
    steps: list[Step] = [dialect.thought(), 0.3, dialect.text("Yes."), *dialect.end()]
    async with llm_server(reply(dialect, *steps)) as seen:
        text, _ = await read(llm_at(seen, dialect, first_token_timeout_s=0.25))
    assert text == "Yes."


async def test_the_temperature_is_left_out_where_a_model_takes_none_and_stays_out(dialect: Dialect) -> None:
    rejection = problem(400, "`temperature` is deprecated for this model.", type="invalid_request_error")
    async with llm_server(rejection, whole(dialect, "One."), whole(dialect, "Two.")) as seen:
        llm = llm_at(seen, dialect)
        async with aclosing(llm.stream(MESSAGES, max_tokens=5)) as stream:
            assert await anext(stream) == TextDelta(text="One.")
        await read(llm)
    assert ["temperature" in body for body in seen.bodies] == [True, False, False]


async def test_two_questions_that_find_out_at_once_that_a_model_takes_no_temperature_are_both_answered(
    dialect: Dialect,
) -> None:
    rejection = problem(400, "`temperature` is deprecated for this model.", type="invalid_request_error")
    rejection = replace(rejection, steps=[0.5, *rejection.steps])  # when both have asked
    async with llm_server(rejection, rejection, whole(dialect, "Yes.")) as seen:
        llm = llm_at(seen, dialect)
        async with (
            aclosing(llm.stream(MESSAGES, max_tokens=5)) as one,
            aclosing(llm.stream(MESSAGES, max_tokens=5)) as other,
        ):
            begun = tuple(await asyncio.gather(anext(one), anext(other)))
        await llm.close()
    assert begun == (TextDelta(text="Yes."), TextDelta(text="Yes."))


@pytest.mark.parametrize("status", [401, 403])
async def test_a_wrong_key_is_rejected_without_repeating_it(dialect: Dialect, status: int) -> None:
    error = await failure(dialect, problem(status, f"Incorrect API key provided: {KEY}", code=KEY, type=KEY))
    assert type(error) is LLMRejectedError
    assert not error.retryable
    assert "FOOTNOTE_LLM__API_KEY" in str(error)


async def test_the_settings_of_a_fallback_are_called_by_their_place(dialect: Dialect) -> None:
    error = await failure(dialect, problem(401, "no"), fallback=2)
    assert "llm.fallbacks[1].api_key (FOOTNOTE_LLM__FALLBACKS)" in str(error)


async def test_an_unknown_model_is_rejected_and_named(dialect: Dialect) -> None:
    error = await failure(dialect, problem(404, "The model `tiny` does not exist.", code="model_not_found"))
    assert type(error) is LLMRejectedError
    assert "FOOTNOTE_LLM__MODEL" in str(error)


async def test_a_prompt_that_is_too_long_is_told_as_such_without_repeating_it(dialect: Dialect) -> None:
    error = await failure(dialect, problem(400, f"prompt is too long: 208310 tokens. Prompt: {DOCUMENT}"))
    assert type(error) is LLMRejectedError
    assert "too small a context" in str(error)


async def test_a_server_that_stumbles_before_its_answer_is_asked_again(dialect: Dialect) -> None:
    async with llm_server(problem(529, "overloaded"), whole(dialect, "Yes.")) as seen:
        text, _ = await read(llm_at(seen, dialect))
    assert text == "Yes."
    assert len(seen.bodies) == 2


async def test_a_server_that_goes_on_stumbling_is_unavailable_after_three_requests(dialect: Dialect) -> None:
    async with llm_server(problem(429, f"overloaded with {DOCUMENT}")) as seen:
        with pytest.raises(LLMUnavailableError, match="status 429") as caught:
            await read(llm_at(seen, dialect))
    assert len(seen.bodies) == 3
    assert caught.value.retryable


async def test_a_server_that_cannot_be_reached_is_unavailable(dialect: Dialect) -> None:
    async with llm_server(whole(dialect, "never")) as seen:
        pass
    with pytest.raises(LLMUnavailableError, match=f"127.0.0.1:{seen.port}.*cannot be reached"):
        await read(llm_at(seen, dialect))


@pytest.mark.parametrize("dies", ["reset", "closed", "reported"])
async def test_a_server_that_dies_in_mid_answer_is_unavailable_and_not_asked_again(
    dialect: Dialect, dies: str
) -> None:
    last: dict[str, list[Step]] = {
        "reset": ["die"],
        "closed": [],  # in good order, yet without a reason
        "reported": [dialect.error(f"CUDA error while reading {DOCUMENT}")],
    }
    async with llm_server(reply(dialect, dialect.text("It is "), *last[dies])) as seen:
        with pytest.raises(LLMUnavailableError) as caught:
            await read(llm_at(seen, dialect))
    assert len(seen.bodies) == 1
    assert DOCUMENT not in "".join(traceback.format_exception(caught.value))


async def test_a_server_that_never_begins_times_out(dialect: Dialect) -> None:
    error = await failure(dialect, Reply(steps=["stall"]), first_token_timeout_s=0.2)
    assert type(error) is LLMTimeoutError
    assert "0.2 s to begin its answer" in str(error)


async def test_a_server_that_stalls_in_mid_answer_times_out_and_its_connection_is_closed(
    dialect: Dialect,
) -> None:
    async with llm_server(reply(dialect, dialect.text("It is "), "stall")) as seen:
        with pytest.raises(LLMTimeoutError, match=r"0\.4 s to finish its answer"):
            await read(llm_at(seen, dialect, total_timeout_s=0.4))
        async with asyncio.timeout(2):
            await seen.hung_up.wait()


async def test_leaving_the_stream_early_closes_the_connection(dialect: Dialect) -> None:
    async with llm_server(reply(dialect, dialect.text("It is "), "stall")) as seen:
        llm = llm_at(seen, dialect)
        async with aclosing(llm.stream(MESSAGES, max_tokens=5)) as stream:
            assert await anext(stream) == TextDelta(text="It is ")
        async with asyncio.timeout(2):
            await seen.hung_up.wait()
        await llm.close()


async def test_cancelling_the_reader_closes_the_connection(dialect: Dialect) -> None:
    async with llm_server(reply(dialect, dialect.text("It is "), "stall")) as seen:
        task = asyncio.create_task(read(llm_at(seen, dialect)))
        async with asyncio.timeout(2):
            await seen.asked.wait()
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(2):
            await seen.hung_up.wait()


@pytest.mark.parametrize(
    "rubbish",
    [
        Reply(content_type="text/html", steps=[b"<html>Welcome to nginx!</html>"]),
        Reply(content_type="application/json", steps=[b'{"hello": "world"}']),
        Reply(steps=[b"event: message_start\ndata: {not json}\n\n"]),
        Reply(steps=[b"event: message_start\ndata: \xff\xfe\n\n"]),
        Reply(steps=[b'event: message_start\ndata: "hello"\n\n']),
        Reply(steps=[b'event: message_start\ndata: {"type": "message_start", "message": 5}\n\n']),
        Reply(steps=[b'event: x\ndata: {"type": "x"}\n\n']),
        Reply(steps=[b"event: message_start\ndata: " + b"[" * 100_000 + b"\n\n"]),
        Reply(),
    ],
)
async def test_rubbish_is_told_as_rubbish(dialect: Dialect, rubbish: Reply) -> None:
    if dialect is BEDROCK:
        pytest.skip("its frames are binary: the next test")
    error = await failure(dialect, rubbish)
    assert type(error) is LLMResponseError
    assert not error.retryable


@pytest.mark.extras
@pytest.mark.parametrize("rubbish", [b"<html>Welcome to nginx!</html>", b"", b"\x00" * 40])
async def test_a_broken_frame_of_bedrock_is_told_as_rubbish(rubbish: bytes) -> None:
    error = await failure(BEDROCK, Reply(content_type=BEDROCK.content_type, steps=[rubbish or 0.0]))
    assert type(error) is LLMResponseError


async def test_an_answer_that_cannot_be_unpacked_is_told(dialect: Dialect) -> None:
    broken = Reply(headers=[("Content-Encoding", "gzip")], steps=[b"not gzip at all"])
    assert type(await failure(dialect, broken)) is LLMUnavailableError


async def test_text_that_is_none_is_told_as_rubbish(dialect: Dialect) -> None:
    five: Any = 5
    error = await failure(dialect, reply(dialect, dialect.text(five), *dialect.end()))
    assert type(error) is LLMResponseError


async def test_an_answer_far_past_its_limit_or_without_a_word_is_rubbish(dialect: Dialect) -> None:
    endless = await failure(dialect, whole(dialect, "x" * 2_000, "x" * 2_000))
    empty = await failure(dialect, whole(dialect))
    assert (type(endless), type(empty)) == (LLMResponseError, LLMResponseError)


async def test_a_content_filter_is_told_as_such(dialect: Dialect) -> None:
    error = await failure(dialect, whole(dialect, "It", end="filtered"))
    assert type(error) is LLMRejectedError
    assert "content filter" in str(error)


async def test_a_redirect_is_not_followed(dialect: Dialect) -> None:
    async with llm_server(whole(dialect, "from elsewhere")) as elsewhere:
        error = await failure(
            dialect, Reply(status=307, headers=[("Location", f"{elsewhere.base_url}/chat/completions")])
        )
        assert elsewhere.bodies == []
    assert type(error) is LLMRejectedError
    assert "redirect" in str(error)


async def test_neither_key_nor_text_is_logged(dialect: Dialect, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with llm_server(problem(500, DOCUMENT), whole(dialect, "Yes.")) as seen:
        await read(llm_at(seen, dialect))
    assert KEY not in caplog.text
    assert DOCUMENT not in caplog.text


async def test_nothing_of_the_environment_reaches_the_server(
    dialect: Dialect, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "OPENAI_API_KEY",
        "OPENAI_ORG_ID",
        "OPENAI_PROJECT_ID",
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "AWS_BEARER_TOKEN_BEDROCK",
        "ANTHROPIC_VERTEX_PROJECT_ID",
        "CLOUD_ML_REGION",
    ):
        monkeypatch.setenv(name, "from-the-environment")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Mine: from-the-environment")
    for name in (
        "OPENAI_BASE_URL",
        "ANTHROPIC_BASE_URL",
        "ANTHROPIC_VERTEX_BASE_URL",
        "HTTP_PROXY",
        "ALL_PROXY",
    ):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    async with llm_server(whole(dialect, "Yes.")) as seen:
        key = KEY if dialect.kind in {"anthropic_vertex", "anthropic_bedrock"} else None
        await read(llm_at(seen, dialect, api_key=key))
    assert "from-the-environment" not in seen.heads[0]
