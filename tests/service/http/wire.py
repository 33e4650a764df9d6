"""The app on a port of this machine, and what a listener reads from its streams."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from service.footnote import Footnote
from service.http.app import create_app
from service.http.broadcast import BroadcastPolicy
from service.keys import create_key


class Wire(uvicorn.Server):
    """uvicorn in this process, without taking its signals."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            task = asyncio.create_task(self._serve([listener]))
            while not self.started:  # noqa: ASYNC110  # uvicorn has no event for it
                await asyncio.sleep(0.01)
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                self.should_exit = True
                await task


@dataclass(frozen=True, slots=True, kw_only=True)
class Wired:
    """A client that holds a key, and the app and the server that it reaches."""

    app: FastAPI
    server: Wire
    client: httpx.AsyncClient
    address: str
    key: str


@asynccontextmanager
async def on_the_wire(footnote: Footnote, policy: BroadcastPolicy | None = None) -> AsyncIterator[Wired]:
    key = (await create_key(footnote.database, name="wire", principals=[])).key
    app = create_app(lambda: nullcontext(footnote), broadcast_policy=policy or BroadcastPolicy())
    server = Wire(uvicorn.Config(app, log_config=None))
    async with (
        server.running() as address,
        httpx.AsyncClient(base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=20) as client,
    ):
        yield Wired(app=app, server=server, client=client, address=address, key=key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event as it was sent."""

    id: int
    name: str
    data: str

    @property
    def shape(self) -> dict[str, Any]:
        shape: dict[str, Any] = json.loads(self.data)
        return shape


@dataclass(slots=True, kw_only=True)
class Listener:
    """Reads a stream event by event; comments are counted, not shown."""

    response: httpx.Response
    comments: int = 0

    async def events(self) -> AsyncIterator[Told]:
        """Blocks end with an empty line, lines with a line feed and nothing else."""
        pending = b""
        async for piece in self.response.aiter_raw():
            pending += piece
            while b"\n\n" in pending:
                block, _, pending = pending.partition(b"\n\n")
                if block.startswith(b":"):
                    self.comments += 1
                else:
                    yield self._event(block.decode())
        assert not pending, "a stream ends with an event"

    def _event(self, block: str) -> Told:
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        assert list(fields) == ["id", "event", "data"]
        return Told(id=int(fields["id"]), name=fields["event"], data=fields["data"])


@asynccontextmanager
async def listening(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[Listener]:
    """A stream that has begun, with status 200."""
    async with client.stream(method, url, json=body, headers=dict(headers or {})) as response:
        if response.status_code != 200:
            raise AssertionError(f"{response.status_code}: {await response.aread()!r}")
        yield Listener(response=response)
