"""What a worker process does: give up what parsing does not need, then parse file after file, or draw pages of them,
while its owner has any.

Kept light (no asyncio, no parser imported before a file needs it), since every worker begins here.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import resource
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any

from ingest.confinement import confine, tie_to_owner
from ingest.errors import NoTextError, ParseError
from ingest.parsers import ParsedDocument, ParserPolicy, load_parser
from ingest.parsers.pace import listening
from ingest.parsers.page_pictures import PageOrder, Picture
from ingest.worker_messages import (
    LENGTHS,
    Message,
    decode_facts,
    encode,
    encode_document,
    encode_picture,
    encode_refusal,
    wanted_picture,
)
from retrieval.errors import FootnoteError
from retrieval.priority import lower_process

Parse = Callable[[bytes, str, ParserPolicy], ParsedDocument]
"""Parses a file's content by its name. Raises `ParseError`."""

_LOCKED = "locked with a password"
"""What every parser says of a file that opens with a password alone."""


def parse_file(content: bytes, file_name: str, policy: ParserPolicy) -> ParsedDocument:
    """Parse a file with the parser for its name, here and now. Raises `ParseError`.

    Where the policy has a fallback, `unstructured` tries what that parser could not read; a file that is locked, or
    that was read well and holds no text, is no such case.
    """
    kind = policy.kind(file_name)
    if kind is None:
        raise ParseError(f"{file_name}: {policy.why_not(file_name)}")
    try:
        return load_parser(kind, policy).parse(content, file_name=file_name)
    except NoTextError:
        raise
    except ParseError as refusal:
        if not policy.fallback or kind == "unstructured" or _LOCKED in str(refusal):
            raise
        return _parsed_by_fallback(content, file_name, policy, refusal)


def _parsed_by_fallback(
    content: bytes, file_name: str, policy: ParserPolicy, refusal: ParseError
) -> ParsedDocument:
    try:
        parsed = load_parser("unstructured", policy).parse(content, file_name=file_name)
    except ParseError as exc:  # it is the first reason that tells a person what to do
        raise refusal from exc
    return replace(parsed, notes=(f"{refusal}; unstructured read it instead", *parsed.notes))


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOrders:
    """What a worker is told once, by the owner whom it trusts, and therefore pickled.

    largest_file_bytes: how large a temporary file may grow. nice: by how much it gives way to other processes.
    """

    parse: Parse
    policy: ParserPolicy
    memory_limit_bytes: int
    largest_file_bytes: int = 2**30
    nice: int = 0


def serve(connection: int, owner: int, folder: Path) -> None:
    """Be a worker; returns when the owner has no more files.

    connection: the descriptor of the worker's end of a connected socket.
    owner: the process that started this one.
    folder: for temporary files; the worker can write nowhere else.
    """
    faulthandler.enable()
    reading = os.fdopen(connection, "rb")
    writing = os.fdopen(os.dup(connection), "wb", buffering=0)
    with suppress(EOFError, ConnectionError):  # the owner has ended, or has no more files
        orders: WorkerOrders = pickle.loads(_receive(reading)[1])  # noqa: S301 (from the process that started this one)
        lower_process(orders.nice)
        _set_limits(orders)
        guards = confine(folder)
        tie_to_owner(owner)
        _send(writing, encode({"guards": asdict(guards)}))
        while True:
            facts, content = _receive(reading)
            _send(writing, encode({}))  # an end without an answer is from here on this file's doing
            with listening(lambda seconds: _send(writing, encode({"more_time_s": seconds}))):
                answer, sound = _attempt(orders, content, facts)
            del content
            _send(writing, answer)
            del answer
            if not sound:
                return


def _attempt(orders: WorkerOrders, content: bytes, facts: dict[str, Any]) -> tuple[Message, bool]:
    """The answer on a file, and whether this process is fit to go on."""
    name = str(facts["name"])
    try:
        if (order := wanted_picture(facts)) is not None:
            return encode_picture(_drawn(content, order, name)), True
        return encode_document(orders.parse(content, name, orders.policy)), True
    except ParseError as refusal:
        return encode_refusal(refusal), True
    except FootnoteError as error:  # an extra that is not installed
        return encode_refusal(ParseError(f"{name}: {error}")), True
    except MemoryError:
        return encode({"failed": "MemoryError"}), False
    except BaseException as error:  # noqa: BLE001 (libraries exit, and Rust's panics are no Exception: the file's failure)
        trace = "".join(traceback.format_tb(error.__traceback__)[-20:])
        return encode({"failed": type(error).__name__, "trace": trace}), isinstance(error, Exception)


def _drawn(content: bytes, order: PageOrder, name: str) -> Picture:
    from ingest.parsers.pdf.drawing import draw_page  # noqa: PLC0415 (as a parser: not before a file needs it)

    return draw_page(content, order, file_name=name)


def _receive(reading: BufferedReader) -> tuple[dict[str, Any], bytes]:
    """The next message. Raises `EOFError` when there is none."""
    told, data = LENGTHS.unpack(_exactly(reading, LENGTHS.size))
    return decode_facts(_exactly(reading, told)), _exactly(reading, data)


def _exactly(reading: BufferedReader, length: int) -> bytes:
    data = reading.read(length)
    if len(data) < length:
        raise EOFError
    return data


def _send(writing: FileIO, message: Message) -> None:
    for part in message:
        left = memoryview(part)
        while left:
            left = left[writing.write(left) :]


def _set_limits(orders: WorkerOrders) -> None:
    """Bound what this process takes, and let it be the first to go when the machine runs out of memory."""
    for limit, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, orders.memory_limit_bytes),
        (resource.RLIMIT_FSIZE, orders.largest_file_bytes),
    ):
        _, hard = resource.getrlimit(limit)
        resource.setrlimit(limit, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    if sys.platform == "linux":
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("800")
