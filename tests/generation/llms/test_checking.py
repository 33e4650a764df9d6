"""What is found out about a language model, against a real server on 127.0.0.1."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from generation.llms import LLMSpec
from generation.llms.checking import check_llm
from tests.generation.llms.dialects import ANTHROPIC, KEY, OPENAI, VERTEX, Dialect, spec_at, whole
from tests.generation.llms.llm_server import Reply, Seen, llm_server, problem

NUMBERS = whole(OPENAI, "One, ", "two, ", "three")


def models(*entries: dict[str, object]) -> Callable[[], Reply]:
    listed = json.dumps({"object": "list", "data": entries}).encode()
    return lambda: Reply(content_type="application/json", steps=[listed])


def missing() -> Reply:
    return problem(404, "Not Found")


def quiet(more: dict[str, Callable[[], Reply]] | None = None) -> dict[str, Callable[[], Reply]]:
    """A server that has nothing to offer beside completions."""
    return {"/v1/models": missing, "/metrics": missing, "/tokenize": missing} | (more or {})


async def test_a_server_that_tells_all_is_told_of_in_full() -> None:
    count = Reply(content_type="application/json", steps=[b'{"tokens": [1, 2]}'])
    running = [0.0, 1.0, 1.0, 0.0]
    asked: list[Seen] = []

    def metrics() -> Reply:
        figure = running.pop(0)
        line = f'vllm:num_requests_running{{engine="0",model_name="tiny"}} {figure}\n'.encode()
        return Reply(content_type="text/plain", steps=[b"# TYPE x gauge\n", line])

    routes = {
        "/v1/models": models({"id": "tiny", "max_model_len": 4096}, {"id": "other"}),
        "/tokenize": lambda: count,
        "/metrics": metrics,
    }
    async with llm_server(NUMBERS, routes=routes) as seen:
        asked.append(seen)
        found = await check_llm(spec_at(seen, OPENAI))
    assert found.usable
    assert (found.models, found.listed, found.context_tokens) == (("tiny", "other"), True, 4096)
    assert (found.streams, found.reports_usage, found.keeps_limit) == (True, True, True)
    assert (found.counts_tokens, found.stops_when_left) == (True, True)
    assert found.first_token_s is not None
    assert found.tokens_per_s is not None


@pytest.mark.parametrize("dialect", [OPENAI, ANTHROPIC, VERTEX], ids=lambda dialect: dialect.kind)
async def test_what_a_server_does_not_tell_is_not_made_up(dialect: Dialect) -> None:
    answer = whole(dialect, "One, two", with_usage=False)
    async with llm_server(answer, routes=quiet()) as seen:
        found = await check_llm(spec_at(seen, dialect))
    assert found.usable
    assert (found.models, found.listed, found.context_tokens) == (None, None, None)
    assert (found.streams, found.reports_usage, found.keeps_limit) == (False, False, None)
    assert (found.counts_tokens, found.stops_when_left, found.tokens_per_s) == (False, None, None)


async def test_a_server_that_goes_on_for_nobody_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generation.llms.checking._BETWEEN_LOOKS_S", 0.01)
    figures = iter([0.0] + [1.0] * 100)

    def metrics() -> Reply:
        return Reply(
            content_type="text/plain", steps=[f"llamacpp:requests_processing {next(figures)}\n".encode()]
        )

    async with llm_server(NUMBERS, routes=quiet({"/metrics": metrics})) as seen:
        found = await check_llm(spec_at(seen, OPENAI))
    assert found.usable
    assert found.stops_when_left is False


async def test_a_model_that_its_server_does_not_list_is_told_with_those_it_lists() -> None:
    routes = quiet({"/v1/models": models({"id": "other"})})
    async with llm_server(problem(404, "no such model"), routes=routes) as seen:
        found = await check_llm(spec_at(seen, OPENAI))
    assert not found.usable
    assert (found.models, found.listed) == (("other",), False)
    assert "FOOTNOTE_LLM__MODEL" in (found.error or "")


async def test_a_wrong_key_is_told_without_it() -> None:
    routes = quiet({"/v1/models": lambda: problem(401, f"wrong key {KEY}")})
    async with llm_server(NUMBERS, routes=routes) as seen:
        found = await check_llm(spec_at(seen, OPENAI))
    assert "FOOTNOTE_LLM__API_KEY" in (found.error or "")
    assert KEY not in (found.error or "")
    assert seen.bodies == []


async def test_a_model_that_thinks_first_is_given_room_to() -> None:
    thought_only = whole(OPENAI, end="cut")
    async with llm_server(thought_only, NUMBERS, routes=quiet()) as seen:
        found = await check_llm(spec_at(seen, OPENAI))
    assert found.usable
    assert [body["max_tokens"] for body in seen.bodies[:2]] == [64, 600]


async def test_nobody_there_is_told() -> None:
    found = await check_llm(LLMSpec(base_url="http://127.0.0.1:9/v1", model="tiny", location="inside"))
    assert "cannot be reached" in (found.error or "")


@pytest.mark.parametrize(
    "rubbish", [b"<html></html>", b"[]", b"[" * 100_000, b'{"data": 5}', b'{"data": [5, {"id": 7}]}']
)
async def test_a_list_that_is_none_does_not_matter(rubbish: bytes) -> None:
    routes = quiet({"/v1/models": lambda: Reply(content_type="application/json", steps=[rubbish])})
    async with llm_server(NUMBERS, routes=routes) as seen:
        assert (await check_llm(spec_at(seen, OPENAI))).usable


async def test_a_list_that_cannot_be_unpacked_is_told() -> None:
    broken = Reply(headers=[("Content-Encoding", "gzip")], steps=[b"not gzip at all"])
    async with llm_server(NUMBERS, routes=quiet({"/v1/models": lambda: broken})) as seen:
        found = await check_llm(spec_at(seen, OPENAI))
    assert "'tiny' cannot be reached" in (found.error or "")


async def test_a_figure_that_is_none_does_not_matter() -> None:
    odd = Reply(content_type="text/plain", steps=[b"vllm:num_requests_running 1.2.3\n"])
    async with llm_server(NUMBERS, routes=quiet({"/metrics": lambda: odd})) as seen:
        found = await check_llm(spec_at(seen, OPENAI))
    assert found.usable
    assert found.stops_when_left is None


@pytest.mark.parametrize("ending", ["", "/"])
@pytest.mark.parametrize("dialect", [OPENAI, ANTHROPIC], ids=lambda dialect: dialect.kind)
async def test_a_slash_at_the_end_of_an_address_does_not_matter(dialect: Dialect, ending: str) -> None:
    routes = quiet({"/v1/models": models({"id": "tiny"})})
    async with llm_server(whole(dialect, "One, ", "two"), routes=routes) as seen:
        spec = spec_at(seen, dialect)
        found = await check_llm(replace(spec, base_url=spec.base_url + ending))
    assert found.usable
    assert found.listed
