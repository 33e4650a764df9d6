"""What the routes work with, and how they get at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from service.http.broadcasts import Broadcasts
from service.http.metrics.counters import Metrics
from service.http.metrics.figures import Figures
from service.http.metrics.watch import IndexWatch
from service.http.patience import Patience
from service.http.readiness import ReadinessCheck
from service.wiring import Footnote


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The built service and what watches over it, for as long as the app runs."""

    footnote: Footnote
    metrics: Metrics
    figures: Figures
    watch: IndexWatch
    readiness: ReadinessCheck
    broadcasts: Broadcasts
    patience: Patience
    version: str


def parts_of(request: Request) -> Parts:
    """The parts of the app that a request came to; set by the app's lifespan."""
    parts: Parts = request.app.state.parts
    return parts


PartsOf = Annotated[Parts, Depends(parts_of)]
