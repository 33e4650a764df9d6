"""Revisions and pictures of their pages over HTTP: what a citation points into, for whom and how long."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import numpy as np
import pytest
from PIL import Image

from retrieval.records import Scope
from service.footnote import Footnote
from service.http.responses.revisions import RevisionBody
from service.ingestion import ingest_path
from service.revisions import find_held_revision, headings_at
from service.targets import SourceRules
from tests.ingest.documents import pdf
from tests.service.http.conftest import House
from tests.service.test_ingestion import Silent

_FIRST = "Every employee has twenty-five days of paid leave in a year."
_SECOND = "Days that were not taken may be carried over until March."


async def take(footnote: Footnote, folder: Path, *readers: str) -> None:
    async with footnote.parser_pool() as pool:
        rules = SourceRules(readers=readers or ("public",))
        await ingest_path(footnote, pool, folder, collection="default", rules=rules, progress=Silent())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "papers"
    root.mkdir()
    (root / "leave.pdf").write_bytes(pdf([(700, "Leave"), (660, _FIRST)], [(700, _SECOND)], title="Leave"))
    (root / "notes.md").write_text(
        "# Notes\n\n## Tea\n\nTea is served at four.\n\n## Coffee\n\nCoffee is at ten.\n"
    )
    return root


async def the(house: House, path: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The document at a path, with its text."""
    listed = (await house.client.get("/v1/documents", headers=dict(headers or {}))).json()["documents"]
    document: dict[str, Any] = next(each for each in listed if each["path"] == path)
    text = await house.client.get(f"/v1/documents/{document['id']}/text", headers=dict(headers or {}))
    return {**document, "text": text.text}


def span_of(document: Mapping[str, Any], words: str) -> dict[str, int]:
    start = document["text"].index(words)
    return {"char_start": start, "char_end": start + len(words)}


def page_of(document: Mapping[str, Any], page: int, revision: int = 1) -> str:
    return f"/v1/documents/{document['id']}/revisions/{revision}/pages/{page}/image"


def opened(response: httpx.Response) -> Image.Image:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/webp"
    return Image.open(io.BytesIO(response.content)).convert("RGB")


async def test_a_revision_says_what_it_is_and_what_stands_above_a_place(house: House, folder: Path) -> None:
    await take(house.footnote, folder)
    notes = await the(house, "notes.md")
    start = notes["text"].index("Coffee is")
    response = await house.client.get(
        f"/v1/documents/{notes['id']}/revisions/1", params={"char_start": start}
    )
    told = RevisionBody.model_validate(response.json())
    assert (told.revision, told.current, told.superseded_at) == (1, True, None)
    assert (told.path, told.media_type, told.characters) == ("notes.md", "text/markdown", len(notes["text"]))
    assert (told.pages, told.page) == (None, None)
    assert told.headings is not None
    assert told.headings[-1] == "Coffee"
    again = await house.client.get(
        f"/v1/documents/{notes['id']}/revisions/1",
        params={"char_start": start},
        headers={"If-None-Match": response.headers["etag"]},
    )
    assert again.status_code == 304


async def test_a_former_revision_is_told_as_such(house: House, folder: Path) -> None:
    await take(house.footnote, folder)
    (folder / "notes.md").write_text("# Notes\n\nTea is served at five.\n")
    await take(house.footnote, folder)
    notes = await the(house, "notes.md")
    former = (
        await house.client.get(f"/v1/documents/{notes['id']}/revisions/1", params={"char_start": 9})
    ).json()
    assert (former["current"], former["headings"]) == (False, None)
    assert former["superseded_at"] is not None
    assert (await house.client.get(f"/v1/documents/{notes['id']}/revisions/2")).json()["current"] is True
    missing = await house.client.get(f"/v1/documents/{notes['id']}/revisions/3")
    assert missing.status_code == 404


async def test_headings_of_a_later_revision_are_never_told_for_a_former_one(
    house: House, folder: Path
) -> None:
    """Between the look at a revision and that at its headings, another may be published, for other readers."""
    await take(house.footnote, folder)
    notes = await the(house, "notes.md")
    database, document_id = house.footnote.database, UUID(notes["id"])
    seen = await find_held_revision(database, document_id, 1, scope=Scope.of([]))
    assert await headings_at(database, seen, 30) == ("Notes", "Tea")
    (folder / "notes.md").write_text("# Layoffs\n\nThey begin in May, at the office in the north.\n")
    await take(house.footnote, folder, "group:hr")
    assert await headings_at(database, seen, 30) is None


async def test_a_page_is_shown_with_the_span_marked_where_it_stands(house: House, folder: Path) -> None:
    await take(house.footnote, folder)
    leave = await the(house, "leave.pdf")
    plain = opened(await house.client.get(page_of(leave, 1)))
    response = await house.client.get(page_of(leave, 1), params=span_of(leave, "paid leave in a year"))
    marked = opened(response)
    assert marked.size == plain.size
    assert marked.width == 1200
    left, top, right, bottom = map(float, response.headers["Footnote-Marked"].split())
    assert 0.1 < left < right < 0.9
    assert top < (842 - 660) / 842 < bottom + 0.01
    middle = (marked.width * (left + right) / 2, marked.height * top - 1)
    assert np.asarray(marked)[int(middle[1]), int(middle[0])][2] < 200  # yellow
    assert plain.getpixel((int(middle[0]), int(middle[1]))) == (255, 255, 255)
    beside = (int(marked.width * 0.95), int(marked.height * (top + bottom) / 2))
    assert marked.getpixel(beside) == (255, 255, 255)


async def test_nothing_is_marked_on_a_page_that_the_span_is_not_on(house: House, folder: Path) -> None:
    await take(house.footnote, folder)
    leave = await the(house, "leave.pdf")
    response = await house.client.get(page_of(leave, 2), params=span_of(leave, _FIRST))
    assert response.status_code == 200
    assert "Footnote-Marked" not in response.headers


async def test_a_picture_that_is_known_is_not_drawn_again(house: House, folder: Path) -> None:
    await take(house.footnote, folder)
    leave = await the(house, "leave.pdf")
    asked = span_of(leave, _FIRST) | {"width": 400}
    response = await house.client.get(page_of(leave, 1), params=asked)
    assert opened(response).width == 400
    known = {"If-None-Match": response.headers["etag"]}
    assert (await house.client.get(page_of(leave, 1), params=asked, headers=known)).status_code == 304
    other = asked | {"char_end": asked["char_end"] - 9}
    assert (await house.client.get(page_of(leave, 1), params=other, headers=known)).status_code == 200


async def no_picture(house: House, address: str) -> str:
    response = await house.client.get(address)
    assert (response.status_code, response.json()["type"]) == (404, "urn:footnote:problem:no-picture")
    detail: str = response.json()["detail"]
    return detail


async def test_where_there_is_no_picture_it_says_why(house: House, folder: Path) -> None:
    await take(house.footnote, folder)
    leave, notes = await the(house, "leave.pdf"), await the(house, "notes.md")
    assert "PDF" in await no_picture(house, page_of(notes, 1))
    assert "no page 3" in await no_picture(house, page_of(leave, 3))
    await house.footnote.database.execute("UPDATE sources SET kind = 's3'")
    assert "another machine" in await no_picture(house, page_of(leave, 1))
    await house.footnote.database.execute("UPDATE sources SET kind = 'folder'")
    (folder / "leave.pdf").write_bytes(pdf([(700, "Something else.")]))
    assert "has changed" in await no_picture(house, page_of(leave, 1))
    (folder / "leave.pdf").unlink()
    assert "not where it was" in await no_picture(house, page_of(leave, 1))


async def test_what_a_caller_may_not_read_they_may_not_look_at(house: House, folder: Path) -> None:
    await take(house.footnote, folder, "group:hr")
    member, stranger = await house.client_as("group:hr"), await house.client_as("group:it")
    leave = await the(house, "leave.pdf", member)
    for address in (page_of(leave, 1), f"/v1/documents/{leave['id']}/revisions/1"):
        assert (await house.client.get(address, headers=member)).status_code == 200
        hidden = await house.client.get(address, headers=stranger)
        never = await house.client.get(
            address.replace(leave["id"], "00000000-0000-4000-8000-000000000000"), headers=stranger
        )
        assert (hidden.status_code, hidden.json()["type"]) == (404, never.json()["type"])
        assert (await house.client.get(address, headers={"Authorization": ""})).status_code == 401


@pytest.mark.parametrize(
    "query", ["char_start=5", "char_start=9&char_end=9", "width=99", "width=2001", "char_start=-1", "x=1"]
)
async def test_a_span_that_is_none_is_refused(house: House, folder: Path, query: str) -> None:
    await take(house.footnote, folder)
    leave = await the(house, "leave.pdf")
    assert (await house.client.get(f"{page_of(leave, 1)}?{query}")).status_code == 422
