"""The OpenAI-compatible adapter against a real server on 127.0.0.1, well-behaved and not."""

from __future__ import annotations

import traceback
from contextlib import aclosing
from typing import Any

import pytest

from generation.errors import (
    LLMError,
    LLMRejectedError,
    LLMResponseError,
    LLMUnavailableError,
)
from generation.llms import LLM, LLMSpec, Message, TextDelta, Usage, load_llm
from retrieval.errors import ConfigurationError
from tests.generation.llms.llm_server import (
    DONE,
    Reply,
    Seen,
    answer,
    delta,
    event,
    llm_server,
    problem,
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
    assert used == Usage(prompt_tokens=11, completion_tokens=7, estimated=False, model="tiny")
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


async def test_any_other_rejection_names_status_and_code_only() -> None:
    error = await failure(problem(422, f"no: {DOCUMENT}", code="bad_request"))
    assert type(error) is LLMRejectedError
    assert "422, bad_request" in str(error)


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
