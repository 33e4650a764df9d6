"""A second opinion on sentences that the support check is in doubt about: that of the language model. Off by default.

The model's word moves the odds of `support` as that of a judge who is right four times in five would, by Bayes' rule.
So it can decide what is doubtful, and nothing else: where a source clashes with a sentence, or the check is sure, it is
not asked. `footnote eval support` tells whether a model's word is worth anything (docs/support.md).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from generation.answers import NO_USAGE
from generation.errors import LLMError
from generation.llms import LLM, TextDelta, Usage
from generation.prompt import build_judge_prompt
from retrieval.records import Passage

_log = logging.getLogger(__name__)

_MAX_TOKENS = 200
"""Of a reply: one word, after what a model may think aloud."""

_THOUGHTS = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgePolicy:
    """doubtful: between which scores the model is asked. odds: what its word multiplies the odds by."""

    doubtful: tuple[float, float] = (0.2, 0.8)
    odds: float = 4.0
    timeout_s: float = 10.0


class Judge(Protocol):
    """Gives a second opinion."""

    async def weigh(self, claim: str, passages: Sequence[Passage], support: float) -> float:
        """The support (0..1) of a claim by passages, where it was `support` before."""
        ...


class LLMJudge:
    """Asks a language model, which must be one that may read the passages, and adds up what that costs.

    A model that fails, or replies neither yes nor no, leaves the score as it is; that is logged.
    """

    def __init__(self, llm: LLM, policy: JudgePolicy) -> None:
        self._llm = llm
        self._policy = policy
        self.usage = NO_USAGE

    async def weigh(self, claim: str, passages: Sequence[Passage], support: float) -> float:
        low, high = self._policy.doubtful
        if not low <= support <= high:
            return support
        states = await self._ask(claim, passages)
        if states is None:
            return support
        odds = support / (1 - support) * (self._policy.odds if states else 1 / self._policy.odds)
        return odds / (1 + odds)

    async def _ask(self, claim: str, passages: Sequence[Passage]) -> bool | None:
        try:
            async with asyncio.timeout(self._policy.timeout_s):
                reply = await self._reply(claim, passages)
        except TimeoutError:
            _log.warning(
                "the judge %r took longer than %g s for a sentence", self._llm.model, self._policy.timeout_s
            )
            return None
        except LLMError as exc:
            _log.warning("the judge %r gave no opinion on a sentence: %s", self._llm.model, exc)
            return None
        word = _WORD.search(_THOUGHTS.sub("", reply.lower()))
        if word is None or word[0] not in ("yes", "no"):
            _log.warning("the judge %r replied neither yes nor no on a sentence", self._llm.model)
            return None
        return word[0] == "yes"

    async def _reply(self, claim: str, passages: Sequence[Passage]) -> str:
        text = ""
        async with aclosing(
            self._llm.stream(build_judge_prompt(claim, passages), max_tokens=_MAX_TOKENS)
        ) as stream:
            async for event in stream:
                match event:
                    case TextDelta(text=delta):
                        text += delta
                    case Usage():
                        self.usage = added(self.usage, event)
        return text


def added(one: Usage, other: Usage) -> Usage:
    """What both cost together; all else as in `one`."""
    return Usage(
        prompt_tokens=one.prompt_tokens + other.prompt_tokens,
        completion_tokens=one.completion_tokens + other.completion_tokens,
        estimated=one.estimated or other.estimated,
        cut=one.cut,
        model=one.model,
    )
