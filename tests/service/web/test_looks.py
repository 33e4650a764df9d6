"""Each view in light, in dark and on a phone: nothing that axe-core finds serious; and their pictures, where wanted."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from tests.service.web.conftest import PHONE, WIDE, Site, enter, picture, visiting
from tests.service.web.test_asking import CARRY_OVER, CHARITY, HOTEL, ask

LOOKS = [("light", WIDE, False), ("dark", WIDE, True), ("phone", PHONE, False)]
_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


async def check(page: Page, name: str | None) -> None:
    """Have axe-core look at the page as it is shown, and write a picture of it where that is wanted; none where it has
    no name."""
    if name is not None:
        await picture(page, name)
    found = await Axe().run(page, options=_RULES)
    serious = [
        (violation["id"], [node["html"][:200] for node in violation["nodes"]])
        for violation in found.response["violations"]
        if violation["impact"] in {"serious", "critical"}
    ]
    assert serious == [], name


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("look", "size", "is_dark"), LOOKS)
async def test_asking_looks_right(
    browser: Browser, site: Site, handbook: Path, look: str, size: tuple[int, int], is_dark: bool
) -> None:
    await site.take_in(handbook)
    async with visiting(browser, site, size=size, dark=is_dark, bypass_csp=True) as page:
        await page.goto("/")
        await page.get_by_label("API key").wait_for()
        await check(page, f"sign-in-{look}")
        await enter(page, await site.key(role="admin"))
        await page.get_by_label("Your question").wait_for()
        await check(page, f"ask-{look}")
        await ask(page, HOTEL)
        await page.locator(".sentence").first.focus()
        await check(page, f"answer-{look}")
        await page.locator(".sentence .marker").first.click()
        await page.get_by_role("dialog").get_by_role("img").wait_for()
        await check(page, f"source-page-{look}")
        await page.keyboard.press("Escape")
        await ask(page, CARRY_OVER)
        await page.locator(".exchange").last.locator(".sentence .marker").first.click()
        await page.get_by_role("dialog").locator("mark").first.wait_for()
        await check(page, f"source-text-{look}")
        await page.keyboard.press("Escape")
        await ask(page, CHARITY)
        await check(page, f"refusal-{look}")
        await page.get_by_role("button", name="Earlier questions").click()
        await check(page, f"history-{look}")


async def test_at_360_pixels_nothing_has_to_be_scrolled_sideways(
    browser: Browser, site: Site, handbook: Path
) -> None:
    await site.take_in(handbook)

    async def fits(page: Page) -> None:
        widths = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widths[0] <= widths[1]

    async with visiting(browser, site, size=(360, 640)) as page:
        await page.goto("/")
        await page.get_by_label("API key").wait_for()
        await fits(page)
        await enter(page, await site.key(role="admin"))
        await ask(page, HOTEL)
        await fits(page)
        await page.get_by_label("Your question").focus()
        await page.get_by_role("button", name="Filters").click()
        await fits(page)
        await page.get_by_role("button", name="Filters").click()
        await page.locator(".sentence .marker").first.click()
        await page.get_by_role("dialog").get_by_role("img").wait_for()
        await fits(page)


async def test_the_switch_goes_before_the_system(browser: Browser, site: Site) -> None:
    async with visiting(browser, site, dark=True) as page:
        await page.goto("/")
        root = page.locator("html")
        await expect(root).to_have_attribute("data-theme", "dark")
        await page.get_by_role("button", name="Light page").click()
        await expect(root).to_have_attribute("data-theme", "light")
        await page.reload()
        await expect(root).to_have_attribute("data-theme", "light")
