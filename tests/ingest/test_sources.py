"""The contract of sources, run against every member, then what is particular to folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.errors import FileTooLargeError, FileUnreadableError, SourceUnavailableError
from ingest.sources import Listing, Source, SourceSpec, load_source
from ingest.sources.folder import FolderSource
from ingest.sources.patterns import printable_path
from retrieval.errors import InvalidRequestError
from tests.ingest.bucket_server import serving_buckets
from tests.ingest.web_server import policy, serving
from tests.ordinary_user import folder_for_all, ordinary_user

MEGABYTE = 1024 * 1024

MakeSource = Callable[[Mapping[str, bytes]], Source]


def write(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def paths(listing: Listing) -> list[str]:
    return [found.path for found in listing.files]


def reasons(listing: Listing) -> dict[str, str]:
    return {entry.path: entry.reason for entry in listing.skipped}


@pytest.fixture(params=["folder", "s3", "web"])
def make_source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeSource]:
    """Makes a source of each kind that holds the given files."""
    servers = ExitStack()

    def make(files: Mapping[str, bytes]) -> Source:
        match request.param:
            case "folder":
                (tmp_path / "root").mkdir()
                return load_source(SourceSpec(kind="folder", location=str(write(tmp_path / "root", files))))
            case "s3":
                buckets = servers.enter_context(serving_buckets())
                buckets.objects["files"] = {f"all/{name}": content for name, content in files.items()}
                return load_source(
                    SourceSpec(
                        kind="s3", location="s3://files/all/", fetching=policy(), buckets=buckets.access()
                    )
                )
            case "web":
                site = servers.enter_context(serving())
                for name, content in files.items():
                    site.put(f"/{quote(name)}", content)
                location = site.list_files(*(f"/{quote(name)}" for name in files), at="/list")
                return load_source(SourceSpec(kind="web", location=location, fetching=policy()))
        raise AssertionError(request.param)

    with servers:
        yield make


class TestContract:
    def test_every_file_is_listed_once_in_path_order(self, make_source: MakeSource) -> None:
        files = {"b.txt": b"b", "a/z.txt": b"az", "a/b/c.txt": b"abc", "a.txt": b"a", "c d/ü.md": b"u"}
        listing = make_source(files).discover()
        assert paths(listing) == sorted(files)
        assert [found.size_bytes for found in listing.files] == [len(files[p]) for p in sorted(files)]
        assert listing.skipped == ()
        assert listing.unlisted == ()

    def test_a_listing_is_the_same_when_nothing_has_changed(self, make_source: MakeSource) -> None:
        source = make_source({"a.txt": b"a", "b/c.txt": b"bc"})
        assert source.discover() == source.discover()

    def test_what_is_fetched_is_what_the_source_holds(self, make_source: MakeSource) -> None:
        files = {"a.txt": b"a", "b/c.pdf": bytes(range(256)) * 100}
        source = make_source(files)
        fetched = {found.path: source.fetch(found, max_bytes=MEGABYTE) for found in source.discover().files}
        assert fetched == files

    def test_below_lists_only_that_folder_or_file(self, make_source: MakeSource) -> None:
        source = make_source({"a/b.txt": b"1", "a/c/d.txt": b"2", "ab.txt": b"3", "e.txt": b"4"})
        assert paths(source.discover(below="a")) == ["a/b.txt", "a/c/d.txt"]
        assert paths(source.discover(below="a/c")) == ["a/c/d.txt"]
        assert paths(source.discover(below="e.txt")) == ["e.txt"]

    def test_a_part_is_listed_as_the_whole_lists_it(self, make_source: MakeSource) -> None:
        source = make_source({"a/b.txt": b"1", "a/c/d.txt": b"2", "a/.e/f.txt": b"3", "a/g.txt": b""})
        whole = source.discover()
        below = source.discover(below="a")
        assert below.files == whole.files
        assert set(below.skipped) == set(whole.skipped)
        assert paths(source.discover(below="a/.e")) == []
        assert reasons(source.discover(below="a/.e/f.txt")) == {"a/.e/f.txt": "hidden"}

    def test_a_part_that_is_not_there_is_unavailable(self, make_source: MakeSource) -> None:
        with pytest.raises(SourceUnavailableError, match=r"Nothing that is indexed from it was changed\.$"):
            make_source({"a.txt": b"a"}).discover(below="gone")

    def test_an_empty_file_is_skipped_with_its_reason(self, make_source: MakeSource) -> None:
        listing = make_source({"empty.txt": b"", "full.txt": b"x"}).discover()
        assert paths(listing) == ["full.txt"]
        assert reasons(listing) == {"empty.txt": "empty"}

    def test_a_file_of_more_than_max_bytes_is_too_large_and_stays_so(self, make_source: MakeSource) -> None:
        source = make_source({"a.txt": b"12345"})
        (found,) = source.discover().files
        assert source.fetch(found, max_bytes=5) == b"12345"
        with pytest.raises(
            FileTooLargeError, match=r"5 bytes .* up to 4 .*FOOTNOTE_INGEST__MAX_FILE_BYTES"
        ) as e:
            source.fetch(found, max_bytes=4)
        assert not e.value.retryable


def test_a_missing_folder_is_unavailable_and_named(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailableError, match=r"nowhere' cannot be read: No such file or directory"):
        FolderSource(tmp_path / "nowhere").discover()


def test_a_vanished_file_may_be_there_on_the_next_run(tmp_path: Path) -> None:
    source = FolderSource(write(tmp_path, {"a.txt": b"a"}))
    (found,) = source.discover().files
    (tmp_path / "a.txt").unlink()
    with pytest.raises(FileUnreadableError, match="it cannot be read: No such file") as failed:
        source.fetch(found, max_bytes=10)
    assert failed.value.retryable


def test_a_file_replaced_by_a_pipe_does_not_hang_the_run(tmp_path: Path) -> None:
    source = FolderSource(write(tmp_path, {"a.txt": b"a"}))
    (found,) = source.discover().files
    (tmp_path / "a.txt").unlink()
    os.mkfifo(tmp_path / "a.txt")
    with pytest.raises(FileUnreadableError, match="not a regular file"):
        source.fetch(found, max_bytes=10)


def test_a_single_file_is_a_source_of_one(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": b"a", "b.txt": b"b"})
    source = FolderSource(tmp_path / "a.txt")
    (found,) = source.discover().files
    assert (found.path, source.fetch(found, max_bytes=10)) == ("a.txt", b"a")


def test_hidden_files_pipes_and_lock_files_are_left_out_with_their_reasons(tmp_path: Path) -> None:
    write(tmp_path, {".git/config": b"x", ".env": b"x", "~$report.docx": b"x", "a.txt": b"a"})
    os.mkfifo(tmp_path / "pipe.txt")
    listing = FolderSource(tmp_path).discover()
    assert paths(listing) == ["a.txt"]
    assert reasons(listing) == {
        ".env": "hidden",
        ".git": "hidden",
        "pipe.txt": "not a regular file",
        "~$report.docx": "an office program's lock file",
    }


def test_rules_are_those_of_gitignore_files(tmp_path: Path) -> None:
    files = {"a.md": b"1", "b.txt": b"2", "drafts/c.md": b"3", "x/drafts/d.md": b"4", "x/e.md": b"5"}
    write(tmp_path, files)
    listing = FolderSource(tmp_path, include=["*.md"], exclude=["drafts/"]).discover()
    assert paths(listing) == ["a.md", "x/e.md"]
    assert reasons(listing) == {
        "b.txt": "excluded by rule",
        "drafts/": "excluded by rule",
        "x/drafts/": "excluded by rule",
    }
    assert paths(FolderSource(tmp_path, exclude=["drafts/"]).discover(below="drafts")) == []
    assert paths(FolderSource(tmp_path, include=["/x/"]).discover()) == ["x/drafts/d.md", "x/e.md"]


def test_a_pattern_of_bytes_that_are_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="the pattern '%FF' has bytes that are not UTF-8"):
        FolderSource(tmp_path, include=["\udcff"])


@pytest.mark.parametrize("pattern", ["!", "a\\", "[z-a]"])
def test_a_pattern_that_is_none_is_refused(tmp_path: Path, pattern: str) -> None:
    for rules in ({"include": ["*.md", pattern]}, {"exclude": [pattern]}):
        with pytest.raises(InvalidRequestError, match=r"is not a pattern\. Write it as in \.gitignore files"):
            FolderSource(tmp_path, **rules)


def test_links_count_only_where_the_file_lies_inside(tmp_path: Path) -> None:
    root = write(tmp_path / "root", {"a.txt": b"a", "sub/b.txt": b"b"})
    write(tmp_path, {"secret.txt": b"s"})
    (root / "inside.txt").symlink_to("a.txt")
    (root / "outside.txt").symlink_to("../secret.txt")
    (root / "nowhere.txt").symlink_to("gone.txt")
    (root / "folder").symlink_to("sub")
    (root / "sub" / "loop").symlink_to("..")
    (root / "itself").symlink_to("itself")
    listing = FolderSource(root).discover()
    assert paths(listing) == ["a.txt", "inside.txt", "sub/b.txt"]
    assert reasons(listing) == {
        "folder": "a symbolic link to a folder; add that folder itself",
        "itself": "a symbolic link that leads nowhere",
        "nowhere.txt": "a symbolic link that leads nowhere",
        "outside.txt": "a symbolic link that leads out of the folder",
        "sub/loop": "a symbolic link to a folder; add that folder itself",
    }


def test_no_part_of_a_source_is_reached_through_a_link(tmp_path: Path) -> None:
    root = write(tmp_path / "root", {"a.txt": b"a"})
    write(tmp_path / "other", {"b.txt": b"b"})
    (root / "way").symlink_to("../other")
    (root / "out.txt").symlink_to("../other/b.txt")
    source = FolderSource(root)
    assert source.discover(below="way/b.txt").files == source.discover(below="out.txt").files == ()
    assert "out of the folder" in reasons(source.discover(below="out.txt"))["out.txt"]


def test_a_source_may_itself_be_a_link(tmp_path: Path) -> None:
    write(tmp_path / "root", {"a.txt": b"a"})
    (tmp_path / "root" / "b.txt").symlink_to("a.txt")
    (tmp_path / "link").symlink_to("root")
    assert paths(FolderSource(tmp_path / "link").discover()) == ["a.txt", "b.txt"]


def test_names_that_are_not_unicode_are_listed_and_read(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_bytes(b"x")
    (tmp_path / "new\nline.txt").write_bytes(b"y")
    source = FolderSource(tmp_path)
    listing = source.discover()
    assert paths(listing) == ["caf%E9.txt", "new\nline.txt"]
    assert [source.fetch(found, max_bytes=10) for found in listing.files] == [b"x", b"y"]


def test_of_two_files_whose_names_read_the_same_one_is_skipped(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_bytes(b"bytes")
    (tmp_path / "caf%E9.txt").write_bytes(b"percent")
    source = FolderSource(tmp_path)
    listing = source.discover()
    assert [source.fetch(found, max_bytes=10) for found in listing.files] == [b"percent"]
    assert reasons(listing) == {"caf%E9.txt": "another file's name reads the same"}


def test_a_path_too_long_for_the_catalog_is_skipped(tmp_path: Path) -> None:
    deep = "/".join(["d" * 200] * 11)
    write(tmp_path, {f"{deep}/a.txt": b"a", "b.txt": b"b"})
    listing = FolderSource(tmp_path).discover()
    assert paths(listing) == ["b.txt"]
    assert reasons(listing) == {f"{deep}/a.txt": "its path has more than 2,000 bytes"}


@pytest.fixture
def folder() -> Iterator[Path]:
    with folder_for_all() as path:
        yield path


def test_a_folder_that_cannot_be_listed_is_reported_and_the_rest_goes_on(folder: Path) -> None:
    write(folder, {"a.txt": b"a", "locked/b.txt": b"b", "z/c.txt": b"c"})
    (folder / "locked").chmod(0)
    with ordinary_user():
        listing = FolderSource(folder).discover()
    assert paths(listing) == ["a.txt", "z/c.txt"]
    (unlisted,) = listing.unlisted
    assert (unlisted.path, unlisted.error) == ("locked", "the folder cannot be listed: Permission denied")


def test_a_link_whose_target_may_not_be_looked_at_is_not_taken_for_gone(folder: Path) -> None:
    write(folder, {"a.txt": b"a", "locked/b.txt": b"b"})
    (folder / "link.txt").symlink_to("locked/b.txt")
    (folder / "locked").chmod(0)
    with ordinary_user():
        listing = FolderSource(folder).discover()
    assert {entry.path for entry in listing.unlisted} == {"link.txt", "locked"}
    assert listing.skipped == ()


def test_a_folder_that_may_not_be_listed_at_all_is_unavailable(folder: Path) -> None:
    write(folder, {"root/a.txt": b"a"})
    (folder / "root").chmod(0)
    with (
        ordinary_user(),
        pytest.raises(SourceUnavailableError, match="root' cannot be listed: Permission denied"),
    ):
        FolderSource(folder / "root").discover()


def test_a_file_that_may_not_be_opened_is_unreadable(folder: Path) -> None:
    source = FolderSource(write(folder, {"a.txt": b"a"}))
    (found,) = source.discover().files
    (folder / "a.txt").chmod(0)
    with (
        ordinary_user(),
        pytest.raises(FileUnreadableError, match="it cannot be read: Permission denied"),
    ):
        source.fetch(found, max_bytes=10)


@given(st.binary(min_size=1, max_size=30).filter(lambda name: b"\0" not in name and b"/" not in name))
def test_every_name_becomes_valid_unicode_and_valid_ones_stay_themselves(name: bytes) -> None:
    shown = printable_path(os.fsdecode(name))
    shown.encode("utf-8")
    try:
        assert shown == name.decode("utf-8")
    except UnicodeDecodeError:
        assert unquote_to_bytes(shown) == unquote_to_bytes(name)


def test_links_below_a_part_still_have_to_stay_inside_the_whole(tmp_path: Path) -> None:
    root = write(tmp_path / "root", {"a.txt": b"a", "sub/b.txt": b"b"})
    (root / "sub" / "up.txt").symlink_to("../a.txt")
    assert paths(FolderSource(root).discover(below="sub")) == ["sub/b.txt", "sub/up.txt"]
