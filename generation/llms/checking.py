"""What a configured language model can do, found out by using it. Two short requests, which hold no document's text."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from generation.errors import LLMError, LLMResponseError
from generation.llms import LLM, LLMSpec, Message, TextDelta, Usage, load_llm
from generation.llms.offers import OfferedModel, offered_models, running_requests
from generation.tokens import approximate_tokens

_MESSAGES = (
    Message(role="system", content="You follow instructions to the letter."),
    Message(role="user", content="Write the numbers from one to two hundred in words, separated by commas."),
)
_MAX_TOKENS = 64
_MAX_TOKENS_OF_THINKERS = 600
_LONG = 1_500
"""Tokens of the answer that is left early: longer than a server needs to notice that."""

_LOOKS = 20
_BETWEEN_LOOKS_S = 0.25
"""How often, and how far apart, the server is looked at before it counts as not having noticed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LLMCheck:
    """What was found out; None where the server does not tell, or it did not come to that.

    error: why the model cannot be used; None where it can.
    listed, context_tokens: whether its server lists the model, and what context it says the model has.
    streams: whether the answer came in pieces. keeps_limit: whether it ended at `max_tokens`.
    reports_usage, counts_tokens: whether the server tells the tokens of an answer, and of a text.
    stops_when_left: whether the server stopped working when the reader had gone.
    """

    error: str | None = None
    models: tuple[str, ...] | None = None
    listed: bool | None = None
    context_tokens: int | None = None
    streams: bool | None = None
    reports_usage: bool | None = None
    keeps_limit: bool | None = None
    counts_tokens: bool | None = None
    stops_when_left: bool | None = None
    first_token_s: float | None = None
    tokens_per_s: float | None = None

    @property
    def usable(self) -> bool:
        return self.error is None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """One answer, and when its pieces came: seconds after it was asked for."""

    text: str
    moments: tuple[float, ...]
    usage: Usage
    max_tokens: int


async def check_llm(spec: LLMSpec) -> LLMCheck:
    """Find out what the model that `spec` names can do. Raises `ConfigurationError` and `ExtraMissingError` alone."""
    llm = load_llm(spec)
    found = LLMCheck()
    try:
        found = _listed(await offered_models(spec), spec)
        heard = await _hear(llm)
        found = _measured(heard, found)
        counts = await llm.count_tokens([message.content for message in _MESSAGES])
        return replace(
            found, counts_tokens=counts is not None, stops_when_left=await _stops_when_left(llm, spec)
        )
    except LLMError as error:
        return replace(found, error=str(error))
    finally:
        await llm.close()


def _listed(offered: Sequence[OfferedModel] | None, spec: LLMSpec) -> LLMCheck:
    if offered is None:
        return LLMCheck()
    same = [model for model in offered if model.name == spec.model]
    return LLMCheck(
        models=tuple(model.name for model in offered),
        listed=bool(same),
        context_tokens=same[0].context_tokens if same else None,
    )


def _measured(heard: _Heard, found: LLMCheck) -> LLMCheck:
    tokens = approximate_tokens(heard.text) if heard.usage.estimated else heard.usage.completion_tokens
    seconds = heard.moments[-1] - heard.moments[0]
    return replace(
        found,
        streams=len(heard.moments) > 1,
        reports_usage=not heard.usage.estimated,
        keeps_limit=None if heard.usage.estimated else tokens <= heard.max_tokens,
        first_token_s=heard.moments[0],
        tokens_per_s=(tokens - 1) / seconds if seconds > 0 and tokens > 1 else None,
    )


async def _hear(llm: LLM) -> _Heard:
    """A short answer; one at length from a model that thinks before it speaks."""
    try:
        return await _hear_at_most(llm, _MAX_TOKENS)
    except LLMResponseError:
        return await _hear_at_most(llm, _MAX_TOKENS_OF_THINKERS)


async def _hear_at_most(llm: LLM, max_tokens: int) -> _Heard:
    begun = time.monotonic()
    text, moments = "", []
    async with aclosing(llm.stream(_MESSAGES, max_tokens=max_tokens)) as events:
        async for event in events:
            match event:
                case TextDelta(text=piece):
                    text += piece
                    moments.append(time.monotonic() - begun)
                case Usage():
                    return _Heard(text=text, moments=tuple(moments), usage=event, max_tokens=max_tokens)
    raise AssertionError("a stream ends with its usage")


async def _stops_when_left(llm: LLM, spec: LLMSpec) -> bool | None:
    """Leave a long answer at its first piece, and look whether the server goes on with it."""
    before = await running_requests(spec)
    async with aclosing(llm.stream(_MESSAGES, max_tokens=_LONG)) as events:
        await anext(events)
        during = await running_requests(spec)
    if before is None or during is None or during <= before:
        return None
    for _ in range(_LOOKS):
        now = await running_requests(spec)
        if now is not None and now <= before:
            return True
        await asyncio.sleep(_BETWEEN_LOOKS_S)
    return False
