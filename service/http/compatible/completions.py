"""Chat completions as clients of OpenAI's API read them: whole, or as the chunks of a stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from generation.answers import Answer, Citation
from generation.events import AnswerEvent, Done, SentenceChecked
from service.http.chat_errors import chat_error
from service.http.footnotes import FootnoteText, Marker, text_of
from service.http.problems import problem_in_stream
from service.http.sse import as_data

_ADDRESS = "/v1/chat/completions"
_PROBLEM = "urn:footnote:problem:"
END = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a completion says beside the answer.

    created: in seconds of Unix time. base_url: of this service, with its slash. with_list: whether the text ends with
        the list of sources.
    """

    model: str
    created: int
    base_url: str
    with_list: bool
    includes_usage: bool = False


def completion(answer: Answer, answer_id: UUID, wanted: Wanted) -> dict[str, Any]:
    """A whole answer. Footnote's own shape of it, as of POST /v1/ask, is under `footnote`."""
    content, markers = text_of(answer, with_list=wanted.with_list)
    message = {
        "role": "assistant",
        "content": content,
        "refusal": None,
        "annotations": url_citations(markers, answer.citations, base_url=wanted.base_url),
    }
    return {
        "id": _id(answer_id),
        "object": "chat.completion",
        "created": wanted.created,
        "model": wanted.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": usage(answer),
        "footnote": answer.as_json(),
    }


def url_citations(
    markers: Sequence[Marker], citations: Sequence[Citation], *, base_url: str
) -> list[dict[str, Any]]:
    """What each marker in the text stands for: the address of a revision's text, its fragment the place (RFC 5147)."""
    return [
        {"type": "url_citation", "url_citation": _url_citation(marker, citations[marker.citation], base_url)}
        for marker in markers
    ]


def _url_citation(marker: Marker, cited: Citation, base_url: str) -> dict[str, Any]:
    place = f"?revision={cited.revision}#char={cited.char_start},{cited.char_end}"
    return {
        "start_index": marker.start,
        "end_index": marker.end,
        "title": cited.path if cited.page is None else f"{cited.path}, page {cited.page}",
        "url": f"{base_url}v1/documents/{cited.document_id}/text{place}",
    }


def usage(answer: Answer) -> dict[str, Any]:
    """The tokens that the answer took, with finding words to search for; `estimated` where a server did not say."""
    took = [answer.usage, *([] if answer.searched is None else [answer.searched.usage])]
    prompt, completed = sum(u.prompt_tokens for u in took), sum(u.completion_tokens for u in took)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completed,
        "total_tokens": prompt + completed,
        "estimated": any(u.estimated for u in took),
    }


class ChatFrames:
    """Puts what happens into chunks, of which none says anything that is not final: checked sentences, then their list.

    The last chunks have the annotations; the finish reason, with Footnote's own shape of the answer; and the usage
    where it was asked for.
    """

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._text = FootnoteText(with_list=wanted.with_list)
        self._answer_id: UUID | None = None

    def begin(self, answer_id: UUID) -> bytes:
        self._answer_id = answer_id
        return self._delta({"role": "assistant", "content": ""})

    def tell(self, event: AnswerEvent, number: int) -> bytes:
        match event:
            case SentenceChecked(sentence=sentence):
                return self._delta({"content": self._text.sentence(sentence)})
            case Done(answer=answer):
                return self._end(answer)
        return b""

    def fail(self, error: Exception, answer_id: UUID, number: int) -> bytes:
        shape = problem_in_stream(error, path=_ADDRESS)
        name = shape["type"].removeprefix(_PROBLEM)
        told = chat_error(status=shape["status"], name=name, message=shape["detail"])
        return _frame(told) + END

    def _end(self, answer: Answer) -> bytes:
        rest = self._text.rest(answer)
        cited = url_citations(self._text.markers, answer.citations, base_url=self._wanted.base_url)
        frames = [self._delta({"content": rest})] if rest else []
        frames += [self._delta({"annotations": cited})] if cited else []
        frames.append(self._chunk([_choice({}, "stop")], footnote=answer.as_json()))
        if self._wanted.includes_usage:
            frames.append(self._chunk([], usage=usage(answer)))
        return b"".join([*frames, END])

    def _delta(self, delta: Mapping[str, Any]) -> bytes:
        return self._chunk([_choice(delta, None)])

    def _chunk(self, choices: Sequence[Mapping[str, Any]], **more: Any) -> bytes:
        assert self._answer_id is not None, "a stream begins before it tells"
        shape: dict[str, Any] = {
            "id": _id(self._answer_id),
            "object": "chat.completion.chunk",
            "created": self._wanted.created,
            "model": self._wanted.model,
            "choices": choices,
        }
        if self._wanted.includes_usage:
            shape["usage"] = None
        return _frame(shape | more)


def _choice(delta: Mapping[str, Any], finish_reason: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _frame(shape: Mapping[str, Any]) -> bytes:
    return b"data: %s\n\n" % as_data(shape)


def _id(answer_id: UUID) -> str:
    return f"chatcmpl-{answer_id}"
