"""Mails and mailboxes: what a reader sees of them, and how broken ones are survived."""

from __future__ import annotations

import base64
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import NoTextError, ParseError
from ingest.parsers import ParsedDocument, ParserPolicy, load_parser
from ingest.parsers.messages.mail import MailParser
from ingest.parsers.messages.writing import MOST_ATTACHMENTS, MOST_DEEP
from tests.ingest.documents import assert_keeps_contract, blocks_of

HEAD = b"From: Ann <ann@example.org>\nTo: Bob <bob@example.org>\nSubject: Plans\n"
SHOWN_HEAD = ("paragraph", "From: Ann <ann@example.org>\nTo: Bob <bob@example.org>\nSubject: Plans")


def parse(content: bytes, file_name: str = "mail.eml") -> ParsedDocument:
    parsed = load_parser("mail", ParserPolicy()).parse(content, file_name=file_name)
    assert_keeps_contract(parsed)
    return parsed


def body_of(content: bytes) -> list[tuple[str, str]]:
    return blocks_of(parse(content))[1:]


def multipart(*parts: bytes, kind: str = "mixed", boundary: str = "b", said: str | None = None) -> bytes:
    """A message of parts, each with its header; `said` is the boundary that the header tells."""
    head = (
        HEAD + f'Content-Type: multipart/{kind}; boundary="{boundary if said is None else said}"\n\n'.encode()
    )
    return (
        head
        + b"".join(f"--{boundary}\n".encode() + part + b"\n" for part in parts)
        + f"--{boundary}--\n".encode()
    )


PLAIN = b"Content-Type: text/plain; charset=utf-8\n\nThe plain form of the text."
HTML = b"Content-Type: text/html; charset=utf-8\n\n<h2>Form</h2><p>The rich form of the text.<ul><li>one</ul>"


def test_the_head_is_readable_text_and_the_subject_the_title() -> None:
    content = (
        b"From: =?iso-8859-1?q?J=F6rg?= <j@example.org>\nTo: =?utf-8?b?44G/44GR?=\n =?utf-8?b?44KL?= <m@example.org>\n"
        b"Bcc: secret@example.org\nReceived: from somewhere\nCc: Bob <b@example.org>\n"
        b"Date: Tue, 01 Oct 2024 12:34:56 -0500\nSubject: A\n long subject\n\nHello."
    )
    head = (
        "From: Jörg <j@example.org>\nTo: みける <m@example.org>\nCc: Bob <b@example.org>\n"
        "Date: Tue, 01 Oct 2024 12:34:56 -0500\nSubject: A long subject"
    )
    parsed = parse(content)
    assert parsed.title == "A long subject"
    assert blocks_of(parsed) == [
        ("paragraph", head),
        ("paragraph", "Hello."),
    ]


@pytest.mark.parametrize("raw", ["Größe".encode(), "Größe".encode("cp1252")])
def test_a_raw_8_bit_header_is_read(raw: bytes) -> None:
    assert parse(b"From: a@b\nSubject: " + raw + b"\n\nHello").title == "Größe"


def test_the_plain_form_is_preferred_unless_it_is_a_stub() -> None:
    assert body_of(multipart(PLAIN, HTML, kind="alternative")) == [
        ("paragraph", "The plain form of the text.")
    ]
    stub = b"Content-Type: text/plain\n\nNo HTML?"
    assert body_of(multipart(stub, HTML, kind="alternative")) == [
        ("h2", "Form"),
        ("paragraph", "The rich form of the text."),
        ("list_item", "one"),
    ]
    assert body_of(multipart(b"Content-Type: text/plain\n\n \n", HTML, kind="alternative"))[0] == (
        "h2",
        "Form",
    )


def test_other_forms_of_a_message_are_no_attachments() -> None:
    amp = b"Content-Type: text/x-amp-html\n\n<p>Again"
    parsed = parse(multipart(PLAIN, amp, kind="alternative"))
    assert "Again" not in parsed.text
    assert parsed.notes == ()


def test_attachments_of_every_form_are_kept() -> None:
    rich = multipart(HTML, b'Content-Type: text/plain; name="a.txt"\n\nAttached.', boundary="inner")[
        len(HEAD) :
    ]
    assert body_of(multipart(PLAIN, rich, kind="alternative")) == [
        ("paragraph", "The plain form of the text."),
        ("h1", "Attachment: a.txt"),
        ("paragraph", "Attached."),
    ]


def test_headings_of_an_attachment_lie_below_its_own() -> None:
    notes = b'Content-Type: text/plain; name="n.md"\nContent-Disposition: attachment; filename="n.md"\n\n# A\n\n## B'
    assert body_of(multipart(PLAIN, notes))[1:] == [
        ("h1", "Attachment: n.md"),
        ("h2", "# A"),
        ("h3", "## B"),
    ]


def test_an_attachment_without_a_telling_name_is_read_by_its_media_type() -> None:
    table = b"Content-Type: text/csv\nContent-Disposition: attachment\n\na,b\n1,2"
    assert body_of(multipart(PLAIN, table))[1] == ("h1", "Attachment: without a name")


def test_text_in_a_declared_encoding_is_attached_in_it() -> None:
    text = "Ąę".encode("iso-8859-2")
    part = (
        b'Content-Type: text/plain; charset=iso-8859-2; name="a.txt"\nContent-Disposition: attachment\n\n'
        + text
    )
    assert body_of(multipart(PLAIN, part))[-1] == ("paragraph", "Ąę")


def test_what_cannot_be_read_is_noted() -> None:
    parts = (
        b'Content-Type: application/zip; name="a.zip"\n\nPK\x03\x04',
        b'Content-Type: application/pdf; name="a.pdf"\n\nno PDF',
        b'Content-Type: image/png; name="a.png"\n\nPNG',
        b'Content-Type: text/plain; name="b.txt"\n\n',
        b'Content-Type: application/pkcs7-signature; name="smime.p7s"\n\nMII',
        b"Content-Type: message/external-body; access-type=URL\n\n",
    )
    assert parse(multipart(PLAIN, *parts)).notes == (
        "a part of the message is elsewhere, and not read",
        "attachment a.zip is left out: no parser reads this kind of file (application/zip)",
        "attachment a.pdf is no PDF, or is damaged beyond reading",
        "attachment b.txt is empty",
        "attached pictures are left out, since no parser reads them: 1",
    )


def test_only_so_many_attachments_are_read() -> None:
    parts = (b'Content-Type: text/plain; name="a.txt"\n\nx' for _ in range(MOST_ATTACHMENTS + 7))
    parsed = parse(multipart(PLAIN, *parts))
    assert parsed.text.count("Attachment: a.txt") == MOST_ATTACHMENTS
    assert parsed.notes == (f"7 attachments are left out: of a message, {MOST_ATTACHMENTS} are read",)


def test_a_forwarded_message_is_read_under_its_own_heading() -> None:
    inner = b"Content-Type: message/rfc822\n\nFrom: Eve <e@example.org>\nSubject: Old\n" + HTML
    assert body_of(multipart(PLAIN, inner))[1:] == [
        ("h1", "Forwarded message: Old (Eve)"),
        ("paragraph", "From: Eve <e@example.org>\nSubject: Old"),
        ("h3", "Form"),
        ("paragraph", "The rich form of the text."),
        ("list_item", "one"),
    ]


def test_a_forwarded_message_may_be_encoded_like_a_file() -> None:
    inner = base64.encodebytes(b"From: Eve <e@example.org>\nSubject: Old\n\nWords.")
    part = b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" + inner
    assert body_of(multipart(PLAIN, part))[-1] == ("paragraph", "Words.")


@pytest.mark.parametrize("kind", ["message/rfc822", 'application/octet-stream; name="m.eml"'])
def test_mails_in_mails_are_read_only_so_deep(kind: str) -> None:
    content = b"From: a@b\nSubject: level 0\n\nThe innermost."
    for level in range(1, MOST_DEEP + 4):
        head = f'From: a@b\nSubject: level {level}\nContent-Type: multipart/mixed; boundary="b{level}"\n\n'
        part = f"--b{level}\nContent-Type: {kind}\n\n".encode()
        content = head.encode() + part + content + f"\n--b{level}--\n".encode()
    parsed = parse(content)
    assert "level 3" in parsed.text
    assert "innermost" not in parsed.text
    assert any("lies more than 5 mails deep" in note for note in parsed.notes)


def test_flowed_lines_are_joined_and_quotes_kept() -> None:
    head = HEAD + b"Content-Type: text/plain; format=flowed; delsp=no\n\n"
    text = b"One long \nline.\n\n> quoted \n> words\n>> deeper\n From here\n-- \nAnn \nExample\n"
    assert body_of(head + text) == [
        ("paragraph", "One long line."),
        ("paragraph", "> quoted words\n>> deeper\nFrom here\n-- \nAnn Example"),
    ]
    joined = HEAD + b"Content-Type: text/plain; format=flowed; delsp=yes\n\nhalf \nway"
    assert body_of(joined) == [("paragraph", "halfway")]


@pytest.mark.parametrize(
    ("charset", "raw", "text"),
    [
        ("us-ascii", "Größe".encode(), "Größe"),
        ("utf-8", "Größe und Maß".encode("cp1252"), "Größe und Maß"),
        ("unknown-8bit", "Größe und Maß".encode("cp1252"), "Größe und Maß"),
        ('"UTF-8"Content-Transfer-Encoding: 8bit', "Größe".encode(), "Größe"),
        ("iso-2022-jp", "すみません".encode("iso2022_jp"), "すみません"),
        ("gb2312", "中文測試".encode("gb18030"), "中文測試"),
        ("utf-7", "Größe".encode("utf-7"), "Größe"),
        ("idna", b"plain words", "plain words"),
    ],
)
def test_text_is_read_whatever_its_encoding_is_said_to_be(charset: str, raw: bytes, text: str) -> None:
    assert body_of(HEAD + f"Content-Type: text/plain; charset={charset}\n\n".encode() + raw)[0][1] == text


@pytest.mark.parametrize(
    ("encoding", "raw"),
    [
        ("8bits", b"Some words here."),
        ("base64", b"Some words here."),
        ("base64", base64.b64encode(b"Some words here.")[:-1]),
        ("base64", base64.encodebytes(b"Some words here.") + b"-- \nA list's footer"),
        ("Quoted-Printable ;", b"Some wor=\nds=20here."),
    ],
)
def test_a_wrong_transfer_encoding_is_survived(encoding: str, raw: bytes) -> None:
    body = body_of(HEAD + f"Content-Transfer-Encoding: {encoding}\n\n".encode() + raw)
    assert body[0][1].startswith("Some words here.")


@pytest.mark.parametrize("said", ["", "c", "b\n and more"])
def test_a_boundary_that_is_not_the_one_said_is_found(said: str) -> None:
    assert body_of(multipart(PLAIN, HTML, said=said))[:2] == [
        ("paragraph", "The plain form of the text."),
        ("h2", "Form"),
    ]


def test_a_multipart_message_without_any_boundary_is_read_as_text() -> None:
    assert body_of(HEAD + b"Content-Type: multipart/mixed\n\nJust words.") == [("paragraph", "Just words.")]


def test_a_line_that_interrupts_the_header_is_passed_over() -> None:
    content = b"From: a@b\nthis is no field\nSubject: S\nContent-Type: text/html\n\n<p>Words<p>More"
    assert blocks_of(parse(content))[1:] == [("paragraph", "Words"), ("paragraph", "More")]
    without_empty_line = b"From: a@b\nSubject: S\nWords that begin at once.\nAnd go on: here.\n"
    assert "Words that begin at once." in parse(without_empty_line).text


def test_a_file_written_into_the_text_is_an_attachment() -> None:
    content = HEAD + b"\nSee below.\n\nbegin 644 n.txt\n*1W)E971I;F=S+@``\n`\nend\n\nBye.\n"
    assert body_of(content) == [
        ("paragraph", "See below."),
        ("paragraph", "Bye."),
        ("h1", "Attachment: n.txt"),
        ("paragraph", "Greetings."),
    ]


def test_what_is_encrypted_is_said() -> None:
    armoured = HEAD + b"\nHello.\n\n-----BEGIN PGP MESSAGE-----\n\nhQEMA\n-----END PGP MESSAGE-----\n"
    parsed = parse(armoured)
    assert "hQEMA" not in parsed.text
    assert parsed.notes == ("a part of the message is encrypted, and cannot be read",)
    enveloped = HEAD + b'Content-Type: application/pkcs7-mime; name="smime.p7m"\n\nMII'
    assert parse(enveloped).notes == (
        "a part of the message is encrypted (S/MIME or PGP), and cannot be read: smime.p7m",
    )
    assert parse(multipart(PLAIN, kind="encrypted")).notes == (
        "the message is encrypted, and cannot be read",
    )


def test_a_report_on_delivery_is_text() -> None:
    fields = b"Reporting-MTA: dns; a\n\nFinal-Recipient: rfc822; b@c\nStatus: 5.1.1\n"
    report = b"Content-Type: message/delivery-status\n\n" + fields
    assert body_of(multipart(PLAIN, report, kind="report"))[1:] == [
        ("paragraph", "Reporting-MTA: dns; a"),
        ("paragraph", "Final-Recipient: rfc822; b@c\nStatus: 5.1.1"),
    ]


def test_a_message_of_the_standard_library_is_read() -> None:
    message = EmailMessage()
    message["From"], message["Subject"] = "Jörg <j@example.org>", "Übersicht"
    message.set_content("Grüße")
    message.add_alternative("<p>Grüße", subtype="html")
    message.add_attachment("Tabelle ü", filename="Übersicht.txt")
    assert blocks_of(parse(message.as_bytes()))[1:] == [
        ("paragraph", "Grüße"),
        ("h1", "Attachment: Übersicht.txt"),
        ("paragraph", "Tabelle ü"),
    ]


MAILBOX = (
    b"From ann@example.org Mon Jul 20 01:01:07 2015\nFrom: Ann <ann@example.org>\nSubject: One\n"
    b"Date: Mon, 20 Jul 2015 01:01:07 +0000\n\nFirst.\n>From the start.\n>>From afar.\nFrom here: on\n\n"
    b"From bob@example.org Mon Jul 20 01:01:08 2015\r\nFrom: bob@example.org\r\nContent-Type: text/html\r\n\r\n"
    b"<h1>Second</h1><pre>Words.\r\n\r\n"
    b"From nobody\n\nno mail at all\n"
)


def test_every_message_of_a_mailbox_has_a_heading() -> None:
    parsed = parse(MAILBOX, "box.mbox")
    assert parsed.title is None
    assert blocks_of(parsed) == [
        ("h1", "One (Ann, 2015-07-20)"),
        ("paragraph", "From: Ann <ann@example.org>\nDate: Mon, 20 Jul 2015 01:01:07 +0000\nSubject: One"),
        ("paragraph", "First.\nFrom the start.\n>From afar.\nFrom here: on"),
        ("h1", "No subject (bob@example.org)"),
        ("paragraph", "From: bob@example.org"),
        ("h2", "Second"),
        ("code", "Words.\n\nFrom nobody\n\nno mail at all"),
    ]


def test_a_broken_message_costs_a_mailbox_that_message_alone() -> None:
    deep = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (n, n) for n in range(1500))
    parsed = parse(b"From x\nFrom: a@b\n" + deep + b"\n\n" + MAILBOX, "box.mbox")
    assert "First." in parsed.text
    assert parsed.notes == ("message 1 cannot be read as a mail: its parts are nested too deeply",)


def test_a_thousand_messages_are_read() -> None:
    mail = b"From a Mon Jul 20 01:01:07 2015\nFrom: a@b\nSubject: n\n\nWords.\n\n"
    assert parse(mail * 1000, "box.mbox").text.count("Words.") == 1000


def test_a_mailbox_of_no_mails_is_refused() -> None:
    with pytest.raises(ParseError, match=r"^box\.mbox holds no message"):
        parse(b"From a\nx: y\n\nz", "box.mbox")


def test_text_that_is_no_mail_is_refused() -> None:
    with pytest.raises(ParseError, match=r"^a\.eml has no header such as mails have$"):
        parse(b"Dear Ann,\n\nthis is a letter.", "a.eml")


def test_a_reason_goes_with_a_mail_that_shows_nothing() -> None:
    with pytest.raises(NoTextError, match=r"^a\.eml contains no text; .*a\.zip"):
        parse(b'MIME-Version: 1.0\nContent-Type: application/zip; name="a.zip"\n\nPK', "a.eml")


def test_notes_have_a_limit() -> None:
    parts = (f'Content-Type: a/b; name="{n}.bin"\n\nx'.encode() for n in range(50))
    notes = parse(multipart(PLAIN, *parts)).notes
    assert len(notes) == 31
    assert notes[-1] == "20 more such notes are not shown"


def test_long_fields_are_cut() -> None:
    parsed = parse(b"From: a@b\nTo: " + b"x@example.org, " * 1000 + b"\n\nHello")
    assert len(parsed.text) < 5000
    assert parsed.notes == ('a field "To" of 14,999 characters is cut to 4,000',)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                *(
                    b"From: a@b\n",
                    b"Subject: =?utf-8?q?",
                    b"=?=",
                    b"\n",
                    b"\n\n",
                    b"--b\n",
                    b"--b--\n",
                    b"word ",
                    b"> ",
                ),
                *(
                    b'Content-Type: multipart/mixed; boundary="b"\n',
                    b"Content-Type: text/html\n",
                    b"\xff",
                    b"\0",
                ),
                *(
                    b"Content-Type: message/rfc822\n",
                    b"Content-Transfer-Encoding: base64\n",
                    b"From x\n",
                    b"<p>",
                ),
                *(b"Content-Disposition: attachment; filename*=utf-8''%C3\n", b"begin 644 x.txt\n", b"end\n"),
            ]
        ),
        max_size=30,
    ).map(b"".join),
    st.sampled_from(["a.eml", "a.mbox"]),
)
def test_any_message_parses_or_is_refused(content: bytes, file_name: str) -> None:
    parser = MailParser(parse_part=lambda content, name: None)
    try:
        assert_keeps_contract(parser.parse(content, file_name=file_name))
    except ParseError as exc:
        assert str(exc).startswith(file_name)  # noqa: PT017 - any number of inputs are right to be refused
