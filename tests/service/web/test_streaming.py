"""Answers as they come about in the browser: checked sentences, broken lines, what is stopped and what goes wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from playwright.async_api import Browser, Page, expect

from generation.answers import AnswerPolicy
from generation.errors import LLMUnavailableError
from generation.llms.scripted import ScriptedLLM
from service.footnote import Footnote
from tests.service.http.conftest import add_document
from tests.service.http.routes.test_answers import PacedLLM
from tests.service.web.cable import Cable, open_cable
from tests.service.web.conftest import Site, enter, open_site, visiting

_LEAVE = (
    "Every employee has twenty-five days of paid leave in a year. "
    "Days that were not taken may be carried over until the end of March."
)
_QUESTION = "How many days of paid leave does an employee have?"
_FIRST = "Every employee has twenty-five days of paid leave in a year [1]. "
_SECOND = "Days that were not taken may be carried over until the end of March [1]."
_FALSE = "Every employee has ninety-nine days of paid leave in Japan [1]. "


@asynccontextmanager
async def told_by(footnote: Footnote, llm: ScriptedLLM) -> AsyncIterator[Site]:
    await add_document(footnote, "leave.txt", _LEAVE)
    async with open_site(replace(footnote, llm=llm)) as site:
        yield site


@asynccontextmanager
async def asking(browser: Browser, site: Site, cable: Cable | None = None) -> AsyncIterator[Page]:
    """A page on which the question has just been asked, over a cable where there is one."""
    through = site if cable is None else replace(site, address=cable.address)
    async with visiting(browser, through) as page:
        await enter(page, await site.key())
        await page.get_by_label("Your question").fill(_QUESTION)
        await page.keyboard.press("Enter")
        yield page


async def test_sentences_come_one_by_one_and_what_nobody_has_checked_is_grey(
    browser: Browser, footnote: Footnote
) -> None:
    llm = PacedLLM()
    async with told_by(footnote, llm) as site, asking(browser, site) as page:
        llm.says.put_nowait(_FIRST[:20])
        draft = page.locator(".draft")
        await expect(draft).to_have_text(_FIRST[:20].strip(), use_inner_text=True)
        assert await draft.get_attribute("aria-hidden") == "true"
        await expect(page.locator(".exchange")).to_have_attribute("aria-busy", "true")
        llm.says.put_nowait(_FIRST[20:] + "Days that")
        await expect(page.locator(".sentence")).to_have_count(1)
        await expect(page.locator("#announcer")).to_contain_text("paid leave in a year. Footnote 1.")
        assert "Days that" not in (await page.locator("#announcer").text_content() or "")
        llm.says.put_nowait(_SECOND.removeprefix("Days that"))
        llm.says.put_nowait(None)
        await expect(page.locator(".sentence")).to_have_count(2)
        await expect(page.locator(".foot")).to_contain_text("Both sentences supported")
        await expect(draft).to_have_count(0)


async def test_what_nothing_supports_is_left_out_and_counted(browser: Browser, footnote: Footnote) -> None:
    async with (
        told_by(footnote, ScriptedLLM(_FIRST, _FALSE, _SECOND)) as site,
        asking(browser, site) as page,
    ):
        await expect(page.locator(".dropped")).to_contain_text("1 sentence was left out")
        await expect(page.locator(".sentence")).to_have_count(2)
        await expect(page.locator(".exchange")).not_to_contain_text("ninety-nine")


async def test_where_it_is_only_marked_it_looks_like_what_it_is(browser: Browser, footnote: Footnote) -> None:
    marking = replace(footnote, answer_policy=AnswerPolicy(unsupported="mark"))
    async with told_by(marking, ScriptedLLM(_FIRST, _FALSE)) as site, asking(browser, site) as page:
        await expect(page.locator(".sentence.unsupported")).to_contain_text("not supported")
        await expect(page.locator(".foot")).to_contain_text("1 of 2 sentences supported")
        await page.locator(".sentence.unsupported").focus()
        await expect(page.locator(".notes-head .support")).to_have_class("support weak")


async def test_a_partial_answer_says_what_is_missing(browser: Browser, footnote: Footnote) -> None:
    said = _FIRST + "\nMISSING: how it is in Japan."
    async with told_by(footnote, ScriptedLLM(said)) as site, asking(browser, site) as page:
        await expect(page.locator(".gap")).to_contain_text("how it is in Japan")


async def test_an_answer_goes_on_where_its_connection_broke_off(browser: Browser, footnote: Footnote) -> None:
    llm = PacedLLM()
    async with told_by(footnote, llm) as site, open_cable(site.address) as cable:
        site.expected = ("net::ERR",)
        async with asking(browser, site, cable) as page:
            llm.says.put_nowait(_FIRST + "Days")
            await expect(page.locator(".sentence")).to_have_count(1)
            cable.cut()
            await expect(page.locator(".waiting")).to_contain_text("The connection broke off")
            llm.says.put_nowait(_SECOND.removeprefix("Days"))
            llm.says.put_nowait(None)
            cable.mend()
            await expect(page.locator(".sentence")).to_have_count(2)
            await expect(page.locator(".foot")).to_contain_text("Both sentences supported")
            assert await page.locator(".trouble").count() == 0
        assert len(llm.prompts) == 0
        assert site.complaints == []


async def test_a_page_that_is_loaded_again_goes_on_listening(browser: Browser, footnote: Footnote) -> None:
    llm = PacedLLM()
    async with told_by(footnote, llm) as site, asking(browser, site) as page:
        llm.says.put_nowait(_FIRST + "Days")
        await expect(page.locator(".sentence")).to_have_count(1)
        await page.reload()
        await expect(page.locator(".sentence")).to_have_count(1)
        llm.says.put_nowait(_SECOND.removeprefix("Days"))
        llm.says.put_nowait(None)
        await expect(page.locator(".foot")).to_contain_text("Both sentences supported")


async def test_stopping_reaches_the_language_model(browser: Browser, footnote: Footnote) -> None:
    llm = PacedLLM()
    async with told_by(footnote, llm) as site, asking(browser, site) as page:
        llm.says.put_nowait(_FIRST + "Days")
        await expect(page.locator(".sentence")).to_have_count(1)
        await page.get_by_role("button", name="Stop the answer").click()
        await expect(page.locator(".exchange")).to_contain_text("You stopped this answer.")
        await llm.closed.wait()
        await expect(page.get_by_role("button", name="Ask again")).to_be_visible()


async def test_what_goes_wrong_in_the_middle_is_said_beside_what_was_told(
    browser: Browser, footnote: Footnote
) -> None:
    llm = PacedLLM()
    async with told_by(footnote, llm) as site, asking(browser, site) as page:
        llm.says.put_nowait(_FIRST + "Days")
        await expect(page.locator(".sentence")).to_have_count(1)
        llm.says.put_nowait(LLMUnavailableError("the language model's server is away"))
        await expect(page.locator(".trouble")).to_contain_text("The language model's server is away")
        await expect(page.locator(".sentence")).to_have_count(1)
        await page.get_by_role("button", name="Try again").click()
        llm.says.put_nowait(_FIRST)
        llm.says.put_nowait(None)
        await expect(page.locator(".foot")).to_contain_text("Supported")
        await expect(page.locator(".exchange")).to_have_count(1)
