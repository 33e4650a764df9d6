"""Any server that speaks OpenAI's chat completions: vLLM, TGI, llama.cpp, Ollama, OpenAI, Azure, Gemini …

Errors that come with a server's own words are raised `from None`: such words may hold the key or the prompt, and
a chained exception would carry them into every logged traceback.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import TYPE_CHECKING, cast

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
from generation.llms.endpoint import checked_key, http_client, shown_address
from generation.llms.pacing import check_length, credible, paced
from generation.llms.status import shown_code, status_error
from generation.llms.tokenizing import TokenCounter
from generation.tokens import approximate_tokens

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

_RETRIES = 2
"""Of the request, with the SDK's exponential back-off and jitter; never once the answer has begun."""

_OPTIONAL_PARAMETERS = ("stream_options", "temperature")
_NO_COMPLETION = (ValueError, TypeError, AttributeError, LookupError, RecursionError)
"""What the SDK stumbles with over no JSON or too deep a one, no UTF-8, or JSON that is no completion."""


class OpenAICompatibleLLM:
    """Streams chat completions from one server. See `generation.llms.LLM` for the contract."""

    def __init__(self, spec: LLMSpec) -> None:
        self._spec = spec
        server = shown_address(spec, spec.base_url, "http://127.0.0.1:8000/v1 (most end in /v1)")
        self._name = f"the language model {spec.model!r} at {server}"
        self._unsupported: frozenset[str] = frozenset()
        client = http_client(spec)
        self._client = openai.AsyncOpenAI(
            api_key=checked_key(spec),
            base_url=spec.base_url,
            max_retries=_RETRIES,
            timeout=client.timeout,
            http_client=client,
        )
        # Passages that the answer may not need are sent to be counted: nowhere else than inside.
        self._counter = TokenCounter(spec, client) if spec.location == "inside" else None
        # What the SDK takes from the environment besides the key belongs to OpenAI, not to this server.
        self._client.organization = self._client.project = self._client.admin_api_key = None

    @property
    def model(self) -> str:
        return self._spec.model

    @property
    def location(self) -> Location:
        return self._spec.location

    def inside(self) -> OpenAICompatibleLLM | None:
        return self if self.location == "inside" else None

    async def count_tokens(self, texts: Sequence[str]) -> list[int] | None:
        return None if self._counter is None else await self._counter.count(texts)

    async def close(self) -> None:
        await self._client.close()

    async def stream(
        self, messages: Sequence[Message], *, max_tokens: int
    ) -> AsyncGenerator[TextDelta | Usage, None]:
        """Answer `messages`; see `generation.llms.LLM.stream`."""
        reading = _Reading()
        async with (
            contextlib.aclosing(self._signs(messages, max_tokens, reading)) as signs,
            contextlib.aclosing(paced(signs, self._spec, self._explained)) as pieces,
        ):
            async for piece in pieces:
                yield TextDelta(text=piece)
        self._check_finished(reading)
        yield reading.usage(messages, self.model)

    async def _signs(
        self, messages: Sequence[Message], max_tokens: int, reading: _Reading
    ) -> AsyncGenerator[str]:
        """Pieces of text, and "" for a sign of life without text (a model that thinks)."""
        async with await self._open(messages, max_tokens) as chunks:
            while (chunk := await anext(chunks, None)) is not None:
                sign = reading.take(chunk)
                check_length(self._name, reading.text_characters, max_tokens)
                if sign is not None:
                    yield sign

    async def _open(
        self, messages: Sequence[Message], max_tokens: int
    ) -> openai.AsyncStream[ChatCompletionChunk]:
        """Send the request; once more without whatever optional parameter the server says it does not know."""
        left_out = self._unsupported
        while True:
            try:
                return await self._client.chat.completions.create(
                    model=self._spec.model,
                    messages=[_wire(message) for message in messages],
                    stream=True,
                    extra_body=_parameters(max_tokens, left_out),
                )
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                unsupported = _named_parameter(error, left_out)
                if unsupported is None:
                    raise
                left_out |= {unsupported}
                self._unsupported |= left_out  # which another request at this time may have found out as well

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
                self._name, self._spec, error.status_code, error.code or error.type, complaint=error.message
            ) from None
        except openai.APIError as error:  # an error that arrives as an event of the stream
            raise LLMUnavailableError(
                f"{self._name} reported an error while answering ({shown_code(error.code or error.type)}). Try again."
            ) from None
        except _NO_COMPLETION:
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
            told = int(chunk.usage.prompt_tokens), int(chunk.usage.completion_tokens)
            self._reported = told if credible(*told) else None
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

    def usage(self, messages: Sequence[Message], model: str) -> Usage:
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
            model=model,
        )


def _parameters(max_tokens: int, left_out: frozenset[str]) -> dict[str, object]:
    wanted: dict[str, object] = {
        "temperature": 0.0,
        "stream_options": {"include_usage": True},
        "max_tokens": max_tokens,
    }
    if "max_tokens" in left_out:
        wanted["max_completion_tokens"] = max_tokens
    return {name: value for name, value in wanted.items() if name not in left_out}


def _named_parameter(error: openai.APIStatusError, left_out: frozenset[str]) -> str | None:
    """The parameter that a 400 or 422 complains of, if the request had it and can do without it."""
    complaint = f"{error.param} {error.message}"
    if "max_completion_tokens" in complaint and "max_tokens" not in left_out:
        return "max_tokens"
    for name in _OPTIONAL_PARAMETERS:
        if name in complaint and name not in left_out:
            return name
    return None


def _wire(message: Message) -> ChatCompletionMessageParam:
    return cast("ChatCompletionMessageParam", {"role": message.role, "content": message.content})
