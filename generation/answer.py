"""One answer: weigh the evidence, then quote it or have a language model word it, and let only what is supported pass.

hits → evidence check → refuse, or → extract sentences
                                 or → context → prompt → language model → citations → support check → answer
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing

from generation.answers import EXTRACTIVE_MODEL, NO_USAGE, Answer, AnswerPolicy, number_places
from generation.citations import CitationReader, CitedSentence, CitedText
from generation.context import NumberedPassage, choose_context, texts_to_count
from generation.counting import counted
from generation.evidence import Evidence, looked_at, weigh
from generation.extract import extract
from generation.llms import LLM, TextDelta, Usage
from generation.permission import permitted
from generation.prompt import build_prompt
from generation.reasons import NO_SENTENCE, left_open, no_answer, too_weak
from generation.support import check_support
from retrieval.neighbours import NO_GAPS, GapTexts
from retrieval.records import Hit
from retrieval.reranking import PairScorer


async def answer_question(
    question: str,
    hits: Sequence[Hit],
    *,
    scorer: PairScorer,
    llm: LLM | None,
    allow_outside: bool,
    policy: AnswerPolicy,
    gap_texts: GapTexts = NO_GAPS,
) -> Answer:
    """Answer from the passages found, or refuse. Without `llm`, in the sources' own sentences.

    With one, neighbouring chunks are read as one passage; `gap_texts` is what stands between them
    (`retrieval.neighbours`). The evidence check reads them one by one: of a long pair the model reads the beginning.

    Raises `OutsideNotAllowedError` before anything is sent, `LLMError`, `ModelError`.
    """
    llm = None if llm is None else permitted(llm, allow_outside=allow_outside)
    evidence = await weigh(question, hits, scorer=scorer, policy=policy)
    model = EXTRACTIVE_MODEL if llm is None else llm.model
    if reason := too_weak(evidence, policy):
        return _refusal(reason, evidence, model=model)
    if llm is None:
        return _extracted_answer(evidence, policy)
    count = await counted(texts_to_count(evidence), llm)
    context = choose_context(evidence, token_budget=policy.context_tokens, gap_texts=gap_texts, count=count)
    return await _worded_answer(question, evidence, context, scorer=scorer, llm=llm, policy=policy)


def _extracted_answer(evidence: Sequence[Evidence], policy: AnswerPolicy) -> Answer:
    quoted = extract(evidence, policy=policy)
    if not quoted:
        return _refusal(NO_SENTENCE, evidence, model=EXTRACTIVE_MODEL)
    sentences, citations = number_places(quoted)
    return Answer(
        status="answered",
        sentences=sentences,
        citations=citations,
        missing=None,
        looked_at=looked_at(evidence),
        model=EXTRACTIVE_MODEL,
        usage=NO_USAGE,
    )


async def _worded_answer(
    question: str,
    evidence: Sequence[Evidence],
    context: Sequence[NumberedPassage],
    *,
    scorer: PairScorer,
    llm: LLM,
    policy: AnswerPolicy,
) -> Answer:
    """Let the language model answer, and check every sentence of what it says."""
    said, usage = await _ask(llm, question, context, policy)
    checked = (
        []
        if said.declined
        else [
            await check_support(sentence, context, question=question, scorer=scorer, policy=policy)
            for sentence in _claims(said, usage)
        ]
    )
    supported = [sentence for sentence in checked if sentence.supported]
    unsupported = len(checked) - len(supported)
    if not supported:
        reason = no_answer(said, usage, unsupported)
        return _refusal(reason, evidence, model=usage.model or llm.model, usage=usage, dropped=unsupported)
    missing = left_open(said, usage, unsupported, policy)
    sentences, citations = number_places(checked if policy.unsupported == "mark" else supported)
    return Answer(
        status="partial" if missing else "answered",
        sentences=sentences,
        citations=citations,
        missing=missing,
        looked_at=looked_at(evidence),
        model=usage.model or llm.model,
        usage=usage,
        dropped=unsupported if policy.unsupported == "drop" else 0,
    )


async def _ask(
    llm: LLM, question: str, context: Sequence[NumberedPassage], policy: AnswerPolicy
) -> tuple[CitedText, Usage]:
    """What the language model says, read to its end, and what it cost."""
    reader = CitationReader(offered=len(context))
    usage = NO_USAGE
    stream = llm.stream(build_prompt(question, context), max_tokens=policy.max_answer_tokens)
    async with aclosing(stream):
        async for event in stream:
            match event:
                case TextDelta(text=text):
                    reader.feed(text)
                case Usage():
                    usage = event
    return reader.finish(), usage


def _claims(said: CitedText, usage: Usage) -> list[CitedSentence]:
    """The sentences to check: each once (small models go round in circles), and none that the limit cut off.

    Half a claim may be a false one.
    """
    once: dict[str, CitedSentence] = {}
    for sentence in said.sentences:
        once.setdefault(sentence.text.casefold(), sentence)
    sentences = list(once.values())
    if usage.cut and sentences and not said.sentences[-1].text.endswith(tuple(".!?。！？")):
        sentences = [sentence for sentence in sentences if sentence is not said.sentences[-1]]
    return sentences


def _refusal(
    reason: str,
    evidence: Sequence[Evidence],
    *,
    model: str,
    usage: Usage = NO_USAGE,
    dropped: int = 0,
) -> Answer:
    return Answer(
        status="refused",
        sentences=(),
        citations=(),
        missing=reason,
        looked_at=looked_at(evidence),
        model=model,
        usage=usage,
        dropped=dropped,
    )
