"""Counters, gauges and histograms of one app. docs/operations.md says of each what it tells."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

from retrieval.reconciling import Finding, IndexCounts
from retrieval.records import Scope
from service.http.metrics.backlog import Backlog
from service.http.metrics.collectors import CacheFigures, QueueFigures, Together
from service.http.metrics.stages import StageFigures

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionSize:
    """How large a collection is."""

    name: str
    documents: int
    chunks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """How fresh a source is. Times are in seconds since 1970: when it was last gone through, and when it is due."""

    source: str
    collection: str
    refreshed_at: float | None
    due_at: float | None
    failed: bool


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
        self.queues = QueueFigures()
        self.registry.register(self.queues)
        self.backlog = Backlog(self.registry)
        self.stages = StageFigures(self.registry)
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
        self._refreshed = Gauge(
            "footnote_source_refreshed_timestamp_seconds",
            "When a source was last gone through to its end, by its id.",
            ("collection", "source"),
            registry=self._index,
        )
        self._overdue = Gauge(
            "footnote_source_overdue_seconds",
            "For how long a source with a schedule has been due; 0 where it is not.",
            ("collection", "source"),
            registry=self._index,
        )
        self._failing = Gauge(
            "footnote_source_failing",
            "Whether a source's last run ended with an error.",
            ("collection", "source"),
            registry=self._index,
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

    def answered(self, status: str, *, dropped: int) -> None:
        self._answers.labels(status).inc()
        self._dropped.inc(dropped)

    def feedback_given(self, rating: str) -> None:
        self._feedback.labels(rating).inc()

    def set_sizes(self, sizes: Sequence[CollectionSize] | None) -> None:
        """Note how large collections are, or, with None, that the database does not answer."""
        self._database_up.set(sizes is not None)
        self._documents.clear()
        self._chunks.clear()
        for size in sizes or ():
            self._documents.labels(size.name).set(size.documents)
            self._chunks.labels(size.name).set(size.chunks)

    def set_sources(self, sources: Sequence[SourceState] | None) -> None:
        """Note how fresh sources are, or, with None, that it is not known."""
        for gauge in (self._refreshed, self._overdue, self._failing):
            gauge.clear()
        now = time.time()
        for state in sources or ():
            labels = (state.collection, state.source)
            if state.refreshed_at is not None:
                self._refreshed.labels(*labels).set(state.refreshed_at)
            if state.due_at is not None:
                self._overdue.labels(*labels).set(max(0.0, now - state.due_at))
            self._failing.labels(*labels).set(state.failed)

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
        return encode(Together(self.registry, self._index) if with_index else self.registry), media_type
