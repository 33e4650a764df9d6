"""Mails in one shape, whatever they came in, and how they are written: head, body, attachments.

What mail.py and outlook.py have in common: each reads its format into `Message`, `MessageWriter` writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from ingest.errors import ParseError
from ingest.parsers import ParsedDocument, ParsePart
from ingest.parsers.parts import append_document
from ingest.parsers.text import TextBuilder, clean, one_line

MOST_ATTACHMENTS = 100
"""Of one message; the rest are named in the notes alone."""
MOST_DEEP = 5
"""How many mails deep a mail in a mail is read."""
MOST_CHARACTERS = 50_000_000
MOST_NOTES = 30
_LONGEST_FIELD = 4000
_LONGEST_NAME = 150
_INSIDE = " › "
"""Sets a file apart from the one that it is inside, in names of files: "letters.mbox › offer.msg › prices.xlsx"."""
_STUB_SHARE = 0.25
"""Share of the HTML's length below which a plain text is a stub ("Your program shows no HTML")."""
_SIGNATURES = frozenset(
    {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}
)
_ENCRYPTED = frozenset(
    {
        *("application/pkcs7-mime", "application/x-pkcs7-mime", "application/pgp-encrypted"),
        "application/x-microsoft-rpmsg-message",
    }
)
_EXTENSIONS = {
    "text/plain": ".txt",
    "text/html": ".html",
    "text/csv": ".csv",
    "text/rtf": ".rtf",
    "text/markdown": ".md",
    "text/xml": ".xml",
    "text/calendar": ".txt",
    "text/vcard": ".txt",
    "text/x-vcard": ".txt",
    "application/pdf": ".pdf",
    "application/rtf": ".rtf",
    "application/json": ".json",
    "application/xml": ".xml",
    "application/epub+zip": ".epub",
    "application/msword": ".doc",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.ms-powerpoint": ".ppt",
    "application/vnd.ms-outlook": ".msg",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.oasis.opendocument.spreadsheet": ".ods",
    "application/vnd.oasis.opendocument.presentation": ".odp",
    "message/rfc822": ".eml",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/tiff": ".tiff",
}
"""What a file of a media type is called at its end, where its name does not say what it is."""
_UNSEEN_IN_NAMES = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff/\\]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file or a mail inside a mail. name: as the mail says, cleaned; "" where it says none."""

    name: str
    media_type: str
    content: bytes | Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A mail.

    fields: what its head shows, as (name, text), in the order to be shown.
    sender, sent: the sender's name (or address) and the day, for headings; "" where not known.
    body: the documents that its body consists of, in order.
    notes: what of it could not be read.
    """

    fields: tuple[tuple[str, str], ...]
    subject: str = ""
    sender: str = ""
    sent: str = ""
    body: tuple[ParsedDocument, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Subject, sender and day on one line."""
        origin = ", ".join(filter(None, (self.sender, self.sent)))
        subject = self.subject or "No subject"
        return f"{subject} ({origin})" if origin else subject


def file_name_of(name: str | None) -> str:
    """An attachment's name, fit to be shown and to tell the kind of file by; "" where there is none."""
    shown = one_line(_UNSEEN_IN_NAMES.sub(" ", clean(name or "")))
    return shown if len(shown) <= _LONGEST_NAME else f"{shown[:_LONGEST_NAME]}…{PurePath(shown).suffix[:10]}"


def chosen_body(
    plain: Sequence[ParsedDocument], html: Sequence[ParsedDocument]
) -> tuple[ParsedDocument, ...]:
    """Which of two forms of one text is read: the plain one, unless it is missing or a stub of the other."""
    plain_length, html_length = (sum(len(part.text) for part in form) for form in (plain, html))
    return tuple(html if plain_length < _STUB_SHARE * html_length or not plain else plain)


class MessageWriter:
    """Writes messages into a document. Collects what is left out, and why, in `notes`.

    Comments that a mail program keeps for itself (hidden recipients, routing, signatures' bytes) are not written.
    """

    def __init__(self, builder: TextBuilder, *, file_name: str, parse_part: ParsePart) -> None:
        self._builder = builder
        self._file_name = file_name
        self._parse_part = parse_part
        self._characters = 0
        self._notes: list[str] = []
        self._unsaid = 0
        self._pictures = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out so far, each a sentence."""
        notes = list(self._notes)
        if self._pictures:
            notes.append(f"attached pictures are left out, since no parser reads them: {self._pictures:,}")
        if self._unsaid:
            notes.append(f"{self._unsaid:,} more such notes are not shown")
        return tuple(notes)

    @property
    def is_full(self) -> bool:
        """Whether as much is written as may be."""
        return self._characters > MOST_CHARACTERS

    def note(self, text: str) -> None:
        """Say what is left out."""
        if text in self._notes:
            return
        if len(self._notes) < MOST_NOTES:
            self._notes.append(text)
        else:
            self._unsaid += 1

    def write(self, message: Message, *, level: int = 1, inside: str = "") -> None:
        """Write a message whose headings begin at `level`. inside: the name of the file that it is in, if another
        than the one being read."""
        file_name = inside or self._file_name
        for note in message.notes:
            self.note(note)
        self._builder.append("paragraph", "\n".join(self._head(message.fields)))
        for document in message.body:
            self._append(document, deeper=level - 1)
        read = message.attachments[:MOST_ATTACHMENTS]
        if len(message.attachments) > len(read):
            left = len(message.attachments) - len(read)
            self.note(f"{left} attachments are left out: of a message, {MOST_ATTACHMENTS} are read")
        for attachment in read:
            if isinstance(attachment.content, Message):
                self._write_forwarded(attachment.content, attachment.name, level=level, file_name=file_name)
            else:
                self._write_file(attachment, attachment.content, level=level, file_name=file_name)

    def _head(self, fields: Iterable[tuple[str, str]]) -> Iterable[str]:
        for name, text in fields:
            is_long = len(text) > _LONGEST_FIELD
            if is_long:
                self.note(f'a field "{name}" of {len(text):,} characters is cut to {_LONGEST_FIELD:,}')
            yield f"{name}: {text[:_LONGEST_FIELD]}…" if is_long else f"{name}: {text}"

    def _append(self, document: ParsedDocument, *, deeper: int) -> None:
        if self._refuse_more():
            return
        append_document(self._builder, document, deeper=deeper)
        self._characters += len(document.text)

    def _refuse_more(self) -> bool:
        if self.is_full:
            self.note(f"what follows after {MOST_CHARACTERS:,} characters is left out. Split the file")
        return self.is_full

    def _write_forwarded(self, message: Message, name: str, *, level: int, file_name: str) -> None:
        label = message.label
        if self._is_too_deep(file_name):
            self.note(f"a mail is left out that lies more than {MOST_DEEP} mails deep")
            return
        self._builder.append("heading", f"Forwarded message: {label}", level=level)
        self.write(message, level=level + 1, inside=f"{file_name}{_INSIDE}{name or 'forwarded message'}")

    def _write_file(self, attachment: Attachment, content: bytes, *, level: int, file_name: str) -> None:
        if attachment.media_type in _SIGNATURES:
            return
        name = attachment.name or "without a name"
        if attachment.media_type in _ENCRYPTED:
            self.note(f"a part of the message is encrypted (S/MIME or PGP), and cannot be read: {name}")
            return
        if not content:
            self.note(f"attachment {name} is empty")
            return
        if self._refuse_more():
            return
        if self._is_too_deep(file_name):
            self.note(f"attachment {name} is left out: it lies more than {MOST_DEEP} mails deep")
            return
        try:
            document = self._parsed(attachment, content, file_name)
        except ParseError as exc:
            self.note(f"attachment {str(exc).removeprefix(f'{file_name}{_INSIDE}')}")
            return
        if document is None and attachment.media_type.startswith("image/"):
            self._pictures += 1
            return
        if document is None:
            self.note(
                f"attachment {name} is left out: no parser reads this kind of file ({attachment.media_type})"
            )
            return
        self._builder.append("heading", f"Attachment: {name}", level=level)
        self._append(document, deeper=level)
        for note in document.notes:
            inside = note.startswith("attachment ")
            self.note(f"attachment {name}{_INSIDE}{note[11:]}" if inside else f"attachment {name}: {note}")

    def _parsed(self, attachment: Attachment, content: bytes, file_name: str) -> ParsedDocument | None:
        """The attachment by its name, or else by the media type that the mail says. Raises `ParseError`."""
        names = [attachment.name] if PurePath(attachment.name).suffix else []
        extension = _EXTENSIONS.get(attachment.media_type)
        if extension is not None and not attachment.name.lower().endswith(extension):
            names.append(f"{attachment.name or 'attachment'}{extension}")
        for name in names:
            document = self._parse_part(content, f"{file_name}{_INSIDE}{name}")
            if document is not None:
                return document
        return None

    def _is_too_deep(self, file_name: str) -> bool:
        return file_name.count(_INSIDE) >= MOST_DEEP
