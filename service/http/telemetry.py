"""What the service tells of itself: Prometheus metrics, in a registry of the app's own."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import TracebackType
from typing import Self

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from ingest.failures import count_failures
from retrieval.collections import find_collection, list_collections
from retrieval.database import Database
from retrieval.errors import DatabaseUnavailableError, FootnoteError
from retrieval.kept import KeptFigures
from retrieval.reconciling import Finding, IndexCounts, check_collection, check_strays
from retrieval.records import Scope
from retrieval.stores import VectorStore
from service.http.patience import Patience
from service.http.recent import Recent

logger = logging.getLogger("footnote.telemetry")

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_FIGURES_MAX_AGE_S = 10.0
_DATABASE_TIMEOUT_S = 5.0
_INSPECTION_EVERY_S = 300.0
# An inspection that took a second is followed by at least so many without one.
_INSPECTION_PAUSE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionSize:
    """How large a collection is."""

    name: str
    documents: int
    chunks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What the doctor's quick look found. `ended_at` is in seconds since 1970.

    failed_files: None where whoever looks may not know of all collections.
    """

    counts: Mapping[str, IndexCounts]
    findings: Sequence[Finding]
    failed_files: int | None
    seconds: float
    ended_at: float

    def of(self, scope: Scope) -> Inspection:
        """What of it is about collections that exist for a caller."""
        if scope.collections is None:
            return self
        return replace(
            self,
            counts={name: counts for name, counts in self.counts.items() if scope.has_collection(name)},
            findings=[
                finding
                for finding in self.findings
                if finding.collection is not None and scope.has_collection(finding.collection)
            ],
            failed_files=None,
        )


class Metrics:
    """Counters and histograms of one app. A label has few values: a route's template, never a path asked for.

    Figures of the index are kept apart: they tell of documents that not everybody may read.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._index = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.caches = CacheFigures()
        self.registry.register(self.caches)
        self._requests = Counter(
            "footnote_requests",
            "Requests answered, by route, method and status.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "footnote_request_seconds",
            "Seconds from a request's arrival to the end of its response.",
            ("route", "method"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._running = Gauge(
            "footnote_requests_running", "Requests being answered now.", registry=self.registry
        )
        self._answers = Counter(
            "footnote_answers",
            "Questions answered, by the answer's status.",
            ("status",),
            registry=self.registry,
        )
        self._dropped = Counter(
            "footnote_unsupported_sentences",
            "Sentences left out of answers because no source supports them.",
            registry=self.registry,
        )
        self._feedback = Counter(
            "footnote_feedback", "What callers thought of answers.", ("rating",), registry=self.registry
        )
        self._database_up = Gauge(
            "footnote_database_up", "Whether the database answered the last scrape.", registry=self.registry
        )
        self._documents = Gauge(
            "footnote_collection_documents",
            "Current documents of a collection.",
            ("collection",),
            registry=self._index,
        )
        self._chunks = Gauge(
            "footnote_collection_chunks", "Chunks of a collection.", ("collection",), registry=self._index
        )

        self._rows = Gauge(
            "footnote_index_rows",
            "Rows of a collection's index, by kind: documents, revisions, places, chunks, vectors, words.",
            ("collection", "kind"),
            registry=self._index,
        )
        self._findings = Gauge(
            "footnote_index_findings",
            "What `footnote doctor` would find wrong with a collection's index, by kind; without what it only notes.",
            ("collection", "kind"),
            registry=self._index,
        )
        self._failed_files = Gauge(
            "footnote_files_failed", "Files that could not be taken in.", registry=self._index
        )
        self._inspected = Gauge(
            "footnote_index_checked_timestamp_seconds",
            "When the rows of the index were last counted and compared.",
            registry=self._index,
        )
        self._inspection_seconds = Gauge(
            "footnote_index_check_seconds", "How long that took.", registry=self._index
        )

    def request_began(self) -> None:
        self._running.inc()

    def request_ended(self, *, route: str, method: str, status: int, seconds: float) -> None:
        method = method if method in _METHODS else "other"
        self._running.dec()
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route, method).observe(seconds)

    def feedback_given(self, rating: str) -> None:
        self._feedback.labels(rating).inc()

    def answered(self, status: str, *, dropped: int) -> None:
        self._answers.labels(status).inc()
        self._dropped.inc(dropped)

    def set_sizes(self, sizes: Sequence[CollectionSize] | None) -> None:
        """Note how large collections are, or, with None, that the database does not answer."""
        self._database_up.set(sizes is not None)
        self._documents.clear()
        self._chunks.clear()
        for size in sizes or ():
            self._documents.labels(size.name).set(size.documents)
            self._chunks.labels(size.name).set(size.chunks)

    def set_inspection(self, inspection: Inspection | None) -> None:
        """Note what the last look at the index found; with None, leave everything as it is."""
        if inspection is None:
            return
        self._rows.clear()
        self._findings.clear()
        for name, counts in inspection.counts.items():
            for kind, number in asdict(counts).items():
                if number is not None:
                    self._rows.labels(name, kind).set(number)
        for finding in inspection.findings:
            if not finding.is_notice:
                self._findings.labels(finding.collection or "", finding.kind).set(finding.count)
        failed = inspection.failed_files
        self._failed_files.set(math.nan if failed is None else failed)
        self._inspected.set(inspection.ended_at)
        self._inspection_seconds.set(inspection.seconds)

    def expose(self, accept: str, *, with_index: bool) -> tuple[bytes, str]:
        """The metrics in the format that fits an Accept header, and its media type."""
        encode, media_type = choose_encoder(accept)
        return encode(_Together(self.registry, self._index) if with_index else self.registry), media_type


class CacheFigures(Collector):
    """What was kept of questions and answers, and how often it was of use; read when somebody scrapes."""

    def __init__(self) -> None:
        self.read: Callable[[], Mapping[str, KeptFigures]] = dict

    def collect(self) -> Iterator[Metric]:
        lookups = CounterMetricFamily(
            "footnote_cache_lookups",
            "Look-ups, by what is kept and outcome: hit, miss, or shared with one who was just having it made.",
            labels=("cache", "outcome"),
        )
        entries = GaugeMetricFamily("footnote_cache_entries", "What is kept now.", labels=("cache",))
        size = GaugeMetricFamily(
            "footnote_cache_bytes", "The memory that it takes, about.", labels=("cache",)
        )
        for name, figures in self.read().items():
            outcomes = {"hit": figures.hits, "miss": figures.misses, "shared": figures.shared}
            for outcome, number in outcomes.items():
                lookups.add_metric((name, outcome), number)
            entries.add_metric((name,), figures.entries)
            size.add_metric((name,), figures.size_bytes)
        yield from (lookups, entries, size)


class _Together(Collector):
    """The metrics of several registries, one after the other."""

    def __init__(self, *registries: CollectorRegistry) -> None:
        self._registries = registries

    def collect(self) -> Iterator[Metric]:
        for registry in self._registries:
            yield from registry.collect()


class Figures:
    """Figures that live in the database, read when somebody scrapes, at most every ten seconds."""

    def __init__(self, database: Database, patience: Patience) -> None:
        self._database = database
        self._patience = patience
        self._sizes = Recent(self._read, max_age_s=_FIGURES_MAX_AGE_S)

    async def sizes(self) -> list[CollectionSize] | None:
        """The size of every collection; None where the database does not answer."""
        return await self._sizes.get()

    async def _read(self) -> list[CollectionSize] | None:
        try:
            rows = await self._patience.wait_for(
                list_collections(self._database), timeout_s=_DATABASE_TIMEOUT_S
            )
        except (TimeoutError, DatabaseUnavailableError) as exc:
            logger.warning("the sizes of collections could not be read: %s", str(exc) or "it took too long")
            return None
        return [
            CollectionSize(name=row["name"], documents=row["documents"], chunks=row["chunks"]) for row in rows
        ]


class IndexWatch:
    """Looks at the index in the background, as `footnote doctor` does but with SQL alone: it reads no text, no vector.

    To be entered with `async with`. It looks when somebody scrapes, at most every five minutes, and spends at most a
    fiftieth of the time on it; a scrape never waits for it.
    """

    def __init__(self, database: Database, store: VectorStore) -> None:
        self._database = database
        self._store = store
        self._last: Inspection | None = None
        self._due = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def latest(self) -> Inspection | None:
        """What the last look found; None before the first has ended. Begins the next one when it is due."""
        is_running = self._task is not None and not self._task.done()
        if not is_running and time.monotonic() >= self._due:
            self._task = asyncio.create_task(self._look())
        return self._last

    async def _look(self) -> None:
        started = time.monotonic()
        try:
            self._last = await self._inspect(started)
        except FootnoteError as exc:
            logger.warning("the index could not be looked at: %s", exc)
        finally:
            ended = time.monotonic()
            self._due = ended + max(_INSPECTION_EVERY_S, _INSPECTION_PAUSE * (ended - started))

    async def _inspect(self, started: float) -> Inspection:
        counts: dict[str, IndexCounts] = {}
        findings = [*await check_strays(self._database)]
        for row in await list_collections(self._database):
            collection = await find_collection(self._database, row["name"])
            state = await check_collection(self._database, self._store, collection, depth="quick")
            counts[collection.name] = state.counts
            findings += state.findings
        return Inspection(
            counts=counts,
            findings=findings,
            failed_files=await count_failures(self._database),
            seconds=time.monotonic() - started,
            ended_at=time.time(),
        )
