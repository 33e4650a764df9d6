"""What is observed of a request: every stage once, for all who want to know."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from generation.llms import Usage
from service.observing import RECORD, Observer, current_trace_id
from service.traceparent import TraceContext


@dataclass
class Told:
    """A `Figures` that remembers."""

    stages: list[tuple[str, bool]] = field(default_factory=list)
    tokens: list[tuple[str, int, int]] = field(default_factory=list)
    money: list[tuple[str, float]] = field(default_factory=list)

    def stage_ended(self, name: str, *, seconds: float, failed: bool) -> None:
        assert seconds >= 0
        self.stages.append((name, failed))

    def tokens_spent(self, model: str, *, prompt: int, completion: int) -> None:
        self.tokens.append((model, prompt, completion))

    def money_spent(self, model: str, amount: float) -> None:
        self.money.append((model, amount))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def observer(told: Told) -> Observer:
    observer = Observer()
    observer.figures = told
    return observer


def test_what_costs_something_is_told_as_money(observer: Observer, told: Told) -> None:
    observer.paid("large", Decimal("0.25"))
    observer.paid("small", Decimal(0))
    assert told.money == [("large", 0.25)]


def test_stages_of_a_request_are_summed_and_its_trace_is_the_callers(observer: Observer, told: Told) -> None:
    caller = TraceContext(trace_id="a" * 32, span_id="b" * 16, sampled=False)
    assert current_trace_id() is None
    with observer.request("POST", parent=caller) as record:
        for _ in range(3):
            with observer.stage("support"):
                pass
        assert current_trace_id() == "a" * 32
    assert current_trace_id() is None
    assert [*record.stage_seconds] == ["support"]
    assert told.stages == [("support", False)] * 3


def test_a_stage_fails_by_errors_but_not_by_leaving(observer: Observer, told: Told) -> None:
    for error, failed in ((ValueError, True), (asyncio.CancelledError, False), (GeneratorExit, False)):
        with pytest.raises(error), observer.stage("embed"):
            raise error
        assert told.stages.pop() == ("embed", failed)


async def test_what_tasks_of_a_request_do_is_noted_for_that_request(observer: Observer) -> None:
    async def work() -> None:
        with observer.stage("evidence"):
            await asyncio.sleep(0)

    async def request(name: str) -> tuple[list[str], str]:
        with observer.request(name) as record:
            await asyncio.create_task(work())
            assert RECORD.get() is record
            return [*record.stage_seconds], record.trace_id

    (first, one), (second, other) = await asyncio.gather(request("a"), request("b"))
    assert first == second == ["evidence"]
    assert one != other


async def test_a_stage_may_be_held_over_a_yield_and_left_from_another_task(
    observer: Observer, told: Told
) -> None:
    async def stages() -> AsyncGenerator[int, None]:
        with observer.stage("answer"):
            yield 1
            yield 2

    stream = stages()

    async def begin() -> int:
        return await anext(stream)

    async def leave() -> None:
        await stream.aclose()

    with observer.request("POST"):
        assert await asyncio.create_task(begin()) == 1
        await asyncio.create_task(leave())
    assert told.stages == [("answer", False)]


def test_tokens_are_told_by_the_model_that_took_them(observer: Observer, told: Told) -> None:
    observer.spent(Usage(prompt_tokens=3, completion_tokens=2, estimated=False), model="asked")
    observer.spent(Usage(prompt_tokens=1, completion_tokens=0, estimated=False, model="said"), model="asked")
    observer.spent(Usage(prompt_tokens=0, completion_tokens=0, estimated=False), model="none")
    assert told.tokens == [("asked", 3, 2), ("said", 1, 0)]
