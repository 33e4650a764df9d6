"""Library: what is in the index is found, brought, looked at and deleted."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Browser, FilePayload, Locator, Page, expect

from tests.service.web.conftest import Site, enter, visiting
from tests.service.web.furnishing import furnish_folder, take_in_folder
from tests.service.web.test_looks import LOOKS, check
from tests.service.workers import at_work

LEAVE = FilePayload(
    name="leave.md", mimeType="text/markdown", buffer=b"# Leave\n\nParents may take up to 24 weeks of leave."
)
BROKEN = FilePayload(
    name="broken.pdf", mimeType="application/pdf", buffer=b"%PDF-1.7\nnothing that a PDF has"
)
UNREADABLE = FilePayload(name="program.exe", mimeType="application/octet-stream", buffer=b"MZ\x00\x01")


@pytest.fixture(autouse=True)
def _nobody_is_signed_in_at_first(site: Site) -> None:
    site.expected = ("status of 401",)


def row(page: Page, name: str) -> Locator:
    return page.locator(".entry", has=page.get_by_role("heading", name=name, exact=True))


async def test_files_are_uploaded_and_can_be_asked_about_and_one_that_fails_says_why(
    site: Site, browser: Browser
) -> None:
    site.expected += ("status of 415",)
    async with at_work(site.footnote), visiting(browser, site) as page:
        await enter(page, await site.key(role="editor"), "library")
        await expect(page.get_by_role("heading", name="No documents yet")).to_be_visible()
        async with page.expect_file_chooser() as chosen:
            await page.get_by_role("button", name="Upload", exact=True).click()
        await (await chosen.value).set_files([LEAVE, BROKEN, UNREADABLE])
        uploads = page.get_by_role("region", name="Uploads")
        await expect(uploads.get_by_text("In the index, 1 passage.")).to_be_visible()
        await expect(uploads.get_by_text("program.exe' cannot be taken in")).to_be_visible()
        failed = uploads.get_by_role("listitem").filter(has_text="broken.pdf")
        await expect(failed.locator(".wrong")).to_be_visible()
        await expect(row(page, "Leave").get_by_text("Indexed")).to_be_visible()
        await expect(row(page, "broken.pdf").get_by_text("Failed")).to_be_visible()
        await expect(row(page, "broken.pdf").locator(".wrong")).not_to_be_empty()
        answer = await page.evaluate(
            "fetch('/v1/ask', {method: 'POST', headers: {'Content-Type': 'application/json'},"
            " body: JSON.stringify({question: 'How long is parental leave?'})}).then((told) => told.json())"
        )
        assert answer["status"] == "answered"
        await uploads.get_by_role("link", name="Leave").click()
        await expect(page.get_by_role("heading", name="As it was cut")).to_be_visible()


async def test_files_that_are_dropped_on_the_page_are_uploaded(site: Site, browser: Browser) -> None:
    async with at_work(site.footnote), visiting(browser, site) as page:
        await enter(page, await site.key(role="editor"), "library")
        await page.get_by_text("Drop files anywhere here").wait_for()
        held = await page.evaluate_handle(
            "() => { const held = new DataTransfer();"
            " held.items.add(new File(['Cats sleep.'], 'cats.txt', {type: 'text/plain'})); return held; }"
        )
        main = page.locator("main")
        await main.dispatch_event("dragover", {"dataTransfer": held})
        await expect(page.get_by_text("Drop to add to “default”")).to_be_visible()
        await main.dispatch_event("drop", {"dataTransfer": held})
        await expect(page.get_by_text("Drop to add")).to_be_hidden()
        await expect(row(page, "cats").get_by_text("Indexed")).to_be_visible()


async def test_a_document_is_deleted_once_the_time_to_undo_is_over(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    furnish_folder(tmp_path / "handbook")
    await take_in_folder(site.footnote, tmp_path / "handbook")
    async with visiting(browser, site) as page:
        sent: list[str] = []
        page.on("request", lambda asked: sent.append(asked.url) if asked.method == "DELETE" else None)
        await enter(page, await site.key(role="editor"), "library")
        delete = page.get_by_role("button", name="Delete Sick leave")
        await delete.click()
        await expect(row(page, "Sick leave")).to_have_count(0)
        await page.get_by_role("button", name="Undo").click()
        await expect(row(page, "Sick leave")).to_be_visible()
        await expect(row(page, "Sick leave").get_by_role("link")).to_be_focused()
        await asyncio.sleep(6.5)
        assert sent == []
        await delete.click()
        await page.keyboard.press("Control+z")
        await expect(row(page, "Sick leave")).to_be_visible()
        await delete.click()
        await page.reload()
        await expect(row(page, "Sick leave")).to_be_visible()
        assert sent == []
        await delete.click()
        await page.mouse.move(5, 5)
        async with page.expect_response(lambda told: told.request.method == "DELETE", timeout=30_000) as told:
            await page.get_by_role("link", name="Ask", exact=True).click()
        assert (await told.value).status == 204
        await page.get_by_role("link", name="Library").click()
        await expect(row(page, "Parental leave")).to_be_visible()
        await expect(row(page, "Sick leave")).to_have_count(0)


async def test_documents_are_searched_narrowed_down_and_paged_through(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    furnish_folder(tmp_path / "handbook")
    for number in range(60):
        (tmp_path / "handbook" / f"note-{number:02}.txt").write_text(f"Note {number}.")
    await take_in_folder(site.footnote, tmp_path / "handbook")
    await take_in_folder(site.footnote, tmp_path / "handbook" / "it", "group:it", collection="it")
    async with visiting(browser, site) as page:
        await enter(page, await site.key("group:it"), "library")
        rows = page.locator(".entry")
        await expect(rows).to_have_count(50)
        await page.get_by_role("button", name="Show more").click()
        await expect(rows).to_have_count(67)
        await expect(rows.nth(50).get_by_role("link")).to_be_focused()
        await page.get_by_label("Search titles and paths").fill("leave PEOPLE")
        await expect(rows).to_have_count(2)
        await page.get_by_label("Search titles and paths").fill("")
        await page.get_by_label("Kind").select_option("Web pages")
        await expect(rows).to_have_count(1)
        await page.get_by_label("Kind").select_option("All kinds")
        await page.get_by_label("State").select_option("Failed")
        await expect(rows).to_have_count(1)
        await expect(rows.locator(".wrong")).to_contain_text("PDF")
        await page.reload()
        await expect(rows).to_have_count(1)
        await page.get_by_label("State").select_option("Removed")
        await expect(page.get_by_role("heading", name="No document fits")).to_be_visible()
        await page.get_by_role("navigation", name="Collections").get_by_role("link", name="it").click()
        await expect(rows).to_have_count(2)


async def test_a_reader_can_neither_upload_nor_delete_and_sees_no_sources(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    furnish_folder(tmp_path / "handbook")
    await take_in_folder(site.footnote, tmp_path / "handbook")
    async with visiting(browser, site) as page:
        await enter(page, await site.key(), "library")
        await expect(row(page, "Sick leave")).to_be_visible()
        await expect(page.get_by_role("button", name="Upload")).to_have_count(0)
        await expect(page.get_by_role("button", name="Delete")).to_have_count(0)
        links = page.get_by_role("navigation", name="Views").get_by_role("link")
        assert await links.all_inner_texts() == ["Ask", "Library"]
        await row(page, "Sick leave").get_by_role("link").click()
        await expect(page.get_by_role("heading", name="As it was cut")).to_be_visible()
        await expect(page.get_by_role("button", name="Delete")).to_have_count(0)
        await page.goto("/#/sources")
        await expect(page.locator("main.view-sources")).to_have_count(0)
        await page.goto("/#/health")
        await expect(page.locator("main.view-health")).to_have_count(0)


HOSTILE = "<img src=x onerror=window.hurt=1>"


async def test_hostile_names_titles_and_texts_stay_inert(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    folder = tmp_path / HOSTILE
    folder.mkdir()
    (folder / f"{HOSTILE}.md").write_text(
        f"# {HOSTILE}<script>window.hurt=1</script>\n\n<script>window.hurt=1</script> [go](javascript:window.hurt=1)"
    )
    (folder / "\u202egnp.exe.txt").write_text("Turned around.")
    (folder / "<svg onload=hurt()>.pdf").write_bytes(b"%PDF-1.7 <script>window.hurt=1</script>")
    await take_in_folder(site.footnote, folder)
    async with visiting(browser, site) as page:
        await enter(page, await site.key(role="admin"), "library")
        await expect(page.locator(".entry")).to_have_count(3)
        await page.locator(".entry", has_text="onerror").first.get_by_role("link").click()
        await expect(page.locator(".cut").first).to_be_visible()
        await page.get_by_role("link", name="Sources").click()
        await expect(page.locator(".source-card")).to_have_count(1)
        await page.get_by_text("not taken in, and why").click()
        await page.get_by_role("link", name="Health").click()
        await expect(page.locator(".panel")).to_have_count(10)
        assert await page.evaluate("window.hurt") is None
        assert await page.locator("main img, main script").count() == 0


async def test_a_document_can_be_reached_and_left_with_the_keyboard_alone(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    furnish_folder(tmp_path / "handbook")
    await take_in_folder(site.footnote, tmp_path / "handbook")
    async with visiting(browser, site) as page:
        await enter(page, await site.key(role="editor"), "library")
        await row(page, "Parental leave").wait_for()
        await page.get_by_label("Search titles and paths").focus()
        await page.keyboard.type("parental")
        await expect(page.locator(".entry")).to_have_count(1)
        for _ in range(3):
            await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Parental leave", level=1)).to_be_visible()
        await page.go_back()
        await expect(page.get_by_label("Search titles and paths")).to_have_value("parental")


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("look", "size", "is_dark"), LOOKS)
async def test_the_library_is_accessible_and_looks_well(
    site: Site, browser: Browser, tmp_path: Path, look: str, size: tuple[int, int], is_dark: bool
) -> None:
    furnish_folder(tmp_path / "handbook")
    await take_in_folder(site.footnote, tmp_path / "handbook")
    await take_in_folder(site.footnote, tmp_path / "handbook" / "it", "group:it", collection="engineering")
    key = await site.key("group:it", role="editor")
    async with visiting(browser, site, size=size, dark=is_dark, bypass_csp=True) as page:
        await enter(page, key, "library")
        await row(page, "Parental leave").wait_for()
        await check(page, f"library-{look}")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await row(page, "Parental leave").get_by_role("link").click()
        await page.locator(".cut").first.wait_for()
        await check(page, f"document-{look}")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
