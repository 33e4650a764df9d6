"""Spans sent by OpenTelemetry's SDK to an OTLP receiver over HTTP, in the background, in batches.

A receiver that is away costs spans, never requests. Headers that it wants (a vendor's key) are given as the SDK takes
them: OTEL_EXPORTER_OTLP_HEADERS.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    format_span_id,
    format_trace_id,
    set_span_in_context,
)
from opentelemetry.trace import Span as SdkSpan

from service.traceparent import TraceContext
from service.tracing import AttributeValue, Span, TracerSpec
from service.tracing import SpanKind as Kind

_KINDS = {"server": SpanKind.SERVER, "internal": SpanKind.INTERNAL}
_SEND_TIMEOUT_S = 5.0


class OtlpTracer:
    """Owns the SDK's thread; to be closed."""

    def __init__(self, spec: TracerSpec) -> None:
        assert spec.otlp_endpoint is not None, "without an endpoint there is nothing to trace for"
        resource = Resource.create(
            {"service.name": spec.service_name, "service.version": spec.service_version}
        )
        self._provider = TracerProvider(
            resource=resource,
            sampler=ParentBased(TraceIdRatioBased(spec.sample_ratio)),
            shutdown_on_exit=False,
        )
        exporter = OTLPSpanExporter(endpoint=_traces_at(spec.otlp_endpoint), timeout=_SEND_TIMEOUT_S)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("footnote", spec.service_version)

    def start(self, name: str, *, parent: TraceContext | None, kind: Kind) -> Span:
        # A context of its own: the SDK's "current" span would be that of whichever task came last.
        return _OtlpSpan(self._tracer.start_span(name, context=_below(parent), kind=_KINDS[kind]))

    def close(self) -> None:
        self._provider.shutdown()


class _OtlpSpan:
    def __init__(self, span: SdkSpan) -> None:
        self._span = span

    @property
    def context(self) -> TraceContext:
        context = self._span.get_span_context()
        return TraceContext(
            trace_id=format_trace_id(context.trace_id),
            span_id=format_span_id(context.span_id),
            sampled=context.trace_flags.sampled,
        )

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def note(self, name: str, value: AttributeValue) -> None:
        self._span.set_attribute(name, value)

    def end(self, *, error: str | None = None) -> None:
        if error is not None:
            # The kind alone: an error's message may name documents.
            self._span.set_attribute("error.type", error)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


def _below(parent: TraceContext | None) -> Context:
    if parent is None:
        return Context()
    context = SpanContext(
        trace_id=int(parent.trace_id, 16),
        span_id=int(parent.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if parent.sampled else TraceFlags.DEFAULT),
    )
    return set_span_in_context(NonRecordingSpan(context), Context())


def _traces_at(endpoint: str) -> str:
    """The address for traces; where only a server is named, at the place that OTLP has for them."""
    return endpoint if urlsplit(endpoint).path.strip("/") else f"{endpoint.rstrip('/')}/v1/traces"
