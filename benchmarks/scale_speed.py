"""How long searches take, where the time goes, and what many clients get done beside the same SQL without a search."""

from __future__ import annotations

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncCursor, IsolationLevel, sql
from psycopg.pq import Format
from psycopg.rows import DictRow, tuple_row

from evaluation.retrieval import QueryStopwatch
from retrieval.database import Connection, Database
from retrieval.filters import Selection
from retrieval.records import Collection
from retrieval.search import QueryEmbedder, Searcher

CLIENTS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long throughput is measured: a warm-up of either kind, then rounds of both in turn."""

    warm_up_s: float = 3.0
    round_s: float = 8.0
    rounds: int = 3


class GivenVectors:
    """A `QueryEmbedder` that has the vectors already."""

    def __init__(self, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        self._vectors = vectors

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        return self._vectors[text]

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Questions are searched for as they are asked."""
        return np.stack([self._vectors[text] for text in texts])


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What was sent to Postgres, and how long it took until all rows were there. `binary`: how rows were to come."""

    text: str
    parameters: Any
    binary: bool
    seconds: float


@dataclass(slots=True, kw_only=True)
class Recorder:
    """Makes databases write down their statements."""

    statements: list[Statement] = field(default_factory=list)

    def cursor_class(self) -> type[AsyncCursor[DictRow]]:
        statements = self.statements

        class Recording(AsyncCursor[DictRow]):
            async def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
                started = time.perf_counter()
                done = await super().execute(query, params, **options)
                text = query.as_string(self) if isinstance(query, sql.Composable) else str(query)
                seconds = time.perf_counter() - started
                binary = self.format is Format.BINARY
                statements.append(Statement(text=text, parameters=params, binary=binary, seconds=seconds))
                return done

        return Recording


class RecordingDatabase(Database):
    """A database whose snapshots write down what they are asked."""

    def __init__(self, dsn: str, recorder: Recorder) -> None:
        super().__init__(dsn, max_connections=2)
        self._recorder = recorder

    @asynccontextmanager
    async def snapshot(self, *, timeout_s: float | None = None) -> AsyncIterator[Connection]:
        async with super().snapshot(timeout_s=timeout_s) as connection:
            connection.cursor_factory = self._recorder.cursor_class()
            try:
                yield connection
            finally:
                connection.cursor_factory = AsyncCursor


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50 and p95 in milliseconds."""
    p50, p95 = np.percentile(np.asarray(seconds) * 1000, [50, 95])
    return {"p50": round(float(p50), 1), "p95": round(float(p95), 1)}


async def measure_latency(
    make: Callable[[QueryEmbedder], Searcher],
    embedder: QueryEmbedder,
    collection: Collection,
    questions: Sequence[str],
    selection: Selection,
    k: int,
) -> dict[str, Any]:
    """One client, each question once after a warm-up with all of them: the whole, the embedding, and the rest."""
    stopwatch = QueryStopwatch(embedder)
    searcher = make(stopwatch)
    whole, embedding = list[float](), list[float]()
    for measured in (False, True):
        for question in questions:
            stopwatch.take_s()
            started = time.perf_counter()
            await searcher.search(collection, question, k=k, scope=selection.scope, filters=selection.filters)
            if measured:
                whole.append(time.perf_counter() - started)
                embedding.append(stopwatch.take_s())
    rest = [all_of_it - of_it for all_of_it, of_it in zip(whole, embedding, strict=True)]
    return {
        "whole": percentiles(whole),
        "embedding": percentiles(embedding),
        "search": percentiles(rest),
        "load": round(os.getloadavg()[0], 1),
    }


def where_time_goes(recorded: Sequence[Sequence[Statement]]) -> list[dict[str, Any]]:
    """Median milliseconds of each statement of a search, by its beginning."""
    spent = defaultdict[str, list[float]](list)
    for statements in recorded:
        for statement in statements:
            spent[" ".join(statement.text.split())[:90]].append(statement.seconds)
    return [
        {"statement": text, "calls": len(seconds), "ms": round(1000 * median(seconds), 2)}
        for text, seconds in spent.items()
    ]


async def record(
    make: Callable[[Database], Searcher],
    dsn: str,
    collection: Collection,
    questions: Sequence[str],
    selection: Selection,
    k: int,
) -> list[list[Statement]]:
    """The statements of each question's search, after a warm-up."""
    recorder, recorded = Recorder(), list[list[Statement]]()
    async with RecordingDatabase(dsn, recorder) as database:
        searcher = make(database)
        for warm in (False, True):
            for question in questions:
                recorder.statements.clear()
                await searcher.search(
                    collection, question, k=k, scope=selection.scope, filters=selection.filters
                )
                if warm:
                    recorded.append(list(recorder.statements))
    return recorded


async def measure_throughput(
    search: Callable[[int], Awaitable[object]],
    database: Database,
    recorded: Sequence[Sequence[Statement]],
    pace: Pace,
) -> dict[str, Any]:
    """Searches a second with many clients, and the same statements by psycopg alone; rounds of both in turn."""
    rates: dict[str, list[float]] = {"search": [], "bare": []}
    async with _bare_connections(database) as connections:
        runs = [[(s.text.encode(), s.parameters, s.binary) for s in statements] for statements in recorded]

        async def replay(client: int, number: int) -> None:
            connection = connections[client]
            async with connection.transaction():
                for text, parameters, binary in runs[number % len(runs)]:
                    cursor = await connection.execute(text, parameters, binary=binary)
                    await cursor.fetchall()

        async def ask(_: int, number: int) -> None:
            await search(number % len(runs))

        for work in (ask, replay):
            await _rate(work, pace.warm_up_s)
        for _ in range(pace.rounds):
            rates["search"].append(await _rate(ask, pace.round_s))
            rates["bare"].append(await _rate(replay, pace.round_s))
    ratios = [one / other for one, other in zip(rates["search"], rates["bare"], strict=True)]
    return {
        "clients": CLIENTS,
        "searches_per_s": round(median(rates["search"]), 1),
        "bare_per_s": round(median(rates["bare"]), 1),
        "ratio": round(median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "load": round(os.getloadavg()[0], 1),
    }


@asynccontextmanager
async def _bare_connections(database: Database) -> AsyncIterator[list[Connection]]:
    """Connections without a pool around them, set to snapshots as searches are; rows are tuples."""
    async with AsyncExitStack() as stack:
        held = [await stack.enter_async_context(database.connection()) for _ in range(CLIENTS)]
        for connection in held:
            await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            await connection.set_read_only(True)
            connection.row_factory = tuple_row  # type: ignore[assignment]
        yield held


async def _rate(work: Callable[[int, int], Awaitable[None]], seconds: float) -> float:
    """Pieces of work a second that all clients together get done."""
    done, until = 0, time.perf_counter() + seconds

    async def client(number: int) -> None:
        nonlocal done
        turn = number * 7
        while time.perf_counter() < until:
            await work(number, turn)
            turn += 1
            done += 1

    started = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    return done / (time.perf_counter() - started)
