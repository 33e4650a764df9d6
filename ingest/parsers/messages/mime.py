"""A part of a mail (MIME) as the standard library takes it apart, and what that leaves undone for broken ones.

Its `compat32` policy is used: `default` raises on headers that programs really write. Done here: boundaries that are
not the ones said, lines that interrupt the header, transfer encodings that are none, headers in raw 8-bit text.
"""

from __future__ import annotations

import binascii
import codecs
import email
import email.errors
import email.header
import email.policy
import email.utils
import quopri
import re
from email.message import Message as Part

from ingest.errors import ParseError
from ingest.parsers.encoding import decode
from ingest.parsers.messages.text import decoded
from ingest.parsers.messages.writing import file_name_of
from ingest.parsers.text import clean, one_line

BROKEN = (
    *(email.errors.MessageError, binascii.Error, LookupError, ValueError, TypeError, AttributeError),
    *(AssertionError, RecursionError),
)
"""What the standard library lets through on messages that are not well formed."""

# fmt: off
_OF_A_MAIL = frozenset({
    "cc", "content-type", "date", "delivered-to", "from", "in-reply-to", "message-id", "mime-version", "newsgroups",
    "received", "reply-to", "return-path", "sender", "subject", "to", "x-mailer",
})
# fmt: on
_FIELD_LINE = re.compile(rb"([!-9;-~]+)[ \t]*:")
_MOST_INTERRUPTIONS = 3
_BOUNDARY_LINE = re.compile(
    r"^--(\S.{0,198}?)[ \t]*\n(?:[^\n]*\n){0,2}?content-[a-z-]+:", re.IGNORECASE | re.MULTILINE
)
"""Where a part begins in a message that does not say, or says wrongly, what its parts begin with."""
_BASE64_LINE = re.compile(rb"\s*[A-Za-z0-9+/=]+[ \t]*(?:[\r\n]|\Z)")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_LONGEST_FIELD = 100_000
_LONGEST_SENDER = 100


def taken_apart(content: bytes) -> Part:
    """The message in `content`, from the first line of its header. Raises any of `BROKEN`."""
    return email.message_from_bytes(
        without_interruptions(at_its_header(content)), policy=email.policy.compat32
    )


def is_a_mail(part: Part) -> bool:
    """Whether the header has any field that mails have."""
    return not _OF_A_MAIL.isdisjoint(name.lower() for name, _ in part.raw_items())


def parts_of(part: Part) -> list[Part]:
    """The parts inside a part; none where it has none, or none were found."""
    payload = part.get_payload()
    return [inner for inner in payload if isinstance(inner, Part)] if isinstance(payload, list) else []


def with_boundary_found(part: Part) -> Part:
    """The same part read anew with the boundary that its text shows; unchanged where it shows none."""
    content = bytes_of(part)
    found = _BOUNDARY_LINE.search(content.decode("latin-1"))
    if found is None or not found[1].isascii() or '"' in found[1] or "\\" in found[1]:
        return part
    kind = "alternative" if part.get_content_type() == "multipart/alternative" else "mixed"
    header = f'Content-Type: multipart/{kind}; boundary="{found[1]}"\n\n'
    return email.message_from_bytes(header.encode() + content, policy=email.policy.compat32)


def field_text(part: Part, name: str) -> str:
    """The text of a header field, decoded and on one line; those of the same name set apart by commas."""
    texts = (decoded_field(value) for key, value in part.raw_items() if key.lower() == name.lower())
    return ", ".join(filter(None, texts))


def decoded_field(value: object) -> str:
    """A field's text with its encoded words read (RFC 2047), on one line."""
    text = _in_unicode(str(value)[:_LONGEST_FIELD])
    try:
        words = email.header.decode_header(text)
    except BROKEN:
        return one_line(clean(text))
    return one_line(clean("".join(_decoded_word(word, charset) for word, charset in words)))


def sender_name(text: str) -> str:
    """The name in a field such as "Ann <ann@example.org>", or else the address."""
    try:
        name, address = email.utils.parseaddr(text[:1000])
    except BROKEN:
        name, address = "", ""
    return one_line(name or address or text)[:_LONGEST_SENDER]


def day(text: str) -> str:
    """The day of a "Date" field as 2015-07-20; "" where it cannot be told."""
    try:
        return email.utils.parsedate_to_datetime(text).date().isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return ""


def attached_name(part: Part) -> str:
    """The name that a part says its file has, fit to be shown; "" where it says none."""
    for field_name in ("Content-Disposition", "Content-Type"):
        for key, value in part.raw_items():
            if key.lower() == field_name.lower() and not str(value).isascii():
                part.replace_header(field_name, _in_unicode(str(value)))
                break
    try:
        return file_name_of(decoded_field(part.get_filename() or ""))
    except BROKEN:
        return ""


def stated_charset(part: Part) -> str | None:
    """What a part says of the encoding of its text, as it stands there."""
    try:
        return part.get_content_charset()
    except BROKEN:
        return None


def bytes_of(part: Part) -> bytes:
    """What a part holds, its transfer encoding undone as far as it is what it is said to be."""
    encoding = transfer_encoding(part)
    if encoding not in ("base64", "quoted-printable"):
        content = part.get_payload(decode=True)
        return content if isinstance(content, bytes) else b""
    del part["Content-Transfer-Encoding"]
    content = part.get_payload(decode=True)
    part["Content-Transfer-Encoding"] = encoding
    return unencoded(content, encoding) if isinstance(content, bytes) else b""


def transfer_encoding(part: Part) -> str:
    """How a part says that its bytes were put into lines: "base64", "quoted-printable", "uuencode", or "" for as is."""
    said = str(part.get("Content-Transfer-Encoding", "")).lower()
    return next((name for name in ("base64", "quoted-printable", "uuencode") if name in said), "")


def unencoded(content: bytes, encoding: str) -> bytes:
    """Undo a transfer encoding; what is not in it stays as it is, what is cut off goes as far as it goes."""
    if encoding == "quoted-printable":
        return quopri.decodestring(content)
    if encoding != "base64" or not _BASE64_LINE.match(content):
        return content
    characters = _NOT_BASE64.sub(b"", content.partition(b"=")[0])
    if len(characters) % 4 == 1:  # cut off: what is left of the last byte is a few bits
        characters = characters[:-1]
    return binascii.a2b_base64(characters + b"==")


def at_its_header(content: bytes) -> bytes:
    """The bytes from the first line of the header, in an encoding that ASCII is a part of."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        content = content.decode("utf-16", errors="replace").encode()
    return content.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n\t ")


def without_interruptions(content: bytes) -> bytes:
    """The bytes without lines that stand in the header and are no part of one.

    The standard library takes all after such a line for the body. A few are dropped where the header goes on after.
    """
    kept: list[bytes] = []
    waiting: list[bytes] = []
    position, dropped_to = 0, 0
    while position < len(content):
        end = content.find(b"\n", position) + 1 or len(content)
        line = content[position:end]
        found = _FIELD_LINE.match(line)
        if not line.strip() or len(waiting) > _MOST_INTERRUPTIONS:
            break
        if found is None and not line.startswith((b" ", b"\t", b"From ")):
            waiting.append(line)
        elif waiting and found is not None and found[1].decode("ascii").lower() in _OF_A_MAIL:
            kept.append(content[dropped_to : position - sum(map(len, waiting))])
            dropped_to, waiting = position, []
        position = end
    return b"".join((*kept, content[dropped_to:])) if kept else content


def _decoded_word(word: bytes | str, charset: str | None) -> str:
    if isinstance(word, str):
        return word
    if charset is None:  # between encoded words; this is how the standard library hands it out
        return word.decode("raw-unicode-escape", errors="replace")
    try:
        return decoded(word, charset.partition("*")[0])
    except ParseError:
        return word.decode("utf-8", errors="replace")


def _in_unicode(text: str) -> str:
    """A header's text with its raw bytes, which the standard library keeps as surrogates, read as text."""
    if text.isascii():
        return text
    content = text.encode("utf-8", errors="surrogateescape")
    try:
        return decode(content, file_name="the header")
    except ParseError:
        return content.decode("utf-8", errors="replace")
