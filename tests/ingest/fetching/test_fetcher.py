"""The fetcher against real servers that behave badly."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from ingest.errors import FileTooLargeError, FileUnreadableError
from ingest.fetching.fetcher import Answer, Fetcher
from ingest.fetching.policies import FetchPolicy
from tests.ingest.web_server import Site, policy, serving

KILOBYTE = 1024


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as served:
        yield served


async def get(url: str, told: FetchPolicy | None = None, *, max_bytes: int = 64 * KILOBYTE) -> Answer:
    async with Fetcher(told or policy()) as fetcher:
        return await fetcher.get(url, max_bytes=max_bytes, setting="ingest.max_file_bytes")


async def test_a_file_is_fetched_with_what_the_server_says_of_it(site: Site) -> None:
    site.put("/a.html", "<p>hello</p>", etag='"1"')
    answer = await get(f"{site.url}/a.html", policy(user_agent="Footnote/test"))
    assert (answer.status, answer.body, answer.media_type) == (200, b"<p>hello</p>", "text/html")
    assert answer.headers["etag"] == '"1"'
    assert site.agents == {"Footnote/test"}


async def test_looking_at_a_file_does_not_fetch_it(site: Site) -> None:
    site.put("/a.txt", b"x" * 100)
    async with Fetcher(policy()) as fetcher:
        answer = await fetcher.look(f"{site.url}/a.txt")
    assert (answer.status, answer.length, answer.body) == (200, 100, b"")
    assert site.asked == ["HEAD /a.txt"]


async def test_a_server_without_head_is_asked_by_get(site: Site) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        status = 405 if handler.command == "HEAD" else 200
        handler.send_response(status)
        handler.send_header("Content-Length", "0" if status == 405 else "3")
        handler.end_headers()
        handler.wfile.write(b"" if status == 405 else b"abc")

    site.misbehave("/a.txt", answer)
    async with Fetcher(policy()) as fetcher:
        looked = await fetcher.look(f"{site.url}/a.txt")
    assert (looked.status, looked.length) == (200, 3)


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1", "[::1]"])
async def test_addresses_of_this_house_are_refused_and_never_connected_to(site: Site, address: str) -> None:
    site.put("/a.txt", b"secret")
    port = site.url.rpartition(":")[2]
    with pytest.raises(FileUnreadableError, match=r"may not be asked: its address is not a public one"):
        await get(f"http://{address}:{port}/a.txt", policy("192.0.2.0/24"))
    assert site.asked == []


@pytest.mark.parametrize(
    "target", ["http://127.0.0.2/", "http://169.254.169.254/latest/meta-data/", "https://[::ffff:127.0.0.2]/"]
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_checked_like_the_first_address(site: Site, target: str, status: int) -> None:
    site.redirect("/a.txt", target, status)
    with pytest.raises(FileUnreadableError, match="may not be asked: its address is not a public one"):
        await get(f"{site.url}/a.txt")


async def test_a_second_redirect_is_checked_as_well(site: Site) -> None:
    site.redirect("/a.txt", "/b.txt")
    site.redirect("/b.txt", "http://127.0.0.2/")
    with pytest.raises(FileUnreadableError, match=r"the host 127\.0\.0\.2 may not be asked"):
        await get(f"{site.url}/a.txt")


async def test_redirects_are_followed_and_counted(site: Site) -> None:
    site.redirect("/a.txt", "b.txt")
    site.put("/b.txt", b"found")
    answer = await get(f"{site.url}/a.txt")
    assert (answer.body, answer.url) == (b"found", f"{site.url}/b.txt")
    site.redirect("/loop.txt", "/loop.txt")
    with pytest.raises(FileUnreadableError, match="redirected more than 3 times"):
        await get(f"{site.url}/loop.txt", policy(max_redirects=3))
    assert site.count("GET /loop.txt") == 4


@pytest.mark.parametrize(
    "target",
    ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "http://user:word@127.0.0.1/"],
)
async def test_a_redirect_to_what_is_no_address_of_the_web_is_refused(site: Site, target: str) -> None:
    site.redirect("/a.txt", target)
    with pytest.raises(
        FileUnreadableError, match="redirected to something that is no address of the web"
    ) as e:
        await get(f"{site.url}/a.txt")
    assert "word" not in str(e.value)


async def test_a_name_that_points_elsewhere_a_moment_later_changes_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.put("/a.txt", b"public")
    port = int(site.url.rpartition(":")[2])
    asked: list[str] = []
    lookup = socket.getaddrinfo

    def rebinding(host: Any, *rest: Any, **named: Any) -> Any:
        if host != "rebinding.example":
            return lookup(host, *rest, **named)
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "127.0.0.2"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    answer = await get(f"http://rebinding.example:{port}/a.txt")
    assert (answer.body, asked) == (b"public", ["rebinding.example"])
    with pytest.raises(FileUnreadableError, match="may not be asked"):
        await get(f"http://rebinding.example:{port}/a.txt")


async def test_a_name_with_one_refused_address_is_refused_whole(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def both(*_: Any, **__: Any) -> Any:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80))
            for address in ("127.0.0.1", "10.0.0.1")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with pytest.raises(FileUnreadableError, match="may not be asked"):
        await get("http://both.example/a.txt")


async def test_public_addresses_are_asked_over_https_alone_where_nothing_else_is_set() -> None:
    with pytest.raises(FileUnreadableError, match="has to be https"):
        await get("http://93.184.215.14/")


async def test_what_has_more_than_the_limit_is_not_read_when_the_server_says_so(site: Site) -> None:
    site.put("/a.txt", b"x" * 2 * KILOBYTE)
    assert len((await get(f"{site.url}/a.txt", max_bytes=2 * KILOBYTE)).body) == 2 * KILOBYTE
    with pytest.raises(
        FileTooLargeError, match=r"more than 2,047 bytes, the limit \(ingest.max_file_bytes\)"
    ):
        await get(f"{site.url}/a.txt", max_bytes=2 * KILOBYTE - 1)


async def test_a_body_without_an_end_is_cut_off_at_the_limit(site: Site) -> None:
    sent = 0

    def flood(handler: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        while sent < 2**30:
            handler.wfile.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            sent += 65536

    site.misbehave("/a.txt", flood)
    with pytest.raises(FileTooLargeError):
        await get(f"{site.url}/a.txt")
    assert sent < 32 * 1024**2  # what lies in the buffers of the two sides


async def test_a_body_shorter_than_announced_is_no_file(site: Site) -> None:
    def break_off(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"only this")

    site.misbehave("/a.txt", break_off)
    with pytest.raises(FileUnreadableError, match="breaks off"):
        await get(f"{site.url}/a.txt")


async def test_a_body_longer_than_announced_is_what_was_announced(site: Site) -> None:
    def go_on(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "4")
        handler.end_headers()
        handler.wfile.write(b"thisand much more")

    site.misbehave("/a.txt", go_on)
    assert (await get(f"{site.url}/a.txt")).body == b"this"


async def test_what_is_packed_unasked_is_unpacked(site: Site) -> None:
    packed = gzip.compress(b"one ") + gzip.compress(b"two") + b"\0" * 8
    site.put("/a.txt", packed, headers={"Content-Encoding": "gzip"})
    assert (await get(f"{site.url}/a.txt")).body == b"one two"
    site.put("/cut.txt", packed[:-15], headers={"Content-Encoding": "gzip"})
    with pytest.raises(FileUnreadableError, match="breaks off"):
        await get(f"{site.url}/cut.txt")
    site.put("/none.txt", b"not packed", headers={"Content-Encoding": "gzip"})
    with pytest.raises(FileUnreadableError, match="is none"):
        await get(f"{site.url}/none.txt")
    site.put("/other.txt", b"x", headers={"Content-Encoding": "br"})
    with pytest.raises(FileUnreadableError, match="'br'"):
        await get(f"{site.url}/other.txt")


async def test_a_bomb_goes_off_at_the_limit(site: Site) -> None:
    bomb = gzip.compress(b"\0" * 200 * 1024**2, 9)
    site.put("/a.txt", bomb, headers={"Content-Encoding": "gzip"})
    with pytest.raises(FileTooLargeError):
        await get(f"{site.url}/a.txt", max_bytes=1024**2)


async def test_a_server_that_stalls_is_given_up_after_the_time_between_two_pieces(site: Site) -> None:
    site.misbehave("/a.txt", lambda _: site.stopped.wait(10))
    began = time.monotonic()
    with pytest.raises(FileUnreadableError, match=r"did not answer within 0\.3 s \(sources.timeout_s\)"):
        await get(f"{site.url}/a.txt", policy(timeout_s=0.3))
    assert time.monotonic() - began < 20


async def test_a_server_that_drips_is_given_up_after_the_whole_time(site: Site) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        while not site.stopped.wait(0.05):
            handler.wfile.write(b"x")

    site.misbehave("/a.txt", drip)
    began = time.monotonic()
    with pytest.raises(FileUnreadableError, match=r"did not come within 0\.5 s \(sources.total_timeout_s\)"):
        await get(f"{site.url}/a.txt", policy(timeout_s=30.0, total_timeout_s=0.5))
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    "said", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 300_000]
)
async def test_what_is_no_http_is_no_file(site: Site, said: bytes) -> None:
    site.misbehave("/a.txt", lambda handler: handler.wfile.write(said))
    with pytest.raises(FileUnreadableError, match="breaks off, or is no HTTP"):
        await get(f"{site.url}/a.txt")


async def test_a_host_that_is_not_there_is_told_without_its_path() -> None:
    with pytest.raises(FileUnreadableError, match="could not be reached") as failed:
        await get("http://127.0.0.1:9/secret.txt")
    assert failed.value.retryable
    assert "secret" not in str(failed.value)
    with pytest.raises(FileUnreadableError, match=r"the name of the host nowhere\.invalid was not found"):
        await get("https://nowhere.invalid/")


async def test_a_proxy_of_the_environment_is_not_asked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.put("/a.txt", b"direct")
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await get(f"{site.url}/a.txt")).body == b"direct"


@pytest.mark.parametrize("announced", ["9" * 19, "9" * 5000, "-1", "1,000", ""])
def test_a_length_that_nothing_has_is_not_known(announced: str) -> None:
    answer = Answer(url="https://files.example/", status=200, headers={"content-length": announced})
    assert answer.length is None
