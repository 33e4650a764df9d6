"""Uploads, changes and deletions over HTTP, down to what is then found."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest

from ingest.catalog import list_sources, want_refresh
from ingest.reports import Fate
from retrieval.database import Database
from retrieval.errors import DatabaseUnavailableError
from service.footnote import Footnote
from service.schedule import refresh_due
from service.sections import IngestSettings, UploadsSettings
from service.uploads import _move, uploads_folder
from tests.service.http.conftest import House, open_house
from tests.service.http.taking_in import take_in

CATS = b"# Cats\n\nCats sleep for most of the day."
DOGS = b"# Dogs\n\nDogs bark at the postman every morning."
Headers = Mapping[str, str]


async def upload(
    house: House,
    headers: Headers,
    *files: tuple[str, bytes],
    **fields: str | Sequence[str],
) -> httpx.Response:
    return await house.client.post(
        "/v1/documents",
        files=[("file", (name, content)) for name, content in files],
        data={name: value if isinstance(value, str) else list(value) for name, value in fields.items()},
        headers=headers,
    )


async def uploaded(
    house: House, headers: Headers, name: str, content: bytes, **fields: str
) -> dict[str, Any]:
    response = await upload(house, headers, (name, content), **fields)
    assert response.status_code == 202, response.text
    [document] = response.json()["documents"]
    assert isinstance(document, dict)
    return document


async def show(house: House, document: Mapping[str, Any], headers: Headers) -> httpx.Response:
    return await house.client.get(f"/v1/documents/{document['id']}", headers=headers)


async def hits(house: House, query: str, headers: Headers, collection: str = "default") -> list[str]:
    response = await house.client.post(
        "/v1/search", json={"query": query, "collection": collection}, headers=headers
    )
    if response.status_code == 404:
        return []
    return [hit["text"] for hit in response.json()["hits"]]


async def want_refresh_of_all(database: Database) -> None:
    for state in await list_sources(database):
        await want_refresh(database, state.source.id)


@pytest.fixture
async def editor(house: House) -> dict[str, str]:
    return await house.client_as("user:eve", "group:hr", role="editor")


async def test_a_file_is_pending_until_it_is_taken_in_and_then_found(house: House, editor: Headers) -> None:
    response = await upload(house, editor, ("cats.md", CATS), metadata='{"team":"pets"}')
    assert response.status_code == 202
    [document] = response.json()["documents"]
    assert response.headers["location"] == f"/v1/documents/{document['id']}"
    assert (document["status"], document["revision"], document["upload"]) == ("pending", None, True)
    assert await hits(house, "Cats sleep", editor) == []
    [run] = await take_in(house.footnote)
    assert run.report is not None
    assert (run.report.added, run.error) == (1, None)
    shown = (await show(house, document, editor)).json()
    assert (shown["status"], shown["revision"], shown["title"]) == ("indexed", 1, "Cats")
    assert shown["metadata"] == {"team": "pets"}
    assert any("sleep" in text for text in await hits(house, "Cats sleep", {}))
    listed = (await house.client.get("/v1/documents")).json()["documents"]
    assert [entry["path"] for entry in listed] == ["cats.md"]


async def test_the_same_path_is_the_same_document_with_a_new_revision(house: House, editor: Headers) -> None:
    first = await uploaded(house, editor, "a.md", CATS)
    await take_in(house.footnote)
    again = await uploaded(house, editor, "a.md", DOGS)
    assert again["id"] == first["id"]
    assert (again["status"], again["revision"]) == ("pending", 1)
    assert await hits(house, "Cats sleep", editor)
    await take_in(house.footnote)
    shown = (await show(house, first, editor)).json()
    assert (shown["status"], shown["revision"]) == ("indexed", 2)
    assert [text for text in await hits(house, "dogs bark", editor) if "Cats" in text] == []
    old = await house.client.get(f"/v1/documents/{first['id']}/text?revision=1")
    assert "Cats sleep" in old.text


async def test_the_same_content_again_is_indexed_without_a_new_revision(
    house: House, editor: Headers
) -> None:
    first = await uploaded(house, editor, "a.md", CATS)
    await take_in(house.footnote)
    assert (await uploaded(house, editor, "a.md", CATS))["status"] == "pending"
    await take_in(house.footnote)
    shown = (await show(house, first, editor)).json()
    assert (shown["status"], shown["revision"]) == ("indexed", 1)


async def test_a_file_that_cannot_be_read_says_why_and_is_listed_as_failed(
    house: House, editor: Headers
) -> None:
    broken = await uploaded(house, editor, "scans/broken.pdf", b"%PDF-1.7 this is no PDF")
    await uploaded(house, editor, "cats.md", CATS)
    await take_in(house.footnote)
    shown = (await show(house, broken, editor)).json()
    assert shown["status"] == "failed"
    assert shown["reason"]
    failed = (await house.client.get("/v1/documents?status=failed")).json()["documents"]
    assert [(entry["id"], entry["path"]) for entry in failed] == [(broken["id"], "scans/broken.pdf")]
    everything = (await house.client.get("/v1/documents?status=any")).json()["documents"]
    assert [entry["path"] for entry in everything] == ["cats.md", "scans/broken.pdf"]
    narrowed = await house.client.get("/v1/documents?status=any&path=scans/")
    assert [entry["path"] for entry in narrowed.json()["documents"]] == ["scans/broken.pdf"]


async def test_only_its_readers_know_of_a_document_from_the_moment_it_is_uploaded(
    house: House, editor: Headers
) -> None:
    secret = await uploaded(house, editor, "pay.md", CATS, readers="group:hr")
    for headers in ({}, await house.client_as("user:bob", role="editor")):
        assert (await show(house, secret, headers)).status_code == 404
        assert (await house.client.get("/v1/documents?status=any", headers=headers)).status_code == 404
    await take_in(house.footnote)
    assert (await show(house, secret, {})).status_code == 404
    assert await hits(house, "Cats sleep", {}) == []
    assert await hits(house, "Cats sleep", editor)
    await take_in(house.footnote)  # nothing that a later refresh says opens it
    assert await hits(house, "Cats sleep", {}) == []


async def test_who_uploads_has_to_be_among_the_readers(house: House, editor: Headers) -> None:
    response = await upload(house, editor, ("a.md", CATS), readers="group:sales")
    assert response.status_code == 422
    assert "none of these readers is you" in response.json()["detail"]


async def test_a_path_that_a_hidden_document_has_is_as_free_as_any(house: House, editor: Headers) -> None:
    hidden = await uploaded(house, editor, "a.md", CATS, readers="group:hr")
    await take_in(house.footnote)
    bob = await house.client_as("user:bob", role="editor")
    seen = await uploaded(house, bob, "a.md", DOGS)
    below = await uploaded(house, bob, "a.md/b.md", DOGS)
    assert len({hidden["id"], seen["id"], below["id"]}) == 3
    await take_in(house.footnote)
    assert any("Cats" in text for text in await hits(house, "Cats sleep", editor))
    assert not any("Cats" in text for text in await hits(house, "Cats sleep", bob))
    assert (await uploaded(house, bob, "a.md", CATS))["id"] == seen["id"]


async def test_a_file_opened_to_more_readers_shows_them_its_new_text_alone(
    house: House, editor: Headers
) -> None:
    document = await uploaded(house, editor, "a.md", CATS, readers="group:hr")
    await take_in(house.footnote)
    await uploaded(house, editor, "a.md", DOGS, readers="public")
    assert (await show(house, document, {})).status_code == 404
    await take_in(house.footnote)
    assert (await show(house, document, {})).json()["revision"] == 2
    assert (await house.client.get(f"/v1/documents/{document['id']}/text?revision=1")).status_code == 404


async def test_a_file_whose_upload_was_broken_off_is_told_to_nobody(
    house: House, editor: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def move_and_break_off(*arguments: Any) -> int:
        _move(*arguments)
        raise DatabaseUnavailableError("away")

    document = await uploaded(house, editor, "a.md", CATS)
    await take_in(house.footnote)
    with monkeypatch.context() as breaking:
        breaking.setattr("service.uploads._move", move_and_break_off)
        response = await upload(house, editor, ("a.md", DOGS), readers="group:hr")
    assert response.status_code == 503
    await want_refresh_of_all(house.footnote.database)
    [run] = await take_in(house.footnote)
    assert run.report is not None
    assert [(failed.path, failed.retryable) for failed in run.report.failed] == [("a.md", True)]
    assert "Upload it again" in run.report.failed[0].error
    for headers in ({}, editor):
        assert not any("Dogs" in text for text in await hits(house, "Dogs bark", headers))
        assert any("Cats" in text for text in await hits(house, "Cats sleep", headers))
    assert (await uploaded(house, editor, "a.md", DOGS, readers="group:hr"))["id"] == document["id"]
    await take_in(house.footnote)
    assert await hits(house, "Dogs bark", {}) == []
    assert any("Dogs" in text for text in await hits(house, "Dogs bark", editor))


async def test_what_a_killed_process_had_received_is_removed_in_time(house: House, editor: Headers) -> None:
    incoming = uploads_folder(house.footnote.settings) / ".incoming"
    incoming.mkdir(parents=True)
    for name, age_s in (("lost", 100_000), ("coming", 0)):
        (incoming / name).write_bytes(CATS)
        os.utime(incoming / name, (time.time() - age_s,) * 2)
    await uploaded(house, editor, "a.md", CATS)
    assert [file.name for file in incoming.iterdir()] == ["coming"]


async def test_a_folder_of_uploads_that_was_restored_with_other_times_is_as_it_was(
    house: House, editor: Headers
) -> None:
    await uploaded(house, editor, "a.md", CATS)
    await take_in(house.footnote)
    [file] = uploads_folder(house.footnote.settings).rglob("a.md")
    os.utime(file, (1, 1))
    await want_refresh_of_all(house.footnote.database)
    [run] = await take_in(house.footnote)
    assert run.report is not None
    assert (run.report.unchanged, run.report.failed) == (1, [])


HOSTILE = [
    "../a.md",
    "a/../../b.md",
    "/etc/passwd.md",
    "a//b.md",
    "a/./b.md",
    ".hidden.md",
    "a/.git/b.md",
    "~$a.md",
    "a\\..\\b.md",
    "a\x00b.md",
    "a\nb.md",
    "CON.md",
    "a/nul",
    " a.md",
    "a.md ",
    "x" * 250 + ".md",
    "/".join(["folder"] * 200) + ".md",
    "a.md/",
    " ",
]


@pytest.mark.parametrize("path", HOSTILE)
async def test_a_hostile_path_is_refused_and_nothing_is_kept(
    house: House, editor: Headers, path: str
) -> None:
    response = await upload(house, editor, ("a.md", CATS), path=path)
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"
    folder = uploads_folder(house.footnote.settings)
    assert [file for file in folder.rglob("*") if file.is_file()] == []


@pytest.mark.parametrize(
    ("name", "status"),
    [(b"a\xff\xfe.md", 422), (b"", 422), (b"../../a.md", 422), ("süß/Ünal.md".encode(), 202)],
)
async def test_names_of_files_are_checked_as_they_come(
    house: House, editor: Headers, name: bytes, status: int
) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="' + name + b'"\r\n\r\n'
    body += CATS + b"\r\n--b--\r\n"
    response = await house.client.post(
        "/v1/documents",
        content=body,
        headers={**editor, "Content-Type": "multipart/form-data; boundary=b"},
    )
    assert response.status_code == status, response.text


FORM = "multipart/form-data; boundary=b"
_PART = b'--b\r\nContent-Disposition: form-data; name="file"'
BROKEN = [
    (b"", FORM, 400),
    (b"nothing like a form", FORM, 400),
    (_PART + b'; filename="a.md"\r\n\r\nCats', FORM, 400),
    (b"--b\r\n\r\nCats\r\n--b--\r\n", FORM, 400),
    (b"{}", "application/json", 415),
    (b"{}", "multipart/form-data", 400),
    (b"--b--\r\n", FORM, 422),
    (_PART + b"\r\n\r\nCats\r\n--b--\r\n", FORM, 422),
]


@pytest.mark.parametrize(("body", "media_type", "status"), BROKEN)
async def test_what_is_no_form_is_a_problem(
    house: House, editor: Headers, body: bytes, media_type: str, status: int
) -> None:
    response = await house.client.post(
        "/v1/documents", content=body, headers={**editor, "Content-Type": media_type}
    )
    assert response.status_code == status, response.text
    assert response.json()["detail"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"collection": "Not A Name"}, "collection"),
        ({"readers": "anybody"}, "readers"),
        ({"readers": ""}, "readers"),
        ({"metadata": "{"}, "metadata"),
        ({"metadata": '{"a": 1}'}, "metadata"),
        ({"metadata": '{"A": "1"}'}, "metadata"),
        ({"path": ["a.md", "b.md"]}, "paths"),
        ({"color": "red"}, "color"),
    ],
)
async def test_a_wrong_field_is_named(
    house: House, editor: Headers, fields: Mapping[str, Any], said: str
) -> None:
    response = await upload(house, editor, ("a.md", CATS), **fields)
    assert response.status_code == 422
    assert said in response.json()["detail"]


async def test_files_that_no_parser_reads_are_empty_or_the_same_are_refused(
    house: House, editor: Headers
) -> None:
    assert (await upload(house, editor, ("a.exe", CATS))).status_code == 415
    assert (await upload(house, editor, ("a.md", b""))).status_code == 422
    assert (await upload(house, editor, ("a.md", CATS), ("a.md", DOGS))).status_code == 422


async def test_readers_may_not_upload_change_or_delete(house: House, editor: Headers) -> None:
    document = await uploaded(house, editor, "a.md", CATS)
    place = f"/v1/documents/{document['id']}"
    assert (await upload(house, {}, ("b.md", CATS))).status_code == 403
    assert (await house.client.patch(place, json={"readers": ["public"]})).status_code == 403
    assert (await house.client.delete(place)).status_code == 403


async def test_readers_are_changed_at_once_and_for_good(house: House, editor: Headers) -> None:
    document = await uploaded(house, editor, "a.md", CATS)
    await take_in(house.footnote)
    place = f"/v1/documents/{document['id']}"
    tag = (await house.client.get(place, headers=editor)).headers["etag"]
    closed = await house.client.patch(
        place, json={"readers": ["group:hr"]}, headers={**editor, "If-Match": tag}
    )
    assert closed.json()["readers"] == ["group:hr"]
    assert (await show(house, document, {})).status_code == 404
    assert await hits(house, "Cats sleep", {}) == []
    late = await house.client.patch(place, json={"readers": ["public"]}, headers={**editor, "If-Match": tag})
    assert late.status_code == 412
    await uploaded(house, editor, "a.md", DOGS)  # says nothing of readers
    await take_in(house.footnote)
    assert (await show(house, document, {})).status_code == 404
    lost = await house.client.patch(place, json={"readers": ["user:bob"]}, headers=editor)
    assert lost.status_code == 422
    nothing = await house.client.patch(place, json={}, headers=editor)
    assert "nothing to change" in nothing.json()["detail"]


async def test_a_deleted_document_is_gone_with_its_file_for_those_who_could_see_it(
    house: House, editor: Headers
) -> None:
    document = await uploaded(house, editor, "a/b.md", CATS, readers="group:hr")
    await take_in(house.footnote)
    place = f"/v1/documents/{document['id']}"
    assert (await house.client.delete(place, headers=editor)).status_code == 204
    assert (await house.client.get(place, headers=editor)).status_code == 410
    assert (await house.client.get(f"{place}/chunks", headers=editor)).status_code == 410
    assert (await house.client.get(place)).status_code == 404
    assert (await house.client.delete(place, headers=editor)).status_code == 410
    assert list(uploads_folder(house.footnote.settings).rglob("*.md")) == []
    await take_in(house.footnote)
    assert await hits(house, "Cats sleep", editor) == []
    assert (await uploaded(house, editor, "a/b.md", CATS))["id"] != document["id"]


async def test_one_that_was_never_taken_in_can_be_deleted(house: House, editor: Headers) -> None:
    document = await uploaded(house, editor, "a.md", CATS)
    place = f"/v1/documents/{document['id']}"
    assert (await house.client.delete(place, headers=editor)).status_code == 204
    assert (await house.client.get(place, headers=editor)).status_code == 410
    [run] = await take_in(house.footnote)
    assert run.report is not None
    assert run.report.added == 0


async def test_the_same_idempotency_key_uploads_once(
    house: House, editor: Headers, database: Database
) -> None:
    headers = {**editor, "Idempotency-Key": "first"}
    one = await upload(house, headers, ("a.md", CATS))
    two = await upload(house, headers, ("a.md", CATS))
    assert two.json() == one.json()
    assert two.headers["idempotency-replayed"] == "true"
    assert two.headers["location"] == one.headers["location"]
    other = await upload(house, headers, ("a.md", DOGS))
    assert other.status_code == 422
    assert other.json()["type"] == "urn:footnote:problem:idempotency-key-reused"
    stranger = await house.client_as("user:bob", role="editor")
    assert (await upload(house, {**stranger, "Idempotency-Key": "first"}, ("b.md", DOGS))).status_code == 202


async def test_many_uploads_at_once_all_come_in(house: House, editor: Headers) -> None:
    responses = await asyncio.gather(
        *(upload(house, editor, (f"{n % 4}.md", CATS + str(n).encode())) for n in range(24))
    )
    assert {response.status_code for response in responses} == {202}
    ids = {UUID(response.json()["documents"][0]["id"]) for response in responses}
    assert len(ids) == 4
    await take_in(house.footnote)
    listed = (await house.client.get("/v1/documents")).json()["documents"]
    assert [(entry["path"], entry["status"]) for entry in listed] == [
        (f"{n}.md", "indexed") for n in range(4)
    ]


async def test_chunks_are_shown_as_they_were_cut_page_by_page(house: House) -> None:
    document_id = await house.add("a.txt", "First one.\n\nSecond one.\n\nThird one.")
    text = (await house.client.get(f"/v1/documents/{document_id}/text")).text
    found: list[dict[str, Any]] = []
    url: str | None = f"/v1/documents/{document_id}/chunks?limit=2"
    while url:
        page = (await house.client.get(url)).json()
        assert page["revision"] == 1
        found += page["chunks"]
        url = page["next"] and f"/v1/documents/{document_id}/chunks?limit=2&cursor={page['next']}"
    assert [chunk["number"] for chunk in found] == [0, 1, 2]
    assert [text[chunk["char_start"] : chunk["char_end"]] for chunk in found] == [
        chunk["text"] for chunk in found
    ]
    wrong = await house.client.get(f"/v1/documents/{document_id}/chunks?cursor=AAAA")
    assert wrong.status_code == 400


async def test_a_document_that_is_known_is_not_sent_again(house: House) -> None:
    document_id = await house.add("a.txt", "One.")
    first = await house.client.get(f"/v1/documents/{document_id}")
    again = await house.client.get(
        f"/v1/documents/{document_id}", headers={"If-None-Match": first.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    assert json.loads(first.content)["status"] == "indexed"


@pytest.fixture
async def small_house(footnote: Footnote) -> AsyncIterator[House]:
    """An app that takes two files of 1,024 bytes, and 4,096 bytes at a time."""
    limits = {
        "ingest": IngestSettings(max_file_bytes=1_024),
        "uploads": UploadsSettings(max_request_bytes=4_096, max_files=2),
    }
    async with open_house(replace(footnote, settings=footnote.settings.model_copy(update=limits))) as opened:
        yield opened


async def test_what_is_too_large_is_refused_while_it_comes_and_nothing_is_kept(
    small_house: House,
) -> None:
    editor = await small_house.client_as("user:eve", role="editor")
    at_most = ("a.md", b"x" * 1_024)
    assert (await upload(small_house, editor, at_most, ("b.md", CATS))).status_code == 202
    for files in (
        [("c.md", b"x" * 1_025)],
        [("c.md", CATS), ("d.md", CATS), ("e.md", CATS)],
        [("c.md", b"x" * 900)] * 5,
        [("c.md", b"x" * 100_000)],
    ):
        response = await upload(small_house, editor, *files)
        assert response.status_code == 413, response.text
        assert response.json()["type"] == "urn:footnote:problem:too-large"
    folder = uploads_folder(small_house.footnote.settings)
    assert sorted(file.name for file in folder.rglob("*") if file.is_file()) == ["a.md", "b.md"]


async def test_what_is_uploaded_while_its_source_is_refreshed_is_still_due_afterwards(
    house: House, editor: Headers
) -> None:
    await uploaded(house, editor, "a.md", CATS)
    due: list[UUID] = []

    class Meanwhile:
        """Uploads something after the folder was listed."""

        def planned(self, *, files: int) -> None:
            due.append(UUID(int=files))

        def finished(self, path: str, fate: Fate, chunks: int) -> None:
            pass

    async with house.footnote.parser_pool() as pool:
        runs = refresh_due(house.footnote, pool, progress=lambda _: Meanwhile())
        task = asyncio.ensure_future(anext(runs))
        while not due:  # noqa: ASYNC110  # there is no event for it
            await asyncio.sleep(0.005)
        later = await uploaded(house, editor, "b.md", DOGS)
        await task
        assert [run async for run in runs] != []
    assert (await show(house, later, editor)).json()["status"] == "indexed"


async def test_documents_of_one_folder_that_are_deleted_at_once_all_stay_out(
    house: House, editor: Headers
) -> None:
    documents = [await house.add(f"{number}.txt", f"Cat number {number} sleeps.") for number in range(6)]
    responses = await asyncio.gather(
        *(house.client.delete(f"/v1/documents/{document}", headers=editor) for document in documents)
    )
    assert {response.status_code for response in responses} == {204}
    row = await house.footnote.database.fetch_one("SELECT exclude FROM sources")
    assert row is not None
    assert sorted(row["exclude"]) == [f"/{number}.txt" for number in range(6)]
