"""Outlook messages (.msg): mails, appointments, contacts and tasks, with their attachments.

The plain text is read, or the HTML where that is missing or a stub, or else the RTF. Hidden recipients (Bcc) and
Outlook's own bookkeeping are left out without a word; what cannot be read is named in the notes. Some programs give
".msg" to mails as they go over the wire, which are read as such.
"""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable, Iterable, Iterator
from email.utils import format_datetime

from ingest.errors import NoTextError, ParseError
from ingest.parsers import ParsedDocument, ParsePart
from ingest.parsers.messages.compressed_rtf import decompressed
from ingest.parsers.messages.internet import read_internet_mail
from ingest.parsers.messages.mapi import BROKEN, SIGNATURE, Storage, open_message
from ingest.parsers.messages.mime import BROKEN as BROKEN_MAIL
from ingest.parsers.messages.mime import field_text
from ingest.parsers.messages.text import html_text, paragraphs
from ingest.parsers.messages.writing import (
    MOST_DEEP,
    Attachment,
    Message,
    MessageWriter,
    chosen_body,
    file_name_of,
)
from ingest.parsers.text import TextBuilder, has_visible_text, one_line

_MEDIA_TYPE = "application/vnd.ms-outlook"
_SUBJECT, _HEADER = 0x0037, 0x007D
_BODY, _RTF_BODY, _HTML_BODY = 0x1000, 0x1009, 0x1013
_SENDERS = ((0x0042, (0x5D02, 0x0065)), (0x0C1A, (0x5D01, 0x0C1F)))
"""Name, then addresses, of the one for whom it was sent and of the one who sent it."""
_SENT = (0x0039, 0x0E06, 0x3007)
"""When it was sent, or else delivered, or made."""
_RECIPIENT_KIND, _RECIPIENT_NAME, _RECIPIENT_ADDRESSES = 0x0C15, 0x3001, (0x39FE, 0x3003)
_SHOWN_RECIPIENTS = (("To", 1, 0x0E04), ("Cc", 2, 0x0E03))
_TIMES = (("Start", 0x0060), ("End", 0x0061))
_CONTACT = (
    *(("Name", 0x3001), ("Company", 0x3A16), ("Department", 0x3A18), ("Job title", 0x3A17)),
    *(("Business phone", 0x3A08), ("Mobile phone", 0x3A1C), ("Home phone", 0x3A09), ("Address", 0x3A15)),
)
_CLASS = 0x001A
_METHOD, _DATA, _NAMES, _MEDIA = 0x3705, 0x3701, (0x3707, 0x3704, 0x3001), 0x370E
_MESSAGE_INSIDE, _OBJECT = 5, 6
_ATTACHMENTS, _RECIPIENTS, _EMBEDDED = "__attach_version1.0_", "__recip_version1.0_", "__substg1.0_3701000d"


class OutlookParser:
    """Reads Outlook messages.

    parse_part: parses attachments, and bodies that are kept as RTF alone.
    """

    def __init__(self, *, parse_part: ParsePart) -> None:
        self._parse_part = parse_part

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse a message; raises `ParseError` if it is empty, or no message."""
        if not content:
            raise ParseError(f"{file_name} is empty")
        try:
            message = self._message(content)
        except ParseError as exc:
            raise ParseError(f"{file_name} {exc}") from exc
        if message is None:
            raise ParseError(f"{file_name} is no Outlook message, and has no header such as mails have")
        builder = TextBuilder()
        writer = MessageWriter(builder, file_name=file_name, parse_part=self._parse_part)
        writer.write(message)
        parsed = builder.build(title=message.subject, media_type=_MEDIA_TYPE, notes=writer.notes)
        if not has_visible_text(parsed.text):
            raise NoTextError(f"{file_name} contains no text")
        return parsed

    def _message(self, content: bytes) -> Message | None:
        if not content.startswith(SIGNATURE):
            return read_internet_mail(content)
        storage = open_message(content)
        if not storage.is_message:
            raise ParseError("is no Outlook message, but some other file of an older office program")
        try:
            return _Reader(self._parse_part).read(storage, deep=0)
        except BROKEN as exc:
            raise ParseError(f"is damaged ({type(exc).__name__})") from exc


class _Reader:
    """Reads a message out of its storage, and those that are in it."""

    def __init__(self, parse_part: ParsePart) -> None:
        self._parse_part = parse_part

    def read(self, storage: Storage, *, deep: int) -> Message:
        """Read one message. deep: how many messages it lies in."""
        notes: list[str] = []
        signed = _signed(storage)
        body, attachments = (
            (self._body(storage, notes), tuple(self._attachments(storage, deep, notes)))
            if signed is None
            else (signed.body, signed.attachments)
        )
        sent = next(filter(None, map(storage.time, _SENT)), None)
        sender = one_line(next(filter(None, (storage.text(name) for name, _ in _SENDERS)), ""))
        return Message(
            fields=tuple((name, text) for name, text in _fields(storage) if text),
            subject=one_line(storage.text(_SUBJECT)),
            sender=sender,
            sent="" if sent is None else sent.date().isoformat(),
            body=body,
            attachments=attachments,
            notes=(*notes, *(signed.notes if signed is not None else ())),
        )

    def _body(self, storage: Storage, notes: list[str]) -> tuple[ParsedDocument, ...]:
        plain = paragraphs(storage.text(_BODY))
        html = _html(storage, notes)
        if plain is not None or html is not None:
            return chosen_body((plain,) if plain else (), (html,) if html else ())
        rtf = decompressed(storage.content(_RTF_BODY) or b"")
        if not rtf:
            return ()
        try:
            document = self._parse_part(rtf, "the message's body.rtf")
        except NoTextError:
            return ()
        except ParseError as exc:
            notes.append(str(exc))
            return ()
        return () if document is None else (document,)

    def _attachments(self, storage: Storage, deep: int, notes: list[str]) -> Iterator[Attachment]:
        for found in storage.storages(_ATTACHMENTS):
            name = file_name_of(next(filter(None, map(found.text, _NAMES)), ""))
            media_type = found.text(_MEDIA).strip().lower() or "application/octet-stream"
            content = found.content(_DATA)
            inside = next(found.storages(_EMBEDDED), None)
            if found.number(_METHOD) == _MESSAGE_INSIDE and inside is not None and inside.is_message:
                if deep >= MOST_DEEP:
                    notes.append(f"a mail is left out that lies more than {MOST_DEEP} mails deep")
                else:
                    message = self.read(inside, deep=deep + 1)
                    yield Attachment(name=name, media_type=_MEDIA_TYPE, content=message)
            elif content is not None:
                yield Attachment(name=name, media_type=media_type, content=content)
            elif found.number(_METHOD) == _OBJECT:
                notes.append(
                    f"attachment {name or 'without a name'} is an object of another program, and not read"
                )
            else:
                notes.append(f"attachment {name or 'without a name'} is not in the file")


def _fields(storage: Storage) -> Iterator[tuple[str, str]]:
    """What a reader sees above the message: from Outlook's properties, or else from the header it came with."""
    header = _header(storage)
    yield "From", next(filter(None, (_person(storage, *sender) for sender in _SENDERS)), "") or header("From")
    recipients = list(storage.storages(_RECIPIENTS))
    for name, kind, as_shown in _SHOWN_RECIPIENTS:
        people = (
            _person(recipient, _RECIPIENT_NAME, _RECIPIENT_ADDRESSES)
            for recipient in recipients
            if recipient.number(_RECIPIENT_KIND) == kind
        )
        yield name, ", ".join(filter(None, people)) or one_line(storage.text(as_shown)) or header(name)
    sent = next(filter(None, map(storage.time, _SENT)), None)
    yield "Date", header("Date") or ("" if sent is None else format_datetime(sent))
    yield "Subject", one_line(storage.text(_SUBJECT)) or header("Subject")
    for name, number in _TIMES:
        moment = storage.time(number)
        yield name, "" if moment is None else format_datetime(moment)
    if storage.text(_CLASS).lower().startswith("ipm.contact"):
        for name, number in _CONTACT:
            yield name, one_line(storage.text(number))


def _header(storage: Storage) -> Callable[[str], str]:
    """The header that a message came over the wire with: the text of a field by its name, "" where there is none."""
    header = email.message_from_string(storage.text(_HEADER), policy=email.policy.compat32)

    def text(name: str) -> str:
        try:
            return field_text(header, name)
        except BROKEN_MAIL:
            return ""

    return text


def _person(storage: Storage, name_number: int, address_numbers: Iterable[int]) -> str:
    """ "Ann <ann@example.org>" as far as it is known; what directories inside a firm call people is left out."""
    name = one_line(storage.text(name_number))
    addresses = (one_line(storage.text(number)) for number in address_numbers)
    address = next((found for found in addresses if "@" in found), "")
    if address.lower() in name.lower():
        return name
    return f"{name} <{address}>" if name else address


def _html(storage: Storage, notes: list[str]) -> ParsedDocument | None:
    content = storage.content(_HTML_BODY)
    try:
        if content is not None:
            return html_text(content, storage.text_encoding)
        return html_text(storage.text(_HTML_BODY).encode(), "utf-8")
    except ParseError as exc:
        notes.append(f"the message's HTML is left out: {exc}")
        return None


def _signed(storage: Storage) -> Message | None:
    """What was signed, where a signed message (S/MIME) is kept whole as its own attachment."""
    for found in storage.storages(_ATTACHMENTS):
        if found.text(_MEDIA).strip().lower() == "multipart/signed":
            return read_internet_mail(found.content(_DATA) or b"")
    return None
