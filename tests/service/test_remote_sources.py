"""Buckets and lists on the web, by the one road into the index: real servers, real parsers, a real database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network
from uuid import UUID

import pytest
from pydantic import SecretStr

from ingest.catalog import find_source, list_sources, set_schedule
from ingest.errors import SourceUnavailableError
from ingest.reports import RefreshReport
from retrieval.documents import find_document, list_documents
from retrieval.errors import ErasedError, InvalidRequestError
from retrieval.records import Scope
from service.deleting import delete_document
from service.doctor import examine
from service.footnote import Footnote
from service.ingestion import ingest_path, plan_path
from service.places import read_place
from service.schedule import refresh_due
from service.sections import S3Settings, SourcesSettings
from service.targets import SourceRules, register_source
from tests.ingest.bucket_server import KEY, SECRET, Buckets, serving_buckets
from tests.ingest.test_lists import sitemap
from tests.ingest.web_server import Site, serving
from tests.service.test_ingestion import Silent

LOOPBACK = (ip_network("127.0.0.1/32"),)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as served:
        served.put(
            "/leave", "<h1>Leave</h1><p>Everyone has 28 days of paid leave.</p>", media_type="text/html"
        )
        served.put("/hotels.md", "# Hotels\n\nA night in Vienna may cost 140 euros.\n")
        served.list_files("/leave", "/hotels.md")
        yield served


@pytest.fixture
def buckets() -> Iterator[Buckets]:
    with serving_buckets() as served:
        served.objects["files"] = {
            "hr/leave.md": b"# Leave\n\nEveryone has 28 days of paid leave.\n",
            "hr/travel/hotels.md": b"# Hotels\n\nA night in Vienna may cost 140 euros.\n",
            "it/phones.md": b"# Phones\n\nPhones are replaced every four years.\n",
        }
        yield served


@pytest.fixture
def open_house(footnote: Footnote, buckets: Buckets) -> Footnote:
    """A service that may ask the servers of the tests."""
    s3 = S3Settings(
        endpoint=buckets.url,
        region="eu-test-1",
        access_key_id=SecretStr(KEY),
        secret_access_key=SecretStr(SECRET),
        path_style=True,
    )
    sources = SourcesSettings(allow_networks=LOOPBACK, timeout_s=30.0)
    return replace(footnote, settings=footnote.settings.model_copy(update={"sources": sources, "s3": s3}))


async def ingest(footnote: Footnote, written: str, rules: SourceRules | None = None) -> RefreshReport:
    async with footnote.parser_pool() as pool:
        return await ingest_path(
            footnote,
            pool,
            read_place(written),
            collection="default",
            rules=rules or SourceRules(),
            progress=Silent(),
        )


async def documents(footnote: Footnote) -> dict[str, UUID]:
    found = await list_documents(footnote.database, "default", scope=Scope.everything())
    return {document.path: document.id for document in found}


async def test_what_a_list_names_is_found_and_answers(open_house: Footnote, site: Site) -> None:
    report = await ingest(open_house, f"{site.url}/files.txt")
    assert (report.added, report.failed) == (2, [])
    answer = await open_house.ask(
        "default", "How many days of paid leave do I have?", scope=Scope.everything()
    )
    assert answer.citations[0].quote == "Everyone has 28 days of paid leave."
    assert set(await documents(open_house)) == {"hotels.md", "leave.html"}


async def test_what_has_not_changed_is_not_fetched_again_and_what_has_is_a_revision(
    open_house: Footnote, site: Site
) -> None:
    location = f"{site.url}/files.txt"
    await ingest(open_house, location)
    before = await documents(open_house)
    site.asked.clear()
    report = await ingest(open_house, location)
    assert (report.unchanged, report.added, report.updated) == (2, 0, 0)
    assert not [request for request in site.asked if request in {"GET /leave", "GET /hotels.md"}]
    site.put("/leave", "<h1>Leave</h1><p>Everyone has 30 days of paid leave.</p>", media_type="text/html")
    report = await ingest(open_house, location)
    assert (report.unchanged, report.updated) == (1, 1)
    assert await documents(open_house) == before
    leave = await find_document(open_house.database, before["leave.html"], scope=Scope.everything())
    assert leave.revision == 2


async def test_files_without_any_word_of_their_state_are_compared_by_content(
    open_house: Footnote, site: Site
) -> None:
    for path in ("/leave", "/hotels.md"):
        site.pages[path] = replace(site.pages[path], etag=None)
    await ingest(open_house, f"{site.url}/files.txt")
    report = await ingest(open_house, f"{site.url}/files.txt")
    assert (report.unchanged, report.updated, report.added) == (2, 0, 0)


async def test_what_a_list_no_longer_names_goes_and_what_only_fails_stays(
    open_house: Footnote, site: Site
) -> None:
    site.put("/phones.md", "# Phones\n\nPhones are replaced every four years.\n")
    location = site.list_files("/leave", "/hotels.md", "/phones.md")
    await ingest(open_house, location)
    site.list_files("/leave", "/phones.md")
    site.put("/leave", b"no", status=503)
    report = await ingest(open_house, location)
    assert (report.removed, report.unchanged) == (1, 1)
    assert [(failed.path, failed.error, failed.retryable) for failed in report.failed] == [
        ("leave", "the server answers 503", True)
    ]
    assert set(await documents(open_house)) == {"leave.html", "phones.md"}
    site.put("/leave", b"gone", status=404)
    assert (await ingest(open_house, location)).removed == 1
    assert set(await documents(open_house)) == {"phones.md"}


@pytest.mark.parametrize(
    "fault",
    ["status", "empty", "every file gone", "sign in", "no list", "redirected inside", "not there at all"],
)
async def test_a_list_at_fault_never_looks_as_if_all_were_deleted(
    open_house: Footnote, site: Site, fault: str
) -> None:
    location = f"{site.url}/files.txt"
    await ingest(open_house, location)
    before = await documents(open_house)
    match fault:
        case "status":
            site.put("/files.txt", b"", status=500)
        case "empty":
            site.put("/files.txt", b"")
        case "every file gone":
            site.put("/leave", b"", status=404)
            site.put("/hotels.md", b"", status=404)
        case "sign in":
            site.redirect("/files.txt", "/login")
            site.put(
                "/login", "<!doctype html><p><a href='/elsewhere.html'>Sign in</a>", media_type="text/html"
            )
        case "no list":
            site.put("/files.txt", "Under maintenance. Please try again later.")
        case "redirected inside":
            site.redirect("/files.txt", "http://169.254.169.254/latest/meta-data/")
        case "not there at all":
            site.misbehave("/files.txt", lambda handler: handler.close_connection)
    with pytest.raises(SourceUnavailableError) as failed:
        await ingest(open_house, location)
    assert await documents(open_house) == before
    [state] = await list_sources(open_house.database)
    assert state.last_error == str(failed.value)


async def test_a_list_that_shrinks_all_at_once_is_not_believed_unless_that_is_set(
    open_house: Footnote, site: Site
) -> None:
    names = [f"/{number}.md" for number in range(30)]
    for number, name in enumerate(names):
        site.put(name, f"# Rule {number}\n\nRule number {number} is about something.\n")
    location = site.list_files(*names)
    await ingest(open_house, location)
    site.list_files(*names[:10])
    with pytest.raises(
        SourceUnavailableError, match=r"no longer has 20 of the 30 documents.*MAX_REMOVED_SHARE=1"
    ):
        await ingest(open_house, location)
    sources = open_house.settings.sources.model_copy(update={"max_removed_share": 1.0})
    trusting = replace(open_house, settings=open_house.settings.model_copy(update={"sources": sources}))
    assert (await ingest(trusting, location)).removed == 20
    site.list_files(*names[:5])
    assert (await ingest(open_house, location)).removed == 5


async def test_a_dry_run_fetches_what_it_has_to_and_writes_nothing_down(
    open_house: Footnote, site: Site
) -> None:
    place = read_place(f"{site.url}/files.txt")
    report = await plan_path(
        open_house.database, open_house.settings, place, collection="default", rules=SourceRules()
    )
    assert report.added == 2
    assert await list_sources(open_house.database) == []


async def test_a_bucket_is_ingested_refreshed_and_emptied_by_the_one_road(
    open_house: Footnote, buckets: Buckets
) -> None:
    report = await ingest(open_house, "s3://files/hr")
    assert (report.added, report.failed) == (2, [])
    before = await documents(open_house)
    assert set(before) == {"leave.md", "travel/hotels.md"}
    buckets.asked.clear()
    assert (await ingest(open_house, "s3://files/hr/")).unchanged == 2
    assert buckets.asked == ["files?hr/"]
    objects = buckets.objects["files"]
    objects["hr/leave.md"] = b"# Leave\n\nEveryone has 30 days of paid leave.\n"
    objects["hr/stays.md"] = objects.pop("hr/travel/hotels.md")
    report = await ingest(open_house, "s3://files/hr")
    assert (report.updated, report.renamed) == (1, 1)
    after = await documents(open_house)
    assert after == {"leave.md": before["leave.md"], "stays.md": before["travel/hotels.md"]}
    del objects["hr/stays.md"]
    assert (await ingest(open_house, "s3://files/hr")).removed == 1
    buckets.refuse = (403, "AccessDenied")
    with pytest.raises(SourceUnavailableError, match="403 AccessDenied"):
        await ingest(open_house, "s3://files/hr")
    assert set(await documents(open_house)) == {"leave.md"}


async def test_a_bucket_that_is_suddenly_empty_keeps_its_documents(
    open_house: Footnote, buckets: Buckets
) -> None:
    await ingest(open_house, "s3://files/")
    buckets.objects["files"] = {}
    with pytest.raises(SourceUnavailableError, match="no longer has 3 of the 3 documents"):
        await ingest(open_house, "s3://files/")
    assert len(await documents(open_house)) == 3


async def test_prefixes_that_overlap_are_refused(open_house: Footnote) -> None:
    await register_source(open_house, read_place("s3://files/hr"), collection="default", rules=SourceRules())
    for written in ("s3://files", "s3://files/hr/travel"):
        with pytest.raises(InvalidRequestError, match="overlaps the source 's3://files/hr/'"):
            await ingest(open_house, written)
    await register_source(open_house, read_place("s3://files/hr2"), collection="default", rules=SourceRules())


async def test_a_list_is_refreshed_on_its_schedule(open_house: Footnote, site: Site) -> None:
    site.put("/sitemap.xml", sitemap(f"{site.url}/leave"))
    place = read_place(f"{site.url}/sitemap.xml")
    source = await register_source(open_house, place, collection="default", rules=SourceRules())
    assert site.asked == []  # it is read when it is due
    await set_schedule(open_house.database, source.id, schedule="*/15 * * * *", next_due=datetime.now(UTC))
    async with open_house.parser_pool() as pool:
        [refreshed] = [done async for done in refresh_due(open_house, pool, progress=lambda _: Silent())]
    assert refreshed.report is not None
    assert refreshed.report.added == 1
    state = await find_source(open_house.database, source.id)
    assert (state.source.kind, state.source.location) == ("web", f"{site.url}/sitemap.xml")


async def test_a_deleted_document_is_kept_out(open_house: Footnote, site: Site) -> None:
    location = f"{site.url}/files.txt"
    await ingest(open_house, location)
    leave = (await documents(open_house))["leave.html"]
    deleted = await delete_document(open_house.database, open_house.settings, leave, keep_out=True)
    assert not deleted.comes_back
    with pytest.raises(ErasedError):
        await find_document(open_house.database, leave, scope=Scope.everything())
    await ingest(open_house, location)
    assert set(await documents(open_house)) == {"hotels.md"}


async def test_addresses_of_the_house_are_not_asked_under_the_default_settings(
    footnote: Footnote, site: Site
) -> None:
    with pytest.raises(SourceUnavailableError, match=r"not in sources\.allow_networks"):
        await ingest(footnote, f"{site.url}/files.txt")
    assert site.asked == []


async def test_the_doctor_compares_a_list_with_the_catalog_like_a_folder(
    open_house: Footnote, site: Site
) -> None:
    await ingest(open_house, f"{site.url}/files.txt")

    async def kinds() -> set[str]:
        parts = (open_house.database, open_house.store, open_house.settings, open_house.parser_policy)
        return {finding.kind for finding in (await examine(*parts)).findings}

    assert await kinds() == set()
    site.put("/leave", "<h1>Leave</h1><p>None.</p>", media_type="text/html")
    site.put("/hotels.md", b"", status=404)
    assert await kinds() == {"file_changed", "file_gone"}
    site.put("/files.txt", b"", status=500)
    assert await kinds() == {"source_unavailable"}
