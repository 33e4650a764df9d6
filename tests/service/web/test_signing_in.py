"""Signing in to the page: with a key, by the one-time link, and out again."""

from __future__ import annotations

import re

from playwright.async_api import Browser, expect

from tests.service.web.conftest import PHONE, Site, enter, picture, visiting


async def test_with_a_key_one_is_in_and_stays_in(browser: Browser, site: Site) -> None:
    site.expected = ("401",)
    async with visiting(browser, site) as page:
        await page.goto("/")
        await expect(page.get_by_label("API key")).to_be_focused()
        await picture(page, "sign-in")
        await page.get_by_label("API key").fill("fn_wrong_wrong")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_contain_text("The key is unknown")
        await page.get_by_label("API key").fill(await site.key())
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("link", name="Ask")).to_have_attribute("aria-current", "page")
        await page.reload()
        await expect(page.get_by_text("Ann Reader")).to_be_visible()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("API key")).to_be_visible()
        await page.reload()
        await expect(page.get_by_label("API key")).to_be_visible()


async def test_by_the_link_one_is_in_and_the_address_tells_nothing_of_it(
    browser: Browser, site: Site
) -> None:
    async with visiting(browser, site) as page:
        await page.goto(f"/#link={site.link.token}")
        await expect(page.get_by_text("this machine")).to_be_visible()
        assert site.link.token not in page.url
        assert site.link.token not in await page.evaluate(
            "JSON.stringify({...localStorage, ...sessionStorage})"
        )


async def test_a_link_that_was_used_says_so_and_a_key_still_opens(browser: Browser, site: Site) -> None:
    site.expected = ("401",)
    site.link.take(site.link.token)
    async with visiting(browser, site) as page:
        await page.goto(f"/#link={site.link.token}")
        await expect(page.get_by_role("alert")).to_contain_text("good once")
        await expect(page.get_by_label("API key")).to_be_visible()


async def test_a_view_that_a_role_may_not_see_is_not_shown(browser: Browser, site: Site) -> None:
    site.expected = ("401",)
    async with visiting(browser, site, size=PHONE) as page:
        await enter(page, await site.key(role="reader"))
        names = await page.get_by_role("navigation").get_by_role("link").all_inner_texts()
        assert names == ["Ask", "Library"]
        await page.goto("/#/health")
        await expect(page).to_have_title(re.compile("^Ask"))
    async with visiting(browser, site) as page:
        await enter(page, await site.key(role="admin"))
        names = await page.get_by_role("navigation").get_by_role("link").all_inner_texts()
        assert names == ["Ask", "Library", "Sources", "Health"]
