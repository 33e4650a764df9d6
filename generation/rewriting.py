"""A question in other words, thought up by a language model, so that search finds more. Off unless it is asked for.

    question → (turns → stand-alone question) → rewrite | multi_query | hyde → queries that retrieval.search takes

What comes back is only ever searched for. A model that fails, declines, answers too late or writes what cannot be used
does not fail the search: the question is searched for as it is, and `Rewriting` says that and why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Literal

from generation.answers import Outcome, Rewriting
from generation.errors import LLMError, OutsideNotAllowedError
from generation.llms import LLM, Message, TextDelta, Usage
from generation.permission import permitted
from generation.prompt import harmless, template
from generation.replies import Unusable, is_same, read_passage, read_queries, read_query
from generation.tokens import approximate_tokens
from retrieval.queries import SearchQueries

RewriteMethod = Literal["rewrite", "multi_query", "hyde"]

_LONGEST_REPLY = 6_000
_MOST_TURNS = 4
_LONGEST_QUESTION = 300
_LONGEST_ANSWER = 600
"""Code points of earlier questions and answers, from their beginning: enough to tell what "it" is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewritePolicy:
    """variants: how many other queries `multi_query` asks for. timeout_s: for the model's whole reply."""

    variants: int = 3
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """An earlier question of a conversation, and the answer it got."""

    question: str
    answer: str


async def reword(
    question: str, method: RewriteMethod, *, llm: LLM, allow_outside: bool, policy: RewritePolicy
) -> Rewriting:
    """The question in other words by the method that the settings name. Never raises for what a model does."""
    match method:
        case "rewrite":
            return await rewrite(question, llm=llm, allow_outside=allow_outside, policy=policy)
        case "multi_query":
            return await multi_query(question, llm=llm, allow_outside=allow_outside, policy=policy)
        case "hyde":
            return await hyde(question, llm=llm, allow_outside=allow_outside, policy=policy)


async def rewrite(question: str, *, llm: LLM, allow_outside: bool, policy: RewritePolicy) -> Rewriting:
    """One clearer query that is searched for instead of the question."""
    said = await _ask(llm, "rewrite", _asked(question), allow_outside, policy, max_tokens=120)
    if isinstance(said, _Silence):
        return said.leaves(question)
    query = read_query(said.text, question)
    if isinstance(query, Unusable):
        return said.of_no_use(question, query)
    if is_same(query, question):
        return said.unchanged(question)
    return Rewriting(
        queries=SearchQueries(question=question, texts=(query,)), outcome="rewritten", usage=said.usage
    )


async def multi_query(question: str, *, llm: LLM, allow_outside: bool, policy: RewritePolicy) -> Rewriting:
    """The question, and up to `policy.variants` other queries that are searched for beside it."""
    said = await _ask(
        llm,
        "multi_query",
        _asked(question),
        allow_outside,
        policy,
        max_tokens=60 + 60 * policy.variants,
        count=policy.variants,
    )
    if isinstance(said, _Silence):
        return said.leaves(question)
    variants = read_queries(said.text, question, most=policy.variants, cut=said.usage.cut)
    if isinstance(variants, Unusable):
        return said.of_no_use(question, variants)
    queries = SearchQueries(question=question, texts=(question, *variants))
    return Rewriting(queries=queries, outcome="rewritten", usage=said.usage)


async def hyde(question: str, *, llm: LLM, allow_outside: bool, policy: RewritePolicy) -> Rewriting:
    """The question, and a made-up passage that might answer it, whose vector joins the question's."""
    said = await _ask(llm, "hyde", _asked(question), allow_outside, policy, max_tokens=250)
    if isinstance(said, _Silence):
        return said.leaves(question)
    passage = read_passage(said.text, question)
    if isinstance(passage, Unusable):
        return said.of_no_use(question, passage)
    queries = SearchQueries(question=question, texts=(question,), hypothetical=(passage,))
    return Rewriting(queries=queries, outcome="rewritten", usage=said.usage)


async def stand_alone(
    question: str, turns: Sequence[Turn], *, llm: LLM, allow_outside: bool, policy: RewritePolicy
) -> Rewriting:
    """A follow-up as a question that needs no conversation: `queries.question`, to be searched for and answered.

    Without turns nothing is asked of the model. Earlier answers hold what passages say: raises `OutsideNotAllowedError`
    before any is sent where the model is outside and the collection does not allow that.
    """
    if not turns:
        return Rewriting(
            queries=SearchQueries.of(question),
            outcome="unchanged",
            why="There is nothing before the question.",
        )
    permitted(llm, allow_outside=allow_outside)
    recent = turns[-_MOST_TURNS:]
    said = await _ask(
        llm, "stand_alone", _conversation(question, recent), allow_outside, policy, max_tokens=200
    )
    if isinstance(said, _Silence):
        return said.leaves(question)
    background = " ".join(f"{turn.question} {turn.answer}" for turn in recent)
    written = read_query(said.text, question, background=background)
    if isinstance(written, Unusable):
        return said.of_no_use(question, written)
    if is_same(written, question):
        return said.unchanged(question)
    return Rewriting(queries=SearchQueries.of(written), outcome="rewritten", usage=said.usage)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    """What the model wrote."""

    text: str
    usage: Usage

    def of_no_use(self, question: str, unusable: Unusable) -> Rewriting:
        why = f"The language model {unusable.why}."
        return replace(_as_asked(question, "unusable", why), usage=self.usage)

    def unchanged(self, question: str) -> Rewriting:
        why = "The language model left the question as it is."
        return replace(_as_asked(question, "unchanged", why), usage=self.usage)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Silence:
    """Why there is no reply."""

    outcome: Outcome
    why: str

    def leaves(self, question: str) -> Rewriting:
        return _as_asked(question, self.outcome, self.why)


def _as_asked(question: str, outcome: Outcome, why: str) -> Rewriting:
    return Rewriting(queries=SearchQueries.of(question), outcome=outcome, why=why)


async def _ask(
    llm: LLM,
    wording: str,
    content: str,
    allow_outside: bool,
    policy: RewritePolicy,
    *,
    max_tokens: int,
    count: int = 1,
) -> _Reply | _Silence:
    """The model's reply to one of the wordings in `prompts/`, or why there is none."""
    try:
        llm = permitted(llm, allow_outside=allow_outside)
    except OutsideNotAllowedError as error:
        return _Silence(outcome="not_allowed", why=str(error))
    messages = [
        Message(role="system", content=template(wording).substitute(count=count)),
        Message(role="user", content=content),
    ]
    try:
        async with asyncio.timeout(policy.timeout_s):
            return await _read(llm, messages, max_tokens)
    except TimeoutError:
        why = f"The language model {llm.model!r} took longer than {policy.timeout_s:g} s to find other words."
        return _Silence(outcome="failed", why=why)
    except LLMError as error:
        return _Silence(outcome="failed", why=str(error))


async def _read(llm: LLM, messages: Sequence[Message], max_tokens: int) -> _Reply:
    """The reply to its end, or to where it is longer than anything of use."""
    text = ""
    async with aclosing(llm.stream(messages, max_tokens=max_tokens)) as stream:
        async for event in stream:
            match event:
                case TextDelta(text=delta):
                    text += delta
                case Usage():
                    return _Reply(text=text, usage=event)
            if len(text) > _LONGEST_REPLY:
                break
    usage = Usage(
        prompt_tokens=sum(approximate_tokens(message.content) for message in messages),
        completion_tokens=approximate_tokens(text),
        estimated=True,
        cut=True,
    )
    return _Reply(text=text[:_LONGEST_REPLY], usage=usage)


def _asked(question: str) -> str:
    return f"Question: {_line(question)}"


def _conversation(question: str, turns: Sequence[Turn]) -> str:
    """The turns, a line for each question and answer, so that nothing in them can pass for another turn."""
    lines = [
        line
        for turn in turns
        for line in (
            f"Earlier question: {_line(turn.question[:_LONGEST_QUESTION])}",
            f"Earlier answer: {_line(turn.answer[:_LONGEST_ANSWER])}",
        )
    ]
    return "\n".join([*lines, f"Last question: {_line(question)}"])


def _line(text: str) -> str:
    return " ".join(harmless(text).split())
