"""One answer: weigh the evidence, then quote it or have a language model word it, and let only what is supported pass.

hits → evidence check → refuse, or → extract sentences                                   → draft → answer
                                 or → context → prompt → language model → citations → support check → draft → answer

It is told as it comes about (`generation.events`); a whole answer is the end of what was told, so that neither can say
anything else than the other.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import aclosing
from dataclasses import replace

from generation.answers import EXTRACTIVE_MODEL, Answer, AnswerPolicy, CheckedSentence
from generation.citations import CitedSentence
from generation.context import NumberedPassage, choose_context, texts_to_count
from generation.counting import counted
from generation.draft import Draft
from generation.entailment import PairReader
from generation.events import AnswerEvent, Delta, Done, Retrieved
from generation.evidence import Evidence, looked_at, weigh
from generation.extract import best_place, extract
from generation.judging import JudgePolicy, LLMJudge, added
from generation.llms import LLM
from generation.permission import permitted
from generation.prompt import build_prompt
from generation.reasons import (
    left_open,
    no_answer,
    not_wholly_supported,
    quoted_instead,
    too_weak,
)
from generation.spans import find_span
from generation.support import check_support
from generation.telling import Quoting, Result, end, quote
from generation.writing import Checked, Said, write_checked
from retrieval.neighbours import NO_GAPS, GapTexts
from retrieval.records import Hit
from retrieval.reranking import PairScorer
from retrieval.stages import NO_STAGES, Stages


async def answer_question(
    question: str,
    hits: Sequence[Hit],
    *,
    scorer: PairScorer,
    llm: LLM | None,
    allow_outside: bool,
    policy: AnswerPolicy,
    gap_texts: GapTexts = NO_GAPS,
    pair_reader: PairReader | None = None,
) -> Answer:
    """The whole answer that `stream_answer` tells, with the same arguments and errors."""
    events = stream_answer(
        question,
        hits,
        scorer=scorer,
        llm=llm,
        allow_outside=allow_outside,
        policy=policy,
        gap_texts=gap_texts,
        pair_reader=pair_reader,
    )
    async with aclosing(events):
        return await whole(events)


async def whole(events: AsyncIterable[AnswerEvent]) -> Answer:
    """The answer that a stream of events ends with."""
    answer: Answer | None = None
    async for event in events:
        if isinstance(event, Done):
            answer = event.answer
    assert answer is not None, "every answer is told to its end"
    return answer


async def stream_answer(
    question: str,
    hits: Sequence[Hit],
    *,
    scorer: PairScorer,
    llm: LLM | None,
    allow_outside: bool,
    policy: AnswerPolicy,
    gap_texts: GapTexts = NO_GAPS,
    pair_reader: PairReader | None = None,
    stages: Stages = NO_STAGES,
) -> AsyncGenerator[AnswerEvent, None]:
    """Answer from the passages found, or refuse. Without `llm`, in the sources' own sentences.

    With one, neighbouring chunks are read as one passage; `gap_texts` is what stands between them
    (`retrieval.neighbours`), and `pair_reader` reads for the support check. The evidence
    check reads them one by one: of a long pair the model reads the beginning.

    Wrap it in `contextlib.aclosing`: leaving early closes the model's stream. Raises `OutsideNotAllowedError` before
    anything is sent, `LLMError`, `ModelError`.
    """
    llm = None if llm is None else permitted(llm, allow_outside=allow_outside)
    with stages.stage("evidence"):
        evidence = await weigh(question, hits, scorer=scorer, policy=policy)
    result = Result(looked_at=looked_at(evidence), model=EXTRACTIVE_MODEL if llm is None else llm.model)
    yield Retrieved(looked_at=result.looked_at)
    if reason := too_weak(evidence, policy):
        for event in end(result.refused(reason)):
            yield event
        return
    if llm is None:
        quoted = extract(evidence, policy=policy)
        best = best_place(evidence) if quoted else None
        span = None if best is None else await find_span(question, best.quote, scorer)
        for event in quote(quoted, result, Quoting(), best, span):
            yield event
        return
    with stages.stage("context"):
        count = await counted(texts_to_count(evidence), llm)
        context = choose_context(
            evidence, token_budget=policy.context_tokens, gap_texts=gap_texts, count=count
        )
    wording = _word(
        question,
        context,
        evidence,
        result,
        scorer=scorer,
        pair_reader=pair_reader,
        llm=llm,
        policy=policy,
        stages=stages,
    )
    async with aclosing(wording):
        async for event in wording:
            yield event


async def _word(
    question: str,
    context: Sequence[NumberedPassage],
    evidence: Sequence[Evidence],
    result: Result,
    *,
    scorer: PairScorer,
    pair_reader: PairReader | None,
    llm: LLM,
    policy: AnswerPolicy,
    stages: Stages,
) -> AsyncGenerator[AnswerEvent, None]:
    """Let the language model answer, and check every sentence of what it says."""
    judge = LLMJudge(llm, JudgePolicy(timeout_s=policy.judge_timeout_s)) if policy.judge else None

    async def check(sentence: CitedSentence) -> CheckedSentence:
        return await check_support(
            sentence,
            context,
            question=question,
            scorer=scorer,
            policy=policy,
            reader=pair_reader,
            judge=judge,
        )

    draft, told_text = Draft(policy.unsupported), 0
    writing = write_checked(
        llm,
        build_prompt(question, context),
        offered=len(context),
        max_tokens=policy.max_answer_tokens,
        check=check,
        stages=stages,
    )
    async with aclosing(writing):
        async for item in writing:
            match item:
                case Delta(text=text):
                    told_text += len(text)
                    yield item
                case Checked(sentence=sentence, written=written):
                    for told in draft.add(sentence, written):
                        yield told
                case Said():
                    for told in draft.finish():
                        yield told
                    written_by = replace(result, model=item.usage.model or llm.model)
                    said = item if judge is None else replace(item, usage=added(item.usage, judge.usage))
                    answer = _judge(draft, said, written_by, policy)
                    quoted = _instead(answer, draft, said, evidence, policy)
                    if quoted:
                        quoting = Quoting(
                            after=told_text,
                            missing=quoted_instead(draft.unsupported),
                            usage=said.usage,
                            dropped=draft.dropped,
                        )
                    for event in quote(quoted, written_by, quoting) if quoted else end(answer):
                        yield event


def _instead(
    answer: Answer, draft: Draft, said: Said, evidence: Sequence[Evidence], policy: AnswerPolicy
) -> tuple[CheckedSentence, ...]:
    """What is quoted in the place of an answer of which nothing is supported; nothing where the refusal stands."""
    believed = said.text.declined or not draft.unsupported
    if answer.status != "refused" or believed or policy.unsupported == "refuse":
        return ()
    return extract(evidence, policy=policy) if policy.nothing_supported == "quote" else ()


def _judge(draft: Draft, said: Said, result: Result, policy: AnswerPolicy) -> Answer:
    """The whole answer, from what of it was told and what else the model said."""
    text, usage, unsupported = said.text, said.usage, draft.unsupported
    if draft.sentences:
        missing = left_open(text, usage, unsupported, policy)
        return result.answered(draft, missing=missing, usage=usage)
    if policy.unsupported == "refuse" and 0 < unsupported < draft.checked:
        reason = not_wholly_supported(unsupported, draft.checked)
    else:
        reason = no_answer(text, usage, unsupported)
    return result.refused(reason, usage=usage, dropped=draft.dropped)
