"""What is particular to buckets."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from ingest.errors import FileReplacedError, FileUnreadableError, SourceUnavailableError
from ingest.fetching.policies import BucketAccess
from ingest.sources import Source, SourceSpec, load_source
from retrieval.errors import ExtraMissingError
from tests.ingest.bucket_server import KEY, SECRET, Buckets, serving_buckets
from tests.ingest.web_server import policy


@pytest.fixture
def buckets() -> Iterator[Buckets]:
    with serving_buckets() as served:
        served.objects["files"] = {
            "a.txt": b"a",
            "docs/b.md": b"b",
            "docs/deep/c.md": b"c",
            "docs2/d.md": b"d",
        }
        yield served


def open_bucket(
    buckets: Buckets, location: str = "s3://files/", access: BucketAccess | None = None, **told: object
) -> Source:
    return load_source(
        SourceSpec(kind="s3", location=location, fetching=policy(**told), buckets=access or buckets.access())
    )


def paths(source: Source) -> list[str]:
    return [found.path for found in source.discover().files]


def test_a_prefix_is_a_folder_and_not_the_beginning_of_a_name(buckets: Buckets) -> None:
    assert paths(open_bucket(buckets, "s3://files/docs/")) == ["b.md", "deep/c.md"]
    assert paths(open_bucket(buckets)) == ["a.txt", "docs/b.md", "docs/deep/c.md", "docs2/d.md"]


def test_a_bucket_of_several_pages_is_listed_whole(buckets: Buckets) -> None:
    keys = [f"n {number:03} ü&.txt" for number in range(25)]
    buckets.objects["many"] = {key: key.encode() for key in keys}
    buckets.page_size = 10
    source = open_bucket(buckets, "s3://many/")
    listing = source.discover()
    assert [found.path for found in listing.files] == keys
    assert [source.fetch(found, max_bytes=100) for found in listing.files] == [key.encode() for key in keys]
    assert buckets.asked.count("many?") == 3


def test_folders_that_consoles_make_hidden_and_empty_objects_are_left_out(buckets: Buckets) -> None:
    buckets.objects["files"] = {
        "docs/": b"",
        ".git/config": b"x",
        "a/.env": b"x",
        "empty.txt": b"",
        "a.txt": b"a",
    }
    listing = open_bucket(buckets).discover()
    assert [found.path for found in listing.files] == ["a.txt"]
    assert {entry.path: entry.reason for entry in listing.skipped} == {
        ".git/config": "hidden",
        "a/.env": "hidden",
        "empty.txt": "empty",
    }


def test_another_content_is_another_state_and_the_same_is_the_same(buckets: Buckets) -> None:
    source = open_bucket(buckets)
    before = source.discover().files[0]
    buckets.objects["files"]["a.txt"] = b"z"
    assert source.discover().files[0].mtime_ns != before.mtime_ns
    with pytest.raises(FileReplacedError) as replaced:
        source.fetch(before, max_bytes=100)
    assert replaced.value.mtime_ns == source.discover().files[0].mtime_ns
    buckets.objects["files"]["a.txt"] = b"a"
    assert source.discover().files[0] == before


def test_a_vanished_object_may_be_there_on_the_next_run(buckets: Buckets) -> None:
    source = open_bucket(buckets)
    found = source.discover().files[0]
    del buckets.objects["files"]["a.txt"]
    with pytest.raises(FileUnreadableError, match="the server answers 404 NoSuchKey") as failed:
        source.fetch(found, max_bytes=100)
    assert failed.value.retryable


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (
            (403, "AccessDenied"),
            "the server answers 403 AccessDenied: the key may not list or read it, or is wrong",
        ),
        ((404, "NoSuchBucket"), "the server answers 404 NoSuchBucket"),
        ((500, "InternalError"), "the server answers 500 InternalError"),
        ((503, "SlowDown"), "the server answers 503 SlowDown"),
        ((301, "PermanentRedirect"), "the bucket is in another region, eu-central-1"),
    ],
)
def test_a_bucket_that_cannot_be_listed_is_unavailable_with_its_reason(
    buckets: Buckets, refusal: tuple[int, str], reason: str
) -> None:
    buckets.refuse = refusal
    with pytest.raises(
        SourceUnavailableError, match=r"Nothing that is indexed from it was changed\.$"
    ) as failed:
        open_bucket(buckets).discover()
    assert f"'s3://files/' cannot be listed: the server answers {refusal[0]}" in str(failed.value)
    assert reason in str(failed.value)
    assert len(buckets.asked) == 1  # a redirect of what is signed is not followed


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Sign in</html>",
        b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        b"<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
        b"<ListBucketResult><Contents><Key>a.txt</Key><Size>1</Size>",
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><ListBucketResult/>',
        (
            b"<ListBucketResult><IsTruncated>true</IsTruncated>"
            b"<NextContinuationToken>t</NextContinuationToken></ListBucketResult>"
        ),
    ],
)
def test_a_list_that_is_none_or_breaks_off_is_unavailable_and_not_empty(
    buckets: Buckets, body: bytes
) -> None:
    buckets.body = body
    with pytest.raises(SourceUnavailableError, match="cannot be listed"):
        open_bucket(buckets).discover()


def test_a_wrong_key_is_refused_and_neither_key_nor_signature_is_told(buckets: Buckets) -> None:
    source = open_bucket(buckets, access=buckets.access(secret="wrong" * 8))
    with pytest.raises(SourceUnavailableError, match="403 SignatureDoesNotMatch") as failed:
        source.discover()
    told = f"{failed.value} {failed.value.__cause__} {buckets.access()!r}"
    assert "wrongwrong" not in told
    assert SECRET not in told
    assert "X-Amz" not in told
    assert KEY not in str(failed.value)


def test_keys_come_from_the_environment_where_none_are_set(
    buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = BucketAccess(endpoint=buckets.url, region="eu-test-1", path_style=True)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert len(paths(open_bucket(buckets, access=access))) == 4


def test_without_a_key_the_message_says_where_to_put_one(
    buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    access = BucketAccess(endpoint=buckets.url, region="eu-test-1", path_style=True)
    with pytest.raises(SourceUnavailableError, match=r"FOOTNOTE_S3__ACCESS_KEY_ID.*AWS_ACCESS_KEY_ID"):
        open_bucket(buckets, access=access).discover()


def test_a_server_at_an_address_that_is_not_allowed_is_never_asked(buckets: Buckets) -> None:
    source = load_source(
        SourceSpec(
            kind="s3", location="s3://files/", fetching=policy("192.0.2.0/24"), buckets=buckets.access()
        )
    )
    with pytest.raises(SourceUnavailableError, match=r"not in sources\.allow_networks"):
        source.discover()
    assert buckets.asked == []


def test_a_bucket_of_more_objects_than_allowed_is_refused_whole(buckets: Buckets) -> None:
    with pytest.raises(SourceUnavailableError, match=r"more than 3 objects \(sources.max_files\)"):
        open_bucket(buckets, max_files=3).discover()


def test_without_the_extra_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore", None)
    monkeypatch.delitem(sys.modules, "ingest.sources.s3", raising=False)
    with pytest.raises(ExtraMissingError, match=r"footnote-service\[s3\]"):
        load_source(SourceSpec(kind="s3", location="s3://files/"))


def test_what_is_told_of_a_key_that_is_not_printed_can_be_kept(buckets: Buckets) -> None:
    buckets.objects["files"] = {"a.txt": b"a", "odd\0\n.txt": b"x", ".hid\0den": b"x"}
    listing = open_bucket(buckets).discover()
    assert [found.path for found in listing.files] == ["a.txt"]
    assert [entry.path for entry in listing.skipped] == [".hid%00den", "odd%00%0A.txt"]


@pytest.mark.parametrize("size", ["9" * 19, "9" * 5000])
def test_a_size_that_nothing_has_is_none(buckets: Buckets, size: str) -> None:
    entry = f"<Contents><Key>a.txt</Key><Size>{size}</Size></Contents>"
    buckets.body = f"<ListBucketResult>{entry}</ListBucketResult>".encode()
    with pytest.raises(SourceUnavailableError, match="an object without a key or a size"):
        open_bucket(buckets).discover()
