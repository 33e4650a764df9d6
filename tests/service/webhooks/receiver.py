"""A real receiver of webhooks: an HTTP server in a thread, which answers as it is told and remembers what came."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def shape(self) -> dict[str, Any]:
        shape: dict[str, Any] = json.loads(self.body)
        return shape


@dataclass(slots=True, kw_only=True)
class Receiver:
    """`answers`: the statuses of the first requests, each once; afterwards 204."""

    url: str
    answers: list[int]
    received: list[Received] = field(default_factory=list)


@contextmanager
def receiving(answers: Sequence[int] = ()) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = receiver.answers.pop(0) if receiver.answers else 204
            # Told before it is answered: whoever has the answer finds it there.
            receiver.received.append(Received(path=self.path, headers=dict(self.headers), body=body))
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"{receiver.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(url=f"http://127.0.0.1:{server.server_port}/hook", answers=list(answers))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
