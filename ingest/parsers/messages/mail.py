"""Mails (.eml) and mailboxes (.mbox): head, body and attachments of each message.

Of the forms that a body comes in, the plain text is read, or the HTML where that is missing or a stub. Quoted replies
are kept. Signatures' bytes, routing, and forms not chosen are left out without a word; attachments that cannot be
read, and what is encrypted, are named in the notes.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from ingest.errors import NoTextError, ParseError
from ingest.parsers import ParsedDocument, ParsePart
from ingest.parsers.messages.internet import read_internet_mail
from ingest.parsers.messages.writing import MessageWriter
from ingest.parsers.text import TextBuilder, has_visible_text

_MEDIA_TYPE = "message/rfc822"
_MAILBOX_MEDIA_TYPE = "application/mbox"
_SEPARATOR = re.compile(rb"^From [^\r\n]*\r?\n(?=>?From |[!-9;-~]+:)", re.MULTILINE)
"""The line before each message of a mailbox: it begins with "From ", and a header follows."""
_ESCAPED = re.compile(rb"^>(>*From )", re.MULTILINE)


class MailParser:
    """Reads mails, and mailboxes that hold any number of them.

    parse_part: parses attachments.
    """

    def __init__(self, *, parse_part: ParsePart) -> None:
        self._parse_part = parse_part

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse a mail or a mailbox; raises `ParseError` if it is empty, or holds nothing with a mail's header."""
        if not content:
            raise ParseError(f"{file_name} is empty")
        if file_name.lower().endswith(".mbox"):
            return self._mailbox(content, file_name)
        return self._mail(content, file_name)

    def _mail(self, content: bytes, file_name: str) -> ParsedDocument:
        try:
            message = read_internet_mail(content)
        except ParseError as exc:
            raise ParseError(f"{file_name} {exc}") from exc
        if message is None:
            raise ParseError(f"{file_name} has no header such as mails have")
        builder = TextBuilder()
        writer = MessageWriter(builder, file_name=file_name, parse_part=self._parse_part)
        writer.write(message)
        parsed = builder.build(title=message.subject, media_type=_MEDIA_TYPE, notes=writer.notes)
        return _with_text(parsed, file_name)

    def _mailbox(self, content: bytes, file_name: str) -> ParsedDocument:
        builder = TextBuilder()
        writer = MessageWriter(builder, file_name=file_name, parse_part=self._parse_part)
        read = 0
        for number, mail in enumerate(_mails(content), start=1):
            if writer.is_full:
                writer.note(f"the messages from number {number:,} on are left out")
                break
            try:
                message = read_internet_mail(mail)
            except ParseError as exc:
                writer.note(f"message {number:,} {exc}")
                continue
            if message is None:
                writer.note(f"message {number:,} has no header such as mails have")
                continue
            read += 1
            builder.append("heading", message.label, level=1)
            writer.write(message, level=2)
        if not read:
            raise ParseError(f"{file_name} holds no message with a header such as mails have")
        parsed = builder.build(title=None, media_type=_MAILBOX_MEDIA_TYPE, notes=writer.notes)
        return _with_text(parsed, file_name)


def _with_text(parsed: ParsedDocument, file_name: str) -> ParsedDocument:
    if not has_visible_text(parsed.text):
        raise NoTextError(f"{file_name} contains no text" + "".join(f"; {note}" for note in parsed.notes))
    return parsed


def _mails(content: bytes) -> Iterator[bytes]:
    """The messages of a mailbox, without the lines between them and with what was escaped in them restored.

    A line in a message's text that looks like the one between messages is one only if a header follows it and an
    empty line goes before it, or it is the file's first.
    """
    content = content.removeprefix(codecs.BOM_UTF8).lstrip()
    start = 0
    for found in _SEPARATOR.finditer(content):
        if found.start() == 0 or _follows_an_empty_line(content, found.start()):
            if found.start() > 0:
                yield _ESCAPED.sub(rb"\1", content[start : found.start()])
            start = found.end()
    yield _ESCAPED.sub(rb"\1", content[start:])


def _follows_an_empty_line(content: bytes, position: int) -> bool:
    return content[max(0, position - 4) : position].endswith((b"\n\n", b"\r\n\r\n", b"\n\r\n"))
