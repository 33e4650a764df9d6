"""The words that a search is made with: a follow-up made to stand alone, a question put into other words.

Both take the language model; what comes of them is said beside the result (`Rewriting.as_json`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from generation.answers import Rewriting
from generation.llms import LLM
from generation.rewriting import RewriteMethod, RewritePolicy, Turn, reword, stand_alone
from retrieval.queries import SearchQueries

_NO_MODEL = "There is no language model to make the follow-up stand alone: it was taken as it is."


async def find_words(
    question: str,
    turns: Sequence[Turn],
    method: RewriteMethod | None,
    *,
    llm: LLM | None,
    allow_outside: bool,
    policy: RewritePolicy,
) -> Rewriting | None:
    """What to search for instead of the question, or None where it is to be searched for as it was asked.

    A follow-up that could not be made to stand alone is not put into other words either: they would be those of half a
    question. Raises `OutsideNotAllowedError` where turns would go to a model outside that must not have them.
    """
    alone = await _without_turns(question, turns, llm=llm, allow_outside=allow_outside, policy=policy)
    if (
        method is None
        or llm is None
        or (alone is not None and alone.outcome not in {"rewritten", "unchanged"})
    ):
        return alone
    asked = question if alone is None else alone.queries.question
    reworded = await reword(asked, method, llm=llm, allow_outside=allow_outside, policy=policy)
    return reworded if alone is None else _after(alone, reworded)


async def _without_turns(
    question: str, turns: Sequence[Turn], *, llm: LLM | None, allow_outside: bool, policy: RewritePolicy
) -> Rewriting | None:
    if not turns:
        return None
    if llm is None:
        return Rewriting(queries=SearchQueries.of(question), outcome="unchanged", why=_NO_MODEL)
    return await stand_alone(question, turns, llm=llm, allow_outside=allow_outside, policy=policy)


def _after(alone: Rewriting, reworded: Rewriting) -> Rewriting:
    """Both attempts as one: it was rewritten where either did; why the second did not is said all the same."""
    outcome = alone.outcome if alone.outcome == "rewritten" else reworded.outcome
    usage = replace(
        reworded.usage,
        prompt_tokens=alone.usage.prompt_tokens + reworded.usage.prompt_tokens,
        completion_tokens=alone.usage.completion_tokens + reworded.usage.completion_tokens,
        estimated=alone.usage.estimated or reworded.usage.estimated,
    )
    return replace(reworded, outcome=outcome, usage=usage)
