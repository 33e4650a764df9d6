"""What is particular to lists on the web."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from ingest.errors import FileReplacedError, FileTooLargeError, FileUnreadableError, SourceUnavailableError
from ingest.sources import Listing, Source, SourceSpec, load_source
from tests.ingest.test_lists import sitemap
from tests.ingest.web_server import Site, policy, serving


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as served:
        yield served


def open_list(location: str, **told: object) -> Source:
    return load_source(SourceSpec(kind="web", location=location, fetching=policy(**told)))


def paths(listing: Listing) -> list[str]:
    return [found.path for found in listing.files]


def reasons(listing: Listing) -> dict[str, str]:
    return {entry.path: entry.reason for entry in listing.skipped}


def errors(listing: Listing) -> dict[str, str]:
    return {entry.path: entry.error for entry in listing.unlisted}


def test_files_have_the_paths_that_their_types_ask_for(site: Site) -> None:
    site.put("/guide/", "<p>guide</p>", media_type="text/html")
    site.put("/guide/intro", "<p>intro</p>", media_type="text/html")
    site.put("/report.pdf", b"%PDF", media_type="application/pdf")
    site.put("/film", b"x", media_type="video/mp4")
    source = open_list(site.list_files("/guide/", "/guide/intro", "/report.pdf", "/film"))
    listing = source.discover()
    assert paths(listing) == ["guide/index.html", "guide/intro.html", "report.pdf"]
    assert "video/mp4" in reasons(listing)["film"]
    assert source.fetch(listing.files[1], max_bytes=100) == b"<p>intro</p>"


def test_sitemaps_of_an_index_are_followed_packed_or_not_and_loops_end(site: Site) -> None:
    site.put("/a.html", "<p>a")
    site.put("/b.html", "<p>b")
    site.put("/1.xml", sitemap(f"{site.url}/a.html"))
    site.put("/2.xml.gz", gzip.compress(sitemap(f"{site.url}/b.html", f"{site.url}/a.html").encode()))
    children = [f"{site.url}/{name}" for name in ("sitemap.xml", "1.xml", "2.xml.gz", "again.xml")]
    site.put("/sitemap.xml", sitemap(*children, root="sitemapindex", entry="sitemap"))
    site.put("/again.xml", sitemap(*children, root="sitemapindex", entry="sitemap"))
    listing = open_list(f"{site.url}/sitemap.xml").discover()
    assert paths(listing) == ["a.html", "b.html"]
    assert site.count("GET /sitemap.xml") == 1


def test_an_index_without_an_end_is_refused(site: Site) -> None:
    def another(handler: BaseHTTPRequestHandler) -> None:
        number = int(handler.path.strip("/x.ml")) + 1
        site.misbehave(f"/{number}.xml", another)
        said = sitemap(f"{site.url}/{number}.xml", root="sitemapindex", entry="sitemap").encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(said)))
        handler.end_headers()
        handler.wfile.write(said)

    site.misbehave("/0.xml", another)
    with pytest.raises(SourceUnavailableError, match="1,000 sitemaps"):
        open_list(f"{site.url}/0.xml").discover()


def test_a_sitemap_of_an_index_that_fails_leaves_everything_as_it_is(site: Site) -> None:
    site.put("/a.html", "<p>a")
    site.put("/1.xml", sitemap(f"{site.url}/a.html"))
    site.put("/2.xml", b"no", status=500)
    children = [f"{site.url}/1.xml", f"{site.url}/2.xml"]
    site.put("/sitemap.xml", sitemap(*children, root="sitemapindex", entry="sitemap"))
    listing = open_list(f"{site.url}/sitemap.xml").discover()
    assert paths(listing) == ["a.html"]
    assert [(part.path, part.everything) for part in listing.unlisted] == [("2.xml", True)]
    assert "the server answers 500" in errors(listing)["2.xml"]


@pytest.mark.parametrize("status", [401, 403, 404, 410, 429, 500, 503, 204])
def test_a_list_that_is_refused_is_unavailable_and_not_empty(site: Site, status: int) -> None:
    site.put("/files.txt", b"" if status == 204 else b"no", status=status)
    with pytest.raises(SourceUnavailableError, match=f"answers {status}.* Nothing that is indexed") as failed:
        open_list(f"{site.url}/files.txt").discover()
    assert f"the list at '{site.url}/files.txt' cannot be read" in str(failed.value)


@pytest.mark.parametrize("target", ["http://127.0.0.2/files.txt", "http://169.254.169.254/latest/meta-data/"])
def test_neither_list_nor_files_lead_into_the_house(site: Site, target: str) -> None:
    site.redirect("/files.txt", target)
    with pytest.raises(SourceUnavailableError, match="may not be asked"):
        open_list(f"{site.url}/files.txt").discover()
    site.redirect("/a.html", target)
    site.put("/files.txt", f"{site.url}/a.html\n{target}\n")
    listing = open_list(f"{site.url}/files.txt", robots=False).discover()
    assert listing.files == ()
    assert len(listing.unlisted) == 2
    assert all("may not be asked" in error for error in errors(listing).values())


def test_what_is_gone_is_left_out_and_what_fails_stays_as_it_is_known(site: Site) -> None:
    for number, status in enumerate([404, 410, 401, 403, 429, 500, 503]):
        site.put(f"/{number}", b"x", status=status)
    listing = open_list(site.list_files(*(f"/{number}" for number in range(7)))).discover()
    assert reasons(listing) == {
        "0": "the server answers 404: it is not there",
        "1": "the server answers 410: it is not there",
    }
    assert errors(listing) == {
        str(number): f"the server answers {status}"
        for number, status in enumerate([401, 403, 429, 500, 503], start=2)
    }
    assert all(part.stem for part in listing.unlisted)


def test_a_host_that_fails_again_and_again_is_left_alone(site: Site) -> None:
    names = [f"/{number}.html" for number in range(100)]
    for name in names:
        site.put(name, b"x", status=503)
    source = open_list(site.list_files(*names), robots=False)
    listing = source.discover()
    assert len(listing.unlisted) == 100
    assert sum("after 25 requests in a row" in part.error for part in listing.unlisted) > 60
    assert len(site.asked) < 2 * 35
    for name in names:
        site.put(name, b"<p>x")
    assert len(source.discover().files) == 100


def test_a_page_that_asks_to_sign_in_is_not_taken_for_the_file(site: Site) -> None:
    site.put("/report.pdf", b"%PDF", media_type="application/pdf")
    source = open_list(site.list_files("/report.pdf"))
    (found,) = source.discover().files
    site.redirect("/report.pdf", "/login")
    site.put("/login", "<p>Sign in", media_type="text/html")
    assert "asks to sign in" in errors(source.discover())["report.pdf"]
    with pytest.raises(FileUnreadableError, match="asks to sign in"):
        source.fetch(found, max_bytes=1000)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"etag": '"1"'}, {"etag": '"2"'}),
        (
            {"etag": None, "headers": {"Last-Modified": "1"}},
            {"etag": None, "headers": {"Last-Modified": "2"}},
        ),
    ],
)
def test_a_state_is_told_by_etag_or_time(
    site: Site, before: dict[str, object], after: dict[str, object]
) -> None:
    site.put("/a.html", "<p>a", **before)
    source = open_list(site.list_files("/a.html"))
    (first,) = source.discover().files
    assert source.discover().files == (first,)
    site.put("/a.html", "<p>b", **after)
    (second,) = source.discover().files
    assert second.mtime_ns != first.mtime_ns
    with pytest.raises(FileReplacedError) as replaced:
        source.fetch(first, max_bytes=100)
    assert replaced.value.mtime_ns == second.mtime_ns
    assert source.fetch(second, max_bytes=100) == b"<p>b"


def test_a_weak_etag_is_as_good_as_a_strong_one(site: Site) -> None:
    site.put("/a.html", "<p>a", etag='"1"')
    source = open_list(site.list_files("/a.html"))
    before = source.discover()
    site.put("/a.html", "<p>a", etag='W/"1"')
    assert source.discover() == before


def test_a_sitemap_s_lastmod_counts_where_the_server_says_nothing(site: Site) -> None:
    site.put("/a.html", "<p>a", etag=None)
    site.put("/sitemap.xml", sitemap(f"{site.url}/a.html"))
    source = open_list(f"{site.url}/sitemap.xml")
    assert source.discover() == source.discover()
    site.put("/sitemap.xml", sitemap(f"{site.url}/a.html").replace("2026-01-31", "2026-02-01"))
    assert source.fetch(source.discover().files[0], max_bytes=100) == b"<p>a"


def test_without_any_word_of_its_state_a_file_always_looks_changed(site: Site) -> None:
    site.put("/a.html", "<p>a", etag=None)
    source = open_list(site.list_files("/a.html"))
    assert source.discover() != source.discover()
    assert source.fetch(source.discover().files[0], max_bytes=100) == b"<p>a"


def test_robots_txt_is_obeyed_unless_that_is_switched_off(site: Site) -> None:
    site.put("/robots.txt", "User-agent: *\nDisallow: /private/\n\nUser-agent: Footnote\nDisallow: /ours/\n")
    site.put("/private/a.html", "<p>a")
    site.put("/ours/b.html", "<p>b")
    location = site.list_files("/private/a.html", "/ours/b.html")
    listing = open_list(location).discover()
    assert paths(listing) == ["private/a.html"]
    assert reasons(listing) == {"ours/b.html": "the host's robots.txt asks not to fetch it"}
    assert site.count("GET /robots.txt") == 1
    assert len(open_list(location, robots=False).discover().files) == 2


def test_a_robots_txt_that_cannot_be_had_leaves_files_as_they_are_known(site: Site) -> None:
    site.put("/a.html", "<p>a")
    site.put("/robots.txt", b"no", status=503)
    listing = open_list(site.list_files("/a.html")).discover()
    assert listing.files == ()
    assert "robots.txt could not be read: the server answers 503" in errors(listing)["a.html"]


def test_no_more_requests_than_allowed_run_at_once(site: Site) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def slowly(handler: BaseHTTPRequestHandler) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.03)
        with lock:
            running -= 1
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Content-Length", "5")
        handler.end_headers()

    names = [f"/{number}.html" for number in range(20)]
    for name in names:
        site.misbehave(name, slowly)
    assert len(open_list(site.list_files(*names), at_once=3).discover().files) == 20
    assert most == 3


def test_a_list_of_more_files_than_allowed_is_refused_whole(site: Site) -> None:
    with pytest.raises(SourceUnavailableError, match=r"more than 2 files \(sources.max_files\)"):
        open_list(site.list_files("/a", "/b", "/c"), max_files=2).discover()


def test_a_list_of_more_bytes_than_allowed_is_refused_whole(site: Site) -> None:
    with pytest.raises(
        SourceUnavailableError, match=r"more than 10 bytes, the limit \(sources.max_list_bytes\)"
    ):
        open_list(site.list_files("/a.html"), max_list_bytes=10).discover()


def test_a_length_that_is_a_lie_does_not_help_a_file_past_the_limit(site: Site) -> None:
    def lie(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/plain")
        if handler.command == "HEAD":
            handler.send_header("Content-Length", "5")
            handler.end_headers()
            return
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")

    site.misbehave("/a.txt", lie)
    source = open_list(site.list_files("/a.txt"))
    (found,) = source.discover().files
    assert found.size_bytes == 5
    with pytest.raises(
        FileTooLargeError, match=r"more than 10,000 bytes, the limit \(ingest.max_file_bytes\)"
    ):
        source.fetch(found, max_bytes=10_000)


def test_patterns_are_those_of_gitignore_files(site: Site) -> None:
    for path in ("/a.html", "/drafts/b.html", "/c.txt"):
        site.put(path, "<p>x" if path.endswith("html") else "x")
    location = site.list_files("/a.html", "/drafts/b.html", "/c.txt")
    spec = SourceSpec(
        kind="web", location=location, include=["*.html"], exclude=["drafts/"], fetching=policy(robots=False)
    )
    listing = load_source(spec).discover()
    assert paths(listing) == ["a.html"]
    assert set(reasons(listing).values()) == {"excluded by rule"}
    assert site.count("HEAD /drafts/b.html") == 0
