"""The fetcher: asks other machines for files, within bounds that hold whatever the other side does.

Every connection goes to an address that was checked (`addresses`), each redirect's as well, since the check stands
where connections are made. Bodies are read piece by piece and cut off at their limit, whatever was announced,
compressed ones while they are unpacked. Nothing of the environment's is used: no proxy, which would look names up by
itself, no cookies, no keys.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

import httpcore2

from ingest.errors import FileTooLargeError, FileUnreadableError
from ingest.fetching.addresses import AddressPolicy, AddressRefusedError, find_addresses
from ingest.fetching.policies import FetchPolicy
from ingest.fetching.urls import check_url
from retrieval.errors import InvalidRequestError

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LONGEST_REFUSAL_BYTES = 64 * 1024
"""What is read of an answer that is not the file: S3 says why in it."""

_MOST_DIGITS = 18
"""Of a length: as many as a bigint of Postgres holds in any case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said. url: where it was said, after redirects. headers: names in lower case."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def media_type(self) -> str:
        """The content type in lower case without its parameters; empty where none was named."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def length(self) -> int | None:
        """How many bytes the server says that the body has; None where it says nothing, or more than can be."""
        announced = self.headers.get("content-length", "")
        is_number = announced.isascii() and announced.isdigit() and len(announced) <= _MOST_DIGITS
        return int(announced) if is_number else None


class Fetcher:
    """Fetches under a policy; to be used in `async with`, in one event loop."""

    def __init__(self, policy: FetchPolicy) -> None:
        self._policy = policy
        self._turns = asyncio.Semaphore(policy.at_once)
        self._pools: dict[str, httpcore2.AsyncConnectionPool] = {}
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        context = await asyncio.to_thread(_tls)
        for scheme in ("https", "http"):
            pool = httpcore2.AsyncConnectionPool(
                ssl_context=context,
                max_connections=self._policy.at_once,
                keepalive_expiry=5.0,
                network_backend=_CheckedNetwork(self._policy.addresses, encrypted=scheme == "https"),
            )
            self._pools[scheme] = await self._resources.enter_async_context(pool)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._resources.aclose()

    async def look(self, url: str) -> Answer:
        """What a server says of a file without sending it. Raises `FileUnreadableError`."""
        answer = await self._fetch("HEAD", url, max_bytes=0)
        if answer.status == 200:
            return answer
        # Some servers know no HEAD, and say so in many ways.
        return await self._fetch("GET", url, max_bytes=0)

    async def get(self, url: str, *, max_bytes: int, setting: str = "", redirects: bool = True) -> Answer:
        """Fetch a file. Raises `FileUnreadableError`, and `FileTooLargeError` where it has more than `max_bytes`, which
        `setting` says. Of an answer with another status than 200 the body may be cut off."""
        try:
            return await self._fetch("GET", url, max_bytes=max_bytes, redirects=redirects)
        except _OverflowError as exc:
            raise FileTooLargeError(f"it has more than {max_bytes:,} bytes, the limit ({setting})") from exc

    async def _fetch(self, method: str, url: str, *, max_bytes: int, redirects: bool = True) -> Answer:
        """`max_bytes` 0: the body is not read."""
        policy = self._policy
        try:
            async with self._turns, asyncio.timeout(policy.total_timeout_s):
                for _ in range(policy.max_redirects + 1):
                    answer = await self._ask_again_if_lost(method, url, max_bytes)
                    target = answer.headers.get("location")
                    if not redirects or answer.status not in _REDIRECTS or target is None:
                        return answer
                    url = _redirected(url, target)
        except TimeoutError as exc:
            raise FileUnreadableError(
                f"it did not come within {policy.total_timeout_s:g} s (sources.total_timeout_s)"
            ) from exc
        raise FileUnreadableError(f"it was redirected more than {policy.max_redirects} times")

    async def _ask_again_if_lost(self, method: str, url: str, max_bytes: int) -> Answer:
        """Ask a second time where the first connection was lost: servers close idle ones whenever they like."""
        try:
            return await self._ask(method, url, max_bytes)
        except _ConnectionLostError:
            return await self._ask(method, url, max_bytes)

    async def _ask(self, method: str, url: str, max_bytes: int) -> Answer:
        timeout_s = self._policy.timeout_s
        limits = dict.fromkeys(("connect", "read", "write"), timeout_s)
        # Not to be compressed: what a file's length says is then true of the file.
        asked: dict[bytes | str, bytes | str] = {
            "User-Agent": self._policy.user_agent,
            "Accept": "*/*",
            "Accept-Encoding": "identity",
        }
        with _told_plainly(url, timeout_s):
            async with self._pools[urlsplit(url).scheme].stream(
                method, url, headers=asked, extensions={"timeout": limits}
            ) as response:
                headers = _readable(response.headers)
                answer = Answer(url=url, status=response.status, headers=headers)
                if not max_bytes or method == "HEAD" or response.status in _REDIRECTS:
                    return answer
                is_file = response.status == 200
                body = await _read(
                    response, answer, max_bytes if is_file else _LONGEST_REFUSAL_BYTES, is_file
                )
                return Answer(url=url, status=response.status, headers=headers, body=body)


class _ConnectionLostError(FileUnreadableError):
    """An answer did not come, or broke off."""


class _OverflowError(Exception):
    """There is more than may be read."""


async def _read(response: httpcore2.Response, answer: Answer, limit: int, is_file: bool) -> bytes:
    """The body, unpacked; of a file up to a limit that raises `_OverflowError`, else cut off at the limit."""
    if is_file and (answer.length or 0) > limit:
        raise _OverflowError
    body = bytearray()
    async for piece in _unpacked(response, answer.headers.get("content-encoding", "identity").lower()):
        body += piece
        if len(body) > limit:
            if is_file:
                raise _OverflowError
            break
    return bytes(body[:limit])


async def _unpacked(response: httpcore2.Response, encoding: str) -> AsyncIterator[bytes]:
    pieces = response.aiter_stream()
    if encoding in {"identity", ""}:
        async for piece in pieces:
            yield piece
        return
    if encoding not in {"gzip", "x-gzip"}:
        raise FileUnreadableError(
            f"the server sent it packed in a way that was not asked for ({encoding[:20]!r})"
        )
    unpacker = Gunzip()
    async for piece in pieces:
        for part in unpacker.feed(piece):
            yield part
    unpacker.end()


class Gunzip:
    """Unpacks gzip in pieces of a bounded size, so that a bomb goes off in the hands of whoever counts."""

    _PIECE_BYTES = 64 * 1024

    def __init__(self) -> None:
        self._unpacker = zlib.decompressobj(wbits=31)

    def feed(self, packed: bytes) -> Iterable[bytes]:
        """Unpack what came. Raises `FileUnreadableError` where it is no gzip."""
        try:
            if self._unpacker.eof:
                if not packed.strip(b"\0"):
                    return  # padding
                self._unpacker = zlib.decompressobj(wbits=31)  # another member
            while True:
                part = self._unpacker.decompress(packed, self._PIECE_BYTES)
                yield part
                packed = self._unpacker.unconsumed_tail
                if self._unpacker.eof:
                    packed = self._unpacker.unused_data
                    if not packed.strip(b"\0"):
                        return
                    self._unpacker = zlib.decompressobj(wbits=31)
                elif not packed and len(part) < self._PIECE_BYTES:
                    return
        except zlib.error as exc:
            raise FileUnreadableError("what the server sent as gzip is none") from exc

    def end(self) -> None:
        """Raises `FileUnreadableError` where something is missing."""
        if not self._unpacker.eof:
            raise FileUnreadableError("what the server sent as gzip breaks off")


@functools.cache
def _tls() -> ssl.SSLContext:
    """What certificates are checked against. Reading them takes a tenth of a second, so that is done once."""
    return ssl.create_default_context()


class _CheckedNetwork(httpcore2.AsyncNetworkBackend):
    """Connects to addresses that were checked, and to no others."""

    def __init__(self, policy: AddressPolicy, *, encrypted: bool) -> None:
        self._policy = policy
        self._encrypted = encrypted
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # the library's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        addresses = await find_addresses(host, port, encrypted=self._encrypted, policy=self._policy)
        for address in addresses:
            try:
                return await self._network.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if address == addresses[-1]:
                    raise
        raise AssertionError("the last address returns or raises")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@contextmanager
def _told_plainly(url: str, timeout_s: float) -> Iterator[None]:
    """Say in our words why a request failed; hosts are named, paths and queries are not."""
    host = urlsplit(url).netloc
    try:
        yield
    except AddressRefusedError as exc:
        raise FileUnreadableError(f"the host {host} may not be asked: {exc}") from exc
    except (httpcore2.TimeoutException, TimeoutError) as exc:
        raise FileUnreadableError(
            f"the host {host} did not answer within {timeout_s:g} s (sources.timeout_s)"
        ) from exc
    except httpcore2.NetworkError as exc:
        if isinstance(exc.__cause__, ssl.SSLError):
            raise FileUnreadableError(f"the host {host} has no certificate that is valid for it") from exc
        raise _ConnectionLostError(f"the host {host} could not be reached ({type(exc).__name__})") from exc
    except (httpcore2.RemoteProtocolError, httpcore2.LocalProtocolError) as exc:
        raise _ConnectionLostError(f"the answer of the host {host} breaks off, or is no HTTP") from exc
    except (OSError, UnicodeError) as exc:
        raise FileUnreadableError(f"the name of the host {host} was not found") from exc


def _redirected(url: str, target: str) -> str:
    try:
        return check_url(urljoin(url, target))
    except (InvalidRequestError, ValueError) as exc:
        raise FileUnreadableError("it was redirected to something that is no address of the web") from exc


def _readable(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
