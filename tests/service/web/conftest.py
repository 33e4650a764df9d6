"""A browser (Debian's Chromium) in front of the page of a real service: uvicorn on a port, Postgres below it."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from service.footnote import Footnote
from service.http.app import create_app
from service.http.broadcast import BroadcastPolicy
from service.identity import Role
from service.ingestion import ingest_path
from service.keys import create_key
from service.sessions import OneTimeLink
from service.targets import SourceRules
from tests.service.http.wire import Wire
from tests.service.test_ingestion import Silent

CHROMIUM = Path("/usr/bin/chromium")
HANDBOOK = Path(__file__).parents[3] / "examples" / "handbook"
IMAGES = Path(__file__).parents[3] / "docs" / "images"
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
)
_PATIENCE_MS = 30_000
"""Machines that run tests are busy."""
WIDE = (1280, 860)
PHONE = (390, 844)
WRITES_IMAGES = bool(os.environ.get("FOOTNOTE_WRITE_IMAGES"))

expect.set_options(timeout=_PATIENCE_MS)


@dataclass(slots=True, kw_only=True)
class Site:
    """A running service, and what a test says to it beside its browser."""

    footnote: Footnote
    address: str
    link: OneTimeLink
    server: Wire
    complaints: list[str] = field(default_factory=list)
    expected: tuple[str, ...] = ()
    """What a test has the console say: a refused request is an error to the browser."""

    async def key(
        self, *principals: str, role: Role = "reader", collections: Sequence[str] | None = None
    ) -> str:
        """A new key."""
        created = await create_key(
            self.footnote.database,
            name="Ann Reader",
            principals=principals,
            role=role,
            collections=collections,
        )
        return created.key

    async def take_in(self, folder: Path, *readers: str, collection: str = "default") -> None:
        """Ingest a folder with real parsers."""
        async with self.footnote.parser_pool() as pool:
            await ingest_path(
                self.footnote,
                pool,
                folder,
                collection=collection,
                rules=SourceRules(readers=readers or ("public",)),
                progress=Silent(),
            )

    def watch(self, page: Page) -> None:
        """Have what the page's console complains of noted, and every request to another address."""

        def said(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"} and not any(
                known in message.text for known in self.expected
            ):
                self.complaints.append(f"{message.text} ({message.location})")

        page.on("console", said)
        page.on("pageerror", lambda error: self.complaints.append(f"{error}\n{error.stack}"))
        page.on("request", lambda asked: self._check_address(asked.url))

    def _check_address(self, url: str) -> None:
        if not url.startswith((self.address, f"blob:{self.address}", "about:")):
            self.complaints.append(f"a request to {url}")


OpenSite = Callable[[Footnote], AbstractAsyncContextManager[Site]]


@asynccontextmanager
async def open_site(footnote: Footnote, policy: BroadcastPolicy | None = None) -> AsyncIterator[Site]:
    """The service on a port of this machine, with its one-time link."""
    link = OneTimeLink(seconds=600)
    app = create_app(lambda: nullcontext(footnote), link=link, broadcast_policy=policy or BroadcastPolicy())
    server = Wire(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=5))
    async with server.running() as address:
        site = Site(footnote=footnote, address=address, link=link, server=server)
        yield site
    assert site.complaints == []


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A real browser; a test that needs one is skipped where there is none."""
    if not CHROMIUM.exists():
        pytest.skip(f"there is no Chromium at {CHROMIUM} (Debian's package chromium)")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield opened
        await opened.close()


@pytest.fixture
async def site(footnote: Footnote, browser: Browser) -> AsyncIterator[Site]:
    """A running service, nothing in it; what its page complains of fails the test."""
    async with open_site(footnote) as opened:
        yield opened


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    """A Markdown file, a web page and a PDF of the example's handbook."""
    root = tmp_path / "handbook"
    for path in ("people/paid-leave.md", "work/on-call.html", "work/travel-and-expenses.pdf"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(HANDBOOK / path, root / path)
    return root


@asynccontextmanager
async def visiting(
    browser: Browser,
    site: Site,
    *,
    size: tuple[int, int] = WIDE,
    dark: bool = False,
    bypass_csp: bool = False,
) -> AsyncIterator[Page]:
    """A window of its own, on no page yet."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        has_touch=size == PHONE,
        device_scale_factor=2 if size == PHONE else 1,
        bypass_csp=bypass_csp,
        base_url=site.address,
    )
    context.set_default_timeout(_PATIENCE_MS)
    page = await context.new_page()
    site.watch(page)
    try:
        yield page
    finally:
        await context.close()


async def enter(page: Page, key: str, view: str = "ask") -> None:
    """Sign in with a key, and go to a view."""
    await page.goto(f"/#/{view}")
    await page.get_by_label("API key").fill(key)
    await page.get_by_role("button", name="Sign in").click()
    await page.locator(f"main.view-{view}").wait_for()


async def picture(page: Page, name: str) -> None:
    """Write what the page shows to docs/images, where pictures are wanted (FOOTNOTE_WRITE_IMAGES)."""
    if WRITES_IMAGES:
        await page.screenshot(path=IMAGES / f"{name}.png", animations="disabled")
