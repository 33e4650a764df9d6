"""The three clients of Anthropic's SDK, so made that nothing but the settings says where they go and with which key.

On Bedrock and Vertex, where no key is set, the machine's credentials are those of its platform (a role, a service
account), found by AWS's or Google's own library.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

import anthropic

from generation.llms import LLMSpec
from generation.llms.endpoint import NO_KEY, checked_key, http_client
from retrieval.errors import ConfigurationError, ExtraMissingError

AnthropicClient = anthropic.AsyncAnthropic | anthropic.AsyncAnthropicBedrock | anthropic.AsyncAnthropicVertex

_RETRIES = 2
"""Of the request, with the SDK's exponential back-off and jitter; never once the answer has begun."""

_VERTEX_HOSTS = {
    "global": "aiplatform.googleapis.com",
    "us": "aiplatform.us.rep.googleapis.com",
    "eu": "aiplatform.eu.rep.googleapis.com",
}


def own_address(spec: LLMSpec) -> str:
    """The provider's own base URL: the SDK would let the environment name another. Raises `ConfigurationError`."""
    match spec.kind:
        case "anthropic_bedrock":
            return f"https://bedrock-runtime.{_needed(spec, 'region')}.amazonaws.com"
        case "anthropic_vertex":
            region = _needed(spec, "region")
            return f"https://{_VERTEX_HOSTS.get(region, f'{region}-aiplatform.googleapis.com')}/v1"
        case _:
            return "https://api.anthropic.com"


def make_client(spec: LLMSpec, base_url: str) -> AnthropicClient:
    """The SDK's client for `spec.kind`. Raises `ConfigurationError` or `ExtraMissingError`."""
    client = _bare_client(spec, base_url)
    # Headers that ANTHROPIC_CUSTOM_HEADERS adds belong to whoever set them, not to this server.
    client._custom_headers = {}
    return client


def _bare_client(spec: LLMSpec, base_url: str) -> AnthropicClient:
    key = checked_key(spec)
    http = http_client(spec)
    match spec.kind:
        case "anthropic_bedrock":
            _check_installed("botocore", "bedrock", spec)
            bedrock = anthropic.AsyncAnthropicBedrock(
                api_key=key,
                aws_region=_needed(spec, "region"),
                base_url=base_url,
                max_retries=_RETRIES,
                timeout=http.timeout,
                http_client=http,
                open_telemetry=False,
            )
            if key == NO_KEY:
                bedrock.api_key = None  # not before: the SDK would take one from the environment
            return bedrock
        case "anthropic_vertex":
            if key == NO_KEY:
                _check_installed("google.auth", "vertex", spec)
            return anthropic.AsyncAnthropicVertex(
                access_token=None if key == NO_KEY else key,
                region=_needed(spec, "region"),
                project_id=_needed(spec, "project"),
                base_url=base_url,
                max_retries=_RETRIES,
                timeout=http.timeout,
                http_client=http,
                open_telemetry=False,
            )
        case _:
            return anthropic.AsyncAnthropic(
                api_key=key,
                base_url=base_url,
                max_retries=_RETRIES,
                timeout=http.timeout,
                http_client=http,
                open_telemetry=False,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformErrors:
    """What a platform's own library raises: without valid credentials, and at what is no answer."""

    credentials: tuple[type[Exception], ...] = ()
    rubbish: tuple[type[Exception], ...] = ()


def platform_errors(spec: LLMSpec) -> PlatformErrors:
    """The errors beside those of Anthropic's SDK; to be asked after `make_client` has found the libraries."""
    match spec.kind:
        case "anthropic_bedrock":
            from botocore.eventstream import ParserError  # noqa: PLC0415  # there with the extra alone
            from botocore.exceptions import BotoCoreError  # noqa: PLC0415
            from botocore.parsers import ResponseParserError  # noqa: PLC0415

            return PlatformErrors(
                credentials=(RuntimeError, BotoCoreError), rubbish=(ParserError, ResponseParserError)
            )
        case "anthropic_vertex" if checked_key(spec) == NO_KEY:
            from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415  # there with the extra alone

            return PlatformErrors(credentials=(RuntimeError, GoogleAuthError))
        case _:
            return PlatformErrors()


def _needed(spec: LLMSpec, name: str) -> str:
    value = {"region": spec.region, "project": spec.project}[name]
    if not value or not all(part.isalnum() for part in value.split("-")):
        raise ConfigurationError(
            f"{spec.setting(name)} is not set, or is not the name of a {name}; {spec.kind} needs it. Set it, for "
            f"example to {'europe-west1 or eu-central-1' if name == 'region' else 'my-project'}."
        )
    return value


def _check_installed(module: str, extra: str, spec: LLMSpec) -> None:
    try:
        found = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of google.auth where there is no google
        found = False
    if not found:
        raise ExtraMissingError(extra, f"llm.kind {spec.kind!r}")
