"""The wire formats that language models' servers speak, each as pieces of a reply that a test puts together."""

from __future__ import annotations

import base64
import json
import struct
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from zlib import crc32

from generation.llms import LLM, LLMKind, LLMSpec, load_llm
from tests.generation.llms import llm_server
from tests.generation.llms.llm_server import Reply, Seen, Step

KEY = "sk-very-secret-1234567890"

End = Literal["stop", "cut", "filtered"]


class Dialect(Protocol):
    """One wire format: how a server begins, goes on, ends, and complains."""

    @property
    def kind(self) -> LLMKind: ...

    @property
    def content_type(self) -> str: ...

    def begin(self) -> list[Step]: ...

    def text(self, text: str) -> bytes: ...

    def thought(self) -> bytes: ...

    def end(self, end: End = "stop", *, with_usage: bool = True) -> list[Step]: ...

    def error(self, message: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class OpenAIDialect:
    kind: LLMKind = "openai_api"
    content_type: str = "text/event-stream"

    def begin(self) -> list[Step]:
        return []

    def text(self, text: str) -> bytes:
        return llm_server.delta(text)

    def thought(self) -> bytes:
        return llm_server.delta(None, reasoning_content="hm")

    def end(self, end: End = "stop", *, with_usage: bool = True) -> list[Step]:
        reason = {"stop": "stop", "cut": "length", "filtered": "content_filter"}[end]
        last = [llm_server.usage(11, 7)] if with_usage else []
        return [llm_server.delta(None, reason), *last, llm_server.DONE]

    def error(self, message: str) -> bytes:
        return llm_server.event({"error": {"message": message}})


@dataclass(frozen=True, slots=True)
class AnthropicDialect:
    kind: LLMKind = "anthropic_api"
    content_type: str = "text/event-stream"

    def begin(self) -> list[Step]:
        used = {
            "input_tokens": 5,
            "cache_creation_input_tokens": 4,
            "cache_read_input_tokens": 2,
            "output_tokens": 1,
        }
        message = {
            "id": "m1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [],
            "usage": used,
        }
        block = {"type": "text", "text": ""}
        return [
            self._event("message_start", message=message),
            self._event("ping"),
            self._event("content_block_start", index=0, content_block=block),
        ]

    def text(self, text: str) -> bytes:
        return self._event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})

    def thought(self) -> bytes:
        return self._event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "hm"})

    def end(self, end: End = "stop", *, with_usage: bool = True) -> list[Step]:
        reason = {"stop": "end_turn", "cut": "max_tokens", "filtered": "refusal"}[end]
        used = {"output_tokens": 7 if with_usage else 0}
        return [
            self._event("content_block_stop", index=0),
            self._event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=used),
            self._event("message_stop"),
        ]

    def error(self, message: str) -> bytes:
        return self._event("error", error={"type": "overloaded_error", "message": message})

    def _event(self, name: str, **payload: Any) -> bytes:
        return b"event: " + name.encode() + b"\n" + llm_server.event({"type": name, **payload})


class BedrockDialect(AnthropicDialect):
    """The same events, each base64 in JSON in a frame of AWS's binary event stream."""

    def __init__(self) -> None:
        super().__init__(kind="anthropic_bedrock", content_type="application/vnd.amazon.eventstream")

    def error(self, message: str) -> bytes:
        return frame(
            {":message-type": "exception", ":exception-type": "throttlingException"}, {"message": message}
        )

    def _event(self, name: str, **payload: Any) -> bytes:
        inner = base64.b64encode(json.dumps({"type": name, **payload}).encode()).decode()
        return frame({":message-type": "event", ":event-type": "chunk"}, {"bytes": inner})


def frame(headers: dict[str, str], payload: object) -> bytes:
    """One message of AWS's event stream: lengths, their checksum, headers, payload, checksum of it all."""
    head = b"".join(
        struct.pack("!B", len(name))
        + name.encode()
        + b"\x07"
        + struct.pack("!H", len(value))
        + value.encode()
        for name, value in {**headers, ":content-type": "application/json"}.items()
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(head) + len(body), len(head))
    message = prelude + struct.pack("!I", crc32(prelude)) + head + body
    return message + struct.pack("!I", crc32(message))


OPENAI = OpenAIDialect()
ANTHROPIC = AnthropicDialect()
VERTEX = AnthropicDialect(kind="anthropic_vertex")
BEDROCK = BedrockDialect()


def reply(dialect: Dialect, *steps: Step) -> Reply:
    """A reply that begins well, then does what `steps` say."""
    return Reply(content_type=dialect.content_type, steps=[*dialect.begin(), *steps])


def whole(dialect: Dialect, *texts: str, end: End = "stop", with_usage: bool = True) -> Reply:
    """A whole answer."""
    return reply(dialect, *map(dialect.text, texts), *dialect.end(end, with_usage=with_usage))


def llm_at(seen: Seen, dialect: Dialect, **changes: Any) -> LLM:
    """The model of `seen`'s server, with limits short enough for tests."""
    return load_llm(spec_at(seen, dialect, **changes))


def spec_at(seen: Seen, dialect: Dialect, **changes: Any) -> LLMSpec:
    """What names that model."""
    settings: dict[str, Any] = {
        "kind": dialect.kind,
        "base_url": seen.base_url if dialect.kind == "openai_api" else seen.base_url.removesuffix("/v1"),
        "model": "tiny",
        "api_key": KEY,
        "region": "europe-west1",
        "project": "my-project",
        "location": "inside",
        "connect_timeout_s": 1.0,
        "first_token_timeout_s": 5.0,
        "total_timeout_s": 5.0,
    }
    return LLMSpec(**{**settings, **changes})
