"""POST /v1/chat/completions and GET /v1/models, as OpenAI's own client sees them over real HTTP."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from generation.answers import REFUSAL
from generation.errors import LLMUnavailableError
from generation.llms import LLM
from generation.llms.scripted import ScriptedLLM
from retrieval.records import Scope
from service.footnote import Footnote
from service.http.compatible.bodies import COMPLETION_EXAMPLE, ChatErrorBody, CompletionBody, ModelsBody
from service.http.parts import Parts
from service.keys import create_key
from service.sections import ServeSettings
from tests.service.http.conftest import House, add_document, open_house
from tests.service.http.routes.test_answers import PacedLLM
from tests.service.http.wire import Wired, on_the_wire

_LEAVE = (
    "Every employee has twenty-five days of paid leave in a year. "
    "Days that were not taken may be carried over until the end of March."
)
_QUESTION = "How many days of paid leave does an employee have?"
_FIRST = "Every employee has twenty-five days of paid leave in a year [1]. "
_SECOND = "Days that were not taken may be carried over until the end of March [1]."
_FALSE = "Every employee has ninety-nine days of paid leave in Japan [1]. "
_ASKED: list[Any] = [{"role": "user", "content": _QUESTION}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialled:
    """OpenAI's client, and the server that it reaches."""

    wired: Wired
    client: openai.AsyncOpenAI


@asynccontextmanager
async def dialled(footnote: Footnote, llm: LLM | None = None) -> AsyncIterator[Dialled]:
    async with (
        on_the_wire(replace(footnote, llm=llm)) as wired,
        openai.AsyncOpenAI(base_url=f"{wired.address}/v1", api_key=wired.key, max_retries=0) as client,
    ):
        yield Dialled(wired=wired, client=client)


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


async def test_a_completion_has_the_answer_its_footnotes_and_annotations_that_lead_to_the_quotes(
    footnote: Footnote,
) -> None:
    await add_document(footnote, "people/leave.txt", _LEAVE)
    async with dialled(footnote) as there:
        said = await there.client.chat.completions.create(model="footnote", messages=_ASKED)
        answer = await footnote.ask("default", _QUESTION, scope=Scope.of([]))
        message = said.choices[0].message
        content = message.content or ""
        assert content.startswith("Every employee has twenty-five days of paid leave in a year. [1]")
        assert "\n\nSources:\n\n- [1] people/leave.txt: “Every employee" in content
        assert said.choices[0].finish_reason == "stop"
        assert (said.object, said.model) == ("chat.completion", "footnote")
        assert said.usage is not None
        assert said.usage.total_tokens == 0
        told = said.model_dump()["footnote"]
        assert told == json.loads(json.dumps(answer.as_json()))
        assert message.annotations
        for annotation in message.annotations:
            cited = annotation.url_citation
            marker = content[cited.start_index : cited.end_index]
            quote = told["citations"][int(marker.strip("[]")) - 1]["quote"]
            assert cited.title == "people/leave.txt"
            address, _, fragment = cited.url.partition("#char=")
            start, end = map(int, fragment.split(","))
            text = (await there.wired.client.get(address)).text
            assert text[start:end] == quote


@pytest.mark.parametrize(
    "public_url", ["https://kb.example.com/footnote", "https://kb.example.com/footnote/"]
)
async def test_links_begin_with_the_public_url_whatever_the_host_header_says(
    footnote: Footnote, public_url: str
) -> None:
    await add_document(footnote, "leave.txt", _LEAVE)
    settings = footnote.settings.model_copy(update={"serve": ServeSettings(public_url=public_url)})
    body = {"model": "footnote", "messages": _ASKED}
    links = []
    for built in (footnote, replace(footnote, settings=settings)):
        async with on_the_wire(built) as wired:
            said = await wired.client.post(
                "/v1/chat/completions", json=body, headers={"Host": "elsewhere.example"}
            )
            streamed = await wired.client.post(
                "/v1/chat/completions", json=body | {"stream": True}, headers={"Host": "elsewhere.example"}
            )
        [url, *_] = re.findall(r'"url":"([^"]*/v1/)documents/', said.text)
        assert set(re.findall(r'"url":"([^"]*/v1/)documents/', streamed.text)) == {url}
        links.append(url)
    assert links == ["http://elsewhere.example/v1/", "https://kb.example.com/footnote/v1/"]


async def test_a_stream_says_the_same_as_a_completion(footnote: Footnote) -> None:
    await add_document(footnote, "leave.txt", _LEAVE)
    async with dialled(footnote) as there:
        whole = await there.client.chat.completions.create(model="footnote", messages=_ASKED)
        stream = await there.client.chat.completions.create(
            model="footnote", messages=_ASKED, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        async with there.client.chat.completions.stream(model="footnote", messages=_ASKED) as gathering:
            gathered = await gathering.get_final_completion()
    assert text_of(chunks) == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1] == "stop"
    [annotations] = [
        delta["annotations"]
        for chunk in chunks
        for choice in chunk.choices
        if "annotations" in (delta := choice.delta.model_dump())
    ]
    assert whole.choices[0].message.annotations
    assert annotations == [each.model_dump() for each in whole.choices[0].message.annotations]
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[-2].model_dump()["footnote"] == whole.model_dump()["footnote"]
    assert gathered.choices[0].message.content == whole.choices[0].message.content
    assert gathered.choices[0].message.annotations == whole.choices[0].message.annotations


async def test_a_stream_ends_with_done_and_says_usage_only_where_it_was_asked_for(house: House) -> None:
    await house.add("leave.txt", _LEAVE)
    body = {"model": "footnote", "messages": _ASKED, "stream": True}
    response = await house.client.post("/v1/chat/completions", json=body)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream"
    assert response.text.endswith("\n\ndata: [DONE]\n\n")
    lines = response.text.removesuffix("data: [DONE]\n\n").split("\n\n")[:-1]
    assert all(line.startswith("data: {") for line in lines)
    assert not any("usage" in json.loads(line[6:]) for line in lines)


async def test_only_checked_sentences_are_streamed_and_each_as_soon_as_it_is_final(
    footnote: Footnote,
) -> None:
    await add_document(footnote, "leave.txt", _LEAVE)
    llm = PacedLLM()
    async with dialled(footnote, llm) as there:
        stream = await there.client.chat.completions.create(model="footnote", messages=_ASKED, stream=True)
        llm.says.put_nowait(_FIRST)
        llm.says.put_nowait(_FALSE)
        heard: list[ChatCompletionChunk] = []
        async with asyncio.timeout(20):
            async for chunk in stream:
                heard.append(chunk)
                if text_of(heard).endswith("[1]"):
                    break
            assert text_of(heard) == "Every employee has twenty-five days of paid leave in a year. [1]"
            llm.says.put_nowait(_SECOND)
            llm.says.put_nowait(None)
            heard += [chunk async for chunk in stream]
    text = text_of(heard)
    assert "until the end of March. [2]" in text
    assert "ninety-nine" not in text
    usage = heard[-1].model_dump()["footnote"]["usage"]
    assert usage == {"prompt_tokens": 5, "completion_tokens": 7, "estimated": False}


async def test_the_list_of_sources_can_be_left_out(footnote: Footnote) -> None:
    await add_document(footnote, "leave.txt", _LEAVE)
    async with dialled(footnote) as there:
        said = await there.client.chat.completions.create(
            model="footnote", messages=_ASKED, extra_body={"footnote": {"sources": False}}
        )
    content = said.choices[0].message.content or ""
    assert content.endswith(("[1]", "[2]"))
    assert "Sources:" not in content
    assert said.choices[0].message.annotations


async def test_filters_narrow_what_is_answered_from(footnote: Footnote) -> None:
    await add_document(footnote, "old/leave.txt", _LEAVE.replace("twenty-five", "twenty"))
    await add_document(footnote, "new/leave.txt", _LEAVE)
    async with dialled(footnote) as there:
        said = await there.client.chat.completions.create(
            model="footnote", messages=_ASKED, extra_body={"footnote": {"filters": {"paths": ["old/"]}}}
        )
    assert "twenty days" in (said.choices[0].message.content or "")


async def test_a_refusal_is_an_answer_that_says_so(footnote: Footnote) -> None:
    await add_document(footnote, "leave.txt", _LEAVE)
    asked: list[Any] = [{"role": "user", "content": "What is the melting point of tungsten?"}]
    async with dialled(footnote) as there:
        said = await there.client.chat.completions.create(model="footnote", messages=asked)
        stream = await there.client.chat.completions.create(model="footnote", messages=asked, stream=True)
        streamed = text_of([chunk async for chunk in stream])
    content = said.choices[0].message.content or ""
    assert content.startswith(REFUSAL)
    assert content.endswith("Looked at:\n\n- leave.txt")
    assert said.choices[0].finish_reason == "stop"
    assert said.choices[0].message.annotations == []
    assert streamed == content


async def test_what_was_said_before_is_the_conversation_without_its_list_of_sources(
    footnote: Footnote,
) -> None:
    await add_document(footnote, "leave.txt", _LEAVE)
    llm = ScriptedLLM(_QUESTION)
    messages: list[Any] = [
        {"role": "system", "content": "You are a pirate."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "How many days of sick"},
                {"type": "text", "text": "leave?"},
            ],
        },
        {"role": "assistant", "content": "Ten days. [1]\n\nSources:\n\n- [1] sick.txt: “Ten.”"},
        {"role": "user", "content": [{"type": "text", "text": "And of paid leave?"}]},
        {"role": "system", "content": "Be brief."},
    ]
    async with dialled(footnote, llm) as there:
        raw = await there.client.chat.completions.with_raw_response.create(
            model="footnote", messages=messages, temperature=0.2, max_tokens=5, user="ann", stop=["."]
        )
        told = raw.parse().model_dump()["footnote"]
    assert raw.headers["Footnote-Ignored"] == "max_tokens, stop, temperature, system messages"
    assert told["searched"]["question"] == _QUESTION
    standing_alone, answering = llm.prompts
    shown = standing_alone[-1].content
    assert "How many days of sick\nleave?" in shown or "How many days of sick leave?" in shown
    assert "Ten days. [1]" in shown
    assert "sick.txt" not in shown
    assert "And of paid leave?" in shown
    assert "pirate" not in repr(llm.prompts)
    assert _QUESTION in answering[-1].content


async def test_what_cannot_be_done_is_refused_by_the_name_of_its_field(footnote: Footnote) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"tools": [tool]}, "tools", "tools are not supported"),
        ({"n": 2}, "n", "one answer"),
        ({"logprobs": True}, "logprobs", "not supported"),
        ({"response_format": {"type": "json_object"}}, "response_format", "answers are text"),
        ({"modalities": ["text", "audio"]}, "modalities", "answers are text"),
        ({"messages": []}, "messages", "at least 1"),
        ({"messages": [{"role": "system", "content": "Hi."}]}, "messages", "user's question"),
        ({"messages": [*_ASKED, {"role": "assistant", "content": "25"}]}, "messages", "user's question"),
        ({"messages": [{"role": "user", "content": [picture]}]}, "messages", "not text"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role", "should be"),
        ({"extra_body": {"footnote": {"colour": 1}}}, "footnote.colour", "no such field"),
    ]
    async with dialled(footnote) as there:
        for sent, param, message in cases:
            with pytest.raises(openai.BadRequestError) as caught:
                await there.client.chat.completions.create(
                    **{"model": "footnote", "messages": _ASKED, **sent}
                )
            assert caught.value.param == param, sent
            assert message in str(caught.value), sent
            assert caught.value.type == "invalid_request_error"
            assert caught.value.code == "invalid_request"
            assert caught.value.request_id


async def test_harmless_fields_that_say_nothing_are_taken(house: House) -> None:
    await house.add("leave.txt", _LEAVE)
    body = {
        "model": "footnote",
        "messages": _ASKED,
        "stream": None,
        "n": 1,
        "tools": [],
        "tool_choice": "none",
        "logprobs": False,
        "top_logprobs": 0,
        "response_format": {"type": "text"},
        "modalities": ["text"],
        "chat_id": "x",
        "metadata": {"a": "b"},
        "temperature": None,
    }
    response = await house.client.post("/v1/chat/completions", json=body)
    assert response.status_code == 200
    assert "Footnote-Ignored" not in response.headers
    CompletionBody.model_validate(response.json())
    CompletionBody.model_validate(COMPLETION_EXAMPLE)


async def test_models_are_the_collections_in_which_the_caller_may_read(footnote: Footnote) -> None:
    await add_document(footnote, "leave.txt", _LEAVE)
    await add_document(footnote, "a.txt", "Apples are red.", collection="fruit")
    await add_document(footnote, "m.txt", "We merge.", collection="merger", readers=["group:board"])
    board = (await create_key(footnote.database, name="b", principals=["group:board"])).key
    async with dialled(footnote) as there:
        listed = [model.id async for model in there.client.models.list()]
        theirs = [model.id async for model in there.client.with_options(api_key=board).models.list()]
        assert listed == ["footnote", "footnote/fruit"]
        assert theirs == ["footnote", "footnote/fruit", "footnote/merger"]
        assert (await there.client.models.retrieve("footnote/fruit")).id == "footnote/fruit"
        assert (await there.client.models.retrieve("footnote/default")).id == "footnote"
        asked: list[Any] = [{"role": "user", "content": "What colour are apples?"}]
        said = await there.client.chat.completions.create(model="footnote/fruit", messages=asked)
        assert "Apples are red. [1]" in (said.choices[0].message.content or "")
        ModelsBody.model_validate((await there.wired.client.get("/v1/models")).json())


async def test_a_model_that_the_caller_may_not_read_is_one_that_does_not_exist(footnote: Footnote) -> None:
    await add_document(footnote, "m.txt", "We merge.", collection="merger", readers=["group:board"])
    bodies = []
    async with dialled(footnote) as there:
        for model in (
            "footnote/merger",
            "footnote/nowhere",
            "footnote",
            "gpt-4o",
            "footnote/",
            "",
            "x" * 5000,
        ):
            for ask in (
                there.client.chat.completions.create(model=model, messages=_ASKED),
                there.client.chat.completions.create(model=model, messages=_ASKED, stream=True),
                *([there.client.models.retrieve(model)] if model else []),
            ):
                with pytest.raises(openai.NotFoundError) as caught:
                    await ask
                assert caught.value.code == "model_not_found"
                assert caught.value.param == "model"
                bodies.append(json.dumps(caught.value.body).replace(model[:80] or "''", "?"))
    assert bodies[0] == bodies[3]


async def test_errors_have_the_shape_that_the_client_reads(footnote: Footnote) -> None:
    await add_document(footnote, "leave.txt", _LEAVE)
    outside = ScriptedLLM(_FIRST, location="outside")
    async with dialled(footnote, outside) as there:
        with pytest.raises(openai.PermissionDeniedError) as denied:
            await there.client.chat.completions.create(model="footnote", messages=_ASKED)
        assert denied.value.code == "outside_not_allowed"
        with pytest.raises(openai.AuthenticationError) as unknown:
            await there.client.with_options(api_key="sk-x").models.list()
        assert unknown.value.code == "invalid_api_key"
        with pytest.raises(openai.BadRequestError) as long:
            await there.client.chat.completions.create(
                model="footnote", messages=[{"role": "user", "content": "q" * 9_000}]
            )
        assert "the question " in str(long.value)
        for response in (
            await there.wired.client.get("/v1/chat/completions"),
            await there.wired.client.post("/v1/chat/nothing", json={}),
            await there.wired.client.post("/v1/chat/completions", content=b"{"),
            await there.wired.client.post("/v1/chat/completions", content=b" " * 2_000_000),
        ):
            ChatErrorBody.model_validate(response.json())
    assert outside.prompts == []


async def test_what_goes_wrong_in_the_middle_is_an_error_to_the_client(footnote: Footnote) -> None:
    await add_document(footnote, "leave.txt", _LEAVE)
    llm = PacedLLM()
    async with dialled(footnote, llm) as there:
        stream = await there.client.chat.completions.create(model="footnote", messages=_ASKED, stream=True)
        llm.says.put_nowait(_FIRST)
        llm.says.put_nowait(LLMUnavailableError("the model at http://secret is away."))
        heard = await anext(stream)
        with pytest.raises(openai.APIError) as caught:
            await _hear_all(stream)
    assert caught.value.code in {"llm_unavailable", "llm_failed"}
    assert caught.value.type == "server_error"
    assert heard.choices[0].delta.role == "assistant"


async def _hear_all(stream: openai.AsyncStream[ChatCompletionChunk]) -> list[ChatCompletionChunk]:
    return [chunk async for chunk in stream]


async def test_who_leaves_has_the_work_stopped(footnote: Footnote) -> None:
    await add_document(footnote, "leave.txt", _LEAVE)
    for streams in (True, False):
        llm = PacedLLM()
        async with dialled(footnote, llm) as there:
            llm.says.put_nowait(_FIRST)
            body = {"model": "footnote", "messages": _ASKED, "stream": streams}
            if streams:
                async with there.wired.client.stream("POST", "/v1/chat/completions", json=body) as response:
                    await anext(response.aiter_raw())
            else:
                asking = asyncio.create_task(there.wired.client.post("/v1/chat/completions", json=body))
                async with asyncio.timeout(20):
                    while llm.says.qsize():  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
            async with asyncio.timeout(10):
                await llm.closed.wait()
                parts: Parts = there.wired.app.state.parts
                while parts.broadcasts.running:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)


async def test_a_house_without_documents_has_no_models(house: House) -> None:
    assert (await house.client.get("/v1/models")).json() == {"object": "list", "data": []}


async def test_answers_of_the_compatible_address_are_counted(house: House) -> None:
    await house.add("leave.txt", _LEAVE)
    async with open_house(house.footnote) as counting:
        body = {"model": "footnote", "messages": _ASKED}
        await counting.client.post("/v1/chat/completions", json=body)
        shown = (await counting.client.get("/metrics")).text
    assert 'footnote_answers_total{status="answered"} 1.0' in shown
