"""What the routes work with, and how they get at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.types import ASGIApp

from service.auditing import Audit
from service.footnote import Footnote
from service.http.broadcasts import Broadcasts
from service.http.crowd import Crowd
from service.http.metrics.counters import Metrics
from service.http.metrics.figures import Figures
from service.http.metrics.watch import IndexWatch
from service.http.patience import Patience
from service.http.readiness import ReadinessCheck
from service.pictures import Pictures
from service.sessions import OneTimeLink
from service.tokens import Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The built service and what watches over it, for as long as the app runs.

    tokens: of an outside issuer, where one is configured. link: the one-time link of a loopback service.
    """

    footnote: Footnote
    audit: Audit
    tokens: Tokens | None
    link: OneTimeLink | None
    metrics: Metrics
    figures: Figures
    watch: IndexWatch
    readiness: ReadinessCheck
    broadcasts: Broadcasts
    mcp: ASGIApp
    crowd: Crowd
    patience: Patience
    pictures: Pictures
    version: str


def parts_of(request: Request) -> Parts:
    """The parts of the app that a request came to; set by the app's lifespan."""
    parts: Parts = request.app.state.parts
    return parts


PartsOf = Annotated[Parts, Depends(parts_of)]
