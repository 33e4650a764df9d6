"""Load: many clients ask a service of its own process at once, for a time, and what that comes to.

    python -m benchmarks.load [--chunks 20000] [--clients 64] [--seconds 60] [--home DIR] [--json FILE]

The corpus is squad-20k, a file a passage, and the questions are the set's own (extractive answers, caches off). First
one client asks alone: the CPU time that the service and its Postgres use for an answer, divided into the machine's
cores, is the limit of throughput. Then the clients ask, each its next question as soon as it has its answer, and waits
as `Retry-After` says where it is refused. Reported are answers a second and their ratio to the limit, p50 and p95,
responses by status, the service's memory, and who used the cores. With `--home` the corpus is kept for the next run.

Run it on a quiet machine: what others use of the cores is missing in the ratio. Reads FOOTNOTE_TEST_DATA (default
../shared/data).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import itertools
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.load_meters import Meters, Used
from benchmarks.served import footnote, served, without_caches

DATA = Path(os.environ.get("FOOTNOTE_TEST_DATA", "../shared/data")) / "retrieval" / "squad-20k"
BY_DESIGN = frozenset({429, 503})
_FULL = 0.85
"""Of what there is: from this share on something is what the rest waits for."""


@dataclass(slots=True)
class Tally:
    """What the clients saw."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0


def main() -> int:
    """Run it; 1 where a status came that is none by design."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--chunks", type=int, default=20_000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--alone", type=int, default=40, help="questions that one client asks alone first")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        home = given.home or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="footnote-load-")))
        report = asyncio.run(measure(given, home))
    text = json.dumps(report, indent=2)
    sys.stdout.write(text + "\n")
    if given.json:
        given.json.write_text(text + "\n", encoding="utf-8")
    return 0 if report["errors"] == 0 else 1


async def measure(given: argparse.Namespace, home: Path) -> dict[str, Any]:
    """Index, serve, ask alone, ask at once; the report."""
    environment = without_caches(home)
    chunks = _index(home, given.chunks, environment)
    key = json.loads(footnote(environment, "keys", "create", "load", "--json"))["key"]
    questions = list(_questions())
    async with (
        served(environment) as service,
        httpx.AsyncClient(
            base_url=service.address,
            headers={"Authorization": f"Bearer {key}"},
            timeout=120,
            limits=httpx.Limits(max_connections=given.clients),
        ) as client,
    ):
        meters = Meters.of(service.pid, home)
        await _ask_alone(client, questions[:10])  # the first answers load and compile what later ones find
        alone_s, alone = await _alone(client, meters, questions[10 : 10 + given.alone])
        at_start = meters.rss_mb()
        tally, memory, used, wall_s = await _load(given, client, meters, questions)
    return _report(given, chunks, alone_s, alone, tally, [at_start, *memory], used, wall_s)


def _report(
    given: argparse.Namespace,
    chunks: int,
    alone_s: Sequence[float],
    alone: Used,
    tally: Tally,
    memory: Sequence[float],
    used: Used,
    wall_s: float,
) -> dict[str, Any]:
    cores = len(os.sched_getaffinity(0))
    cpu_s = alone.service / len(alone_s)
    rate, limit = tally.statuses[200] / wall_s, cores / cpu_s
    p50, p95 = (float(p) for p in np.percentile(tally.seconds or [0.0], [50, 95]))
    unforeseen = {
        status: n for status, n in tally.statuses.items() if status != 200 and status not in BY_DESIGN
    }
    shares = {
        name: round(getattr(used, name) / wall_s, 3) for name in ("loop", "models", "postgres", "clients")
    }
    return {
        "chunks": chunks,
        "clients": given.clients,
        "seconds": round(wall_s, 1),
        "cores": cores,
        "statuses": {str(status): n for status, n in sorted(tally.statuses.items())},
        "errors": sum(unforeseen.values()) + tally.broken,
        "broken_connections": tally.broken,
        "p50_s": round(p50, 3),
        "p95_s": round(p95, 3),
        "alone_p50_s": round(float(np.median(alone_s)), 3),
        "cpu_s_an_answer_alone": round(cpu_s, 4),
        "cpu_s_an_answer_under_load": round(used.service / max(1, tally.statuses[200]), 4),
        "answers_a_second": round(rate, 2),
        "limit_answers_a_second": round(limit, 2),
        "ratio_to_limit": round(rate / limit, 3),
        "rss_mb": {"start": memory[0], "middle": memory[len(memory) // 2], "end": memory[-1]},
        "cores_used": shares,
        "bottleneck": _bottleneck(shares, cores),
    }


def _bottleneck(shares: dict[str, float], cores: int) -> str:
    """What the answers wait for, by who used the cores."""
    if shares["loop"] >= _FULL:
        return "the event loop, which is one thread"
    if sum(shares.values()) >= _FULL * cores:
        most = max(("models", "postgres", "loop", "clients"), key=lambda name: shares[name])
        names = {
            "models": "the models (embedder and evidence check)",
            "postgres": "Postgres",
            "loop": "the event loop",
            "clients": "the clients of this benchmark",
        }
        return f"the cores, most of which {names[most]} used"
    return "neither the cores nor the event loop: waiting for locks, connections or a disk, or others on this machine"


async def _alone(
    client: httpx.AsyncClient, meters: Meters, questions: Sequence[str]
) -> tuple[list[float], Used]:
    before = meters.used()
    seconds = await _ask_alone(client, questions)
    return seconds, meters.used().since(before)


async def _ask_alone(client: httpx.AsyncClient, questions: Sequence[str]) -> list[float]:
    seconds = []
    for question in questions:
        began = time.perf_counter()
        (await client.post("/v1/ask", json={"question": question})).raise_for_status()
        seconds.append(time.perf_counter() - began)
    return seconds


async def _load(
    given: argparse.Namespace, client: httpx.AsyncClient, meters: Meters, questions: Sequence[str]
) -> tuple[Tally, list[float], Used, float]:
    tally, memory, asked = Tally(), [], itertools.cycle(questions)
    before, began = meters.used(), time.perf_counter()
    ends_at = began + given.seconds

    async def look() -> None:
        while True:
            await asyncio.sleep(max(0.2, given.seconds / 20))
            memory.append(meters.rss_mb())

    looking = asyncio.create_task(look())
    await asyncio.gather(*(_client(client, asked, tally, ends_at) for _ in range(given.clients)))
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    return tally, [*memory, meters.rss_mb()], meters.used().since(before), time.perf_counter() - began


async def _client(client: httpx.AsyncClient, asked: Iterator[str], tally: Tally, ends_at: float) -> None:
    while (began := time.perf_counter()) < ends_at:
        try:
            response = await client.post("/v1/ask", json={"question": next(asked)})
        except httpx.HTTPError:
            tally.broken += 1
            continue
        tally.statuses[response.status_code] += 1
        if response.status_code == 200:
            tally.seconds.append(time.perf_counter() - began)
        elif response.status_code in BY_DESIGN:
            await asyncio.sleep(float(response.headers.get("Retry-After", "1")))


def _index(home: Path, chunks: int, environment: dict[str, str]) -> int:
    """Have so many passages indexed; returns how many chunks there are."""
    folder = home / "load-corpus"
    folder.mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(itertools.islice(_rows("corpus.jsonl.gz"), chunks)):
        path = folder / f"{number // 1000:03}" / f"{number:06}.txt"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"{row['title']}\n\n{row['text']}\n", encoding="utf-8")
    footnote(environment, "ingest", str(folder), "--json")
    status = json.loads(footnote(environment, "status", "--json"))
    return sum(collection["chunks"] for collection in status["collections"])


def _questions() -> Iterator[str]:
    return (row["text"] for row in _rows("queries.jsonl.gz"))


def _rows(name: str) -> Iterator[dict[str, Any]]:
    with gzip.open(DATA / name, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


if __name__ == "__main__":
    sys.exit(main())
