"""Requests of the chat completions: what is taken, what has no effect, and what is refused rather than ignored.

Clients send much that says how a model is to word things. That is ignored, unknown fields too, since no client could
talk to Footnote otherwise; the header `Footnote-Ignored` names what it knows of it. What would have the client believe
something that is not so (tools, several choices, JSON, pictures) is refused with the name of its field.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from generation.rewriting import Turn
from retrieval.filters import NO_FILTERS, Filters
from retrieval.search import MAX_K
from service.asking import DEFAULT_K
from service.http.footnotes import without_list
from service.http.requests import MAX_TURNS, FiltersBody, HowMany

_MAX_MESSAGES = 2_000
_WITHOUT_EFFECT = frozenset(
    {
        "frequency_penalty",
        "logit_bias",
        "max_completion_tokens",
        "max_tokens",
        "min_p",
        "presence_penalty",
        "prompt_cache_key",
        "reasoning",
        "reasoning_effort",
        "repetition_penalty",
        "seed",
        "service_tier",
        "stop",
        "store",
        "temperature",
        "top_k",
        "top_p",
        "verbosity",
        "web_search_options",
    }
)
_EXAMPLE: dict[str, Any] = {
    "model": "footnote",
    "messages": [{"role": "user", "content": "How long is parental leave?"}],
}


def _no_tools(given: list[Any] | None) -> list[Any] | None:
    if given:
        raise PydanticCustomError(
            "unsupported", "tools are not supported: answers come from the documents. Leave them out"
        )
    return given


def _one(n: int | None) -> int | None:
    if n not in {None, 1}:
        raise PydanticCustomError("unsupported", "there is one answer to a question: leave n out, or send 1")
    return n


def _nothing(given: Any) -> Any:
    if given:
        raise PydanticCustomError("unsupported", "it is not supported: leave it out")
    return given


def _text_alone(modalities: list[str] | None) -> list[str] | None:
    if modalities is not None and modalities != ["text"]:
        raise PydanticCustomError("unsupported", "answers are text: leave modalities out, or send [text]")
    return modalities


def _plain(given: dict[str, Any] | None) -> dict[str, Any] | None:
    if given is not None and given.get("type", "text") != "text":
        raise PydanticCustomError(
            "unsupported",
            "answers are text with footnotes: leave response_format out. The answer as JSON is under `footnote` of the "
            "response, and at POST /v1/ask",
        )
    return given


class _Loose(BaseModel):
    """Fields that are not known are no error: clients send what other servers understand."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class PartBody(_Loose):
    """A part of a message's content."""

    type: str
    text: str | None = None


class MessageBody(_Loose):
    """A message of the conversation. Those of the system, of developers and of tools are taken and have no effect."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[PartBody] | None = None

    @property
    def text(self) -> str:
        """Its text, without parts that are none."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content or () if part.type == "text" and part.text)

    @property
    def is_text(self) -> bool:
        return not isinstance(self.content, list) or all(part.type == "text" for part in self.content)


def _with_question(messages: list[MessageBody]) -> list[MessageBody]:
    said = [message for message in messages if message.role in {"user", "assistant"}]
    if not said or said[-1].role != "user":
        raise PydanticCustomError(
            "no_question", "the last message that is not the system's has to be the user's question"
        )
    if not said[-1].is_text:
        raise PydanticCustomError(
            "unsupported", "the question has a part that is not text (a picture, sound or a file)"
        )
    return messages


class StreamOptionsBody(_Loose):
    include_usage: bool | None = None


class OptionsBody(BaseModel):
    """Footnote's own options: as in POST /v1/ask, and whether a list of sources ends the text."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    k: HowMany = DEFAULT_K
    filters: FiltersBody | None = None
    max_per_document: Annotated[int | None, Field(ge=1, le=MAX_K)] = None
    sources: Annotated[
        bool,
        Field(
            description="Whether the text ends with the list of its sources. Annotations hold them anyway."
        ),
    ] = True

    def chosen(self) -> Filters:
        """The filters that were sent. Raises `InvalidRequestError` for what can fit nothing."""
        return NO_FILTERS if self.filters is None else self.filters.filters()


class ChatRequest(BaseModel):
    """A conversation whose last question is to be answered from a collection.

    `temperature`, `top_p`, `max_tokens`, `stop`, `seed` and their like are taken and have no effect, nor have fields
    that are not described here.
    """

    model_config = ConfigDict(
        extra="allow",
        strict=True,
        frozen=True,
        json_schema_extra={
            "examples": [
                _EXAMPLE,
                _EXAMPLE
                | {
                    "model": "footnote/handbook",
                    "stream": True,
                    "stream_options": {"include_usage": True},
                    "footnote": {"sources": False, "filters": {"paths": ["people/"]}},
                },
            ]
        },
    )

    model: Annotated[str, Field(description="footnote, or footnote/COLLECTION: GET /v1/models lists them.")]
    messages: Annotated[
        list[MessageBody], Field(min_length=1, max_length=_MAX_MESSAGES), AfterValidator(_with_question)
    ]
    stream: bool | None = None
    stream_options: StreamOptionsBody | None = None
    footnote: OptionsBody = OptionsBody()
    n: Annotated[int | None, AfterValidator(_one), Field(description="1, if at all.")] = None
    tools: Annotated[list[Any] | None, AfterValidator(_no_tools), Field(description="Empty, if at all.")] = (
        None
    )
    functions: Annotated[
        list[Any] | None, AfterValidator(_no_tools), Field(description="Empty, if at all.")
    ] = None
    logprobs: Annotated[bool | None, AfterValidator(_nothing), Field(description="false, if at all.")] = None
    top_logprobs: Annotated[int | None, AfterValidator(_nothing), Field(description="0, if at all.")] = None
    audio: Annotated[dict[str, Any] | None, AfterValidator(_nothing)] = None
    modalities: Annotated[list[str] | None, AfterValidator(_text_alone)] = None
    response_format: Annotated[dict[str, Any] | None, AfterValidator(_plain)] = None

    @property
    def question(self) -> str:
        """What the user said last."""
        return next(message.text for message in reversed(self.messages) if message.role == "user")

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The last of what was said before the question: each question of the user's with what was answered to it."""
        return _turns(self.messages)[-MAX_TURNS:]

    @property
    def includes_usage(self) -> bool:
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    @property
    def ignored(self) -> list[str]:
        """What was sent and is known to have no effect."""
        sent = {name for name, value in (self.model_extra or {}).items() if value is not None}
        of_the_system = any(message.role in {"system", "developer"} for message in self.messages)
        return sorted(_WITHOUT_EFFECT & sent) + (["system messages"] if of_the_system else [])


def _turns(messages: Sequence[MessageBody]) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    asked: str | None = None
    for message in messages:
        if message.role == "user":
            if asked is not None:
                turns.append(Turn(question=asked, answer=""))
            asked = message.text
        elif message.role == "assistant" and asked is not None:
            turns.append(Turn(question=asked, answer=without_list(message.text)))
            asked = None
    return tuple(turns)
