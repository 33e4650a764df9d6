"""Metrics that are read where they stand, when somebody scrapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from retrieval.kept import KeptFigures


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


class Together(Collector):
    """The metrics of several registries, one after the other."""

    def __init__(self, *registries: CollectorRegistry) -> None:
        self._registries = registries

    def collect(self) -> Iterator[Metric]:
        for registry in self._registries:
            yield from registry.collect()


class QueueFigures(Collector):
    """What waits for the models, and how many answers are being told."""

    def __init__(self) -> None:
        self.read: Callable[[], Mapping[str, int]] = dict

    def collect(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily(
            "footnote_queue_waiting",
            "What waits: questions and documents to be embedded, pairs to be scored or read for support; and answers "
            "that are being streamed.",
            labels=("queue",),
        )
        for name, number in self.read().items():
            waiting.add_metric((name,), number)
        yield waiting
