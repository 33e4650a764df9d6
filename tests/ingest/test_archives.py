"""Archives that cannot be trusted: bombs, locks, damage."""

from __future__ import annotations

import struct
import zipfile
from io import BytesIO

import pytest

from ingest.errors import ParseError
from ingest.parsers.archives import MOST_ENTRIES, Archive, open_archive
from tests.ingest.samples.packages import archive


def opened(content: bytes) -> Archive:
    return open_archive(content, file_name="book.epub", kind="EPUB book")


def test_entries_are_listed_in_order_and_read_by_name() -> None:
    with opened(archive({"b.xml": "<b>words</b>", "folder/a.txt": "text"})) as found:
        assert found.names == ("b.xml", "folder/a.txt")
        assert found.read("folder/a.txt") == b"text"
        assert found.xml("b.xml").text == "words"


def test_names_are_compared_as_windows_does() -> None:
    with opened(archive({"Word\\Document.xml": "x"})) as found:
        assert "word/document.xml" in found
        assert found.read("/word/document.xml") == b"x"


def test_a_missing_entry_is_named() -> None:
    with (
        opened(archive({"a": ""})) as found,
        pytest.raises(ParseError, match=r"^book.epub is no EPUB book, or is damaged \(b is missing\)"),
    ):
        found.read("b")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "^book.epub is empty$"),
        (b"words", r"^book.epub is no EPUB book, or is damaged \(BadZipFile\)$"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
            "^book.epub is locked with",
        ),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
            "^book.epub is no EPUB book but in the format of an older",
        ),
    ],
)
def test_what_is_no_archive_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        opened(content)


def test_an_archive_that_swells_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(
        ParseError, match=r"^book.epub unpacks to 60 MB from 0.1 MB, which is more than is read"
    ):
        opened(archive({"zeros": bytes(60 * 2**20)}))


def test_an_archive_of_endless_entries_is_refused_before_they_are_listed() -> None:
    entry = struct.pack("<4s42x", b"PK\x01\x02")
    with pytest.raises(ParseError, match=r"^book.epub holds more than 50,000 entries"):
        opened(entry * (MOST_ENTRIES + 1))


def test_an_entry_larger_than_asked_for_is_refused() -> None:
    with (
        opened(archive({"a": bytes(5 * 2**20)})) as found,
        pytest.raises(
            ParseError, match=r"^book.epub: a unpacks to 5 MB, which is more than is read \(1 MB\)"
        ),
    ):
        found.read("a", most_bytes=2**20)


def test_an_entry_that_lies_about_its_size_is_not_unpacked_further() -> None:
    content = archive({"a": bytes(10 * 2**20)})
    lying = content.replace(struct.pack("<I", 10 * 2**20), struct.pack("<I", 1000))
    with opened(lying) as found, pytest.raises(ParseError, match=r"a cannot be unpacked"):
        found.read("a")


def test_entries_packed_by_methods_without_bounds_are_refused() -> None:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_BZIP2) as packed:
        packed.writestr("a", bytes(1000))
    with opened(file.getvalue()) as found, pytest.raises(ParseError, match="packed in a way"):
        found.read("a")


def test_a_locked_entry_is_refused_as_such() -> None:
    content = bytearray(archive({"a": "secret"}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    with (
        opened(bytes(content)) as found,
        pytest.raises(ParseError, match=r"^book.epub is locked with a password"),
    ):
        found.read("a")


def test_entities_are_neither_multiplied_nor_fetched() -> None:
    bomb = "".join(
        f'<!ENTITY {b} "{f"&{a};" * 50}">' for a, b in zip("abcdefghij", "bcdefghijk", strict=True)
    )
    content = archive(
        {
            "bomb.xml": f'<!DOCTYPE x [<!ENTITY a "lol">{bomb}]><x y="&k;"/>',
            "fetch.xml": '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]><x>before &a;</x>',
        }
    )
    with opened(content) as found:
        with pytest.raises(ParseError, match=r"bomb.xml is no well-formed XML"):
            found.xml("bomb.xml")
        assert "".join(found.xml("fetch.xml").itertext(tag="x")) == "before "
