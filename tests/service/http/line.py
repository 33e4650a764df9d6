"""The line between the service and its database, which tests can hold, cut and mend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from psycopg.conninfo import conninfo_to_dict, make_conninfo


class Line:
    """Forwards bytes between a port of this machine and a Postgres server."""

    def __init__(self, dsn: str) -> None:
        parts = conninfo_to_dict(dsn)
        self._dsn = dsn
        self._host = str(parts.get("host"))
        self._port = int(parts.get("port") or 5432)
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._listening_at = 0

    @property
    def dsn(self) -> str:
        """Leads to the same database, over this line."""
        return make_conninfo(
            self._dsn, host="127.0.0.1", port=self._listening_at, sslmode="disable", gssencmode="disable"
        )

    def hold(self) -> None:
        """Forward nothing until `let_go`; connections stay up."""
        self._open.clear()

    def let_go(self) -> None:
        self._open.set()

    async def mend(self) -> None:
        """Take connections, at the same port as before."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._listening_at)
        self._listening_at = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """End every connection and take no more: the server is gone, as far as its clients can tell."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        self._writers.clear()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._host.startswith("/"):
            there = await asyncio.open_unix_connection(f"{self._host}/.s.PGSQL.{self._port}")
        else:
            there = await asyncio.open_connection(self._host, self._port)
        self._writers |= {writer, there[1]}
        for source, sink in ((reader, there[1]), (there[0], writer)):
            task = asyncio.create_task(self._forward(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65_536):
                await self._open.wait()
                sink.write(data)
                await sink.drain()
        sink.close()


@asynccontextmanager
async def open_line(dsn: str) -> AsyncIterator[Line]:
    """A line that is up."""
    line = Line(dsn)
    await line.mend()
    try:
        yield line
    finally:
        line.let_go()
        await line.cut()
