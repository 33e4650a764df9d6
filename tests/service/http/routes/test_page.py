"""GET / and what it is made of: for browsers without a key, safe to show and cheap to fetch again."""

from __future__ import annotations

import gzip
import re

import httpx
import pytest

from service.http.site import FOLDER, the_site
from tests.service.http.conftest import unopened_app


@pytest.fixture
def stranger() -> httpx.AsyncClient:
    """A client without a key of an app that was never started: the page needs nothing of it."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=unopened_app()), base_url="http://footnote")


async def test_the_page_and_all_that_it_names_are_there_without_a_key(stranger: httpx.AsyncClient) -> None:
    page = await stranger.get("/")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    named = re.findall(r'(?:href|src)="(assets/[^"]+)"', page.text)
    assert len(named) >= 3
    for address in named:
        assert (await stranger.get(f"/{address}")).status_code == 200, address


async def test_every_module_that_a_module_imports_is_there(stranger: httpx.AsyncClient) -> None:
    for path in FOLDER.rglob("*.js"):
        for imported in re.findall(r'(?:from|import|import\()\s*"([^"]+)"', path.read_text()):
            assert (path.parent / imported).resolve().is_relative_to(FOLDER), (path.name, imported)
            assert (path.parent / imported).is_file(), (path.name, imported)


async def test_nothing_comes_from_elsewhere_and_nothing_inline_runs(stranger: httpx.AsyncClient) -> None:
    page = await stranger.get("/")
    rules = dict(rule.partition(" ")[::2] for rule in page.headers["content-security-policy"].split("; "))
    assert rules["default-src"] == "'none'"
    assert {rules[name] for name in ("script-src", "style-src", "connect-src", "form-action")} == {"'self'"}
    assert (rules["frame-ancestors"], rules["base-uri"]) == ("'none'", "'none'")
    assert (rules["require-trusted-types-for"], rules["trusted-types"]) == ("'script'", "'none'")
    assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=|//", page.text)


async def test_the_page_is_asked_for_each_time_and_its_files_are_kept_for_good(
    stranger: httpx.AsyncClient,
) -> None:
    page = await stranger.get("/")
    assert page.headers["cache-control"] == "no-cache"
    again = await stranger.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    script = await stranger.get(f"/assets/{the_site().version}/main.js")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    older = await stranger.get("/assets/0000000000000000/main.js")
    assert (older.status_code, older.headers["cache-control"]) == (200, "no-cache")


@pytest.mark.parametrize("accepted", ["gzip", "br, gzip;q=0.5", "*"])
async def test_files_are_sent_compressed_to_who_takes_that(
    stranger: httpx.AsyncClient, accepted: str
) -> None:
    address = f"/assets/{the_site().version}/main.js"
    async with stranger.stream("GET", address, headers={"Accept-Encoding": accepted}) as response:
        assert response.headers["content-encoding"] == "gzip"
        raw = b"".join([piece async for piece in response.aiter_raw()])
    assert gzip.decompress(raw) == (FOLDER / "main.js").read_bytes()


@pytest.mark.parametrize("accepted", ["identity", "gzip;q=0", "br"])
async def test_files_are_sent_as_they_are_to_who_does_not(stranger: httpx.AsyncClient, accepted: str) -> None:
    address = f"/assets/{the_site().version}/main.js"
    response = await stranger.get(address, headers={"Accept-Encoding": accepted})
    assert "content-encoding" not in response.headers
    assert response.content == (FOLDER / "main.js").read_bytes()


@pytest.mark.parametrize("path", ["nothing.js", "../site.py", "%2e%2e/app.py", "index.html", ""])
async def test_nothing_else_is_there(stranger: httpx.AsyncClient, path: str) -> None:
    assert (await stranger.get(f"/assets/{the_site().version}/{path}")).status_code == 404


async def test_a_head_request_tells_what_a_get_request_would(stranger: httpx.AsyncClient) -> None:
    assert (await stranger.head("/")).headers["etag"] == (await stranger.get("/")).headers["etag"]
