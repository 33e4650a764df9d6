"""A real HTTP server on 127.0.0.1 that embeds and reranks, within limits of its own and as badly as a test tells it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
Mishap = Literal["reset", "hang", "trickle"]
"""Break the connection off; say nothing; or begin an answer and never come to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer that is given in place of the right one. `body`: bytes as they are, anything else as JSON."""

    status: int = 200
    body: object = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Step = Reply | Mishap | Callable[[Any], object] | None
"""What a request gets: a reply, a mishap, the right answer changed by a function, or None for the right answer."""


def letters(texts: Sequence[str]) -> Rows:
    """Vectors of eight figures, of any length, that every text has for itself."""
    rows = [np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype="<u4") for text in texts]
    return (np.array(rows, dtype=np.float64).reshape(-1, 8) / 2**31 - 1).astype(np.float32)


def overlap(pairs: Sequence[tuple[str, str]]) -> Rows:
    """Logits from the words that question and passage share."""
    return np.array(
        [len({*question.split()} & {*passage.split()}) * 1.5 - 4 for question, passage in pairs],
        dtype=np.float32,
    )


class ModelServerOfTests:
    """What the server does, and what it has seen. To be used by way of `serving`."""

    def __init__(self) -> None:
        self.embed: Callable[[Sequence[str]], Rows] = letters
        self.score: Callable[[Sequence[tuple[str, str]]], Rows] = overlap
        self.steps: list[Step] = []
        """For the next requests, one each; then all get the right answer."""
        self.info: object | None = None
        self.most_texts: int | None = None
        self.most_characters: int | None = None
        """Of a request's texts together."""
        self.refuses: Callable[[dict[str, Any]], Reply | None] = lambda body: None
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        self.at_once = 0
        self.most_at_once = 0
        self.port = 0
        self.stopping = threading.Event()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def take(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Step:
        with self._lock:
            self.paths.append(path)
            self.headers.append(headers)
            self.bodies.append(body)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            return self.steps.pop(0) if self.steps else None

    def done(self) -> None:
        with self._lock:
            self.at_once -= 1

    def too_much(self, texts: Sequence[str]) -> Reply | None:
        if self.most_texts is not None and len(texts) > self.most_texts:
            told = f"batch size {len(texts)} > maximum allowed batch size {self.most_texts}"
            return Reply(status=422, body={"error": told, "error_type": "Validation"})
        if self.most_characters is not None and sum(map(len, texts)) > self.most_characters:
            return Reply(status=413, body=b"length limit exceeded")
        return None

    def answer(self, path: str, body: dict[str, Any]) -> object:
        if path.endswith("/embeddings"):
            return self._embeddings(body)
        question = body["query"]
        passages = body["texts"] if "texts" in body else body["documents"]
        logits = self.score([(question, passage) for passage in passages])
        raw = body.get("raw_scores") is True or body.get("use_activation") is False
        scores = [float(score) for score in (logits if raw else 1 / (1 + np.exp(-logits)))]
        order = sorted(range(len(scores)), key=lambda index: -scores[index])
        if "texts" in body:
            return [{"index": index, "score": scores[index]} for index in order]
        return {"results": [{"index": index, "relevance_score": scores[index]} for index in order]}

    def _embeddings(self, body: dict[str, Any]) -> object:
        rows = self.embed(body["input"])
        if body.get("encoding_format") == "base64":
            shown: list[object] = [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in rows]
        else:
            shown = [[float(figure) for figure in row] for row in rows]
        data = [
            {"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(shown)
        ]
        return {"object": "list", "data": data, "model": body["model"], "usage": {"total_tokens": 1}}


@contextlib.contextmanager
def serving() -> Iterator[ModelServerOfTests]:
    """A server that runs until the end of the block."""
    served = ModelServerOfTests()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            known = self.path == "/info" and served.info is not None
            self._send(Reply(body=served.info) if known else Reply(status=404, body={"detail": "Not Found"}))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                self._react(served.take(self.path, dict(self.headers), body), body)
            finally:
                served.done()

        def _react(self, step: Step, body: dict[str, Any]) -> None:
            if step == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.connection.close()
            elif step == "hang":
                served.stopping.wait(30)
                self.close_connection = True
            elif step == "trickle":
                self._trickle()
            elif isinstance(step, Reply):
                self._send(step)
            else:
                texts = next(body[name] for name in ("input", "documents", "texts") if name in body)
                reply = served.too_much(texts) or served.refuses(body)
                answer = None if reply else served.answer(self.path, body)
                self._send(reply or Reply(body=answer if step is None else step(answer)))

        def _trickle(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            with contextlib.suppress(OSError):
                while not served.stopping.wait(0.05):
                    self.wfile.write(b" ")
            self.close_connection = True

        def _send(self, reply: Reply) -> None:
            content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            with contextlib.suppress(OSError):  # whoever asked may have gone
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as the class has it
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def server_bind(self) -> None:
            TCPServer.server_bind(self)  # without looking up the host's name, which may take seconds
            self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # connections that are broken off are meant

    server = Server(("127.0.0.1", 0), Handler)
    served.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield served
    finally:
        served.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()
