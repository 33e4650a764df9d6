"""What the service tells of itself: Prometheus metrics, in a registry of the app's own."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

from retrieval.collections import list_collections
from retrieval.database import Database
from retrieval.errors import DatabaseUnavailableError
from service.http.patience import Patience
from service.http.recent import Recent

logger = logging.getLogger("footnote.telemetry")

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_FIGURES_MAX_AGE_S = 10.0
_DATABASE_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionSize:
    """How large a collection is."""

    name: str
    documents: int
    chunks: int


class Metrics:
    """Counters and histograms of one app. A label has few values: a route's template, never a path asked for."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
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
        self._database_up = Gauge(
            "footnote_database_up", "Whether the database answered the last scrape.", registry=self.registry
        )
        self._documents = Gauge(
            "footnote_collection_documents",
            "Current documents of a collection.",
            ("collection",),
            registry=self.registry,
        )
        self._chunks = Gauge(
            "footnote_collection_chunks", "Chunks of a collection.", ("collection",), registry=self.registry
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

    def set_sizes(self, sizes: Sequence[CollectionSize] | None) -> None:
        """Note how large collections are, or, with None, that the database does not answer."""
        self._database_up.set(sizes is not None)
        self._documents.clear()
        self._chunks.clear()
        for size in sizes or ():
            self._documents.labels(size.name).set(size.documents)
            self._chunks.labels(size.name).set(size.chunks)

    def expose(self, accept: str) -> tuple[bytes, str]:
        """All metrics in the format that fits an Accept header, and its media type."""
        encode, media_type = choose_encoder(accept)
        return encode(self.registry), media_type


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
