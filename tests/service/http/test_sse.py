"""Frames, and listeners on a real connection."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from service.http.sse import EventStream, as_data, frame
from tests.service.http.wire import Wire


@given(st.text())
def test_an_event_is_three_lines_whatever_it_says(text: str) -> None:
    sent = frame(7, "delta", as_data({"text": text})).decode("utf-8")
    assert len(sent.splitlines()) == 4
    assert sent.endswith("\n\n")
    head, data = sent[:-2].split("\ndata: ")
    assert head == "id: 7\nevent: delta"
    assert json.loads(data) == {"text": text}


@pytest.mark.parametrize("text", ["\ud800", "a\u2028b\u2029c\x85d", "\r\n\r\n", "😀"])
def test_half_characters_and_other_ends_of_lines_are_escaped(text: str) -> None:
    assert json.loads(as_data({"text": text})) == {"text": text}
    assert len(as_data({"text": text}).decode().splitlines()) == 1


@asynccontextmanager
async def streaming(frames: AsyncGenerator[bytes, None], *, send_timeout_s: float) -> AsyncIterator[str]:
    """A server that sends the frames to whoever comes first."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await EventStream(frames, send_timeout_s=send_timeout_s)(scope, receive, send)

    async with Wire(uvicorn.Config(app, log_config=None, lifespan="off")).running() as address:
        yield address


class Endless:
    """Frames without end; `closed` once nobody wants any more."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.sent = 0
        self.closed = asyncio.Event()

    async def frames(self) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b":" + b"x" * self.size + b"\n\n"
                self.sent += self.size
                await asyncio.sleep(0)
        finally:
            self.closed.set()


async def test_a_listener_who_reads_nothing_is_let_go_and_little_is_held_for_them() -> None:
    endless = Endless(65_536)
    async with streaming(endless.frames(), send_timeout_s=0.3) as address:
        host, _, port = address.removeprefix("http://").partition(":")
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(deaf, (host, int(port)))
            await loop.sock_sendall(deaf, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            async with asyncio.timeout(20):
                await endless.closed.wait()
    assert endless.sent < 16 * 1024**2


async def test_a_listener_who_leaves_ends_the_frames() -> None:
    endless = Endless(10)
    async with streaming(endless.frames(), send_timeout_s=20) as address, httpx.AsyncClient() as client:
        async with client.stream("GET", address) as response:
            await anext(response.aiter_raw())
        async with asyncio.timeout(10):
            await endless.closed.wait()
