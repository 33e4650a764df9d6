"""Which path a file of the web has."""

from __future__ import annotations

import pytest

from ingest.sources.naming import Naming, name_file, stem_of

SOURCE = "https://docs.example.com/sitemap.xml"


@pytest.mark.parametrize(
    ("url", "stem"),
    [
        ("https://docs.example.com/", "index"),
        ("https://docs.example.com/guide/", "guide/index"),
        ("https://docs.example.com/a%20b/%C3%BC.pdf", "a b/ü.pdf"),
        ("https://docs.example.com/%FF.pdf", "%FF.pdf"),
        ("https://docs.example.com/a%0Ab.pdf", "a%0Ab.pdf"),
        ("https://docs.example.com/page?id=3", "page?id=3"),
        ("https://other.example:8443/x.pdf", "other.example:8443/x.pdf"),
        ("http://docs.example.com:80/x.pdf", "docs.example.com:80/x.pdf"),
    ],
)
def test_a_path_is_that_of_the_url_below_its_host(url: str, stem: str) -> None:
    assert stem_of(url, SOURCE) == stem


@pytest.mark.parametrize(
    ("stem", "media_type", "path"),
    [
        ("intro", "text/html", "intro.html"),
        ("index.html", "text/html", "index.html"),
        ("index.htm", "application/xhtml+xml", "index.htm"),
        ("page.php", "text/html", "page.php.html"),
        ("page?id=3", "text/html", "page?id=3.html"),
        ("v1.2", "text/html", "v1.2.html"),
        ("README.md", "text/html", "README.md.html"),
        ("README.md", "text/plain", "README.md"),
        ("report.pdf", "application/octet-stream", "report.pdf"),
        ("report.pdf", "", "report.pdf"),
        ("download", "application/pdf", "download.pdf"),
        ("notes", "text/plain", "notes.txt"),
        ("data.geojson", "application/json", "data.geojson"),
        ("feed", "application/rss+xml", "feed.rss"),
    ],
)
def test_a_path_has_an_extension_that_fits_what_is_served(stem: str, media_type: str, path: str) -> None:
    assert name_file(stem, media_type) == Naming(path=path)


@pytest.mark.parametrize("media_type", ["video/mp4", "application/zip", "application/octet-stream", ""])
def test_what_is_none_of_the_types_is_refused(media_type: str) -> None:
    refused = name_file("thing", media_type)
    assert refused.refusal is not None
    assert not refused.doubtful


@pytest.mark.parametrize("stem", ["report.pdf", "a.docx", "a.txt", "a.csv", "a.epub"])
def test_a_page_under_the_name_of_something_else_is_not_taken_for_it(stem: str) -> None:
    refused = name_file(stem, "text/html")
    assert refused.doubtful
    assert "looks like a page that asks to sign in" in (refused.refusal or "")
