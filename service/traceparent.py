"""W3C Trace Context: the header `traceparent`, by which a caller says to which trace its request belongs.

https://www.w3.org/TR/trace-context/ . `tracestate` is other vendors' business and is not read.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

HEADER = "traceparent"

_FORM = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<rest>-.*)?",
    re.ASCII | re.DOTALL,
)
_SAMPLED = 0x01
_LONGEST = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceContext:
    """Where a span is: the ids of its trace and its own in lower-case hexadecimal, and whether it is recorded."""

    trace_id: str
    span_id: str
    sampled: bool

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{_SAMPLED if self.sampled else 0:02x}"


def read_traceparent(header: str) -> TraceContext | None:
    """What a header says; None where it is not one, as the standard has it: the trace then begins here."""
    found = _FORM.fullmatch(header.strip()) if len(header) <= _LONGEST else None
    if found is None or found["version"] == "ff" or (found["version"] == "00" and found["rest"]):
        return None
    if not int(found["trace"], 16) or not int(found["span"], 16):
        return None
    return TraceContext(
        trace_id=found["trace"], span_id=found["span"], sampled=bool(int(found["flags"], 16) & _SAMPLED)
    )


def child_of(parent: TraceContext | None) -> TraceContext:
    """A new span's place: in its parent's trace, or in a new one, which nobody records."""
    return TraceContext(
        trace_id=secrets.token_hex(16) if parent is None else parent.trace_id,
        span_id=secrets.token_hex(8),
        sampled=parent is not None and parent.sampled,
    )
