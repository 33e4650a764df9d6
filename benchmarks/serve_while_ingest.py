"""Questions while documents are taken in: what a service's searches and answers take then, and what they take alone.

    python -m benchmarks.serve_while_ingest [--only CASE...] [--searches 50] [--asks 15] [--home DIR] [--json]

A service of its own process is asked by one client, one question after the other (caches off): first while nothing else
happens, then while documents are taken in

    same-session    by `footnote ingest` in the session that the service runs in (two commands of one shell)
    other-terminal  by `footnote ingest` in a session that a shell leads, as in another terminal
    own-session     by `footnote ingest` that leads its session, as under cron, systemd or setsid
    worker          by the worker inside the service, which refreshes a source

Reported are p50 and p95 of searches and answers, their ratios to those of the idle service, and the chunks a second
that are taken in, without questions and with them. Progress goes to stderr; `--json` prints one object, else a table
is printed. Reads FOOTNOTE_TEST_DATA (default ../shared/data); without it, prose is made up.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psycopg

from benchmarks.ingest_corpus import Corpus, load_corpus, write_folder
from benchmarks.served import command, footnote, served, without_caches
from service.embedded_postgres import EmbeddedPostgres

CASES = ("same-session", "other-terminal", "own-session", "worker")
_WARM_UP = 8
_START_TIMEOUT_S = 120.0
_STARTED_CHUNKS = 64
"""So many new chunks mean that models and parsers are loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Milliseconds of searches and of answers, and the chunks a second that were taken in beside them."""

    search_ms: Sequence[float]
    ask_ms: Sequence[float]
    chunks_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The service under measurement, and what it is asked."""

    client: httpx.AsyncClient
    database: psycopg.AsyncConnection[Any]
    environment: dict[str, str]
    home: Path
    corpus: Corpus
    questions: Sequence[str]
    given: argparse.Namespace

    async def chunks(self) -> int:
        cursor = await self.database.execute("SELECT count(*) FROM chunks")
        row = await cursor.fetchone()
        return 0 if row is None else int(row[0])

    async def rate(self, seconds: float) -> float:
        """Chunks a second while nobody asks."""
        before, began = await self.chunks(), time.perf_counter()
        await asyncio.sleep(seconds)
        return (await self.chunks() - before) / (time.perf_counter() - began)

    async def ask(self) -> Taken:
        """Put the questions, one after the other."""
        before, began = await self.chunks(), time.perf_counter()
        searches = [await self.timed("search", self.questions[n]) for n in range(self.given.searches)]
        asks = [await self.timed("ask", self.questions[n]) for n in range(self.given.asks)]
        rate = (await self.chunks() - before) / (time.perf_counter() - began)
        return Taken(search_ms=searches, ask_ms=asks, chunks_per_s=rate)

    async def timed(self, what: str, question: str) -> float:
        began = time.perf_counter()
        asked = {"query" if what == "search" else "question": question}
        (await self.client.post(f"/v1/{what}", json=asked)).raise_for_status()
        return (time.perf_counter() - began) * 1_000

    def folder(self, name: str, numbers: range) -> Path:
        """A folder of documents that the index does not have."""
        folder = self.home / "corpus" / name
        write_folder(folder, self.corpus, numbers)
        return folder


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--searches", type=int, default=50)
    parser.add_argument("--asks", type=int, default=15)
    parser.add_argument("--indexed", type=int, default=150, help="documents that are in the index before")
    parser.add_argument(
        "--documents", type=int, default=2_000, help="documents to be taken in, in every case"
    )
    parser.add_argument("--quiet-s", type=float, default=6.0, help="seconds of ingestion without questions")
    parser.add_argument(
        "--through", default="", metavar="COMMAND", help="what starts ingestion, e.g. 'nice -n 19'"
    )
    parser.add_argument("--home", type=Path, help="where index and documents lie, to be used again")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        home = given.home or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="footnote-first-")))
        home.chmod(0o711)  # Postgres, which never runs as root, has to be able to reach its data
        report = asyncio.run(measure(given, home))
    sys.stdout.write((json.dumps(report) if given.json else _table(report)) + "\n")
    return 0


async def measure(given: argparse.Namespace, home: Path) -> dict[str, Any]:
    """Index, serve, ask in peace, ask beside each case; the report."""
    environment = without_caches(home)
    load = os.getloadavg()[0]
    # Held by this process, so that the server is nobody's whom the measurement stops.
    with EmbeddedPostgres(home / "postgres", report=_say) as server:
        async with _bench(given, home, environment, server) as bench:
            idle = await bench.ask()
            _say(f"idle: {_figures(idle)}")
            cases = {}
            for number, case in enumerate(given.only, start=1):
                cases[case] = await _measure_case(bench, case, number, idle)
                _say(f"{case}: {cases[case]}")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "load_before": round(load, 1),
        "searches": given.searches,
        "asks": given.asks,
        "idle": _figures(idle),
        "cases": cases,
    }


@contextlib.asynccontextmanager
async def _bench(
    given: argparse.Namespace, home: Path, environment: dict[str, str], server: EmbeddedPostgres
) -> AsyncIterator[Bench]:
    """The service, with its first documents, warm."""
    corpus = load_corpus()
    questions = [corpus.document(number)[0] for number in range(given.indexed)]
    async with contextlib.AsyncExitStack() as stack:
        await asyncio.to_thread(footnote, environment, "migrate")
        key = json.loads(footnote(environment, "keys", "create", "bench", "--json"))["key"]
        bench = Bench(
            client=httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=120),
            database=await stack.enter_async_context(
                await psycopg.AsyncConnection.connect(server.dsn, autocommit=True)
            ),
            environment=environment,
            home=home,
            corpus=corpus,
            questions=questions[_WARM_UP:],
            given=given,
        )
        await stack.enter_async_context(bench.client)
        folder = bench.folder("first", range(given.indexed))
        await asyncio.to_thread(footnote, environment, "ingest", str(folder), "--json")
        service = await stack.enter_async_context(served(environment))
        bench.client.base_url = httpx.URL(service.address)
        for question in questions[:_WARM_UP]:
            await bench.timed("search", question)
            await bench.timed("ask", question)
        yield bench


async def _measure_case(bench: Bench, case: str, number: int, idle: Taken) -> dict[str, Any]:
    given = bench.given
    before = await bench.chunks()
    first = 100_000 * (number + before)  # so that they are new with a `--home` of an earlier run, too
    folder = bench.folder(f"{case}-{first}", range(first, first + given.documents))
    with _taking_in(bench, case, folder):
        async with asyncio.timeout(_START_TIMEOUT_S):
            while await bench.chunks() < before + _STARTED_CHUNKS:  # noqa: ASYNC110  # it is another process that works
                await asyncio.sleep(0.2)
        alone = await bench.rate(given.quiet_s)
        beside = await bench.ask()
        went_on = await bench.chunks()
        await asyncio.sleep(1)
        if await bench.chunks() == went_on and beside.chunks_per_s == 0:
            _say(f"{case}: nothing was taken in while questions were asked")
    return {
        **_figures(beside),
        "search_p50_ratio": _ratio(beside.search_ms, idle.search_ms, 50),
        "search_p95_ratio": _ratio(beside.search_ms, idle.search_ms, 95),
        "ask_p50_ratio": _ratio(beside.ask_ms, idle.ask_ms, 50),
        "ask_p95_ratio": _ratio(beside.ask_ms, idle.ask_ms, 95),
        "chunks_per_s_alone": round(alone, 1),
        "chunks_per_s_beside": round(beside.chunks_per_s, 1),
    }


@contextlib.contextmanager
def _taking_in(bench: Bench, case: str, folder: Path) -> Iterator[None]:
    """Documents are taken in for as long as this is entered; by the worker, until the service is stopped."""
    if case == "worker":
        footnote(
            bench.environment, "sources", "add", str(folder), "--schedule", "0 3 * * *", "--json"
        )  # due at once, and then tonight
        yield
        return
    ingest = [*shlex.split(bench.given.through), *command("ingest", str(folder), "--json")]
    if case == "other-terminal":
        # A shell that has more to do afterwards stays, and leads the session.
        ingest = ["sh", "-c", f"{shlex.join(ingest)} & trap 'kill $!' TERM; wait $!; wait $!"]
    process = subprocess.Popen(  # our own command
        ingest,
        env=bench.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=case != "same-session",
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _figures(taken: Taken) -> dict[str, float]:
    return {
        f"{name}_p{percent}_ms": round(float(np.percentile(values, percent)), 1)
        for name, values in (("search", taken.search_ms), ("ask", taken.ask_ms))
        if values
        for percent in (50, 95)
    }


def _ratio(beside: Sequence[float], idle: Sequence[float], percent: int) -> float | None:
    if not idle:
        return None
    return round(float(np.percentile(beside, percent) / np.percentile(idle, percent)), 2)


def _table(report: dict[str, Any]) -> str:
    columns = (
        "search_p50_ms",
        "search_p95_ms",
        "search_p95_ratio",
        "ask_p50_ms",
        "ask_p95_ms",
        "ask_p95_ratio",
    )
    rates = ("chunks_per_s_alone", "chunks_per_s_beside")
    rows = [("", *columns, *rates)]
    for name, row in [("idle", report["idle"]), *report["cases"].items()]:
        rows.append((name, *(str(row.get(column, "")) for column in (*columns, *rates))))
    return "\n".join("  ".join(f"{cell:>19}" for cell in row) for row in rows)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
