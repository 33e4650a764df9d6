"""The language models: messages in, a stream of text out. A family with one contract (`tests/generation/llms`)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from retrieval.errors import ExtraMissingError

Location = Literal["inside", "outside"]
LLMKind = Literal["openai_api", "anthropic_api", "anthropic_bedrock", "anthropic_vertex"]


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
    """Tokens that an answer cost. `estimated` where the server did not say; `cut` where it hit `max_tokens`.

    model: the name of the model that answered, as answers report it; "" where none did.
    """

    prompt_tokens: int
    completion_tokens: int
    estimated: bool
    cut: bool = False
    model: str = ""


class LLM(Protocol):
    """A language model behind a server or an interface. Safe to use from many tasks at once."""

    @property
    def model(self) -> str:
        """The model's name; of several in order, that of the first. `Usage.model` says which answered."""
        ...

    @property
    def location(self) -> Location:
        """Whether passages sent to it stay inside the house, whatever happens."""
        ...

    def inside(self) -> LLM | None:
        """What of it is inside the house: itself, some of its members, or None. Closed with the whole."""
        ...

    def stream(
        self, messages: Sequence[Message], *, max_tokens: int
    ) -> AsyncGenerator[TextDelta | Usage, None]:
        """Answer: one or more `TextDelta`, then exactly one `Usage`; leaving early closes the stream.

        Raises an `LLMError`, in mid-stream too. Wrap it in `contextlib.aclosing`.
        """
        ...

    async def count_tokens(self, texts: Sequence[str]) -> list[int] | None:
        """How many tokens each text has, or None where the model does not tell within a second. Never raises."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LLMSpec:
    """Which language model to use.

    base_url: of an OpenAI-compatible server, usually ending in "/v1"; "" for Anthropic's own, or the region's.
    api_key: None for a server that asks for none. On Bedrock and Vertex None means the credentials of the machine, as
        AWS's and Google's libraries find them; a key is a Bedrock API key, or an access token of Google's.
    region, project: of Bedrock and Vertex.
    location: "inside" promises that passages sent there stay in the house; "outside" is the cautious default.
    connect_timeout_s, first_token_timeout_s, total_timeout_s: limits, each counted from the start of the request.
    fallback: which of the fallbacks it is, from 1; 0 for the model that is asked first.
    """

    kind: LLMKind = "openai_api"
    base_url: str = ""
    model: str
    api_key: str | None = field(default=None, repr=False)
    region: str | None = None
    project: str | None = None
    location: Location = "outside"
    connect_timeout_s: float = 5.0
    first_token_timeout_s: float = 60.0
    total_timeout_s: float = 180.0
    fallback: int = 0

    def setting(self, name: str) -> str:
        """What messages call the setting `name` of this model."""
        if self.fallback:
            return f"llm.fallbacks[{self.fallback - 1}].{name} (FOOTNOTE_LLM__FALLBACKS)"
        return f"FOOTNOTE_LLM__{name.upper()}"


def load_llm(spec: LLMSpec) -> LLM:
    """Build the language model that `spec` names. Nothing is sent.

    Raises `ConfigurationError` or `ExtraMissingError`.
    """
    match spec.kind:
        case "openai_api":
            from generation.llms.openai_api import OpenAICompatibleLLM

            return OpenAICompatibleLLM(spec)
        case "anthropic_api" | "anthropic_bedrock" | "anthropic_vertex":
            try:
                from generation.llms.anthropic_api import AnthropicLLM
            except ModuleNotFoundError as exc:
                if exc.name != "anthropic":
                    raise
                raise ExtraMissingError("anthropic", f"llm.kind {spec.kind!r}") from exc
            return AnthropicLLM(spec)


def load_llms(specs: Sequence[LLMSpec]) -> LLM:
    """Build the language models that `specs` name, at least one; of several each is asked where those before it fail.

    Raises as `load_llm` does.
    """
    members = [load_llm(spec) for spec in specs]
    if len(members) == 1:
        return members[0]
    from generation.llms.ordered import OrderedLLMs

    return OrderedLLMs(members)
