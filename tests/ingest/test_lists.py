"""Lists of files on the web, from their bytes."""

from __future__ import annotations

import gzip
import json
import tracemalloc

import pytest

from ingest.errors import FileTooLargeError
from ingest.sources.lists import NoListError, ParsedList, parse_list

HERE = "https://docs.example.com/guide/sitemap.xml"
SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"


def parse(content: bytes | str, url: str = HERE, *, max_entries: int = 100) -> ParsedList:
    written = content.encode() if isinstance(content, str) else content
    return parse_list(written, url=url, max_bytes=1024**2, max_entries=max_entries)


def urls(parsed: ParsedList) -> list[str]:
    return [entry.url for entry in parsed.entries if entry.url is not None]


def refusals(parsed: ParsedList) -> dict[str, str]:
    return {entry.shown: entry.refusal for entry in parsed.entries if entry.url is None}


def sitemap(*locations: str, root: str = "urlset", entry: str = "url") -> str:
    entries = "".join(
        f"<{entry}><loc> {location} </loc><lastmod>2026-01-31</lastmod><priority>0.5</priority></{entry}>"
        for location in locations
    )
    return f'<?xml version="1.0" encoding="UTF-8"?><!-- made --><{root} xmlns="{SITEMAP}">{entries}</{root}>'


@pytest.mark.parametrize("packed", [False, True])
def test_a_sitemap_names_files_of_its_host(packed: bool) -> None:
    written = sitemap("https://docs.example.com/a", "https://DOCS.example.com:443/b?x=1&amp;y=2").encode()
    parsed = parse(gzip.compress(written) if packed else written)
    assert urls(parsed) == ["https://docs.example.com/a", "https://docs.example.com/b?x=1&y=2"]
    assert [entry.lastmod for entry in parsed.entries] == ["2026-01-31"] * 2
    assert not parsed.sitemaps


def test_a_sitemap_does_not_speak_for_other_hosts() -> None:
    parsed = parse(
        sitemap("https://docs.example.com/a", "https://elsewhere.example/b", "http://docs.example.com/c")
    )
    assert urls(parsed) == ["https://docs.example.com/a"]
    assert set(refusals(parsed)) == {"https://elsewhere.example/b", "http://docs.example.com/c"}


def test_an_index_names_sitemaps() -> None:
    parsed = parse(sitemap("https://docs.example.com/1.xml.gz", root="sitemapindex", entry="sitemap"))
    assert parsed.sitemaps
    assert urls(parsed) == ["https://docs.example.com/1.xml.gz"]


def test_a_sitemap_in_utf_16_is_read() -> None:
    written = sitemap("https://docs.example.com/a").replace("UTF-8", "UTF-16")
    assert urls(parse(written.encode("utf-16"))) == ["https://docs.example.com/a"]


@pytest.mark.parametrize(
    "written",
    [
        (
            f'<!DOCTYPE urlset [<!ENTITY e SYSTEM "file:///etc/passwd">]><urlset xmlns="{SITEMAP}"><url><loc>&e;</loc>'
            "</url></urlset>"
        ),
        (
            '<!DOCTYPE urlset [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c '
            '"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><urlset><url><loc>https://docs.example.com/&c;</loc></url></urlset>'
        ),
        '<!DOCTYPE urlset SYSTEM "http://127.0.0.1:9/x.dtd"><urlset/>',
        '<!DOCTYPE urlset [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;]><urlset/>',
    ],
)
def test_a_document_type_is_refused_and_nothing_it_names_is_read(written: str) -> None:
    for content in (written.encode(), written.encode("utf-16"), gzip.compress(written.encode())):
        with pytest.raises(NoListError):
            parse(content)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("<urlset><url><loc>https://docs.example.com/a</loc></url>", "breaks off"),
        ("<rss><channel/></rss>", "its root 'rss' is not that of a sitemap"),
        ("<html><body>Sign in</body></html>", "a page of HTML came where a list was expected"),
        ("<!DOCTYPE html><p>404", "a page of HTML came where a list was expected"),
        ("Service temporarily unavailable", "line 1 is no URL"),
        ("https://docs.example.com/a\n/b\n", "line 2 is no URL"),
        ('{"error": "not found"}', "JSON without a list"),
        ('"https://docs.example.com/a"', "line 1 is no URL"),
        ("[1, 2]", "entry 1 has no URL"),
        ('[{"href": "https://docs.example.com/a"}]', "entry 1 has no URL"),
        ("[" * 100_000, "JSON and is none"),
        (b"\xff\xd8\xff\xe0 a picture", "neither text"),
        (b"\x1f\x8b not packed", "gzip"),
    ],
)
def test_what_is_no_list_is_refused_and_never_taken_for_an_empty_one(
    written: str | bytes, reason: str
) -> None:
    with pytest.raises(Exception, match=reason) as failed:
        parse(written)
    assert type(failed.value).__module__.startswith("ingest.")


def test_a_text_has_a_url_a_line_of_any_host() -> None:
    written = "\ufeff# what we read\nhttps://a.example/x.pdf\r\n\n  https://b.example/y z.pdf\nhttps://b.example/ü\n"
    parsed = parse(written, "https://lists.example/files.txt")
    assert urls(parsed) == ["https://a.example/x.pdf", "https://b.example/%C3%BC"]
    assert list(refusals(parsed)) == ["https://b.example/y z.pdf"]
    assert parse("", "https://lists.example/files.txt").entries == ()


@pytest.mark.parametrize(
    "listed",
    [
        ["https://a.example/x", "https://a.example/y"],
        [{"url": "https://a.example/x", "lastmod": "2026"}, "https://a.example/y"],
        {"urls": ["https://a.example/x", "https://a.example/y"], "made": "today"},
    ],
)
def test_json_is_a_list_of_urls_or_of_objects_with_one(listed: object) -> None:
    assert urls(parse(json.dumps(listed))) == ["https://a.example/x", "https://a.example/y"]


def test_a_page_names_what_it_links_to_below_itself() -> None:
    written = """<!doctype html><html><body><h1>Index of /files/</h1>
        <a href="../">Parent</a><a href="?C=N;O=D">Name</a><a href="#top">top</a><a href="mailto:a@b.example">us</a>
        <a href="a%20b.pdf">a b</a><a href="/files/c.md#part">c</a><a href="c.md">c again</a><a href="sub/">sub</a>
        <a href="https://docs.example.com/files/deep/d.html">d</a><a href="https://docs.example.com/other.html">no</a>
        <a href="https://elsewhere.example/files/e.html">no</a><a href="javascript:alert(1)">no</a></body></html>"""
    parsed = parse(written, "https://docs.example.com/files/")
    assert urls(parsed) == [
        "https://docs.example.com/files/a%20b.pdf",
        "https://docs.example.com/files/c.md",
        "https://docs.example.com/files/deep/d.html",
    ]
    assert refusals(parsed) == {
        "https://docs.example.com/files/sub/": "a folder; add its address as a source of its own"
    }


@pytest.mark.parametrize(
    "url",
    [
        "https://user:hunter2@a.example/x",
        "https://a.example/x?X-Amz-Signature=hunter2&X-Amz-Date=1",
        "https://a.example/x?access_token=hunter2",
        "https://a.example/x?page=1&sig=hunter2",
    ],
)
def test_an_address_that_holds_a_key_is_left_out_and_not_repeated(url: str) -> None:
    parsed = parse(url)
    assert urls(parsed) == []
    assert "hunter2" not in str(parsed.entries)
    assert "key" in str(parsed.entries) or "password" in str(parsed.entries)


def test_a_list_of_more_files_than_allowed_is_refused_whole() -> None:
    many = [f"https://docs.example.com/{number}" for number in range(101)]
    for written in ("\n".join(many), json.dumps(many), sitemap(*many)):
        with pytest.raises(FileTooLargeError, match=r"more than 100 files \(sources.max_files\)"):
            parse(written)
        assert len(parse(written, max_entries=101).entries) == 101


def test_a_bomb_goes_off_at_the_limit() -> None:
    bomb = gzip.compress(sitemap("https://docs.example.com/a").encode() + b" " * 50 * 1024**2, 9)
    tracemalloc.start()
    with pytest.raises(FileTooLargeError, match="when it is unpacked"):
        parse(bomb)
    assert tracemalloc.get_traced_memory()[1] < 8 * 1024**2
    tracemalloc.stop()


@pytest.mark.parametrize(
    "content",
    [
        "https://files.example/odd\0.txt\n",
        '["https://files.example/odd\\u0000.txt"]',
        '["https://files.example/\\ud800.txt"]',
    ],
)
def test_what_is_told_of_an_address_that_is_none_can_be_kept(content: str) -> None:
    [entry] = parse(content).entries
    assert entry.url is None
    assert entry.shown.isprintable()
