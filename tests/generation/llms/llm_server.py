"""A real HTTP server on 127.0.0.1 that answers chat completions as a test tells it to."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Step = bytes | float | Literal["die", "stall"]
"""Bytes to send, seconds to wait, `die` (reset the connection) or `stall` (send nothing more until it is closed)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int = 200
    content_type: str = "text/event-stream"
    headers: Sequence[tuple[str, str]] = ()
    steps: Sequence[Step] = ()


@dataclass(slots=True, kw_only=True)
class Seen:
    """What the server saw: one entry a request, and how many connections the client closed on a stalled reply."""

    port: int = 0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


def event(payload: object) -> bytes:
    return f"data: {json.dumps(payload)}\n\n".encode()


def delta(text: str | None, finish: str | None = None, **more: object) -> bytes:
    return event(
        {
            "id": "c1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "delta": {"content": text, **more}, "finish_reason": finish}],
        }
    )


def usage(prompt: int, completion: int) -> bytes:
    counts = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    return event(
        {
            "id": "c1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [],
            "usage": counts,
        }
    )


DONE = b"data: [DONE]\n\n"


def answer(*texts: str, with_usage: bool = True) -> Reply:
    last = (usage(11, 7),) if with_usage else ()
    return Reply(steps=[*(delta(text) for text in texts), delta(None, "stop"), *last, DONE])


def problem(status: int, message: str, **more: object) -> Reply:
    body = json.dumps({"error": {"message": message, **more}}).encode()
    return Reply(status=status, content_type="application/json", steps=[body])


@contextlib.asynccontextmanager
async def llm_server(
    *replies: Reply, routes: Mapping[str, Callable[[], Reply]] | None = None
) -> AsyncIterator[Seen]:
    """Serve `replies` in order, the last one again and again; requests to the paths in `routes` get those replies."""
    seen = Seen()
    served = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = head.lower().split("\r\n")
            length = next((int(line.split(":")[1]) for line in lines if "content-length" in line), 0)
            body = await reader.readexactly(length)
            if (route := (routes or {}).get(head.split()[1])) is not None:
                await send(route(), reader, writer)
                return
            seen.heads.append(head)
            seen.bodies.append(json.loads(body))
            seen.asked.set()
            reply = replies[min(served, len(replies) - 1)]
            served += 1
            await send(reply, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            seen.hung_up.set()
        finally:
            writer.close()

    async def send(reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        headers = "".join(f"{name}: {value}\r\n" for name, value in reply.headers)
        writer.write(
            f"HTTP/1.1 {reply.status} X\r\nContent-Type: {reply.content_type}\r\n{headers}"
            "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        for step in reply.steps:
            if step == "die":
                writer.transport.abort()
                return
            if step == "stall":
                await reader.read()  # ends when the client hangs up
                seen.hung_up.set()
                return
            if isinstance(step, float):
                await asyncio.sleep(step)
            elif isinstance(step, bytes):
                writer.write(f"{len(step):x}\r\n".encode() + step + b"\r\n")
                await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
