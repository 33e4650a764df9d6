"""What is observed of requests: each stage measured once, for metrics, traces and the request's log line alike."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from generation.llms import Usage
from retrieval.stages import StageName
from service.traceparent import TraceContext
from service.tracing import NO_TRACER, Span, Tracer


@dataclass(slots=True, kw_only=True)
class RequestRecord:
    """What was seen of one request so far. `stage_seconds`: sums, as stages may be gone through several times.

    error: what went wrong with it, in a word, where something did.
    is_traced: whether anybody else knows of its trace: the caller, or where spans are sent.
    """

    span: Span
    is_traced: bool = True
    error: str | None = None
    stage_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def trace_id(self) -> str:
        return self.span.context.trace_id


RECORD: ContextVar[RequestRecord | None] = ContextVar("request_record", default=None)
"""Of the request that is worked for. Tasks that a request starts work for it: they inherit the variable."""


def current_trace_id() -> str | None:
    """The id of the trace that the current request belongs to; None outside of requests, and where nobody traces."""
    record = RECORD.get()
    return record.trace_id if record is not None and record.is_traced else None


class Figures(Protocol):
    """Who counts what is observed."""

    def stage_ended(self, name: str, *, seconds: float, failed: bool) -> None: ...

    def tokens_spent(self, model: str, *, prompt: int, completion: int) -> None: ...

    def money_spent(self, model: str, amount: float) -> None: ...


class Observer:
    """The `Stages` of a service (`retrieval.stages`), and where language models' tokens are reported."""

    def __init__(self, *, tracer: Tracer = NO_TRACER) -> None:
        self.tracer = tracer
        self.figures: Figures | None = None

    @contextmanager
    def request(self, name: str, *, parent: TraceContext | None = None) -> Iterator[RequestRecord]:
        """What a request, or a job, is worked for in: its stages are noted there. Never over a generator's `yield`."""
        record = RequestRecord(
            span=self.tracer.start(name, parent=parent, kind="server"),
            is_traced=parent is not None or self.tracer is not NO_TRACER,
        )
        token = RECORD.set(record)
        try:
            yield record
        finally:
            RECORD.reset(token)
            record.span.end(error=record.error)

    @contextmanager
    def stage(self, name: StageName) -> Iterator[None]:
        """Measure a stage. Whoever leaves in the middle, or is cancelled, ends a stage, but it did not fail.

        It sets nothing that has to be taken back, so that it may be held over a generator's `yield`.
        """
        record = RECORD.get()
        # What is done for no request (a look at whether models work) begins no trace.
        span = (
            None if record is None else self.tracer.start(name, parent=record.span.context, kind="internal")
        )
        started = time.perf_counter()
        error: str | None = None
        try:
            yield
        except (GeneratorExit, asyncio.CancelledError):
            raise
        except BaseException as exc:
            error = type(exc).__name__
            raise
        finally:
            seconds = time.perf_counter() - started
            if record is not None and span is not None:
                span.end(error=error)
                record.stage_seconds[name] = record.stage_seconds.get(name, 0.0) + seconds
            if self.figures is not None:
                self.figures.stage_ended(name, seconds=seconds, failed=error is not None)

    def spent(self, usage: Usage, *, model: str) -> None:
        """Report what a language model took; `model` where it does not say itself which it is."""
        if self.figures is not None and (usage.prompt_tokens or usage.completion_tokens):
            self.figures.tokens_spent(
                usage.model or model, prompt=usage.prompt_tokens, completion=usage.completion_tokens
            )

    def paid(self, model: str, amount: Decimal) -> None:
        """Report what tokens of a language model cost."""
        if self.figures is not None and amount:
            self.figures.money_spent(model, float(amount))
