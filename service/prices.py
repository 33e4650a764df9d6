"""What answers cost: prices of models, and the most that an answer may come to before it is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from generation.answers import AnswerPolicy
from generation.llms import Usage
from generation.rewriting import Turn
from generation.tokens import approximate_tokens

_MILLION = Decimal(1_000_000)
_INSTRUCTIONS_TOKENS = 600
"""Of a prompt beside question, conversation and passages: what the model is told to do, numbers and fences."""
_REWRITING_TOKENS = 1_000
"""Of finding other words for a question, beside the question and the conversation: instructions and reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """In one currency, whichever it is, for a million tokens."""

    prompt: Decimal
    completion: Decimal

    def of(self, usage: Usage) -> Decimal:
        spent = usage.prompt_tokens * self.prompt + usage.completion_tokens * self.completion
        return spent / _MILLION


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Tokens, and what they are worth."""

    tokens: int = 0
    money: Decimal = Decimal(0)


NOTHING = Cost()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """By the name of the model; one that is not among them costs nothing."""

    by_model: Mapping[str, Price] = field(default_factory=dict)

    def of(self, usages: Sequence[Usage], *, model: str) -> Cost:
        """What was used came to. `model` is the one that is meant where a usage does not name one."""
        return Cost(
            tokens=sum(usage.prompt_tokens + usage.completion_tokens for usage in usages),
            money=sum((self._of(usage, usage.model or model) for usage in usages), Decimal(0)),
        )

    def most(self, usage: Usage, models: Sequence[str]) -> Cost:
        """What a usage may come to where any of these models may be the one that answers."""
        return Cost(
            tokens=usage.prompt_tokens + usage.completion_tokens,
            money=max((self._of(usage, model) for model in models), default=Decimal(0)),
        )

    def _of(self, usage: Usage, model: str) -> Decimal:
        price = self.by_model.get(model)
        return Decimal(0) if price is None else price.of(usage)


_JUDGED, _JUDGED_TOKENS = 10, 200
"""Second opinions that are reckoned with, few sentences being doubtful, and the tokens of each beside its passages."""


def most_used(question: str, turns: Sequence[Turn], policy: AnswerPolicy, *, rewrites: bool) -> Usage:
    """The most tokens that an answer may take, counted on the high side; second opinions as many as are likely."""
    asked = approximate_tokens(question) + sum(
        approximate_tokens(turn.question) + approximate_tokens(turn.answer) for turn in turns
    )
    prompt = _INSTRUCTIONS_TOKENS + policy.context_tokens + asked
    if rewrites or turns:
        prompt += asked + _REWRITING_TOKENS
    completion = policy.max_answer_tokens
    if policy.judge:
        prompt += _JUDGED * (policy.context_tokens + _JUDGED_TOKENS)
        completion += _JUDGED * _JUDGED_TOKENS
    return Usage(prompt_tokens=prompt, completion_tokens=completion, estimated=True)
