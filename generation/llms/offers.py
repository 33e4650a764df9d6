"""What a language model's server says of itself beside answering: its models, its context, how much it is doing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2

from generation.errors import LLMError, LLMTimeoutError, LLMUnavailableError
from generation.llms import LLMSpec
from generation.llms.endpoint import NO_KEY, checked_key, http_client, server_root
from generation.llms.status import status_error

_TIME_LIMIT_S = 10.0
_RUNNING = re.compile(
    r"^(?:vllm:num_requests_running|llamacpp:requests_processing)(?:\{[^}]*\})? (\d+(?:\.\d+)?(?:e[+-]?\d+)?)$",
    re.M,
)
_CONTEXT_NAMES = ("max_model_len", "context_length", "context_window", "max_input_tokens")
_NO_LIST = (404, 405, 501)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedModel:
    """A model as its server lists it; the context in tokens, where the server tells."""

    name: str
    context_tokens: int | None


async def offered_models(spec: LLMSpec) -> list[OfferedModel] | None:
    """The models that the server lists, or None where it lists none at all. Raises `LLMError`."""
    if spec.kind in {"anthropic_bedrock", "anthropic_vertex"}:
        return None  # they list models elsewhere, for other rights
    base_url = (
        spec.base_url
        if spec.kind == "openai_api"
        else f"{(spec.base_url or 'https://api.anthropic.com').rstrip('/')}/v1"
    )
    name = f"the server of the language model {spec.model!r}"
    async with http_client(spec) as client:
        response = await _get(client, f"{base_url.rstrip('/')}/models", spec, name)
    if response.status_code in _NO_LIST:
        return None
    if response.status_code != 200:
        raise status_error(name, spec, response.status_code, None, complaint="")
    try:
        return list(_models(response.json()))
    except (ValueError, RecursionError):
        return None


async def running_requests(spec: LLMSpec) -> float | None:
    """How many requests the server works on now, where its metrics tell (vLLM, llama.cpp)."""
    if spec.kind != "openai_api":
        return None
    async with http_client(spec) as client:
        try:
            response = await _get(client, f"{server_root(spec.base_url)}/metrics", spec, "")
        except LLMError:
            return None
    figures = [float(figure) for figure in _RUNNING.findall(response.text)]
    return sum(figures) if response.status_code == 200 and figures else None


async def _get(client: httpx2.AsyncClient, url: str, spec: LLMSpec, name: str) -> httpx2.Response:
    key = checked_key(spec)
    headers = {"anthropic-version": "2023-06-01"} if spec.kind == "anthropic_api" else {}
    if key != NO_KEY:
        headers |= {"Authorization": f"Bearer {key}"}
    try:
        async with asyncio.timeout(_TIME_LIMIT_S):
            return await client.get(url, headers=headers)
    except (TimeoutError, httpx2.TimeoutException) as error:
        raise LLMTimeoutError(f"{name} did not list its models within {_TIME_LIMIT_S:g} s.") from error
    except httpx2.RequestError as error:
        raise LLMUnavailableError(
            f"{name} cannot be reached. Is it running, and is {spec.setting('base_url')} right?"
        ) from error


def _models(answer: object) -> Iterator[OfferedModel]:
    listed = answer.get("data") if isinstance(answer, dict) else None
    for entry in listed if isinstance(listed, list) else []:
        if isinstance(entry, dict) and isinstance(name := entry.get("id"), str):
            details = entry | (meta if isinstance(meta := entry.get("meta"), dict) else {})
            lengths = [
                details[key] for key in (*_CONTEXT_NAMES, "n_ctx_train") if isinstance(details.get(key), int)
            ]
            yield OfferedModel(name=name, context_tokens=lengths[0] if lengths else None)
