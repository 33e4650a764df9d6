"""The language models: messages in, a stream of text out. A family with one contract (`tests/generation/llms`)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Location = Literal["inside", "outside"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """The next piece of the answer, cut anywhere; never empty."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens that an answer cost. `estimated` where the server did not say; `cut` where it hit `max_tokens`."""

    prompt_tokens: int
    completion_tokens: int
    estimated: bool
    cut: bool = False


class LLM(Protocol):
    """A language model behind a server or an interface. Safe to use from many tasks at once."""

    @property
    def model(self) -> str:
        """The model's name, as answers report it."""
        ...

    @property
    def location(self) -> Location:
        """Whether passages sent to it stay inside the house."""
        ...

    def stream(
        self, messages: Sequence[Message], *, max_tokens: int
    ) -> AsyncGenerator[TextDelta | Usage, None]:
        """Answer: one or more `TextDelta`, then exactly one `Usage`; leaving early closes the stream.

        Raises an `LLMError`, in mid-stream too. Wrap it in `contextlib.aclosing`.
        """
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LLMSpec:
    """Which language model to use.

    base_url: of an OpenAI-compatible server, usually ending in "/v1".
    api_key: None for a server that asks for none.
    location: "inside" promises that passages sent there stay in the house; "outside" is the cautious default.
    connect_timeout_s, first_token_timeout_s, total_timeout_s: limits, each counted from the start of the request.
    """

    kind: Literal["openai_api"] = "openai_api"
    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    location: Location = "outside"
    connect_timeout_s: float = 5.0
    first_token_timeout_s: float = 60.0
    total_timeout_s: float = 180.0


def load_llm(spec: LLMSpec) -> LLM:
    """Build the language model that `spec` names. Nothing is sent. Raises `ConfigurationError`."""
    match spec.kind:
        case "openai_api":
            from generation.llms.openai_api import OpenAICompatibleLLM

            return OpenAICompatibleLLM(spec)
