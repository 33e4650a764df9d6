"""Traces: a span for every request and for every stage of it. A family: without an endpoint nothing is sent anywhere.

What a span says is bounded: names of routes and stages, statuses, times. No question, no document's text, no key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from retrieval.errors import ExtraMissingError
from service.traceparent import TraceContext, child_of

SpanKind = Literal["server", "internal"]
AttributeValue = str | int | float | bool


class Span(Protocol):
    """Something that takes time, in a trace."""

    @property
    def context(self) -> TraceContext: ...

    def rename(self, name: str) -> None: ...

    def note(self, name: str, value: AttributeValue) -> None:
        """Say something of it: never text of a caller's or of a document's."""
        ...

    def end(self, *, error: str | None = None) -> None:
        """`error`: the kind of error that it ended with."""
        ...


class Tracer(Protocol):
    """Makes spans. Safe to use from many tasks at once; it never waits for a network."""

    def start(self, name: str, *, parent: TraceContext | None, kind: SpanKind) -> Span: ...

    def close(self) -> None:
        """Send what is left, within a few seconds. It blocks."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TracerSpec:
    """Where spans are sent.

    otlp_endpoint: an OTLP receiver over HTTP (`http://collector:4318`); None sends nothing.
    sample_ratio: of traces that begin here; of those that a caller began, the caller has decided.
    """

    otlp_endpoint: str | None = None
    service_name: str = "footnote"
    service_version: str = ""
    sample_ratio: float = 1.0


@dataclass(frozen=True, slots=True)
class _UnsentSpan:
    context: TraceContext

    def rename(self, name: str) -> None:
        """Nobody sees its name."""

    def note(self, name: str, value: AttributeValue) -> None:
        """Nobody sees it."""

    def end(self, *, error: str | None = None) -> None:
        """Nobody waits for it."""


class _NoTracer:
    """Gives spans their ids, so that log lines and problems name the caller's trace, and sends nothing."""

    def start(self, name: str, *, parent: TraceContext | None, kind: SpanKind) -> Span:
        return _UnsentSpan(child_of(parent))

    def close(self) -> None:
        """There is nothing to send."""


NO_TRACER: Tracer = _NoTracer()


def load_tracer(spec: TracerSpec) -> Tracer:
    """The tracer of `spec`. Raises `ExtraMissingError`."""
    if spec.otlp_endpoint is None:
        return NO_TRACER
    try:
        from service.tracing.otlp import OtlpTracer
    except ModuleNotFoundError as exc:
        if (exc.name or "").split(".")[0] != "opentelemetry":
            raise
        raise ExtraMissingError("otel", "telemetry.otlp_endpoint") from exc
    return OtlpTracer(spec)
