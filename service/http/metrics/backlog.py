"""What workers have to do: jobs, webhooks and refreshes that wait, of the whole installation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Gauge


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How much there is to do in a queue: answers, deliveries or refreshes.

    waiting: its time has come and nobody is at it. later: its time is to come, by schedule or after a failure.
    oldest_s: for how many seconds the first of what waits has waited; 0 where nothing does.
    """

    queue: str
    waiting: int
    running: int
    later: int
    oldest_s: float


class Backlog:
    """Gauges of what workers have to do."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._depth = Gauge(
            "footnote_work",
            "What workers have to do, by queue and status: waiting, running, or later.",
            ("queue", "status"),
            registry=registry,
        )
        self._oldest = Gauge(
            "footnote_work_oldest_seconds",
            "For how long the first of what waits in a queue has waited; 0 where nothing does.",
            ("queue",),
            registry=registry,
        )

    def set(self, depths: Sequence[Depth] | None) -> None:
        """Note how much there is, or, with None, that it is not known."""
        self._depth.clear()
        self._oldest.clear()
        for depth in depths or ():
            shares = {"waiting": depth.waiting, "running": depth.running, "later": depth.later}
            for status, number in shares.items():
                self._depth.labels(depth.queue, status).set(number)
            self._oldest.labels(depth.queue).set(depth.oldest_s)
