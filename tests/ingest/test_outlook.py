"""Outlook messages: properties, bodies in all forms, attachments, and files that only bear the name."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import ParseError
from ingest.parsers import ParsedDocument, ParserPolicy, load_parser
from ingest.parsers.messages.compressed_rtf import decompressed
from ingest.parsers.messages.outlook import OutlookParser
from ingest.parsers.messages.writing import MOST_DEEP
from tests.ingest.documents import assert_keeps_contract, blocks_of
from tests.ingest.samples.compound_files import Tree, compound_file, outlook_message

SUBJECT, SENDER, BODY, HTML, RTF, CODE_PAGE, TEXT_CODE_PAGE = (
    0x37,
    0xC1A,
    0x1000,
    0x1013,
    0x1009,
    0x3FFD,
    0x3FDE,
)
NAME, DATA, METHOD, MEDIA = 0x3707, 0x3701, 0x3705, 0x370E
SENT = datetime(2024, 10, 1, 12, 34, 56, tzinfo=UTC)


def parse(tree: Tree) -> ParsedDocument:
    parsed = load_parser("outlook", ParserPolicy()).parse(compound_file(tree), file_name="mail.msg")
    assert_keeps_contract(parsed)
    return parsed


def compressed(text: bytes) -> bytes:
    """RTF in the container of its compression, without any."""
    return struct.pack("<IIII", len(text) + 12, len(text), 0x414C454D, 0) + text


def test_the_head_is_readable_text_and_the_subject_the_title() -> None:
    people = [
        {0x3001: "Bob", 0x39FE: "bob@example.org", 0x0C15: 1},
        {0x3001: "Carl", 0x3003: "/O=FIRM/CN=CARL", 0x0C15: 2},
        {0x3001: "Secret", 0x39FE: "secret@example.org", 0x0C15: 3},
        {0x3001: "dan@example.org", 0x3003: "dan@example.org", 0x0C15: 1},
    ]
    message = {
        SUBJECT: "Plans",
        SENDER: "Ann",
        0x5D01: "ann@example.org",
        0x0039: SENT,
        BODY: "Hello.\r\n\r\nBye.",
    }
    parsed = parse(outlook_message(message, recipients=people))
    assert parsed.title == "Plans"
    head = (
        "From: Ann <ann@example.org>\nTo: Bob <bob@example.org>, dan@example.org\nCc: Carl\n"
        "Date: Tue, 01 Oct 2024 12:34:56 +0000\nSubject: Plans"
    )
    assert blocks_of(parsed) == [("paragraph", head), ("paragraph", "Hello."), ("paragraph", "Bye.")]


def test_what_outlook_does_not_know_is_taken_from_the_header_of_the_mail() -> None:
    date = "Date: Tue, 01 Oct 2024 08:00:00 -0500"
    header = f"From: Ann <ann@example.org>\r\nTo: b@example.org\r\n{date}\r\nSubject: S\r\n"
    assert blocks_of(parse(outlook_message({0x7D: header, BODY: "Hello."})))[0] == (
        "paragraph",
        header.replace("\r", "").strip(),
    )


@pytest.mark.parametrize(
    ("code_page", "encoding", "text"),
    [
        (950, "cp950", "中文測試 Alfresco"),
        (1251, "cp1251", "Привет"),
        (1252, "cp1252", "Größe"),
        (65001, "utf-8", "Größe"),
        (932, "cp932", "すみません"),
        (4711, "cp1252", "Größe und Maß"),
    ],
)
def test_8_bit_text_is_read_by_its_code_page(code_page: int, encoding: str, text: str) -> None:
    parsed = parse(outlook_message({SUBJECT: text, BODY: text, CODE_PAGE: code_page}, encoding=encoding))
    assert parsed.title == text
    assert blocks_of(parsed)[-1] == ("paragraph", text)


def test_html_is_read_where_the_plain_text_is_missing_or_a_stub() -> None:
    html = "<h1>Größe</h1><p>Words of some length.</p>".encode("cp1252")
    parsed = parse(outlook_message({SUBJECT: "S", BODY: "None.", HTML: html, TEXT_CODE_PAGE: 1252}))
    assert blocks_of(parsed)[1:] == [("h1", "Größe"), ("paragraph", "Words of some length.")]
    assert "<" not in parse(outlook_message({HTML: html.decode("cp1252")})).text


def test_rtf_is_the_last_resort() -> None:
    seen: list[tuple[bytes, str]] = []

    def parse_part(content: bytes, name: str) -> ParsedDocument:
        seen.append((content, name))
        return load_parser("plain", ParserPolicy()).parse(b"From RTF.", file_name=name)

    tree = outlook_message({SUBJECT: "S", RTF: compressed(b"{\\rtf1 Words}")})
    parsed = OutlookParser(parse_part=parse_part).parse(compound_file(tree), file_name="mail.msg")
    assert seen == [(b"{\\rtf1 Words}", "the message's body.rtf")]
    assert blocks_of(parsed)[-1] == ("paragraph", "From RTF.")


def test_compressed_rtf_is_unpacked() -> None:
    # The two examples of the specification, [MS-OXRTFCP] 3.1 and 3.2: references to what went before, and to itself.
    first = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
    )
    assert decompressed(first) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    second = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")
    assert decompressed(second) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"
    assert decompressed(second[:-6]) is not None
    assert decompressed(b"short") is None


def test_attachments_are_read_and_what_cannot_be_is_noted() -> None:
    tree = outlook_message(
        {SUBJECT: "S", BODY: "Hello."},
        attachments=[
            {NAME: "notes.txt", DATA: b"Some notes.", METHOD: 1},
            {NAME: "a.zip", MEDIA: "application/zip", DATA: b"PK", METHOD: 1},
            {NAME: "link.txt", METHOD: 4},
            {0x3001: "Chart", METHOD: 6},
        ],
    )
    parsed = parse(tree)
    assert blocks_of(parsed)[2:] == [("h1", "Attachment: notes.txt"), ("paragraph", "Some notes.")]
    assert parsed.notes == (
        "attachment link.txt is not in the file",
        "attachment Chart is an object of another program, and not read",
        "attachment a.zip is left out: no parser reads this kind of file (application/zip)",
    )


def test_a_message_in_a_message_is_read_under_its_own_heading() -> None:
    inner = outlook_message({SUBJECT: "Old", SENDER: "Eve", BODY: "Words.", 0x0039: SENT}, header_size=24)
    parsed = parse(outlook_message({SUBJECT: "New", BODY: "See."}, attachments=[{METHOD: 5, DATA: inner}]))
    assert blocks_of(parsed)[2:] == [
        ("h1", "Forwarded message: Old (Eve, 2024-10-01)"),
        ("paragraph", "From: Eve\nDate: Tue, 01 Oct 2024 12:34:56 +0000\nSubject: Old"),
        ("paragraph", "Words."),
    ]


def test_messages_in_messages_are_read_only_so_deep() -> None:
    tree = outlook_message({SUBJECT: "level 0", BODY: "The innermost."}, header_size=24)
    for level in range(1, MOST_DEEP + 3):
        attached = [{METHOD: 5, DATA: tree}]
        tree = outlook_message({SUBJECT: f"level {level}"}, attachments=attached, header_size=24)
    parsed = parse(tree)
    assert "level 3" in parsed.text
    assert "innermost" not in parsed.text
    assert parsed.notes == ("a mail is left out that lies more than 5 mails deep",)


def test_a_mail_signed_as_a_whole_is_read() -> None:
    signed = (
        b'Content-Type: multipart/signed; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nSigned words.\r\n'
        b"--b\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n\r\nMII\r\n--b--\r\n"
    )
    attachment = {NAME: "smime.p7m", MEDIA: "multipart/signed", DATA: signed, METHOD: 1}
    parsed = parse(outlook_message({SUBJECT: "S"}, attachments=[attachment]))
    assert blocks_of(parsed) == [("paragraph", "Subject: S"), ("paragraph", "Signed words.")]
    assert parsed.notes == ()


def test_an_encrypted_mail_is_said_to_be() -> None:
    attachment = {NAME: "smime.p7m", MEDIA: "application/pkcs7-mime", DATA: b"MII", METHOD: 1}
    parsed = parse(outlook_message({SUBJECT: "S"}, attachments=[attachment]))
    assert parsed.notes == (
        "a part of the message is encrypted (S/MIME or PGP), and cannot be read: smime.p7m",
    )


def test_appointments_and_contacts_show_what_they_are_about() -> None:
    parsed = parse(outlook_message({SUBJECT: "Meeting", 0x0060: SENT, 0x0061: SENT}))
    assert "Start: Tue, 01 Oct 2024 12:34:56 +0000\nEnd: Tue" in parsed.text
    contact = {0x001A: "IPM.Contact", 0x3001: "Ann Author", 0x3A16: "Firm", 0x3A1C: "123"}
    assert "Name: Ann Author\nCompany: Firm\nMobile phone: 123" in parse(outlook_message(contact)).text


def test_a_mail_as_it_goes_over_the_wire_is_read_whatever_its_name() -> None:
    content = b"From: a@example.org\r\nSubject: S\r\n\r\nHello."
    parsed = load_parser("outlook", ParserPolicy()).parse(content, file_name="mail.msg")
    assert blocks_of(parsed) == [("paragraph", "From: a@example.org\nSubject: S"), ("paragraph", "Hello.")]


def test_another_file_of_the_same_container_is_refused() -> None:
    with pytest.raises(ParseError, match=r"^mail\.msg is no Outlook message, but some other file"):
        parse({"WordDocument": b"x" * 5000})


def test_text_that_is_no_mail_is_refused() -> None:
    with pytest.raises(
        ParseError, match=r"^a\.msg is no Outlook message, and has no header such as mails have$"
    ):
        load_parser("outlook", ParserPolicy()).parse(b"Dear Ann", file_name="a.msg")


WHOLE = compound_file(
    outlook_message(
        {SUBJECT: "S", BODY: "Hello.", RTF: compressed(b"{\\rtf1 x}"), 0x39: SENT},
        attachments=[
            {NAME: "a.txt", DATA: b"Notes" * 1000, METHOD: 1},
            {METHOD: 5, DATA: outlook_message({BODY: "Old"})},
        ],
        recipients=[{0x3001: "Bob", 0x0C15: 1}],
    )
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=12),
    st.integers(0, len(WHOLE)),
)
def test_a_damaged_file_parses_or_is_refused(changes: list[tuple[int, int]], length: int) -> None:
    content = bytearray(WHOLE)
    for position, byte in changes:
        content[position] = byte
    cut = bytes(content[:length]) if length % 2 else bytes(content)
    try:
        assert_keeps_contract(OutlookParser(parse_part=lambda part, name: None).parse(cut, file_name="a.msg"))
    except ParseError as exc:
        assert str(exc).startswith("a.msg")  # noqa: PT017 - any number of inputs are right to be refused
