"""Sources over HTTP: which places may be added, and how they are refreshed."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from ingest.catalog import ensure_source, find_source, list_sources
from retrieval.collections import ensure_collection
from retrieval.errors import NotFoundError
from service.footnote import Footnote
from service.managed_sources import SourceChanges, change_source, take_away
from service.sections import SourcesSettings, WebhooksSettings
from service.webhooks.signing import sign
from tests.ingest.web_server import Site, serving
from tests.service.http.conftest import House, open_house
from tests.service.http.taking_in import take_in
from tests.service.webhooks.receiver import Receiver, receiving
from tests.service.workers import LOOPBACK, at_work, until

Headers = Mapping[str, str]


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as served:
        served.put("/cats.md", "# Cats\n\nCats sleep for most of the day.")
        served.list_files("/cats.md")
        yield served


@pytest.fixture
async def house(footnote: Footnote, tmp_path: Path, site: Site) -> AsyncIterator[House]:
    """An app that lets folders below one be added, and some addresses."""
    root = tmp_path / "allowed"
    (root / "handbook").mkdir(parents=True)
    (root / "handbook" / "cats.md").write_text("# Cats\n\nCats sleep for most of the day.")
    allowed = footnote.settings.model_copy(
        update={
            "sources": SourcesSettings(
                allowed_roots=(root,),
                allowed_urls=("https://docs.example.com/guide", "s3://manuals/public/", site.url),
                allow_networks=(ip_network("127.0.0.1/32"),),
            ),
            "webhooks": WebhooksSettings(allow_networks=LOOPBACK),
        }
    )
    async with open_house(replace(footnote, settings=allowed)) as opened:
        yield opened


@pytest.fixture
async def admin(house: House) -> dict[str, str]:
    return await house.client_as("user:root", role="admin")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "allowed" / "handbook")


async def test_a_folder_is_added_refreshed_changed_and_removed(
    house: House, admin: Headers, folder: str
) -> None:
    made = await house.client.post("/v1/sources", json={"location": folder}, headers=admin)
    assert made.status_code == 201, made.text
    place = made.headers["location"]
    assert made.json()["state"] == "idle"
    assert (await house.client.post(f"{place}/refresh", headers=admin)).status_code == 202
    assert (await house.client.get(place, headers=admin)).json()["state"] == "due"
    await take_in(house.footnote)
    shown = (await house.client.get(place, headers=admin)).json()
    assert (shown["state"], shown["documents"], shown["last_report"]["added"]) == ("idle", 1, 1)
    changed = await house.client.patch(
        place, json={"schedule": "0 3 * * *", "readers": ["group:hr"]}, headers=admin
    )
    assert (changed.json()["schedule"], changed.json()["readers"]) == ("0 3 * * *", ["group:hr"])
    assert changed.json()["state"] == "idle"
    assert (await house.client.get("/v1/documents")).json()["documents"] != []
    await house.client.post(f"{place}/refresh", headers=admin)
    await take_in(house.footnote)
    assert (await house.client.get("/v1/documents")).status_code == 404
    kept = await house.client.patch(place, json={"schedule": None}, headers=admin)
    assert (kept.json()["schedule"], kept.json()["readers"]) == (None, ["group:hr"])
    assert (await house.client.delete(place, headers=admin)).status_code == 204
    assert (await house.client.get(place, headers=admin)).status_code == 404


async def test_runs_are_told_where_an_admin_says_until_nobody_wants_to_know(
    house: House, admin: Headers, folder: str
) -> None:
    with receiving() as receiver:
        made = await house.client.post(
            "/v1/sources", json={"location": folder, "notify_url": receiver.url}, headers=admin
        )
        assert (made.status_code, made.json()["notify_url"]) == (201, receiver.url), made.text
        place = made.headers["location"]
        secret = (await house.client.get(f"{place}/webhook-secret", headers=admin)).json()["secret"]
        async with at_work(house.footnote):
            await house.client.post(f"{place}/refresh", headers=admin)
            await until(lambda: _told(receiver, 1))
            told = receiver.received[0]
            assert told.shape["type"] == "refresh.done"
            assert (told.shape["source"]["id"], told.shape["report"]["added"]) == (made.json()["id"], 1)
            timestamp = int(told.headers["Footnote-Signature"].partition(",")[0].removeprefix("t="))
            assert told.headers["Footnote-Signature"] == sign(secret, told.body, timestamp=timestamp)
            kept = await house.client.patch(place, json={"exclude": ["*.tmp"]}, headers=admin)
            assert kept.json()["notify_url"] == receiver.url
            ended = await house.client.patch(place, json={"notify_url": None}, headers=admin)
            assert ended.json()["notify_url"] is None
            await house.client.post(f"{place}/refresh", headers=admin)
            await until(lambda: _idle(house, place, admin))
        assert len(receiver.received) == 1
        deliveries = await house.footnote.database.fetch_all("SELECT id FROM deliveries")
        assert len(deliveries) == 1


async def _told(receiver: Receiver, times: int) -> bool:
    return len(receiver.received) >= times


async def _idle(house: House, place: str, admin: Headers) -> bool:
    shown = (await house.client.get(place, headers=admin)).json()
    return bool(shown["state"] == "idle" and shown["last_report"]["unchanged"] == 1)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com",
        "https://10.0.0.1/",
        "http://169.254.169.254/latest",
        "https://a:b@example.com/",
        "",
    ],
)
async def test_runs_are_told_to_no_address_that_webhooks_may_not_go_to(
    house: House, admin: Headers, folder: str, url: str
) -> None:
    refused = await house.client.post(
        "/v1/sources", json={"location": folder, "notify_url": url}, headers=admin
    )
    assert refused.status_code == 422
    assert (await house.client.get("/v1/sources", headers=admin)).json()["sources"] == []
    made = await house.client.post("/v1/sources", json={"location": folder}, headers=admin)
    place = made.headers["location"]
    assert (await house.client.patch(place, json={"notify_url": url}, headers=admin)).status_code == 422
    assert (await house.client.get(place, headers=admin)).json()["notify_url"] is None


async def test_what_runs_are_signed_with_is_for_admins_for_whom_the_source_exists(
    house: House, admin: Headers, folder: str
) -> None:
    made = await house.client.post("/v1/sources", json={"location": folder}, headers=admin)
    secret = f"{made.headers['location']}/webhook-secret"
    editor = await house.client_as("public", role="editor")
    assert (await house.client.get(secret, headers=editor)).status_code == 403
    of_another = await house.client_as("user:root", role="admin", collections=["another"])
    assert (await house.client.get(secret, headers=of_another)).status_code == 404
    nobodys = "/v1/sources/0af76519-16cd-43dd-8448-eb211c80319c/webhook-secret"
    assert (await house.client.get(nobodys, headers=admin)).status_code == 404
    assert (await house.client.get(secret, headers=admin)).json()["secret"].startswith("whsec_")


async def test_a_document_keeps_readers_of_its_own_through_refreshes(
    house: House, admin: Headers, folder: str
) -> None:
    made = await house.client.post("/v1/sources", json={"location": folder}, headers=admin)
    await house.client.post(f"{made.headers['location']}/refresh", headers=admin)
    await take_in(house.footnote)
    [document] = (await house.client.get("/v1/documents")).json()["documents"]
    editor = await house.client_as("group:hr", role="editor")
    place = f"/v1/documents/{document['id']}"
    assert (
        await house.client.patch(place, json={"readers": ["group:hr"]}, headers=editor)
    ).status_code == 200
    file = Path(folder) / "cats.md"
    for change in (
        lambda: file.write_text("# Cats\n\nCats sleep all day."),
        lambda: file.rename(file.with_name("moved.md")),
    ):
        change()
        await house.client.post(f"{made.headers['location']}/refresh", headers=admin)
        await take_in(house.footnote)
        assert (await house.client.get(place)).status_code == 404
        assert (await house.client.get("/v1/documents")).status_code == 404
    shown = (await house.client.get(place, headers=editor)).json()
    assert shown["path"] == "moved.md"


async def test_only_folders_below_allowed_ones_are_added(
    house: House, admin: Headers, folder: str, tmp_path: Path
) -> None:
    (tmp_path / "allowed" / "out").symlink_to("/etc")
    (tmp_path / "allowed" / "round").symlink_to(tmp_path / "allowed" / "round")
    for location in (
        "/etc",
        "/",
        str(tmp_path / "allowed" / "out"),
        str(tmp_path / "allowed" / ".." / "secret"),
        str(tmp_path / "allowed-not"),
        str(tmp_path / "allowed" / "nothing-there"),
        str(tmp_path / "allowed" / "round"),
        "relative",
        "/a\x00b",
    ):
        response = await house.client.post("/v1/sources", json={"location": location}, headers=admin)
        assert response.status_code == 422, location
    assert (await house.client.get("/v1/sources", headers=admin)).json()["sources"] == []
    assert (
        await house.client.post("/v1/sources", json={"location": folder}, headers=admin)
    ).status_code == 201
    again = await house.client.post("/v1/sources", json={"location": folder}, headers=admin)
    assert again.status_code == 409


async def test_without_allowed_folders_none_is_added(footnote: Footnote, folder: str) -> None:
    async with open_house(footnote) as house:
        admin = await house.client_as("user:root", role="admin")
        response = await house.client.post("/v1/sources", json={"location": folder}, headers=admin)
        assert response.status_code == 422
        assert "sources.allowed_roots" in response.json()["detail"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"schedule": "now and then"},
        {"schedule": "* * * * * *"},
        {"readers": []},
        {"readers": ["anybody"]},
        {"include": ["[z-"] * 101},
        {"metadata": {"Team": "hr"}},
        {"collection": "No Name"},
        {"color": "red"},
    ],
)
async def test_a_source_that_cannot_be_is_refused(
    house: House, admin: Headers, folder: str, wrong: Mapping[str, object]
) -> None:
    response = await house.client.post("/v1/sources", json={"location": folder, **wrong}, headers=admin)
    assert response.status_code == 422
    assert (await house.client.get("/v1/sources", headers=admin)).json()["sources"] == []


async def test_sources_are_for_admins_and_editors_see_and_refresh_those_of_which_they_see_anything(
    house: House, admin: Headers, folder: str
) -> None:
    made = await house.client.post(
        "/v1/sources", json={"location": folder, "readers": ["group:hr"]}, headers=admin
    )
    place = made.headers["location"]
    stranger = await house.client_as("user:bob", role="editor")
    member = await house.client_as("group:hr", role="editor")
    reader = await house.client_as("group:hr")
    for headers in (stranger, member, reader):
        assert (await house.client.delete(place, headers=headers)).status_code == 403
    for address in ("/v1/sources", place):
        assert (await house.client.get(address, headers=reader)).status_code == 403
    assert (await house.client.get("/v1/sources", headers=stranger)).json()["sources"] == []
    assert (await house.client.get(place, headers=stranger)).status_code == 404
    [shown] = (await house.client.get("/v1/sources", headers=member)).json()["sources"]
    assert shown == (await house.client.get(place, headers=member)).json()
    assert (shown["name"], shown["documents"]) == ("handbook", 0)
    unknown = await house.client.post(
        "/v1/sources/00000000-0000-0000-0000-000000000007/refresh", headers=stranger
    )
    hidden = await house.client.post(f"{place}/refresh", headers=stranger)
    assert (unknown.status_code, hidden.status_code) == (404, 404)
    assert (await house.client.post(f"{place}/refresh", headers=member)).status_code == 202
    assert (await house.client.post(f"{place}/refresh", headers=reader)).status_code == 403


async def test_an_editor_is_not_told_where_a_source_is_nor_what_became_of_what_they_may_not_read(
    house: House, admin: Headers, folder: str
) -> None:
    (Path(folder) / "secret.pdf").write_text("no PDF")
    (Path(folder) / "secret.md").write_text("Secret.")
    made = await house.client.post("/v1/sources", json={"location": folder}, headers=admin)
    place = made.headers["location"]
    await house.client.post(f"{place}/refresh", headers=admin)
    await take_in(house.footnote)
    editor = await house.client_as("user:ann", role="editor")
    seen = (await house.client.get(place, headers=editor)).json()
    assert (seen["documents"], seen["last_report"]["added"], seen["last_report"]["failed"]) == (2, 2, 1)
    narrowed = (await house.client.get("/v1/documents?path=secret.md", headers=admin)).json()["documents"]
    await house.client.patch(
        f"/v1/documents/{narrowed[0]['id']}", json={"readers": ["user:root"]}, headers=admin
    )
    for address in (place, "/v1/sources?limit=1"):
        response = await house.client.get(address, headers=editor)
        assert "secret" not in response.text
        assert folder not in response.text
    seen = (await house.client.get(place, headers=editor)).json()
    assert (seen["documents"], seen["last_report"], seen["location"]) == (1, None, None)


async def test_editors_page_through_sources_by_name(house: House, admin: Headers, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / "allowed" / name).mkdir()
        location = str(tmp_path / "allowed" / name)
        await house.client.post("/v1/sources", json={"location": location}, headers=admin)
    editor = await house.client_as("user:ann", role="editor")
    names: list[str] = []
    cursors: list[str | None] = [""]
    while cursors[-1] is not None:
        asked = {"limit": "1", **({"cursor": cursors[-1]} if cursors[-1] else {})}
        page = (await house.client.get("/v1/sources", params=asked, headers=editor)).json()
        names += [source["name"] for source in page["sources"]]
        cursors.append(page["next"])
    assert names == ["a", "b", "c"]
    held = [base64.urlsafe_b64decode(f"{cursor}===").decode(errors="replace") for cursor in cursors[:-1]]
    assert str(tmp_path) not in "".join(held)


async def test_lists_are_paged(house: House, admin: Headers, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / "allowed" / name).mkdir()
        location = str(tmp_path / "allowed" / name)
        await house.client.post("/v1/sources", json={"location": location}, headers=admin)
    first = (await house.client.get("/v1/sources?limit=2", headers=admin)).json()
    rest = (await house.client.get(f"/v1/sources?cursor={first['next']}", headers=admin)).json()
    shown = [Path(source["location"]).name for source in (*first["sources"], *rest["sources"])]
    assert (shown, rest["next"]) == (["a", "b", "c"], None)


async def test_the_folder_of_uploads_is_shown_and_stays(house: House, admin: Headers) -> None:
    await house.client.post("/v1/documents", files=[("file", ("a.md", b"Cats."))], headers=admin)
    [source] = (await house.client.get("/v1/sources", headers=admin)).json()["sources"]
    assert (source["kind"], source["state"], source["readers"]) == ("uploads", "due", [])
    place = f"/v1/sources/{source['id']}"
    assert (await house.client.delete(place, headers=admin)).status_code == 409
    opened = await house.client.patch(place, json={"readers": ["public"]}, headers=admin)
    assert opened.status_code == 422


async def test_a_list_on_the_web_is_added_and_refreshed(house: House, admin: Headers, site: Site) -> None:
    made = await house.client.post("/v1/sources", json={"location": f"{site.url}/files.txt"}, headers=admin)
    assert made.status_code == 201, made.text
    assert (made.json()["kind"], site.asked) == ("web", [])
    place = made.headers["location"]
    again = await house.client.post("/v1/sources", json={"location": f"{site.url}/files.txt"}, headers=admin)
    assert again.status_code == 409
    changed = await house.client.patch(place, json={"exclude": ["drafts/"]}, headers=admin)
    assert (changed.status_code, changed.json()["kind"]) == (200, "web")
    assert (await house.client.patch(place, json={"exclude": ["!"]}, headers=admin)).status_code == 422
    assert (await house.client.post(f"{place}/refresh", headers=admin)).status_code == 202
    await take_in(house.footnote)
    shown = (await house.client.get(place, headers=admin)).json()
    assert (shown["documents"], shown["last_error"], shown["location"]) == (1, None, f"{site.url}/files.txt")
    assert len((await house.client.get("/v1/sources", headers=admin)).json()["sources"]) == 1
    assert (await house.client.delete(place, headers=admin)).status_code == 204


@pytest.mark.parametrize(
    "location",
    [
        "https://docs.example.com/",
        "https://docs.example.com/guide2/sitemap.xml",
        "http://docs.example.com/guide/sitemap.xml",
        "https://docs.example.com.evil.example/guide/",
        "https://docs.example.com@169.254.169.254/guide/",
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost:8080/",
        "s3://manuals/",
        "s3://manuals/publicity/",
        "s3://other/",
        "file:///etc/passwd",
        "https://user:hunter2@docs.example.com/guide/sitemap.xml",
        "https://docs.example.com/guide/list.txt?token=hunter2",
        "s3://AKID:hunter2@manuals/public/",
    ],
)
async def test_other_addresses_are_not_added_nor_asked(
    house: House, admin: Headers, site: Site, location: str
) -> None:
    response = await house.client.post("/v1/sources", json={"location": location}, headers=admin)
    assert response.status_code == 422
    assert "hunter2" not in response.text
    assert (await house.client.get("/v1/sources", headers=admin)).json()["sources"] == []
    assert site.asked == []


@pytest.mark.parametrize(
    "location", ["https://docs.example.com/guide/sitemap.xml", "s3://manuals/public/2026"]
)
async def test_an_address_below_an_allowed_one_is_added(house: House, admin: Headers, location: str) -> None:
    made = await house.client.post("/v1/sources", json={"location": location}, headers=admin)
    assert made.status_code == 201, made.text


async def test_whoever_is_no_admin_makes_the_service_ask_for_nothing(house: House, site: Site) -> None:
    for role in ("reader", "editor"):
        headers = await house.client_as("user:ann", role=role)
        asked = {"location": f"{site.url}/files.txt", "schedule": "* * * * *"}
        assert (await house.client.post("/v1/sources", json=asked, headers=headers)).status_code == 403
    assert site.asked == []


async def test_without_allowed_addresses_none_is_added(footnote: Footnote) -> None:
    async with open_house(footnote) as house:
        admin = await house.client_as("user:root", role="admin")
        asked = {"location": "https://docs.example.com/sitemap.xml"}
        response = await house.client.post("/v1/sources", json=asked, headers=admin)
        assert response.status_code == 422
        assert "sources.allowed_urls" in response.json()["detail"]


async def test_a_source_that_is_removed_while_it_is_changed_does_not_come_back(
    footnote: Footnote, tmp_path: Path
) -> None:
    database = footnote.database
    collection = await ensure_collection(database, "default")
    made = await ensure_source(database, collection, tmp_path, default_readers=["group:hr"])
    seen = await find_source(database, made.id)
    await take_away(footnote, seen)
    with pytest.raises(NotFoundError):
        await change_source(database, seen, SourceChanges(exclude=["drafts/"]))
    assert await list_sources(database) == []
