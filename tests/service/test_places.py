"""Places that can be sources, as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.errors import InvalidRequestError
from service.places import Remote, read_place


@pytest.mark.parametrize(
    "written", ["papers", "/srv/papers", "~/papers", "s3:/files", "C:/files", "a://".strip("/")]
)
def test_what_has_no_scheme_is_a_path(written: str) -> None:
    assert read_place(written) == Path(written)


@pytest.mark.parametrize(
    ("written", "kind", "location"),
    [
        ("s3://files", "s3", "s3://files/"),
        ("s3://files/", "s3", "s3://files/"),
        ("S3://files/a b/c", "s3", "s3://files/a b/c/"),
        ("s3://files//a/", "s3", "s3://files/a/"),
        ("https://Docs.Example.com:443", "web", "https://docs.example.com/"),
        ("https://docs.example.com/sitemap.xml#top", "web", "https://docs.example.com/sitemap.xml"),
        ("HTTP://docs.example.com:8080/files/?page=1", "web", "http://docs.example.com:8080/files/?page=1"),
        ("https://docs.example.com/ü", "web", "https://docs.example.com/%C3%BC"),
    ],
)
def test_an_address_has_one_plain_form(written: str, kind: str, location: str) -> None:
    place = read_place(written)
    assert isinstance(place, Remote)
    assert (place.kind, place.location) == (kind, location)
    assert read_place(location) == place


@pytest.mark.parametrize(
    "written",
    [
        "https://user:hunter2@docs.example.com/",
        "https://hunter2@docs.example.com/",
        "https://docs.example.com/list.txt?token=hunter2",
        "https://docs.example.com/list.txt?X-Amz-Signature=hunter2",
        "s3://AKID:hunter2@files/a",
        "s3://files:hunter2/a",
    ],
)
def test_an_address_that_holds_a_key_is_refused_without_repeating_it(written: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"key|password") as refused:
        read_place(written)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "written",
    [
        "ftp://docs.example.com/",
        "file:///etc/passwd",
        "gs://files/a",
        "s3://",
        "s3:///a",
        "s3://a b/c",
        "s3://files/a\nb",
        "https://",
        "https:///a",
        "https://docs.example.com:0/",
        "https://docs.example.com:99999/",
        "https://docs.example.com\\@10.0.0.1/",
        "https://docs example.com/",
        "https://[fe80::1%25eth0]/",
        "https://docs.example.com/" + "a" * 2048,
    ],
)
def test_what_is_no_place_is_refused(written: str) -> None:
    with pytest.raises(InvalidRequestError):
        read_place(written)


def test_a_place_covers_itself_and_what_lies_below_it_and_no_namesake() -> None:
    def remote(written: str) -> Remote:
        place = read_place(written)
        assert isinstance(place, Remote)
        return place

    docs = remote("https://docs.example.com/guide")
    assert docs.covers(docs)
    assert docs.covers(remote("https://docs.example.com/guide/sitemap.xml"))
    for other in (
        "https://docs.example.com/guide2",
        "http://docs.example.com/guide",
        "https://docs.example.com.evil/",
    ):
        assert not docs.covers(remote(other))
    assert remote("s3://files/a").covers(remote("s3://files/a/b"))
    assert not remote("s3://files/a").covers(remote("s3://files/ab"))
