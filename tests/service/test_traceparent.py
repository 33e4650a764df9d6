"""The header `traceparent`, as the standard has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.traceparent import TraceContext, child_of, read_traceparent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(("flags", "sampled"), [("01", True), ("00", False), ("03", True), ("fe", False)])
def test_a_callers_header_is_read(flags: str, sampled: bool) -> None:
    assert read_traceparent(f"00-{TRACE}-{SPAN}-{flags}") == TraceContext(
        trace_id=TRACE, span_id=SPAN, sampled=sampled
    )


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    read = read_traceparent(f"cc-{TRACE}-{SPAN}-01-what-the-future-will-bring")
    assert read is not None
    assert read.trace_id == TRACE


@pytest.mark.parametrize(
    "header",
    [
        "",
        TRACE,
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01\nforged",
        f"cc-{TRACE}-{SPAN}-01-{'x' * 600}",
    ],
)
def test_what_is_no_header_begins_a_trace_of_its_own(header: str) -> None:
    assert read_traceparent(header) is None


@given(st.text(max_size=80))
def test_no_header_whatever_breaks_the_reading(header: str) -> None:
    read = read_traceparent(header)
    assert read is None or read_traceparent(read.traceparent) == read


def test_a_child_stays_in_its_parents_trace() -> None:
    parent = TraceContext(trace_id=TRACE, span_id=SPAN, sampled=True)
    child = child_of(parent)
    assert (child.trace_id, child.sampled) == (TRACE, True)
    assert child.span_id != SPAN
    assert read_traceparent(child.traceparent) == child
    assert child_of(None).trace_id != child_of(None).trace_id
