"""Files made to harm their parser: each ends in text or a stated reason, within its limits, and the process lives."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import random
import time
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ingest.errors import ParseError
from ingest.parsers import OcrPolicy, ParserPolicy
from ingest.parsing import ParserPool
from tests.ingest.bombs import large_bombs, quick_bombs, with_member
from tests.ingest.documents import assert_keeps_contract

logger = logging.getLogger(__name__)

TIME_LIMIT_S = 30.0
MEMORY_LIMIT = 1024 * 2**20
POLICY = ParserPolicy(ocr=OcrPolicy(program="/nonexistent/tesseract", version="none"))
"""Pictures are opened and measured; there is nothing that could read them."""


@pytest.fixture
async def pool() -> AsyncIterator[ParserPool]:
    async with ParserPool(
        POLICY, workers=2, time_limit_s=TIME_LIMIT_S, memory_limit_bytes=MEMORY_LIMIT
    ) as opened:
        yield opened


async def outcome(pool: ParserPool, content: bytes, name: str) -> str:
    """ "text", or the reason why there is none."""
    try:
        parsed = await pool.parse(content, file_name=name)
    except ParseError as error:
        reason = str(error)
    else:
        assert_keeps_contract(parsed)
        assert "root:x:0" not in parsed.text, "another file is not read"
        return "text"
    assert reason.startswith(name), "a reason names its file"
    return reason


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


async def test_every_hostile_file_ends_in_text_or_a_reason(pool: ParserPool, evaluation_data: Path) -> None:
    files = [
        path for path in sorted((evaluation_data / "hostile" / "dev").iterdir()) if POLICY.kind(path.name)
    ]
    before = resident_bytes()
    reasons = await asyncio.gather(*(outcome(pool, path.read_bytes(), path.name) for path in files))
    assert len(files) > 50
    assert resident_bytes() - before < 300 * 2**20
    assert [reason for reason in reasons if any(words in reason for words in STOPPED_BY_THE_POOL)] == []


async def test_memory_stays_flat_however_much_is_parsed(pool: ParserPool) -> None:
    content = (
        "A line of words that says little.\n\n" * 20_000
    ).encode()  # 0.7 MB, 20,000 blocks, some 5 MB as objects
    for _ in range(3):
        await pool.parse(content, file_name="a.txt")
    before = resident_bytes()
    for _ in range(12):
        await pool.parse(content, file_name="a.txt")
    assert resident_bytes() - before < 15 * 2**20


STOPPED_BY_THE_POOL = (
    "given up",
    "crashed",
    "failed on it",
    "needs more memory",
    "makes no sense",
    "contract",
)
"""What the pool says of a file whose parser did not bound itself."""

BEYOND_A_PARSER_S_REACH = {
    "stream.pdf",  # PDFium unpacks a page before it can be asked anything
    "text.pdf",
    "deep.html",  # the time that Lexbor takes grows with more than the square of the depth
    "deep-list.html",
    "attributes.xml",  # lxml looks the value of every attribute up by its name
}
"""Bombs that go off inside a library: the limits of the process stop them."""


async def disarmed(pool: ParserPool, bombs: Iterator[tuple[str, bytes]]) -> dict[str, str]:
    """What the pool had to stop, and why."""
    stopped = {}
    for name, content in bombs:
        started = time.monotonic()
        reason = await outcome(pool, content, name)
        logger.info("%.1f s: %s: %s", time.monotonic() - started, name, reason)
        if any(words in reason for words in STOPPED_BY_THE_POOL):
            stopped[name] = reason
    return stopped


async def test_bombs_are_disarmed_by_the_parsers_themselves(pool: ParserPool) -> None:
    before = resident_bytes()
    assert await disarmed(pool, quick_bombs()) == {}
    assert resident_bytes() - before < 300 * 2**20


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_large_bombs_are_disarmed_too(pool: ParserPool) -> None:
    before = resident_bytes()
    assert (await disarmed(pool, large_bombs())).keys() <= BEYOND_A_PARSER_S_REACH
    assert resident_bytes() - before < 300 * 2**20


@pytest.mark.soak
@pytest.mark.timeout(0)
async def test_damaged_documents_harm_nothing(evaluation_data: Path) -> None:
    """Real documents, bent at random, for FOOTNOTE_TEST_FUZZ_S seconds (180); the seed is in FOOTNOTE_TEST_SEED (0)."""
    folder = evaluation_data / "documents" / "dev" / "files"
    files = [
        path
        for path in sorted(folder.iterdir())
        if POLICY.kind(path.name) and path.stat().st_size < 2_000_000
    ]
    chance = random.Random(int(os.environ.get("FOOTNOTE_TEST_SEED", "0")))
    until = time.monotonic() + float(os.environ.get("FOOTNOTE_TEST_FUZZ_S", "180"))
    stopped: dict[str, str] = {}
    tried = 0

    async def damage_one(pool: ParserPool) -> None:
        nonlocal tried
        while time.monotonic() < until:
            path = chance.choice(files)
            state = chance.getrandbits(32)
            tried += 1
            try:
                reason = await outcome(pool, damaged(path.read_bytes(), random.Random(state)), path.name)
            except AssertionError as broken:
                reason = f"{path.name} breaks the parsers' contract: {broken}"[:300]
            if any(words in reason for words in STOPPED_BY_THE_POOL):
                logger.warning("damage %d: %s", state, reason)
                stopped[f"{path.name} {state}"] = reason

    before = resident_bytes()
    async with ParserPool(POLICY, workers=2, time_limit_s=20, memory_limit_bytes=MEMORY_LIMIT) as pool:
        await asyncio.gather(*(damage_one(pool) for _ in range(2)))
    logger.info("%d damaged files", tried)
    assert resident_bytes() - before < 300 * 2**20
    assert stopped == {}


def damaged(content: bytes, chance: random.Random) -> bytes:
    """A document bent at random; of one that is a zip archive, half the time a member inside it."""
    if content.startswith(b"PK\x03\x04") and chance.random() < 0.7:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            name = chance.choice([member for member in archive.namelist() if not member.endswith("/")])
            return with_member(content, name, bent(archive.read(name), chance))
    return bent(content, chance)


def bent(content: bytes, chance: random.Random) -> bytes:
    bytes_ = bytearray(content or b"x")
    for _ in range(chance.choice((1, 3, 30))):
        at = chance.randrange(len(bytes_))
        length = chance.choice((1, 4, 100, 5000))
        match chance.randrange(6):
            case 0 | 1:
                bytes_[at] ^= 1 << chance.randrange(8)
            case 2:
                bytes_[at : at + length] = chance.randbytes(min(length, len(bytes_) - at))
            case 3:
                bytes_[at:at] = bytes_[at : at + length] * chance.choice((1, 2, 50))
            case 4:
                del bytes_[at : at + length]
            case 5:
                bytes_[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0"))
        bytes_ = bytes_ or bytearray(b"x")
    return bytes(bytes_[: chance.randrange(len(bytes_))]) if chance.random() < 0.15 else bytes(bytes_)
