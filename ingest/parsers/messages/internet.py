"""A mail as it goes over the wire (RFC 5322, MIME), however badly it was put together, read into a `Message`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email.message import Message as Part

from ingest.errors import ParseError
from ingest.parsers import ParsedDocument
from ingest.parsers.messages.mime import (
    BROKEN,
    attached_name,
    bytes_of,
    day,
    decoded_field,
    field_text,
    is_a_mail,
    parts_of,
    sender_name,
    stated_charset,
    taken_apart,
    transfer_encoding,
    unencoded,
    with_boundary_found,
)
from ingest.parsers.messages.text import decoded, html_text, plain_text, python_encoding
from ingest.parsers.messages.writing import MOST_DEEP, Attachment, Message, chosen_body, file_name_of
from ingest.parsers.text import clean

_SHOWN = ("From", "To", "Cc", "Date", "Subject")
_MOST_NESTED_PARTS = 50
_MAILS = frozenset({"message/rfc822", "message/global", "message/news", "message/partial"})
_REPORTS = frozenset(
    {"message/delivery-status", "message/disposition-notification", "message/global-delivery-status"}
)
_HTML = frozenset({"text/html", "text/enriched", "text/richtext"})
_SHOWN_AS_TEXT = _HTML | {"text/plain", "text/rfc822-headers"}


def read_internet_mail(content: bytes) -> Message | None:
    """Read a mail; None if the bytes have no header such as mails have. Raises `ParseError` with the rest of a
    sentence that begins with the file's name."""
    try:
        part = taken_apart(content)
        return _message(part, deep=0) if is_a_mail(part) else None
    except RecursionError as exc:
        raise ParseError("cannot be read as a mail: its parts are nested too deeply") from exc
    except BROKEN as exc:
        raise ParseError(f"cannot be read as a mail ({type(exc).__name__})") from exc


def shown_fields(part: Part) -> tuple[tuple[str, str], ...]:
    """What a reader sees of the header."""
    fields = ((name, field_text(part, name)) for name in _SHOWN)
    return tuple((name, text) for name, text in fields if text)


@dataclass(slots=True)
class _Contents:
    """What was found in a part so far. The media types of the body's documents say which form they were in."""

    body: list[ParsedDocument] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def _message(part: Part, *, deep: int) -> Message:
    contents = _Reader(deep=deep).read(part)
    return Message(
        fields=shown_fields(part),
        subject=field_text(part, "Subject"),
        sender=sender_name(field_text(part, "From")),
        sent=day(field_text(part, "Date")),
        body=tuple(contents.body),
        attachments=tuple(contents.attachments),
        notes=tuple(contents.notes),
    )


class _Reader:
    """Reads the parts of one message. deep: how many messages it lies in."""

    def __init__(self, *, deep: int) -> None:
        self._deep = deep

    def read(self, part: Part, *, nested: int = 0) -> _Contents:
        """Everything in a part, its own parts included."""
        contents = _Contents()
        kind = part.get_content_type()
        if nested > _MOST_NESTED_PARTS:
            contents.notes.append(f"parts are left out that are nested more than {_MOST_NESTED_PARTS} deep")
        elif kind in _REPORTS:
            _add_text(clean("\n\n".join(_report(part))).encode(), "text/plain", None, contents)
        elif kind in _MAILS:
            self._read_forwarded(part, contents)
        elif kind == "message/external-body":
            contents.notes.append("a part of the message is elsewhere, and not read")
        elif kind == "multipart/encrypted":
            contents.notes.append("the message is encrypted, and cannot be read")
        elif part.get_content_maintype() == "multipart":
            self._read_multipart(part, contents, nested)
        else:
            _read_leaf(part, contents, is_whole=nested == 0)
        return contents

    def _read_multipart(self, part: Part, contents: _Contents, nested: int) -> None:
        inner_parts = parts_of(part) or parts_of(with_boundary_found(part))
        if not inner_parts:  # there is no telling where its parts begin
            _add_text(bytes_of(part), "text/plain", None, contents)
        found = [self.read(inner, nested=nested + 1) for inner in inner_parts]
        if part.get_content_type() == "multipart/alternative":
            contents.body.extend(_best_form(found))
        else:
            contents.body.extend(document for inner in found for document in inner.body)
        for inner in found:
            contents.attachments.extend(inner.attachments)
            contents.notes.extend(inner.notes)
        if part.get_content_type() == "multipart/alternative" and contents.body:
            contents.attachments = [one for one in contents.attachments if not _is_another_form(one)]

    def _read_forwarded(self, part: Part, contents: _Contents) -> None:
        inner = _forwarded(part)
        if inner is None:
            contents.notes.append("a forwarded message is empty")
        elif self._deep >= MOST_DEEP:
            contents.notes.append(f"a mail is left out that lies more than {MOST_DEEP} mails deep")
        else:
            message = _message(inner, deep=self._deep + 1)
            contents.attachments.append(
                Attachment(name=attached_name(part), media_type="message/rfc822", content=message)
            )


def _read_leaf(part: Part, contents: _Contents, *, is_whole: bool) -> None:
    kind, name, content = part.get_content_type(), attached_name(part), bytes_of(part)
    charset = stated_charset(part)
    is_body = part.get_content_disposition() != "attachment" and (is_whole or "." not in name)
    if kind in _SHOWN_AS_TEXT and is_body:
        flowed, delsp = (str(part.get_param(name)).lower() for name in ("format", "delsp"))
        _add_text(content, kind, charset, contents, flowed=flowed == "flowed", delsp=delsp == "yes")
        return
    if part.get_content_maintype() == "text" and python_encoding(charset) is not None:
        try:
            content = decoded(content, charset).encode()
        except ParseError:  # it is no text, whatever the mail says; its parser will tell
            contents.notes.append(f"attachment {name} is said to be text, and is none")
    contents.attachments.append(Attachment(name=name, media_type=kind, content=content))


def _add_text(
    content: bytes,
    kind: str,
    charset: str | None,
    contents: _Contents,
    *,
    flowed: bool = False,
    delsp: bool = False,
) -> None:
    """Add a part that is shown as text, and what is written into it."""
    try:
        if kind in _HTML:
            document = html_text(content, charset)
        else:
            plain = plain_text(content, charset, flowed=flowed, delsp=delsp)
            document = plain.document
            contents.attachments.extend(
                Attachment(name=file_name_of(name), media_type="application/octet-stream", content=file)
                for name, file in plain.files
            )
            if plain.is_encrypted:
                contents.notes.append("a part of the message is encrypted, and cannot be read")
    except ParseError as exc:
        contents.notes.append(f"a part of the message is left out: {exc}")
        return
    if document is not None:
        contents.body.append(document)


def _best_form(found: Sequence[_Contents]) -> tuple[ParsedDocument, ...]:
    """The body of one of several forms of the same message."""
    forms = [contents.body for contents in found if contents.body]
    plain = [form for form in forms if all(document.media_type == "text/plain" for document in form)]
    others = [form for form in forms if form not in plain]
    return chosen_body(plain[0] if plain else (), others[-1] if others else ())


def _is_another_form(attachment: Attachment) -> bool:
    """Whether something is no file, but a form of the message that is not read ("text/x-amp-html")."""
    kind = attachment.media_type
    return not attachment.name and kind.startswith("text/") and kind != "text/calendar"


def _forwarded(part: Part) -> Part | None:
    """The message in a part; None if there is none. Some programs encode it as if it were a file."""
    inner = next(iter(parts_of(part)), None)
    if inner is None or is_a_mail(inner) or not transfer_encoding(part):
        return inner
    content = unencoded(bytes_of(inner), transfer_encoding(part))
    return taken_apart(content)


def _report(part: Part) -> Iterator[str]:
    """The fields of a report on delivery, group by group; or its text, where it has no fields."""
    groups = parts_of(part)
    if not groups:
        yield decoded(bytes_of(part), None)
    for group in groups:
        yield "\n".join(f"{name}: {decoded_field(value)}" for name, value in group.raw_items())
