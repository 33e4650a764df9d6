"""Anthropic's models: at Anthropic's own interface, on AWS Bedrock or on Google's Vertex AI.

Errors that come with a server's own words are raised `from None`: such words may hold the key or the prompt, and
a chained exception would carry them into every logged traceback.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import TYPE_CHECKING, cast

import anthropic
import httpx2

from generation.errors import (
    LLMError,
    LLMRejectedError,
    LLMResponseError,
    LLMTimeoutError,
    LLMUnavailableError,
)
from generation.llms import LLMSpec, Location, Message, TextDelta, Usage
from generation.llms.anthropic_clients import AnthropicClient, make_client, own_address, platform_errors
from generation.llms.endpoint import shown_address
from generation.llms.pacing import check_length, credible, paced
from generation.llms.status import shown_code, status_error
from generation.tokens import approximate_tokens

if TYPE_CHECKING:
    from anthropic.types import MessageParam, RawMessageStreamEvent

# Below this level the SDK logs requests with all that is in them; ANTHROPIC_LOG can ask it to.
logging.getLogger("anthropic").setLevel(logging.WARNING)

_OPTIONAL_PARAMETER = "temperature"
_NO_MESSAGE = (ValueError, TypeError, AttributeError, LookupError)
"""What the SDK stumbles with over no JSON, no UTF-8, or JSON that is no message."""

_CUT = ("max_tokens", "model_context_window_exceeded")


class AnthropicLLM:
    """Streams messages from Anthropic's interface. See `generation.llms.LLM` for the contract."""

    def __init__(self, spec: LLMSpec) -> None:
        self._spec = spec
        base_url = spec.base_url or own_address(spec)
        server = shown_address(spec, base_url, "https://api.anthropic.com (without /v1)")
        self._name = f"the language model {spec.model!r} at {server}"
        self._unsupported: frozenset[str] = frozenset()
        self._client: AnthropicClient = make_client(spec, base_url)
        platform = platform_errors(spec)
        self._no_credentials = platform.credentials
        self._no_message: tuple[type[Exception], ...] = (*_NO_MESSAGE, *platform.rubbish)

    @property
    def model(self) -> str:
        return self._spec.model

    @property
    def location(self) -> Location:
        return self._spec.location

    def inside(self) -> AnthropicLLM | None:
        return self if self.location == "inside" else None

    async def count_tokens(self, texts: Sequence[str]) -> list[int] | None:
        """None: counting would take a paid request a text, and passages to it that the answer may not need."""

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
        async with await self._open(messages, max_tokens) as events:
            while (event := await anext(events, None)) is not None:
                sign = reading.take(event)
                check_length(self._name, reading.text_characters, max_tokens)
                if sign is not None:
                    yield sign

    async def _open(
        self, messages: Sequence[Message], max_tokens: int
    ) -> anthropic.AsyncStream[RawMessageStreamEvent]:
        """Send the request; once more without the temperature where the model takes none."""
        system = "\n\n".join(message.content for message in messages if message.role == "system")
        left_out = self._unsupported
        while True:
            try:
                return await self._client.messages.create(
                    model=self._spec.model,
                    max_tokens=max_tokens,
                    messages=[_wire(message) for message in messages if message.role != "system"],
                    system=system or anthropic.omit,
                    stream=True,
                    extra_body=dict.fromkeys({_OPTIONAL_PARAMETER} - left_out, 0.0),
                )
            except anthropic.BadRequestError as error:
                if _OPTIONAL_PARAMETER not in error.message or left_out:
                    raise
                # Another request at this time may have found that out as well.
                self._unsupported = left_out = frozenset({_OPTIONAL_PARAMETER})

    def _check_finished(self, reading: _Reading) -> None:
        if not reading.begun:
            raise self._rubbish("answered with something that is not a stream of messages")
        if reading.stop_reason is None:
            raise LLMUnavailableError(f"{self._name} broke off in mid-answer. Try again.")
        if reading.stop_reason == "refusal":
            raise LLMRejectedError(f"{self._name} withheld its answer: its content filter stepped in.")
        if not reading.text_characters:
            raise LLMResponseError(
                f"{self._name} ended its answer without a word (stop reason {shown_code(reading.stop_reason)}). "
                "A reasoning model may need a larger limit of answer tokens."
            )

    @contextlib.contextmanager
    def _explained(self, doing: str, limit_s: float) -> Iterator[None]:
        """Turn what the SDK, its transport and its finders of credentials raise into ours."""
        try:
            yield
        except (TimeoutError, anthropic.APITimeoutError, httpx2.TimeoutException) as error:
            if isinstance(error.__cause__, httpx2.ConnectTimeout):
                doing, limit_s = "to accept a connection", self._spec.connect_timeout_s
            raise LLMTimeoutError(
                f"{self._name} took longer than {limit_s:g} s {doing}. Try again, or raise the time limit."
            ) from error
        except (anthropic.APIConnectionError, httpx2.RequestError) as error:
            raise self._unreachable(error) from error
        except anthropic.APIStatusError as error:
            raise self._refused(error) from None
        except RecursionError:  # JSON in JSON in JSON; a RuntimeError, too
            raise self._rubbish("sent something that is not a message") from None
        except self._no_credentials:
            raise LLMRejectedError(
                f"{self._name} was not asked: this machine has no valid credentials for it. Set "
                f"{self._spec.setting('api_key')}, or give the machine a role that may use the model."
            ) from None
        except self._no_message:
            raise self._rubbish("sent something that is not a message") from None

    def _refused(self, error: anthropic.APIStatusError) -> LLMError:
        if error.status_code < 300:  # an error that arrives as an event of the stream
            return LLMUnavailableError(
                f"{self._name} reported an error while answering ({shown_code(error.type)}). Try again."
            )
        return status_error(self._name, self._spec, error.status_code, error.type, complaint=error.message)

    def _unreachable(self, error: Exception) -> LLMError:
        if isinstance(error.__cause__, httpx2.ConnectError):
            return LLMUnavailableError(
                f"{self._name} cannot be reached. Is the server running, and is the base URL right?"
            )
        return LLMUnavailableError(f"{self._name} broke the connection off. Try again.")

    def _rubbish(self, did: str) -> LLMResponseError:
        return LLMResponseError(
            f"{self._name} {did}. Check that the base URL is one of Anthropic's interface (it has no /v1 at its end)."
        )


class _Reading:
    """What has been read of one stream. Takes events as they come."""

    def __init__(self) -> None:
        self.begun = False
        self.text_characters = 0
        self.stop_reason: str | None = None
        self._completion: list[str] = []
        self._prompt_tokens: int | None = None
        self._completion_tokens: int | None = None

    def take(self, event: RawMessageStreamEvent) -> str | None:
        """The event's text, "" where the model only thinks, None for an event without either."""
        match event.type:
            case "message_start":
                self.begun = True
                used = event.message.usage
                cached = (used.cache_creation_input_tokens or 0) + (used.cache_read_input_tokens or 0)
                self._prompt_tokens = int(used.input_tokens) + cached
            case "content_block_delta":
                if event.delta.type == "text_delta":
                    return self._text(event.delta.text)
                return ""
            case "message_delta":
                self.stop_reason = event.delta.stop_reason or self.stop_reason
                self._completion_tokens = int(event.usage.output_tokens)
        return None

    def _text(self, text: str) -> str | None:
        self._completion.append(text + "")  # a TypeError here is a server's rubbish, and told as such
        self.text_characters += len(text)
        return text or None

    def usage(self, messages: Sequence[Message], model: str) -> Usage:
        """The tokens the server reported, or an estimate."""
        prompt, completion = self._prompt_tokens, self._completion_tokens
        if estimated := not (prompt and completion and credible(prompt, completion)):
            prompt = sum(approximate_tokens(message.content) for message in messages)
            completion = approximate_tokens("".join(self._completion))
        return Usage(
            prompt_tokens=prompt or 0,
            completion_tokens=completion or 0,
            estimated=estimated,
            cut=self.stop_reason in _CUT,
            model=model,
        )


def _wire(message: Message) -> MessageParam:
    return cast("MessageParam", {"role": message.role, "content": message.content})
