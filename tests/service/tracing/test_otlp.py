"""Spans on their way to a receiver."""

from __future__ import annotations

import asyncio

import pytest

from service.observing import Observer
from service.traceparent import TraceContext
from service.tracing import NO_TRACER, TracerSpec, load_tracer
from tests.service.tracing.receiver import otlp_receiver

CALLER = TraceContext(trace_id="0af7651916cd43dd8448eb211c80319c", span_id="b7ad6b7169203331", sampled=True)


async def test_a_request_and_its_stages_are_spans_of_the_callers_trace() -> None:
    async with otlp_receiver() as received:
        tracer = load_tracer(TracerSpec(otlp_endpoint=received.endpoint, service_name="reading-room"))
        observer = Observer(tracer=tracer)
        with observer.request("POST", parent=CALLER) as record:
            record.span.rename("POST /v1/ask")
            with observer.stage("embed"):
                pass
            with pytest.raises(ValueError, match="secret"), observer.stage("evidence"):
                raise ValueError("a secret of a document")
        await asyncio.to_thread(tracer.close)
        spans = {span.name: span for span in received.spans()}
        assert {*spans} == {"POST /v1/ask", "embed", "evidence"}
        request = spans["POST /v1/ask"]
        assert {span.trace_id.hex() for span in spans.values()} == {CALLER.trace_id}
        assert request.parent_span_id.hex() == CALLER.span_id
        assert spans["embed"].parent_span_id == spans["evidence"].parent_span_id == request.span_id
        assert [attribute.key for attribute in spans["evidence"].attributes] == ["error.type"]
        assert received.services() == {"reading-room"}
        assert {*received.paths} == {"/v1/traces"}
        assert not any(b"secret" in body for body in received.bodies)


async def test_a_trace_that_its_caller_does_not_record_is_not_sent_nor_are_more_than_the_share_asked_for() -> (
    None
):
    unsampled = TraceContext(trace_id=CALLER.trace_id, span_id=CALLER.span_id, sampled=False)
    async with otlp_receiver() as received:
        tracer = load_tracer(TracerSpec(otlp_endpoint=received.endpoint, sample_ratio=0.0))
        observer = Observer(tracer=tracer)
        for parent in (None, unsampled, CALLER):
            with observer.request("GET", parent=parent):
                pass
        await asyncio.to_thread(tracer.close)
        assert [span.trace_id.hex() for span in received.spans()] == [CALLER.trace_id]


async def test_a_receiver_that_is_away_costs_no_request_anything() -> None:
    tracer = load_tracer(TracerSpec(otlp_endpoint="http://127.0.0.1:9/v1/traces"))
    observer = Observer(tracer=tracer)
    with observer.request("GET") as record:
        assert len(record.trace_id) == 32
    closing = asyncio.create_task(asyncio.to_thread(tracer.close))
    await asyncio.wait_for(closing, timeout=30)


def test_without_an_endpoint_nothing_is_sent_and_requests_have_ids_all_the_same() -> None:
    assert load_tracer(TracerSpec()) is NO_TRACER
    with Observer().request("GET") as one, Observer().request("GET", parent=CALLER) as other:
        assert len(one.trace_id) == 32
        assert other.trace_id == CALLER.trace_id
