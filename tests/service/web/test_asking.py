"""Asking in the browser: an answer, and its footnotes followed to the very place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, Request, expect

from tests.service.web.conftest import PHONE, Site, enter, visiting

CARRY_OVER = "How many days of unused leave can I carry over into the next year?"
HOTEL = "What may a hotel night cost in Berlin?"
CHARITY = "Does the company match donations to charity?"


async def ask(page: Page, question: str) -> None:
    """Ask, and wait for the whole answer."""
    told = page.locator(".exchange[aria-busy=false]")
    before = await told.count()
    await page.get_by_label("Your question").fill(question)
    await page.keyboard.press("Enter")
    await expect(told).to_have_count(before + 1)
    assert await page.locator(".trouble").count() == 0


def sent(request: Request) -> Any:
    """The JSON that a request carried."""
    return request.post_data_json


async def test_a_footnote_leads_to_its_span_in_a_markdown_file_a_web_page_and_a_pdf(
    browser: Browser, site: Site, handbook: Path
) -> None:
    await site.take_in(handbook)
    async with visiting(browser, site) as page:
        await enter(page, await site.key())
        for question, file, words in (
            (CARRY_OVER, "people/paid-leave.md", "carry up to five unused days"),
            ("How much is paid for a week on call?", "work/on-call.html", "hourly wage"),
            (HOTEL, "work/travel-and-expenses.pdf", "Berlin"),
        ):
            await ask(page, question)
            exchange = page.locator(".exchange").last
            quote = await exchange.locator(".note-list .quote").first.text_content()
            await exchange.locator(".sentence .marker").first.click()
            source = page.get_by_role("dialog")
            await expect(source.locator(".source-place")).to_have_text(file)
            await expect(source.locator(".source-facts")).to_contain_text("revision 1")
            if file.endswith(".pdf"):
                await expect(source.locator(".source-facts")).to_contain_text(re.compile(r"page \d of 3"))
                picture = source.get_by_role("img", name="with the cited lines marked")
                await expect(picture).to_be_in_viewport()
                assert await picture.evaluate("image => image.naturalWidth") >= 400
                await source.get_by_role("tab", name="Text").click()
            mark = source.locator("mark")
            await expect(mark.first).to_be_in_viewport()
            marked = "\n".join(await mark.all_text_contents())
            assert words in marked
            assert " ".join(marked.split()) == " ".join((quote or "").split())
            await page.keyboard.press("Escape")
            await expect(source).to_have_count(0)
            await expect(exchange.locator(".sentence .marker").first).to_be_focused()


async def test_a_refusal_says_why_and_where_it_looked(browser: Browser, site: Site, handbook: Path) -> None:
    await site.take_in(handbook)
    async with visiting(browser, site) as page:
        await enter(page, await site.key())
        await ask(page, CHARITY)
        refusal = page.locator(".refusal")
        await expect(refusal).to_contain_text("The sources do not answer this question.")
        await expect(refusal).to_contain_text("Where it looked")
        assert await page.locator(".sentence").count() == 0
        await refusal.get_by_role("button").first.click()
        await expect(page.get_by_role("dialog")).to_contain_text("Document")
        await expect(page.locator(".passage:visible, .page-frame img").first).to_be_visible()


async def test_a_sentence_in_focus_shows_its_support_and_its_quotes(
    browser: Browser, site: Site, handbook: Path
) -> None:
    await site.take_in(handbook)
    async with visiting(browser, site, size=PHONE) as page:
        await enter(page, await site.key())
        await ask(page, CARRY_OVER)
        sentence = page.locator(".sentence").first
        await sentence.focus()
        card = page.locator(".card-note")
        await expect(card).to_contain_text("Support: strong")
        await expect(card).to_contain_text("You may carry up to five unused days")
        assert await sentence.get_attribute("aria-describedby") == await card.get_attribute("id")
        await page.keyboard.press("Escape")
        await expect(card).to_be_hidden()
        await sentence.tap()
        await expect(card).to_be_visible()


async def test_the_whole_way_can_be_gone_by_keyboard(browser: Browser, site: Site, handbook: Path) -> None:
    await site.take_in(handbook)
    async with visiting(browser, site) as page:
        await page.goto("/")
        await page.keyboard.type(await site.key())
        await page.keyboard.press("Enter")
        await expect(page.get_by_label("Your question")).to_be_focused()
        await page.keyboard.type(HOTEL)
        await page.keyboard.press("Enter")
        await page.locator(".foot").wait_for()
        for _ in range(40):
            await page.keyboard.press("Shift+Tab")
            if await page.evaluate("document.activeElement.classList.contains('marker')"):
                break
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog").get_by_role("heading").first).to_be_focused()
        await page.get_by_role("dialog").get_by_role("img").wait_for()
        await page.get_by_role("tab", name="Page").focus()
        await page.keyboard.press("ArrowRight")
        await expect(page.get_by_role("dialog").locator("mark").first).to_be_in_viewport()
        await page.keyboard.press("Escape")
        assert await page.evaluate("document.activeElement.classList.contains('marker')")


async def test_a_conversation_is_kept_in_this_browser_until_it_is_forgotten(
    browser: Browser, site: Site, handbook: Path
) -> None:
    await site.take_in(handbook)
    async with visiting(browser, site) as page:
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await enter(page, await site.key())
        await ask(page, CARRY_OVER)
        async with page.expect_request("**/v1/ask") as asked:
            await ask(page, HOTEL)
        turns = sent(await asked.value)["turns"]
        assert [turn["question"] for turn in turns] == [CARRY_OVER]
        assert "five unused days" in turns[0]["answer"]

        await page.reload()
        await expect(page.locator(".question")).to_have_text([CARRY_OVER, HOTEL])
        await page.get_by_role("button", name="Copy with footnotes").first.click()
        await expect(page.locator(".notice")).to_contain_text("Copied")
        copied = await page.evaluate("navigator.clipboard.readText()")
        assert f"**{CARRY_OVER}**" in copied
        assert "[^1]: people/paid-leave.md, revision 1: “You may carry up to five unused days" in copied

        await page.get_by_role("button", name="A bad answer").first.click()
        await page.get_by_label("A word about the answer").fill("too short")
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_text("Thank you.", exact=True)).to_be_visible()
        rows = await site.footnote.database.fetch_all("SELECT rating, comment FROM feedback")
        assert [(row["rating"], row["comment"]) for row in rows] == [("down", "too short")]

        await page.get_by_role("button", name="New question").click()
        await expect(page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
        await page.get_by_role("button", name="Earlier questions").click()
        await page.get_by_role("dialog").get_by_text(CARRY_OVER).first.click()
        await expect(page.locator(".question")).to_have_text([CARRY_OVER, HOTEL])
        await expect(page.get_by_role("button", name="A bad answer").first).to_have_attribute(
            "aria-pressed", "true"
        )
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_label("API key").wait_for()
        assert "unused" not in await page.evaluate("JSON.stringify({...localStorage})")


async def test_filters_narrow_down_what_is_looked_at(browser: Browser, site: Site, handbook: Path) -> None:
    await site.take_in(handbook)
    async with visiting(browser, site) as page:
        await enter(page, await site.key())
        await page.get_by_role("button", name="Filters").click()
        await page.get_by_label("Kind").select_option("PDF")
        await page.get_by_label("Changed since").fill("2020-01-02")
        async with page.expect_request("**/v1/ask") as asked:
            await ask(page, CARRY_OVER)
        filters = sent(await asked.value)["filters"]
        assert filters["media_types"] == ["application/pdf"]
        assert filters["modified_from"].startswith("2020-01-0")
        await expect(page.locator(".refusal")).to_be_visible()
        await expect(page.get_by_role("button", name="Filters (2)")).to_be_visible()
        await page.get_by_role("button", name="Clear").click()
        await ask(page, CARRY_OVER)
        await expect(page.locator(".exchange").last).to_contain_text("five unused days")


async def test_a_source_that_changed_or_went_says_so(browser: Browser, site: Site, handbook: Path) -> None:
    site.expected = ("404", "410")
    await site.take_in(handbook)
    async with visiting(browser, site) as page:
        await enter(page, await site.key(role="admin"))
        await ask(page, HOTEL)
        (handbook / "work/travel-and-expenses.pdf").write_bytes(b"%PDF-1.4 something else")
        await page.locator(".sentence .marker").first.click()
        source = page.get_by_role("dialog")
        await expect(source.locator("mark").first).to_be_in_viewport()
        await source.get_by_role("tab", name="Page").click()
        await expect(source).to_contain_text("the file has changed since this revision was made from it")
        await page.keyboard.press("Escape")
        document = await page.evaluate(
            "fetch('/v1/documents?path=*.pdf').then(r => r.json()).then(j => j.documents[0].id)"
        )
        await page.evaluate(f"fetch('/v1/documents/{document}', {{method: 'DELETE'}})")
        await page.locator(".sentence .marker").first.click()
        await expect(source).to_contain_text("This document was deleted.")


async def test_the_first_paint_of_the_ask_page_takes_less_than_200_kb(
    browser: Browser, site: Site, handbook: Path
) -> None:
    await site.take_in(handbook)
    async with visiting(browser, site) as page:
        await enter(page, await site.key())
        await page.get_by_label("Your question").wait_for()
        entries = await page.evaluate(
            "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
            ".map(({name, transferSize}) => [name, transferSize])"
        )
        assert len(entries) > 10
        assert sum(size for _, size in entries) < 200_000, entries
