"""Health: the figures of the service at a glance, as charts and in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.service.web.conftest import Site, enter, visiting
from tests.service.web.furnishing import furnish_answers, furnish_folder, furnish_sources, take_in_folder
from tests.service.web.test_looks import LOOKS, check


@pytest.fixture(autouse=True)
def _nobody_is_signed_in_at_first(site: Site) -> None:
    site.expected = ("status of 401",)


async def test_a_service_that_has_done_nothing_has_figures_of_nothing(site: Site, browser: Browser) -> None:
    async with visiting(browser, site) as page:
        await enter(page, await site.key(role="admin"), "health")
        await expect(page.get_by_role("region", name="Questions")).to_contain_text("none in this time")
        await expect(page.get_by_role("region", name="Time to an answer")).to_contain_text("—")
        await expect(page.get_by_role("region", name="Since the last refresh")).to_contain_text("no sources")


async def test_what_charts_show_is_said_in_words_and_stands_in_tables(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    furnish_folder(tmp_path / "handbook")
    await take_in_folder(site.footnote, tmp_path / "handbook")
    await furnish_answers(site.footnote.database)
    async with visiting(browser, site) as page:
        await enter(page, await site.key(role="admin"), "health")
        await page.get_by_role("radio", name="30 days").check()
        questions = page.get_by_role("region", name="Questions")
        stats = await page.evaluate("fetch('/v1/stats?hours=720').then((told) => told.json())")
        total = sum(stats["answers"][name] for name in ("answered", "partial", "refused"))
        assert total > 1_000
        await expect(questions).to_contain_text(f"{total:,}")
        name = await questions.get_by_role("img").get_attribute("aria-label")
        assert name is not None
        assert name.startswith(f"Questions over time: {total:,} questions")
        await questions.get_by_text("As a table").click()
        cells = await questions.locator("tbody td").all_inner_texts()
        assert sum(int(cell.replace(",", "")) for cell in cells) == total
        await page.reload()
        await expect(page.get_by_role("radio", name="30 days")).to_be_checked()
        failures = page.get_by_role("region", name="Failures")
        await failures.get_by_role("link", name="Files that could not be read").click()
        await expect(page.locator(".entry")).to_have_count(1)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("look", "size", "is_dark"), LOOKS)
async def test_health_is_accessible_and_looks_well(
    site: Site, browser: Browser, tmp_path: Path, look: str, size: tuple[int, int], is_dark: bool
) -> None:
    furnish_folder(tmp_path / "handbook")
    await take_in_folder(site.footnote, tmp_path / "handbook")
    await take_in_folder(site.footnote, tmp_path / "handbook" / "it", collection="engineering")
    await furnish_answers(site.footnote.database)
    await furnish_sources(site.footnote.database)
    key = await site.key(role="admin")
    async with visiting(browser, site, size=size, dark=is_dark, bypass_csp=True) as page:
        await enter(page, key, "health")
        await page.get_by_role("radio", name="7 days").check()
        await expect(page.locator("#announcer")).to_contain_text("The last 7 days.")
        await page.mouse.move(0, 0)
        await check(page, f"health-{look}")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.get_by_text("As a table").last.click()
        await check(page, None)
