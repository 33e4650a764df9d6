"""Documents that attack whoever reads them stay text, and what a reader may not see is not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.service.web.conftest import Site, enter, visiting
from tests.service.web.test_asking import ask

_QUESTION = "What does the harbour master eat for breakfast?"
_ANSWER = "The harbour master eats pickled herring for breakfast"
_ATTACK = (
    '<img src=x onerror="window.stung=1"><script>window.stung=2</script>'
    "<svg onload='window.stung=3'></svg><style>body{display:none}</style>"
    "<a href='javascript:window.stung=4'>herring</a><iframe srcdoc='<script>parent.stung=5</script>'></iframe>"
)
_TURNED = "\u202eturned round\u202c"


def _markdown() -> str:
    return f"# {_ATTACK}\n\n{_ANSWER} {_ATTACK} [click](javascript:window.stung=6) {_TURNED}.\n"


def _page() -> str:
    escaped = _ATTACK.replace("&", "&amp;").replace("<", "&lt;")
    return (
        f"<html><head><title>{escaped}</title><style>*{{color:red}}</style><script>window.stung=7</script></head>"
        f'<body onload="window.stung=8"><h1 onclick="window.stung=9">{escaped}</h1>'
        f'<p style="position:fixed;inset:0">{_ANSWER} {escaped} {_TURNED}.</p></body></html>'
    )


async def is_inert(page: Page) -> None:
    assert await page.evaluate("window.stung") is None
    assert await page.locator("main img, main iframe, main style, main script, main svg[onload]").count() == 0
    assert await page.locator("a[href^='javascript']").count() == 0
    text = await page.locator("body").inner_text()
    assert "\u202e" not in text
    assert "\u202d" not in text


@pytest.mark.parametrize("name", ["plain.md", "page.html", "'\"><img src=x onerror=window.stung=10>.md"])
async def test_a_hostile_document_stays_inert(
    browser: Browser, site: Site, tmp_path: Path, name: str
) -> None:
    root = tmp_path / "papers"
    root.mkdir()
    (root / name).write_text(_page() if name.endswith(".html") else _markdown())
    await site.take_in(root)
    async with visiting(browser, site) as page:
        page.on("dialog", lambda dialog: site.complaints.append(f"a dialog: {dialog.message}"))
        await enter(page, await site.key())
        await ask(page, _QUESTION)
        await expect(page.locator(".sentence").first).to_contain_text("pickled herring")
        await page.locator(".sentence").first.hover()
        await expect(page.locator(".notes-head")).to_contain_text("Support")
        await is_inert(page)
        await page.locator(".sentence .marker").first.click()
        source = page.get_by_role("dialog")
        await expect(source.locator("mark").first).to_be_visible()
        await expect(source.locator(".passage")).to_contain_text("onerror")
        await expect(source.locator(".source-place")).to_have_text(name)
        await page.mouse.click(640, 400)
        await is_inert(page)
        await page.reload()
        await expect(page.locator(".sentence").first).to_contain_text("pickled herring")
        await is_inert(page)


async def test_a_reader_without_rights_finds_nothing_and_is_told_nothing(
    browser: Browser, site: Site, tmp_path: Path
) -> None:
    root = tmp_path / "papers"
    root.mkdir()
    (root / "secret.md").write_text(f"# Breakfast\n\n{_ANSWER}.\n")
    await site.take_in(root, "group:kitchen")
    async with visiting(browser, site) as page:
        await enter(page, await site.key("group:office"))
        await expect(page.get_by_role("heading", name="There is nothing to ask yet.")).to_be_visible()
        await expect(page.get_by_role("link", name="Go to the library")).to_have_count(0)
        assert "secret" not in await page.content()
        await expect(page.get_by_role("navigation").get_by_role("link")).to_have_text(["Ask", "Library"])


async def test_a_source_that_may_not_be_read_any_more_is_not_shown(
    browser: Browser, site: Site, tmp_path: Path
) -> None:
    site.expected = ("404",)
    root = tmp_path / "papers"
    root.mkdir()
    (root / "menu.md").write_text(f"# Breakfast\n\n{_ANSWER}.\n")
    await site.take_in(root, "group:kitchen")
    async with visiting(browser, site) as page:
        await enter(page, await site.key("group:kitchen"))
        await ask(page, _QUESTION)
        await site.footnote.database.execute("UPDATE documents SET readers = '{user:cook}'")
        await page.locator(".sentence .marker").first.click()
        source = page.get_by_role("dialog")
        await expect(source.get_by_role("alert")).to_contain_text("There is no revision 1 of document")
        assert await source.locator("mark").count() == 0
