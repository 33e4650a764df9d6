"""Reading in threads: as anywhere else, but nobody has to wait for what is no longer wanted."""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from uuid import UUID

import pytest

from ingest.catalog import KnownDocument
from ingest.errors import FileUnreadableError
from ingest.moves import find_moves
from ingest.plan import RefreshPlan
from ingest.reading import in_thread
from ingest.sources import FoundFile, Listing

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import asyncio, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job is started without
from ingest.reading import in_thread

def read_forever():
    print("reading", flush=True)
    time.sleep(600)

asyncio.run(in_thread(read_forever))
"""


async def test_what_a_call_returns_or_raises_arrives() -> None:
    told = contextvars.ContextVar("told", default="")
    told.set("by the caller")

    def answer(first: int, *, second: int) -> tuple[str, int, int]:
        return told.get(), first, second

    assert await in_thread(answer, 1, second=2) == ("by the caller", 1, 2)

    def fail() -> None:
        raise FileUnreadableError("it is away")

    with pytest.raises(FileUnreadableError, match="it is away"):
        await in_thread(fail)


async def test_whoever_is_cancelled_waits_for_nothing_that_is_read() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def read() -> bool:
        begun.set()
        return go_on.wait(30)

    reading = asyncio.create_task(in_thread(read))
    await asyncio.to_thread(begun.wait, 30)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(reading, 5)
    go_on.set()


def test_a_program_that_is_interrupted_ends_although_a_server_never_answers() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "reading\n"
            process.send_signal(signal.SIGINT)
            process.wait(timeout=20)
        finally:
            process.kill()


class SlowSource:
    """Notes what is read of it, and takes a while for each file."""

    def __init__(self) -> None:
        self.read = 0

    def discover(self, *, below: str = "") -> Listing:
        raise NotImplementedError

    def fetch(self, found: FoundFile, *, max_bytes: int) -> bytes:
        self.read += 1
        time.sleep(0.02)
        return found.path.encode()


async def test_whoever_looks_for_renamed_files_stops_reading_when_cancelled() -> None:
    names = [str(number) for number in range(100)]
    plan = RefreshPlan(
        added=tuple(FoundFile(path=f"new/{name}", size_bytes=5, mtime_ns=1, locator="") for name in names),
        removed=tuple(
            KnownDocument(
                id=UUID(int=int(name)),
                path=f"old/{name}",
                size_bytes=5,
                mtime_ns=1,
                content_hash=hashlib.sha256(f"new/{name}".encode()).digest(),
                recipe="",
            )
            for name in names
        ),
        changed=(),
        unchanged=(),
        skipped=(),
        unlisted=(),
    )
    source = SlowSource()
    looking = asyncio.create_task(find_moves(source, plan, max_bytes=10))
    await asyncio.sleep(0.1)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    read = source.read
    await asyncio.sleep(0.2)
    assert source.read == read < 100
