"""A service in a process of its own, and commands beside it, as benchmarks need them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx

_START_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A service that is ready."""

    address: str
    pid: int


def without_caches(home: Path) -> dict[str, str]:
    """The environment of a service at `home`: what is kept would be found again, and is not what is measured."""
    return {
        **os.environ,
        "FOOTNOTE_HOME": str(home),
        "FOOTNOTE_CACHE__ANSWERS_BYTES": "0",
        "FOOTNOTE_CACHE__QUERY_VECTORS_BYTES": "0",
        "PYTHONPATH": os.pathsep.join(
            [str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
        ),
    }


def command(*arguments: str) -> list[str]:
    """`footnote`, with this Python."""
    return [sys.executable, "-c", "from service.command import main; main()", *arguments]


def footnote(environment: dict[str, str], *arguments: str) -> str:
    """What a command prints."""
    done = subprocess.run(  # our own command
        command(*arguments), env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


@contextlib.asynccontextmanager
async def served(environment: dict[str, str]) -> AsyncIterator[Served]:
    """A service, ready when this is entered and stopped when it is left."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(  # noqa: ASYNC220  # our own command, started before anything is measured
        command("serve", "--port", str(port)), env=environment, stderr=subprocess.DEVNULL
    )
    try:
        address = f"http://127.0.0.1:{port}"
        await _ready(address, process)
        yield Served(address=address, pid=process.pid)
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)


async def _ready(address: str, process: subprocess.Popen[bytes]) -> None:
    async with asyncio.timeout(_START_TIMEOUT_S), httpx.AsyncClient(base_url=address, timeout=30) as client:
        while True:
            if process.poll() is not None:
                raise RuntimeError(f"the service ended at its start, with status {process.returncode}")
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get("/health/ready")).status_code == 200:
                    return
            await asyncio.sleep(0.2)
