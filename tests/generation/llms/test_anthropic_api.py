"""What only Anthropic's adapter does."""

from __future__ import annotations

import importlib.util
from contextlib import aclosing
from typing import Any

import pytest

from generation.errors import LLMRejectedError
from generation.llms import LLMKind, LLMSpec, Message, load_llm
from generation.llms.anthropic_clients import own_address
from retrieval.errors import ConfigurationError, ExtraMissingError
from tests.generation.llms.dialects import ANTHROPIC, BEDROCK, VERTEX, llm_at, whole
from tests.generation.llms.llm_server import llm_server

TURNS = [
    Message(role="system", content="Rules."),
    Message(role="user", content="One?"),
    Message(role="assistant", content="Yes."),
    Message(role="user", content="Two?"),
]


async def test_what_the_system_says_goes_apart_from_the_turns() -> None:
    async with llm_server(whole(ANTHROPIC, "Yes.")) as seen:
        llm = llm_at(seen, ANTHROPIC)
        async with aclosing(llm.stream(TURNS, max_tokens=5)) as stream:
            assert len([item async for item in stream]) == 2
        await llm.close()
    (body,) = seen.bodies
    assert body["system"] == "Rules."
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert "POST /v1/messages " in seen.heads[0]


async def test_vertex_asks_for_the_model_under_its_project_and_region() -> None:
    async with llm_server(whole(VERTEX, "Yes.")) as seen:
        llm = llm_at(seen, VERTEX)
        async with aclosing(llm.stream(TURNS, max_tokens=5)) as stream:
            assert len([item async for item in stream]) == 2
        await llm.close()
    place = "/projects/my-project/locations/europe-west1/publishers/anthropic/models/tiny:streamRawPredict"
    assert place in seen.heads[0]


@pytest.mark.parametrize(
    ("kind", "region", "address"),
    [
        ("anthropic_api", None, "https://api.anthropic.com"),
        ("anthropic_bedrock", "eu-central-1", "https://bedrock-runtime.eu-central-1.amazonaws.com"),
        ("anthropic_vertex", "europe-west1", "https://europe-west1-aiplatform.googleapis.com/v1"),
        ("anthropic_vertex", "global", "https://aiplatform.googleapis.com/v1"),
        ("anthropic_vertex", "eu", "https://aiplatform.eu.rep.googleapis.com/v1"),
    ],
)
def test_without_a_base_url_the_provider_s_own_is_used_whatever_the_environment_says(
    kind: LLMKind, region: str | None, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    assert own_address(LLMSpec(kind=kind, model="m", region=region)) == address


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"kind": "anthropic_bedrock"}, "FOOTNOTE_LLM__REGION"),
        ({"kind": "anthropic_vertex"}, "FOOTNOTE_LLM__REGION"),
        ({"kind": "anthropic_vertex", "region": "eu.evil.example/x"}, "FOOTNOTE_LLM__REGION"),
        ({"kind": "anthropic_vertex", "region": "eu", "api_key": "k"}, "FOOTNOTE_LLM__PROJECT"),
        ({"kind": "anthropic_api", "api_key": "a\nb"}, "FOOTNOTE_LLM__API_KEY"),
        ({"kind": "anthropic_api", "base_url": "localhost:1"}, "FOOTNOTE_LLM__BASE_URL"),
    ],
)
def test_a_setting_that_is_missing_or_wrong_is_named_before_anything_is_sent(
    changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        load_llm(LLMSpec(model="m", **changes))


@pytest.mark.skipif(importlib.util.find_spec("botocore") is not None, reason="the extra is installed")
def test_bedrock_without_its_extra_names_it() -> None:
    with pytest.raises(ExtraMissingError, match="'bedrock' extra"):
        load_llm(LLMSpec(kind="anthropic_bedrock", model="m", region="eu-central-1", api_key="k"))


@pytest.mark.extras
async def test_bedrock_without_a_key_and_without_credentials_of_the_machine_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "from-the-environment")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    async with llm_server(whole(BEDROCK, "Yes.")) as seen:
        llm = llm_at(seen, BEDROCK, api_key=None)
        with pytest.raises(LLMRejectedError, match="no valid credentials"):
            async with aclosing(llm.stream(TURNS, max_tokens=5)) as stream:
                await anext(stream)
        await llm.close()
    assert seen.bodies == []


@pytest.mark.extras
async def test_bedrock_signs_with_the_credentials_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    async with llm_server(whole(BEDROCK, "Yes.")) as seen:
        llm = llm_at(seen, BEDROCK, api_key=None)
        async with aclosing(llm.stream(TURNS, max_tokens=5)) as stream:
            assert len([item async for item in stream]) == 2
        await llm.close()
    assert "aws4-hmac-sha256 credential=akiatest/" in seen.heads[0].lower()
    assert "/model/tiny/invoke-with-response-stream" in seen.heads[0]
