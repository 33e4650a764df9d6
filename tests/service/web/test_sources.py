"""Sources: where documents come from is seen, refreshed with its progress, added and removed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from ingest.reports import Progress
from service.footnote import Footnote
from service.progress import noted_progress
from tests.service.web.conftest import Site, enter, open_site, visiting
from tests.service.web.furnishing import allowing, furnish_folder, furnish_sources, take_in_folder
from tests.service.web.test_looks import LOOKS, check
from tests.service.workers import at_work


@pytest.fixture
def handbook(tmp_path: Path) -> Path:
    furnish_folder(tmp_path / "srv" / "handbook")
    return tmp_path / "srv" / "handbook"


@pytest.fixture
async def site(footnote: Footnote, handbook: Path) -> AsyncIterator[Site]:
    """A service that lets folders beside the handbook be added."""
    async with open_site(allowing(footnote, handbook.parent)) as opened:
        opened.expected = ("status of 401",)
        yield opened


def card(page: Page, name: str) -> Locator:
    return page.locator(".source-card", has=page.get_by_role("heading", name=name, exact=True))


async def test_a_source_is_refreshed_with_its_progress_and_says_what_has_changed(
    site: Site, browser: Browser, handbook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = asyncio.Event()

    @asynccontextmanager
    async def until_seen(*known: Any) -> AsyncIterator[Progress]:
        """The run does not end before the page has shown how far it is."""
        async with noted_progress(*known, every_s=0.05) as noted:
            yield noted
            await seen.wait()

    monkeypatch.setattr("service.schedule.noted_progress", until_seen)
    await take_in_folder(site.footnote, handbook)
    for number in range(300):
        (handbook / f"note-{number}.txt").write_text(f"Note {number}: the sky is blue.")
    (handbook / "it" / "backups.txt").unlink()
    async with visiting(browser, site) as page:
        await enter(page, await site.key(role="editor"), "sources")
        source = card(page, "handbook")
        await expect(source.get_by_text("Fresh", exact=True)).to_be_visible()
        await source.get_by_role("button", name="Refresh now").click()
        await expect(source.locator(".tag").get_by_text("Waits for a worker")).to_be_visible()
        async with at_work(site.footnote):
            await expect(source.get_by_text("of 300 files")).to_be_visible(timeout=60_000)
            seen.set()
            await expect(source.get_by_text("300 added")).to_be_visible(timeout=60_000)
        await expect(source.get_by_text("1 removed")).to_be_visible()
        await expect(source.get_by_text("1 failed")).to_be_visible()
        await expect(source.get_by_role("progressbar")).to_have_count(0)
        await expect(page.locator("#announcer")).to_contain_text("handbook is refreshed. 300 added")
        assert str(handbook) not in await page.content()


async def test_an_admin_adds_a_folder_changes_its_schedule_and_removes_it(
    site: Site, browser: Browser, handbook: Path
) -> None:
    site.expected += ("status of 422",)
    async with at_work(site.footnote), visiting(browser, site) as page:
        await enter(page, await site.key(role="admin"), "sources")
        await expect(page.get_by_role("heading", name="No sources yet")).to_be_visible()
        await page.get_by_role("button", name="Add a source").click()
        dialog = page.get_by_role("dialog", name="Add a source")
        await dialog.get_by_label("Place").fill("/etc")
        await dialog.get_by_role("button", name="Add").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("sources.allowed_roots")
        await dialog.get_by_label("Place").fill(str(handbook))
        await dialog.get_by_label("Readable by").fill("everybody")
        await dialog.get_by_role("button", name="Add").click()
        await expect(dialog.get_by_label("Readable by")).to_have_attribute("aria-invalid", "true")
        await dialog.get_by_label("Readable by").fill("public")
        await dialog.get_by_role("button", name="Add").click()
        await expect(dialog).to_have_count(0)
        source = card(page, "handbook")
        await expect(source.get_by_text("6 added")).to_be_visible(timeout=30_000)
        await source.get_by_text("not taken in, and why").click()
        await expect(source.locator(".files")).to_contain_text("people/old-scan.pdf")
        await source.get_by_role("button", name="Schedule").click()
        await page.get_by_role("dialog").get_by_label("Schedule").select_option("every hour")
        await page.get_by_role("dialog").get_by_role("button", name="Keep").click()
        await expect(source.get_by_text("every hour")).to_be_visible()
        await source.get_by_role("button", name="Remove handbook").click()
        await expect(page.get_by_role("dialog")).to_contain_text("6 documents leave the index")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await source.get_by_role("button", name="Remove handbook").click()
        await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        await expect(page.get_by_role("heading", name="No sources yet")).to_be_visible()


async def test_an_editor_neither_adds_nor_removes_sources(
    site: Site, browser: Browser, handbook: Path
) -> None:
    await take_in_folder(site.footnote, handbook)
    async with visiting(browser, site) as page:
        await enter(page, await site.key(role="editor"), "sources")
        await expect(card(page, "handbook")).to_be_visible()
        buttons = await page.locator("main").get_by_role("button").all_inner_texts()
        assert buttons == ["Refresh now"]


async def test_a_source_whose_folder_is_away_says_so(site: Site, browser: Browser, handbook: Path) -> None:
    await take_in_folder(site.footnote, handbook)
    handbook.rename(handbook.with_name("elsewhere"))
    async with at_work(site.footnote), visiting(browser, site) as page:
        await enter(page, await site.key(role="admin"), "sources")
        await card(page, "handbook").get_by_role("button", name="Refresh now").click()
        await expect(card(page, "handbook").get_by_text("Last run failed")).to_be_visible(timeout=15_000)
        await expect(card(page, "handbook").locator("dd .wrong")).to_contain_text("handbook")


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("look", "size", "is_dark"), LOOKS)
async def test_sources_are_accessible_and_look_well(
    site: Site, browser: Browser, handbook: Path, look: str, size: tuple[int, int], is_dark: bool
) -> None:
    await take_in_folder(site.footnote, handbook)
    await take_in_folder(site.footnote, handbook / "it", "group:it", collection="engineering")
    await furnish_sources(site.footnote.database)
    key = await site.key("group:it", role="admin")
    async with visiting(browser, site, size=size, dark=is_dark, bypass_csp=True) as page:
        await enter(page, key, "sources")
        await page.get_by_text("not taken in, and why").first.click()
        await check(page, f"sources-{look}")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.get_by_role("button", name="Add a source").click()
        await check(page, None)
