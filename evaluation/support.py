"""Putting claims to the support check, as a sentence of an answer is, and to the cross-encoder alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from evaluation.support_sets import Claim
from generation.answers import AnswerPolicy, CheckedSentence
from generation.citations import CitedSentence
from generation.comparing import compare
from generation.context import NumberedPassage
from generation.entailment import PairReader, Readings
from generation.judging import Judge
from generation.likeness import most_alike
from generation.sentences import split_sentences
from generation.support import check_support
from retrieval.records import Passage
from retrieval.reranking import PairScorer

MOST_SCORED = 16
"""Source sentences that the cross-encoder alone reads for a claim: those with most words in common."""

_APART = "\n\n"
"""Between the parts of a source: what keeps sentences from running on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedClaim:
    """A claim and what came of it.

    support: the check's (0..1), of a whole answer its least supported sentence's.
    contradicted: how likely the source contradicts the claim (0..1); None where the check cannot tell.
    likeness: the cross-encoder's of the best sentence (0..1), None where it was not asked.
    quotes: what the check would cite.
    seconds: what the check took.
    """

    claim: Claim
    support: float
    contradicted: float | None
    likeness: float | None
    quotes: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimJudge:
    """The support check as answers use it. Without a `reader` it is that of likeness.

    baseline: whether the cross-encoder is asked as well. second: gives a second opinion.
    """

    scorer: PairScorer
    reader: PairReader | None
    policy: AnswerPolicy
    baseline: bool = True
    second: Judge | None = None

    async def judge(self, claim: Claim) -> JudgedClaim:
        """Judge a claim by its own source alone. Raises `ModelError`."""
        passage = _passage(claim)
        sentences = _sentences(claim)
        started = time.perf_counter()
        checked = [await self._check(sentence, passage) for sentence in sentences]
        seconds = time.perf_counter() - started
        denied = [each for _, each in checked if each is not None]
        return JudgedClaim(
            claim=claim,
            support=min((each.support for each, _ in checked), default=0.0),
            contradicted=max(denied, default=0.0) if self.reader is not None else None,
            likeness=await self._likeness(sentences, passage) if self.baseline else None,
            quotes=tuple(place.quote for each, _ in checked for place in each.places),
            seconds=seconds,
        )

    async def _check(self, sentence: str, passage: Passage) -> tuple[CheckedSentence, float | None]:
        reader = None if self.reader is None else _RememberingReader(self.reader)
        checked = await check_support(
            CitedSentence(text=sentence, separator="", passages=(1,)),
            [NumberedPassage(number=1, passage=passage)],
            question="",
            scorer=self.scorer,
            policy=self.policy,
            reader=reader,
            judge=self.second,
        )
        if reader is None:
            return checked, None
        return checked, (await compare(sentence, [passage], reader=reader)).verdict.contradicted

    async def _likeness(self, sentences: Sequence[str], passage: Passage) -> float:
        return min([await self._best_likeness(sentence, passage) for sentence in sentences], default=0.0)

    async def _best_likeness(self, sentence: str, passage: Passage) -> float:
        texts = [each.text for each in split_sentences(passage.text)]
        pairs = [(sentence, texts[i]) for i in most_alike(sentence, texts, MOST_SCORED)]
        if not pairs:
            return 0.0
        return self.policy.support.score(float((await self.scorer.score(pairs)).max()))


class _RememberingReader:
    """Reads each pair once: the check tells a score, and what it was made of is asked for after it."""

    def __init__(self, reader: PairReader) -> None:
        self._reader = reader
        self._read: dict[tuple[str, str], Readings] = {}

    async def read(self, pairs: Sequence[tuple[str, str]]) -> Readings:
        missing = [pair for pair in dict.fromkeys(pairs) if pair not in self._read]
        if missing:
            self._read |= zip(missing, await self._reader.read(missing), strict=True)
        return np.stack([self._read[pair] for pair in pairs])


def _sentences(claim: Claim) -> list[str]:
    """What is checked one by one, as an answer's sentences are."""
    if not claim.whole_answer:
        return [claim.claim]
    return [sentence.text for sentence in split_sentences(claim.claim)]


def _passage(claim: Claim) -> Passage:
    text = _APART.join(claim.source)
    return Passage(
        chunk_id=0,
        document_id=UUID(int=0),
        revision=1,
        path=claim.set_name,
        title="",
        headings=(),
        page_starts=(),
        char_start=0,
        char_end=len(text),
        text=text,
    )
