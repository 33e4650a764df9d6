"""One answer: weigh the evidence, then quote it or have a language model word it, and let only what is supported pass.

    hits → evidence check → refuse, or → extract sentences
                                     or → context → prompt → language model → citations → support check → answer
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing

from generation.answers import EXTRACTIVE_MODEL, Answer, AnswerPolicy, AnswerSentence, Status
from generation.citations import CitationReader, CitedText
from generation.context import NumberedPassage, choose_context
from generation.errors import OutsideNotAllowedError
from generation.evidence import Evidence, looked_at, weigh
from generation.extract import extract
from generation.llms import LLM, TextDelta, Usage
from generation.prompt import build_prompt
from generation.support import check_support
from retrieval.records import Hit
from retrieval.search import PairScorer

_NO_USAGE = Usage(prompt_tokens=0, completion_tokens=0, estimated=False)
_LONGEST_MISSING = 200


async def answer_question(
    question: str,
    hits: Sequence[Hit],
    *,
    scorer: PairScorer,
    llm: LLM | None,
    allow_outside: bool,
    policy: AnswerPolicy,
) -> Answer:
    """Answer from the passages found, or refuse. Without `llm`, in the sources' own sentences.

    Raises `OutsideNotAllowedError` before anything is sent, `LLMError`, `ModelError`.
    """
    if llm is not None and llm.location == "outside" and not allow_outside:
        raise OutsideNotAllowedError(llm.model)
    evidence = await weigh(question, hits, scorer=scorer, policy=policy)
    model = EXTRACTIVE_MODEL if llm is None else llm.model
    if reason := _too_weak(evidence, policy):
        return _refusal(reason, evidence, model=model)
    if llm is None:
        sentences = await extract(question, evidence, scorer=scorer, policy=policy)
        return Answer(
            status="answered",
            sentences=sentences,
            missing=None,
            looked_at=looked_at(evidence),
            model=model,
            usage=_NO_USAGE,
        )
    return await _worded_answer(question, evidence, scorer=scorer, llm=llm, policy=policy)


async def _worded_answer(
    question: str, evidence: Sequence[Evidence], *, scorer: PairScorer, llm: LLM, policy: AnswerPolicy
) -> Answer:
    """Let the language model answer, and check every sentence of what it says."""
    context = choose_context(evidence, token_budget=policy.context_tokens)
    said, usage = await _ask(llm, question, context, policy)
    if said.declined:
        return _refusal(_declined(said), evidence, model=llm.model, usage=usage)
    checked = [
        await check_support(sentence, context, question=question, scorer=scorer, policy=policy)
        for sentence in said.sentences
    ]
    supported = [sentence for sentence in checked if sentence.supported]
    unsupported = len(checked) - len(supported)
    if not supported:
        reason = _nothing_supported(unsupported) if unsupported else _declined(said)
        return _refusal(reason, evidence, model=llm.model, usage=usage, dropped=unsupported)
    missing = _missing(said, usage, unsupported, policy)
    status: Status = "partial" if missing else "answered"
    return Answer(
        status=status,
        sentences=tuple(checked if policy.unsupported == "mark" else _closed_up(supported)),
        missing=missing,
        looked_at=looked_at(evidence),
        model=llm.model,
        usage=usage,
        dropped=unsupported if policy.unsupported == "drop" else 0,
    )


async def _ask(
    llm: LLM, question: str, context: Sequence[NumberedPassage], policy: AnswerPolicy
) -> tuple[CitedText, Usage]:
    """What the language model says, read to its end, and what it cost."""
    reader = CitationReader(offered=len(context))
    usage = _NO_USAGE
    stream = llm.stream(build_prompt(question, context), max_tokens=policy.max_answer_tokens)
    async with aclosing(stream):
        async for event in stream:
            match event:
                case TextDelta(text=text):
                    reader.feed(text)
                case Usage():
                    usage = event
    return reader.finish(), usage


def _too_weak(evidence: Sequence[Evidence], policy: AnswerPolicy) -> str | None:
    """Why this evidence cannot answer, or None where it may."""
    if not evidence:
        return "Nothing was found that has to do with the question."
    if evidence[0].score < policy.answer_from:
        return (
            f"The best passage found scores {evidence[0].score:.2f} as evidence for an answer; "
            f"at least {policy.answer_from:.2f} is required."
        )
    return None


def _declined(said: CitedText) -> str:
    return f"The language model found no answer in the passages{_in_its_words(said)}."


def _nothing_supported(unsupported: int) -> str:
    what = "the one sentence" if unsupported == 1 else f"any of the {unsupported} sentences"
    return f"The passages do not support {what} that the language model wrote."


def _missing(said: CitedText, usage: Usage, unsupported: int, policy: AnswerPolicy) -> str | None:
    """What a partial answer leaves open, in full sentences; None for a whole one."""
    reasons = []
    if said.missing is not None:
        reasons.append(f"The passages do not answer all of the question{_in_its_words(said)}.")
    if unsupported:
        what = "One sentence" if unsupported == 1 else f"{unsupported} sentences"
        what += " that the language model wrote"
        fate = "left out" if policy.unsupported == "drop" else "marked"
        was = "was" if unsupported == 1 else "were"
        reasons.append(f"{what} {was} {fate}, because no passage supports {'it' if unsupported == 1 else 'them'}.")
    if usage.cut:
        reasons.append("The language model reached its limit of tokens before its answer was complete.")
    return " ".join(reasons) or None


def _in_its_words(said: CitedText) -> str:
    """What the model says is missing: its own, unchecked words, and marked as such."""
    if not said.missing:
        return ""
    words = " ".join(said.missing.split()).rstrip(".")
    if len(words) > _LONGEST_MISSING:
        words = words[:_LONGEST_MISSING].rstrip() + " …"
    return f" (in its words: “{words}”)"


def _closed_up(sentences: Sequence[AnswerSentence]) -> list[AnswerSentence]:
    return list(sentences)


def _refusal(
    reason: str,
    evidence: Sequence[Evidence],
    *,
    model: str,
    usage: Usage = _NO_USAGE,
    dropped: int = 0,
) -> Answer:
    return Answer(
        status="refused",
        sentences=(),
        missing=reason,
        looked_at=looked_at(evidence),
        model=model,
        usage=usage,
        dropped=dropped,
    )
