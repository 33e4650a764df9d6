"""A real web server in a thread, whose pages behave as they are told, well or badly."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from typing import Any

from ingest.fetching.addresses import AddressPolicy
from ingest.fetching.policies import FetchPolicy

Misbehave = Callable[[BaseHTTPRequestHandler], object]

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".txt": "text/plain",
    ".md": "text/markdown",
    ".json": "application/json",
    ".xml": "application/xml",
    ".gz": "application/gzip",
    ".pdf": "application/pdf",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a path is answered with. etag: "auto" for one that is made of the content. instead: writes the answer."""

    content: bytes = b""
    media_type: str | None = None
    status: int = 200
    etag: str | None = "auto"
    headers: Mapping[str, str] = field(default_factory=dict)
    instead: Misbehave | None = None


@dataclass(slots=True, kw_only=True)
class Site:
    """Pages by path, with their query; what was asked of them is remembered."""

    url: str
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    stopped: threading.Event = field(default_factory=threading.Event)

    def put(self, path: str, content: bytes | str = b"", **told: Any) -> None:
        self.pages[path] = Page(content=content.encode() if isinstance(content, str) else content, **told)

    def redirect(self, path: str, target: str, status: int = 302) -> None:
        self.pages[path] = Page(status=status, headers={"Location": target})

    def misbehave(self, path: str, instead: Misbehave) -> None:
        self.pages[path] = Page(instead=instead)

    def list_files(self, *paths: str, at: str = "/files.txt") -> str:
        """Put a list of these paths somewhere, and return its address."""
        self.put(at, "".join(f"{self.url}{path}\n" for path in paths))
        return f"{self.url}{at}"

    def count(self, request: str) -> int:
        return self.asked.count(request)


@contextmanager
def serving(address: str = "127.0.0.1") -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            site.asked.append(f"{self.command} {self.path}")
            site.agents.add(self.headers["User-Agent"])
            page = site.pages.get(self.path, Page(status=404, content=b"not here", etag=None))
            if page.instead is not None:
                self.close_connection = True
                page.instead(self)
                return
            self.send_response(page.status)
            suffix = "." + self.path.partition("?")[0].rpartition(".")[2]
            media_type = _TYPES.get(suffix) if page.media_type is None else page.media_type
            if media_type:
                self.send_header("Content-Type", media_type)
            etag = f'"{hashlib.md5(page.content).hexdigest()}"' if page.etag == "auto" else page.etag
            if etag:
                self.send_header("ETag", etag)
            for name, value in page.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(page.content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(page.content)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # whoever was cut off in mid-sentence

    server = Server((address, 0), Handler)
    site = Site(url=f"http://{address}:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        site.stopped.set()
        server.shutdown()
        thread.join()
        server.server_close()


def policy(*networks: str, **told: Any) -> FetchPolicy:
    """A policy under which the test's servers may be asked, at 127.0.0.1 where nothing else is said."""
    allowed = tuple(ip_network(network) for network in networks or ("127.0.0.1/32",))
    addresses = AddressPolicy(allowed=allowed, setting="sources.allow_networks")
    return FetchPolicy(**{"addresses": addresses, "timeout_s": 30.0, "total_timeout_s": 60.0, **told})
