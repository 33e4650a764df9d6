"""Any server that speaks OpenAI's chat completions: vLLM, TGI, llama.cpp, Ollama, OpenAI, Azure, Gemini …

Errors that come with a server's own words are raised `from None`: such words may hold the key or the prompt, and
a chained exception would carry them into every logged traceback.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import httpx2
import openai

from generation.errors import (
    LLMError,
    LLMRejectedError,
    LLMResponseError,
    LLMTimeoutError,
    LLMUnavailableError,
)
from generation.llms import LLMSpec, Location, Message, TextDelta, Usage
from generation.llms.status import shown_code, status_error
from generation.tokens import approximate_tokens
from retrieval.errors import ConfigurationError

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

_RETRIES = 2
"""Of the request, with the SDK's exponential back-off and jitter; never once the answer has begun."""

_NO_KEY = "none"
"""Sent where no key is set: with an empty one the SDK would take a key from the environment."""

_MOST_CHARACTERS_PER_TOKEN = 32
"""A token is seldom longer: a server that sends more does not keep to its limit."""

_OPTIONAL_PARAMETERS = ("stream_options", "temperature")


class OpenAICompatibleLLM:
    """Streams chat completions from one server. See `generation.llms.LLM` for the contract."""

    def __init__(self, spec: LLMSpec) -> None:
        self._spec = spec
        self._server = _shown_address(spec.base_url)
        self._unsupported: frozenset[str] = frozenset()
        timeout = httpx2.Timeout(spec.total_timeout_s, connect=spec.connect_timeout_s)
        # "Inside" is a promise: a redirect or a proxy from the environment could break it unseen.
        transport = httpx2.AsyncHTTPTransport() if spec.location == "inside" else None
        self._client = openai.AsyncOpenAI(
            api_key=_checked_key(spec.api_key),
            base_url=spec.base_url,
            max_retries=_RETRIES,
            timeout=timeout,
            http_client=httpx2.AsyncClient(timeout=timeout, follow_redirects=False, transport=transport),
        )
        # What the SDK takes from the environment besides the key belongs to OpenAI, not to this server.
        self._client.organization = self._client.project = self._client.admin_api_key = None

    @property
    def model(self) -> str:
        return self._spec.model

    @property
    def location(self) -> Location:
        return self._spec.location

    async def close(self) -> None:
        await self._client.close()

    async def stream(
        self, messages: Sequence[Message], *, max_tokens: int
    ) -> AsyncGenerator[TextDelta | Usage, None]:
        """Answer `messages`; see `generation.llms.LLM.stream`."""
        clock = asyncio.get_running_loop().time
        started = clock()
        first_by = started + min(self._spec.first_token_timeout_s, self._spec.total_timeout_s)
        whole_by = started + self._spec.total_timeout_s
        reading = _Reading()
        async with contextlib.AsyncExitStack() as stack:
            with self._explained("to begin its answer", self._spec.first_token_timeout_s):
                async with asyncio.timeout_at(first_by):
                    chunks = await self._open(messages, max_tokens)
                    stack.push_async_callback(chunks.close)
                    delta = await self._next_sign(chunks, reading)
            while delta is not None:
                self._check_length(reading, max_tokens)
                if delta:
                    yield TextDelta(text=delta)
                with self._explained("to finish its answer", self._spec.total_timeout_s):
                    async with asyncio.timeout_at(whole_by):
                        delta = await self._next_sign(chunks, reading)
        self._check_finished(reading)
        yield reading.usage(messages)

    async def _open(
        self, messages: Sequence[Message], max_tokens: int
    ) -> openai.AsyncStream[ChatCompletionChunk]:
        """Send the request; once more without whatever optional parameter the server says it does not know."""
        while True:
            try:
                return await self._client.chat.completions.create(
                    model=self._spec.model,
                    messages=[_wire(message) for message in messages],
                    stream=True,
                    extra_body=self._parameters(max_tokens),
                )
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                unsupported = self._named_parameter(error)
                if unsupported is None:
                    raise
                self._unsupported |= {unsupported}

    def _parameters(self, max_tokens: int) -> dict[str, object]:
        wanted: dict[str, object] = {
            "temperature": 0.0,
            "stream_options": {"include_usage": True},
            "max_tokens": max_tokens,
        }
        if "max_tokens" in self._unsupported:
            wanted["max_completion_tokens"] = max_tokens
        return {name: value for name, value in wanted.items() if name not in self._unsupported}

    def _named_parameter(self, error: openai.APIStatusError) -> str | None:
        """The parameter that a 400 or 422 complains of, if this request can do without it."""
        complaint = f"{error.param} {error.message}"
        if "max_completion_tokens" in complaint and "max_tokens" not in self._unsupported:
            return "max_tokens"
        for name in _OPTIONAL_PARAMETERS:
            if name in complaint and name not in self._unsupported:
                return name
        return None

    async def _next_sign(
        self, chunks: openai.AsyncStream[ChatCompletionChunk], reading: _Reading
    ) -> str | None:
        """The next piece of text, "" for a sign of life without text (a model that thinks), None at the end."""
        piece: str | None = None
        while piece is None:
            try:
                chunk = await anext(chunks)
            except StopAsyncIteration:
                return None
            piece = reading.take(chunk)
        return piece

    def _check_length(self, reading: _Reading, max_tokens: int) -> None:
        if reading.text_characters > max_tokens * _MOST_CHARACTERS_PER_TOKEN:
            raise LLMResponseError(f"{self._name} went on far past the limit of {max_tokens} tokens.")

    def _check_finished(self, reading: _Reading) -> None:
        if reading.finish_reason is None and reading.chunks == 0:
            raise LLMResponseError(
                f"{self._name} answered with something that is not a stream of chat completions. "
                "Check that the base URL is an OpenAI-compatible one (it usually ends in /v1)."
            )
        if reading.finish_reason is None:
            raise LLMUnavailableError(f"{self._name} broke off in mid-answer. Try again.")
        if reading.finish_reason == "content_filter":
            raise LLMRejectedError(f"{self._name} withheld its answer: its content filter stepped in.")
        if not reading.text_characters:
            raise LLMResponseError(
                f"{self._name} ended its answer without a word (finish reason {shown_code(reading.finish_reason)}). "
                "A reasoning model may need a larger limit of answer tokens."
            )

    @property
    def _name(self) -> str:
        return f"the language model {self._spec.model!r} at {self._server}"

    @contextlib.contextmanager
    def _explained(self, doing: str, limit_s: float) -> Iterator[None]:
        """Turn what the SDK and its transport raise into ours."""
        try:
            yield
        except (TimeoutError, openai.APITimeoutError) as error:
            if isinstance(error.__cause__, httpx2.ConnectTimeout):
                doing, limit_s = "to accept a connection", self._spec.connect_timeout_s
            raise LLMTimeoutError(
                f"{self._name} took longer than {limit_s:g} s {doing}. Try again, or raise the time limit."
            ) from error
        except openai.APIConnectionError as error:
            raise self._unreachable(error) from error
        except openai.APIStatusError as error:
            raise status_error(
                self._name, error.status_code, error.code or error.type, complaint=error.message
            ) from None
        except openai.APIError as error:  # an error that arrives as an event of the stream
            raise LLMUnavailableError(
                f"{self._name} reported an error while answering ({shown_code(error.code or error.type)}). Try again."
            ) from None
        except (ValueError, TypeError, AttributeError, LookupError):  # no JSON, no UTF-8, no completion
            raise LLMResponseError(
                f"{self._name} sent something that is not a chat completion. "
                "Check that the base URL is an OpenAI-compatible one (it usually ends in /v1)."
            ) from None

    def _unreachable(self, error: openai.APIConnectionError) -> LLMError:
        if isinstance(error.__cause__, httpx2.ConnectError):
            return LLMUnavailableError(
                f"{self._name} cannot be reached. Is the server running, and is the base URL right?"
            )
        return LLMUnavailableError(f"{self._name} broke the connection off. Try again.")


class _Reading:
    """What has been read of one stream. Takes chunks as they come, in whatever shape a server sends them."""

    def __init__(self) -> None:
        self.chunks = 0
        self.text_characters = 0
        self.finish_reason: str | None = None
        self._completion: list[str] = []
        self._reported: tuple[int, int] | None = None

    def take(self, chunk: ChatCompletionChunk) -> str | None:
        """The chunk's text, "" where the model only thinks, None for a chunk without either."""
        if chunk.usage is not None:
            self._reported = (int(chunk.usage.prompt_tokens), int(chunk.usage.completion_tokens))
        if not chunk.choices:
            return None
        self.chunks += 1
        choice = chunk.choices[0]
        self.finish_reason = choice.finish_reason or self.finish_reason
        delta = getattr(choice, "delta", None)
        if delta is None:
            return None
        text: str | None = delta.content
        if text:
            self._completion.append(text + "")  # a TypeError here is a server's rubbish, and told as such
            self.text_characters += len(text)
            return text
        thinks = delta.model_extra or {}
        return "" if thinks.get("reasoning_content") or thinks.get("reasoning") else None

    def usage(self, messages: Sequence[Message]) -> Usage:
        """The tokens the server reported, or an estimate."""
        prompt, completion = self._reported or (
            sum(approximate_tokens(message.content) for message in messages),
            approximate_tokens("".join(self._completion)),
        )
        return Usage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            estimated=self._reported is None,
            cut=self.finish_reason == "length",
        )


def _wire(message: Message) -> ChatCompletionMessageParam:
    return cast("ChatCompletionMessageParam", {"role": message.role, "content": message.content})


def _checked_key(key: str | None) -> str:
    """The key without the line end that comes along with files. Raises `ConfigurationError`."""
    key = (key or "").strip()
    if not (key.isascii() and key.isprintable()):
        raise ConfigurationError(
            "FOOTNOTE_LLM__API_KEY holds characters that a key cannot have. Copy it again, without quotes or breaks."
        )
    return key or _NO_KEY


def _shown_address(base_url: str) -> str:
    """The base URL without user, password and query, which may be secrets. Raises `ConfigurationError`."""
    try:
        parts = urlsplit(base_url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        parts, port = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            "FOOTNOTE_LLM__BASE_URL is not an http or https address. Set it to the server's OpenAI-compatible base "
            "URL, for example http://127.0.0.1:8000/v1"
        )
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path.rstrip('/')}"
