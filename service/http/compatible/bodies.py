"""Responses of the addresses that clients of OpenAI's API call, for the OpenAPI document; a test holds them to it."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from service.http.responses.answers import ANSWER_EXAMPLE, AnswerBody

_MODEL: dict[str, Any] = {"id": "footnote", "object": "model", "created": 1769853000, "owned_by": "footnote"}
_CITED = ANSWER_EXAMPLE["citations"][0]
_SENTENCE = ANSWER_EXAMPLE["answer"]
_LIST = f"\n\nSources:\n\n- [1] {_CITED['path']}: “{_CITED['quote']}”"
_ANNOTATION: dict[str, Any] = {
    "type": "url_citation",
    "url_citation": {
        "start_index": len(_SENTENCE) + 1,
        "end_index": len(_SENTENCE) + 4,
        "title": _CITED["path"],
        "url": f"http://127.0.0.1:8080/v1/documents/{_CITED['document']}/text?revision=1#char=212,268",
    },
}
_USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "estimated": False}
_HEAD: dict[str, Any] = {
    "id": "chatcmpl-6f0f7c0e-0e0e-4d55-9f3e-6f0b6a1f7f5d",
    "object": "chat.completion",
    "created": 1769853000,
    "model": "footnote",
}
COMPLETION_EXAMPLE: dict[str, Any] = {
    **_HEAD,
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": f"{_SENTENCE} [1]{_LIST}",
                "refusal": None,
                "annotations": [_ANNOTATION],
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": _USAGE,
    "footnote": ANSWER_EXAMPLE,
}


def _chunk(delta: dict[str, Any], finish_reason: str | None = None, **more: Any) -> str:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    shape = {**_HEAD, "object": "chat.completion.chunk", "choices": [choice], **more}
    return f"data: {json.dumps(shape, ensure_ascii=False)}\n\n"


CHUNKS_EXAMPLE = "".join(
    (
        _chunk({"role": "assistant", "content": ""}),
        _chunk({"content": f"{_SENTENCE} [1]"}),
        _chunk({"content": _LIST}),
        _chunk({"annotations": [_ANNOTATION]}),
        _chunk({}, "stop", footnote=ANSWER_EXAMPLE),
        "data: [DONE]\n\n",
    )
)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ModelBody(_Body):
    """A model: a collection in which the caller may read something."""

    model_config = ConfigDict(json_schema_extra={"examples": [_MODEL]})

    id: str
    object: Literal["model"]
    created: int
    owned_by: Literal["footnote"]


class ModelsBody(_Body):
    """All models that there are for the caller."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"object": "list", "data": [_MODEL]}]})

    object: Literal["list"]
    data: list[ModelBody]


class UrlCitationBody(_Body):
    """`content[start_index:end_index]`, in code points, is the marker; `url` leads to the revision's text, its fragment
    to the place."""

    start_index: int
    end_index: int
    title: str
    url: str


class AnnotationBody(_Body):
    """What a marker in the text stands for."""

    type: Literal["url_citation"]
    url_citation: UrlCitationBody


class ReplyBody(_Body):
    """The answer: sentences with markers, and the list of their sources."""

    role: Literal["assistant"]
    content: str
    refusal: None
    annotations: list[AnnotationBody]


class ChoiceBody(_Body):
    """The one choice."""

    index: Literal[0]
    message: ReplyBody
    logprobs: None
    finish_reason: Literal["stop"]


class TokensBody(_Body):
    """Tokens that the answer took; `estimated` where the language model's server did not say."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    estimated: bool


class CompletionBody(_Body):
    """A chat completion; `footnote` is the answer as POST /v1/ask gives it."""

    model_config = ConfigDict(json_schema_extra={"examples": [COMPLETION_EXAMPLE]})

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChoiceBody]
    usage: TokensBody
    footnote: AnswerBody


class ChatErrorDetailBody(_Body):
    """What went wrong. `param` names the field at fault, where there is one."""

    message: str
    type: Literal["invalid_request_error", "rate_limit_error", "server_error"]
    param: str | None
    code: str


class ChatErrorBody(_Body):
    """An error in the shape of OpenAI's API."""

    error: ChatErrorDetailBody
