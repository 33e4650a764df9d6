"""Forms with files (`multipart/form-data`), read as they come: files go to disk, never into memory whole.

What a form may hold is bounded before it is read: how many files and fields, how large each of them and all together.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from retrieval.errors import InvalidRequestError
from service.http.refusals import FormBrokenError, FormTooLargeError, NotAFormError, SlowSenderError
from service.uploads import NoRoomError

MEDIA_TYPE = "multipart/form-data"
_MAX_FIELDS = 32
_MAX_FIELD_BYTES = 64 * 1024
_MAX_STALL_S = 60.0
_WRITE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class FormLimits:
    max_bytes: int
    max_file_bytes: int
    max_files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FormFile:
    """A file of a form, on disk. `name` is what its sender calls it: anything at all."""

    name: str
    lies_at: Path
    size_bytes: int
    sha256: str


@dataclass(slots=True, kw_only=True)
class Form:
    """A form that was read. Its files are there until the form is left."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    files: list[FormFile] = field(default_factory=list)


@asynccontextmanager
async def open_form(
    request: Request, *, limits: FormLimits, new_file: Callable[[], Path]
) -> AsyncIterator[Form]:
    """Read a request's form. What of its files still lies where `new_file` said when the form is left is deleted.

    Raises the errors of forms in `service/http/refusals.py`, `InvalidRequestError` and `NoRoomError`.
    """
    reader = _Reader(_boundary(request), limits, new_file)
    try:
        try:
            await reader.read(request)
        except OSError as exc:
            if exc.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                raise NoRoomError(
                    "there is no room left on the service's disk for this upload. Nothing of it was kept."
                ) from exc
            raise
        yield reader.form
    finally:
        await asyncio.to_thread(reader.discard)


def _boundary(request: Request) -> bytes:
    media_type, options = parse_options_header(request.headers.get("content-type", ""))
    if media_type.decode("latin-1").lower() != MEDIA_TYPE:
        raise NotAFormError(f"send files as a form, with the header Content-Type: {MEDIA_TYPE}.")
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise FormBrokenError("the header Content-Type names no boundary between the parts of the form.")
    return boundary


class _Reader:
    def __init__(self, boundary: bytes, limits: FormLimits, new_file: Callable[[], Path]) -> None:
        self.form = Form()
        self._limits = limits
        self._new_file = new_file
        self._made: list[Path] = []
        self._headers: dict[bytes, bytes] = {}
        self._header_name = self._header_value = b""
        self._part: _Field | _File | None = None
        self._is_whole = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._on_header_name,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as exc:
            raise FormBrokenError("the boundary between the parts of the form is too long.") from exc

    async def read(self, request: Request) -> None:
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > self._limits.max_bytes:
            raise self._too_large()
        seen, pending = 0, bytearray()
        stream = request.stream()
        while True:
            try:
                async with asyncio.timeout(_MAX_STALL_S):
                    piece = await anext(stream, None)
            except TimeoutError as exc:
                raise SlowSenderError(
                    f"nothing of the body came for {_MAX_STALL_S:.0f} s. Nothing of it was kept."
                ) from exc
            except ClientDisconnect as exc:
                raise FormBrokenError("the sender left in the middle of the form.") from exc
            if piece is None:
                break
            seen += len(piece)
            if seen > self._limits.max_bytes:
                raise self._too_large()
            pending += piece
            if len(pending) >= _WRITE_BYTES:
                await asyncio.to_thread(self._feed, bytes(pending))
                pending.clear()
        await asyncio.to_thread(self._feed, bytes(pending))
        if not self._is_whole:
            raise FormBrokenError("the form ends in the middle: its last boundary is missing.")

    def _too_large(self) -> FormTooLargeError:
        return FormTooLargeError(
            f"the upload is larger than the {self._limits.max_bytes:,} bytes that are accepted."
        )

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.write(data)
        except FormParserError as exc:
            raise FormBrokenError("the body is not a form as multipart/form-data describes it.") from exc

    def discard(self) -> None:
        if isinstance(self._part, _File):
            self._part.out.close()
        for path in self._made:
            path.unlink(missing_ok=True)

    def _begin(self) -> None:
        self._headers = {}

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._header_name.lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if b"name" not in options:
            raise FormBrokenError("a part of the form has no name.")
        name = _text(options[b"name"], "the name of a field")
        if b"filename" not in options:
            if len(self.form.fields) >= _MAX_FIELDS:
                raise FormBrokenError(f"the form has more than {_MAX_FIELDS} fields.")
            self._part = _Field(name=name)
            return
        if name != "file":
            raise InvalidRequestError(f"there is no field '{name[:80]}' for files: send each as `file`.")
        if len(self.form.files) >= self._limits.max_files:
            raise FormTooLargeError(
                f"the upload has more than the {self._limits.max_files:,} files that are accepted."
            )
        lies_at = self._new_file()
        self._made.append(lies_at)
        self._part = _File(
            name=_text(options[b"filename"], "the name of a file"), lies_at=lies_at, out=lies_at.open("xb")
        )

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        assert part is not None, "data comes after a part's headers"
        if isinstance(part, _Field):
            part.data += data[start:end]
            if len(part.data) > _MAX_FIELD_BYTES:
                raise FormTooLargeError(
                    f"the field '{part.name[:80]}' is larger than {_MAX_FIELD_BYTES:,} bytes."
                )
            return
        part.size_bytes += end - start
        if part.size_bytes > self._limits.max_file_bytes:
            raise FormTooLargeError(
                f"a file is larger than the {self._limits.max_file_bytes:,} bytes that are accepted."
            )
        piece = data[start:end]
        part.digest.update(piece)
        part.out.write(piece)

    def _on_part_end(self) -> None:
        match self._part:
            case _Field(name=name, data=data):
                self.form.fields.append((name, _text(bytes(data), f"the field '{name[:80]}'")))
            case _File() as part:
                part.close()
                self.form.files.append(
                    FormFile(
                        name=part.name,
                        lies_at=part.lies_at,
                        size_bytes=part.size_bytes,
                        sha256=part.digest.hexdigest(),
                    )
                )
        self._part = None

    def _on_end(self) -> None:
        self._is_whole = True


@dataclass(slots=True, kw_only=True)
class _Field:
    name: str
    data: bytearray = field(default_factory=bytearray)


@dataclass(slots=True, kw_only=True)
class _File:
    name: str
    lies_at: Path
    out: BinaryIO
    size_bytes: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def close(self) -> None:
        """Close the file, durably: what is told to be kept is kept."""
        self.out.flush()
        os.fsync(self.out.fileno())
        self.out.close()


def _text(data: bytes, what: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise InvalidRequestError(f"{what} is not UTF-8.") from exc
