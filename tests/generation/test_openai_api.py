"""The OpenAI-compatible adapter against a real server on 127.0.0.1, well-behaved and not."""

from __future__ import annotations

import asyncio
import logging
import traceback
from contextlib import aclosing
from typing import Any

import pytest

from generation.errors import (
    LLMError,
    LLMRejectedError,
    LLMResponseError,
    LLMTimeoutError,
    LLMUnavailableError,
)
from generation.llms import LLM, LLMSpec, Message, TextDelta, Usage, load_llm
from retrieval.errors import ConfigurationError
from tests.generation.llm_server import (
    DONE,
    Reply,
    Seen,
    Step,
    answer,
    delta,
    event,
    llm_server,
    problem,
    usage,
)

KEY = "sk-very-secret-1234567890"
DOCUMENT = "The blue folder lies in safe number seven."
MESSAGES = [Message(role="system", content="Rules."), Message(role="user", content=DOCUMENT)]


def llm_of(seen: Seen, **changes: Any) -> LLM:
    settings: dict[str, Any] = {
        "base_url": seen.base_url,
        "model": "tiny",
        "api_key": KEY,
        "location": "inside",
        "connect_timeout_s": 1.0,
        "first_token_timeout_s": 5.0,
        "total_timeout_s": 5.0,
    }
    return load_llm(LLMSpec(**{**settings, **changes}))


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


async def failure(reply: Reply, *more: Reply, **changes: Any) -> LLMError:
    """The error that a reply leads to, after making sure that it tells no secrets, chained causes included."""
    async with llm_server(reply, *more) as seen:
        with pytest.raises(LLMError) as caught:
            await read(llm_of(seen, **changes))
    told = "".join(traceback.format_exception(caught.value))
    assert KEY not in told
    assert DOCUMENT not in told
    assert "tiny" in str(caught.value)
    return caught.value


async def test_a_stream_gives_its_text_then_the_usage_that_the_server_reports() -> None:
    async with llm_server(answer("It is ", "16 weeks", " [1].")) as seen:
        text, used = await read(llm_of(seen))
    assert text == "It is 16 weeks [1]."
    assert used == Usage(prompt_tokens=11, completion_tokens=7, estimated=False)
    (body,) = seen.bodies
    assert body["messages"] == [
        {"role": "system", "content": "Rules."},
        {"role": "user", "content": DOCUMENT},
    ]
    assert body["model"] == "tiny"
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert body["max_tokens"] == 50
    assert f"authorization: bearer {KEY}".lower() in seen.heads[0].lower()


async def test_usage_is_estimated_and_marked_where_the_server_reports_none() -> None:
    async with llm_server(answer("It is 16 weeks [1].", with_usage=False)) as seen:
        _, used = await read(llm_of(seen))
    assert used.estimated
    assert used.prompt_tokens > 5
    assert used.completion_tokens > 3


async def test_an_answer_that_hit_its_limit_is_marked_as_cut() -> None:
    async with llm_server(Reply(steps=[delta("It is"), delta(None, "length"), usage(1, 2), DONE])) as seen:
        text, used = await read(llm_of(seen))
    assert (text, used.cut) == ("It is", True)


async def test_what_a_reasoning_model_thinks_is_no_text_but_a_sign_of_life() -> None:
    steps: list[Step] = [delta(None, reasoning_content="hm"), 0.3, delta("Yes."), delta(None, "stop"), DONE]
    async with llm_server(Reply(steps=steps)) as seen:
        text, _ = await read(llm_of(seen, first_token_timeout_s=0.2))
    assert text == "Yes."


async def test_a_server_without_a_key_gets_no_key_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-from-the-environment")
    async with llm_server(answer("Yes.")) as seen:
        await read(llm_of(seen, api_key=None))
    assert "from-the-environment" not in seen.heads[0]


async def test_an_inside_server_is_not_reached_through_a_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    async with llm_server(answer("Yes.")) as seen:
        text, _ = await read(llm_of(seen, location="inside"))
    assert text == "Yes."


async def test_optional_parameters_that_a_server_rejects_are_left_out_and_stay_out() -> None:
    rejection = problem(400, "Unknown parameter: 'stream_options'.", param="stream_options")
    async with llm_server(rejection, answer("One."), answer("Two.")) as seen:
        llm = llm_of(seen)
        async with aclosing(llm.stream(MESSAGES, max_tokens=5)) as stream:
            assert await anext(stream) == TextDelta(text="One.")
        await read(llm)
    assert ["stream_options" in body for body in seen.bodies] == [True, False, False]


async def test_a_server_that_wants_max_completion_tokens_gets_it() -> None:
    rejection = problem(
        400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", param="max_tokens"
    )
    async with llm_server(rejection, answer("Yes.")) as seen:
        await read(llm_of(seen), max_tokens=33)
    assert "max_tokens" not in seen.bodies[1]
    assert seen.bodies[1]["max_completion_tokens"] == 33


@pytest.mark.parametrize("status", [401, 403])
async def test_a_wrong_key_is_rejected_without_repeating_it(status: int) -> None:
    error = await failure(problem(status, f"Incorrect API key provided: {KEY}", code=KEY))
    assert type(error) is LLMRejectedError
    assert not error.retryable
    assert "FOOTNOTE_LLM__API_KEY" in str(error)


async def test_an_unknown_model_is_rejected_and_named() -> None:
    error = await failure(problem(404, "The model `tiny` does not exist.", code="model_not_found"))
    assert type(error) is LLMRejectedError
    assert "FOOTNOTE_LLM__MODEL" in str(error)


async def test_a_prompt_that_is_too_long_is_told_as_such_without_repeating_it() -> None:
    error = await failure(problem(400, f"maximum context length is 2048 tokens. Prompt: {DOCUMENT}"))
    assert type(error) is LLMRejectedError
    assert "too small a context" in str(error)


async def test_any_other_rejection_names_status_and_code_only() -> None:
    error = await failure(problem(422, f"no: {DOCUMENT}", code="bad_request"))
    assert type(error) is LLMRejectedError
    assert "422, bad_request" in str(error)


async def test_a_server_that_stumbles_before_its_answer_is_asked_again() -> None:
    async with llm_server(problem(500, "boom"), answer("Yes.")) as seen:
        text, _ = await read(llm_of(seen))
    assert text == "Yes."
    assert len(seen.bodies) == 2


async def test_a_server_that_goes_on_stumbling_is_unavailable_after_three_requests() -> None:
    async with llm_server(problem(503, f"overloaded with {DOCUMENT}")) as seen:
        with pytest.raises(LLMUnavailableError, match="status 503") as caught:
            await read(llm_of(seen))
    assert len(seen.bodies) == 3
    assert caught.value.retryable


async def test_a_server_that_cannot_be_reached_is_unavailable() -> None:
    async with llm_server(answer("never")) as seen:
        pass
    with pytest.raises(LLMUnavailableError, match=f"127.0.0.1:{seen.port}.*cannot be reached"):
        await read(llm_of(seen))


@pytest.mark.parametrize(
    "steps",
    [
        [delta("It is "), "die"],
        [delta("It is ")],  # closed in good order, yet without a finish reason
        [delta("It is "), event({"error": {"message": f"CUDA error while reading {DOCUMENT}"}})],
    ],
)
async def test_a_server_that_dies_in_mid_answer_is_unavailable_and_not_asked_again(steps: list[Any]) -> None:
    async with llm_server(Reply(steps=steps)) as seen:
        with pytest.raises(LLMUnavailableError) as caught:
            await read(llm_of(seen))
    assert len(seen.bodies) == 1
    assert DOCUMENT not in "".join(traceback.format_exception(caught.value))


async def test_a_server_that_never_begins_times_out() -> None:
    error = await failure(Reply(steps=["stall"]), first_token_timeout_s=0.2)
    assert type(error) is LLMTimeoutError
    assert "0.2 s to begin its answer" in str(error)


async def test_a_server_that_stalls_in_mid_answer_times_out_and_its_connection_is_closed() -> None:
    async with llm_server(Reply(steps=[delta("It is "), "stall"])) as seen:
        with pytest.raises(LLMTimeoutError, match=r"0\.3 s to finish its answer"):
            await read(llm_of(seen, total_timeout_s=0.3))
        async with asyncio.timeout(2):
            await seen.hung_up.wait()


async def test_leaving_the_stream_early_closes_the_connection() -> None:
    async with llm_server(Reply(steps=[delta("It is "), "stall"])) as seen:
        llm = llm_of(seen)
        async with aclosing(llm.stream(MESSAGES, max_tokens=5)) as stream:
            assert await anext(stream) == TextDelta(text="It is ")
        async with asyncio.timeout(2):
            await seen.hung_up.wait()
        await llm.close()


async def test_cancelling_the_reader_closes_the_connection() -> None:
    async with llm_server(Reply(steps=[delta("It is "), "stall"])) as seen:
        task = asyncio.create_task(read(llm_of(seen)))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(2):
            await seen.hung_up.wait()


@pytest.mark.parametrize(
    "reply",
    [
        Reply(content_type="text/html", steps=[b"<html>Welcome to nginx!</html>"]),
        Reply(content_type="application/json", steps=[b'{"hello": "world"}']),
        Reply(steps=[b"data: {not json}\n\n"]),
        Reply(steps=[b"data: \xff\xfe\n\n"]),
        Reply(steps=[event("hello")]),
        Reply(steps=[event({"choices": "none"})]),
        Reply(steps=[event({"choices": {"a": 1}})]),
        Reply(steps=[event({"choices": [{"delta": {"content": 5}}]})]),
        Reply(steps=[event({"choices": [{"delta": {"content": ["a"]}}]})]),
        Reply(steps=[event({"choices": [], "usage": {"prompt_tokens": "many"}}), DONE]),
        Reply(steps=[DONE]),
        Reply(steps=[delta(None, "stop"), DONE]),
        Reply(steps=[delta("x" * 2_000), delta("x" * 2_000), delta(None, "stop"), DONE]),
        Reply(),
    ],
)
async def test_rubbish_is_told_as_rubbish(reply: Reply) -> None:
    error = await failure(reply)
    assert type(error) is LLMResponseError
    assert not error.retryable


async def test_a_content_filter_is_told_as_such() -> None:
    error = await failure(Reply(steps=[delta("It"), delta(None, "content_filter"), DONE]))
    assert type(error) is LLMRejectedError
    assert "content filter" in str(error)


async def test_a_redirect_is_not_followed() -> None:
    async with llm_server(answer("from elsewhere")) as elsewhere:
        error = await failure(
            Reply(status=307, headers=[("Location", f"{elsewhere.base_url}/chat/completions")])
        )
        assert elsewhere.bodies == []
    assert type(error) is LLMRejectedError
    assert "redirect" in str(error)


async def test_neither_key_nor_text_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with llm_server(answer("Yes.")) as seen:
        await read(llm_of(seen))
    assert KEY not in caplog.text
    assert DOCUMENT not in caplog.text


@pytest.mark.parametrize(
    "base_url", ["", "localhost:8000", "ftp://x/v1", "http://", "http://[::1", "http://h:99999/"]
)
def test_a_base_url_that_is_none_is_told_before_anything_is_sent(base_url: str) -> None:
    with pytest.raises(ConfigurationError, match="FOOTNOTE_LLM__BASE_URL"):
        load_llm(LLMSpec(base_url=base_url, model="tiny"))


@pytest.mark.parametrize("key", ["sk-a\nb", "schlüssel", "sk-\x00"])
def test_a_key_that_cannot_be_one_is_told_without_being_shown(key: str) -> None:
    with pytest.raises(ConfigurationError, match="FOOTNOTE_LLM__API_KEY") as caught:
        load_llm(LLMSpec(base_url="http://127.0.0.1/v1", model="tiny", api_key=key))
    assert key not in str(caught.value)


async def test_the_line_end_of_a_key_read_from_a_file_is_left_out() -> None:
    async with llm_server(answer("Yes.")) as seen:
        await read(llm_of(seen, api_key=f"{KEY}\n"))
    assert f"bearer {KEY}\r\n".lower() in seen.heads[0].lower()


async def test_user_and_password_in_the_base_url_are_never_shown() -> None:
    llm = load_llm(
        LLMSpec(base_url="http://ann:hunter2@127.0.0.1:9/v1?key=abc", model="tiny", location="inside")
    )
    with pytest.raises(LLMUnavailableError) as caught:
        await read(llm)
    assert "hunter2" not in str(caught.value)
    assert "abc" not in str(caught.value)


def test_the_key_is_not_part_of_the_spec_s_representation() -> None:
    assert KEY not in repr(LLMSpec(base_url="http://127.0.0.1/v1", model="tiny", api_key=KEY))
