"""The support check: does a source state what a sentence of the answer says, and exactly where?

Each sentence is compared with the sentences of the passages it cites and, failing that, of all passages: by the
cross-encoder, and fact by fact (`generation.facts`). What it is compared with is what is then quoted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from generation.answers import AnswerPolicy, CheckedSentence, Citation
from generation.citations import CitedSentence
from generation.comparing import compare
from generation.context import NumberedPassage
from generation.entailment import PairReader
from generation.facts import Facts, content_words, facts_of
from generation.judging import Judge
from generation.sentences import Sentence, split_sentences
from generation.statements import is_statement
from generation.units import units_apart
from retrieval.records import Passage
from retrieval.reranking import PairScorer

_MOST_COMPARED = 16
"""Source sentences read by the cross-encoder for one sentence of an answer: those with most words in common."""

_MOST_QUOTES = 3
"""Places that one sentence of an answer may need: the best, and those that hold facts the best does not."""

_FEW_WORDS = 4
"""Shorter answers ("16 weeks.") mean something only together with the question."""

_CONTRADICTED = 0.4
"""What is left of a score if the sources rather say the opposite."""

_UNSTATED_FACT = 0.4
"""What is left of a score if a number or a name is stated nowhere: never enough to count as supported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A sentence of a source and how well it supports (0..1)."""

    passage: Passage
    sentence: Sentence
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """How well some passages support a claim (0..1), and where. `clashes`: they say something else."""

    score: float
    places: Sequence[_Place]
    clashes: bool = False


async def check_support(
    sentence: CitedSentence,
    passages: Sequence[NumberedPassage],
    *,
    question: str,
    scorer: PairScorer,
    policy: AnswerPolicy,
    reader: PairReader | None = None,
    judge: Judge | None = None,
) -> CheckedSentence:
    """Score one sentence and find the places that support it; an unsupported one is left without citations.

    With a `reader` the score is the probability that the sources state the sentence (`generation.comparing`). Without
    one it is the cross-encoder's, which knows likeness but not contradiction, lowered where facts are stated nowhere.
    A `judge` gives a second opinion where nothing clashes.
    """
    claim = sentence.text
    cited = [numbered.passage for numbered in passages if numbered.number in sentence.passages]
    others = [numbered.passage for numbered in passages if numbered.number not in sentence.passages]
    support: float = 0.0
    places: Sequence[_Place] = ()
    for group in (cited, others) if is_statement(claim) else ():
        if group and support < policy.supported_from:
            found = await (
                _support(claim, group, question=question, scorer=scorer, policy=policy)
                if reader is None
                else _compared(claim, group, question=question, reader=reader)
            )
            if found.places and units_apart(claim, [passage.text for passage in group]):
                found = replace(found, score=_CONTRADICTED * found.score, clashes=True)
            score = found.score
            if judge is not None and found.places and not found.clashes:
                score = await judge.weigh(claim, group, score)
            if score > support:
                support, places = score, found.places
    supported = bool(places) and support >= policy.supported_from
    return CheckedSentence(
        text=claim,
        supported=supported,
        support=support,
        places=tuple(_citations(places)) if supported else (),
        separator=sentence.separator,
    )


async def _support(
    claim: str, passages: Sequence[Passage], *, question: str, scorer: PairScorer, policy: AnswerPolicy
) -> _Found:
    """How well the passages support the claim, and where."""
    facts = facts_of(claim)
    claim = _with_question(claim, facts, question)
    candidates = _most_alike(claim, facts, passages)
    if not candidates:
        return _Found(score=0.0, places=())
    logits = await scorer.score([(claim, sentence.text) for _, sentence in candidates])
    ranked = sorted(
        (
            _Place(passage=passage, sentence=sentence, score=policy.support.score(float(logit)))
            for (passage, sentence), logit in zip(candidates, logits, strict=True)
        ),
        key=lambda place: -place.score,
    )
    supporting = [ranked[0], *(place for place in ranked[1:] if place.score >= policy.supported_from)]
    places, missing = _until_stated(facts, supporting)
    score = places[0].score * (_UNSTATED_FACT if missing else 1.0)
    return _Found(score=score, places=places, clashes=bool(missing))


async def _compared(claim: str, passages: Sequence[Passage], *, question: str, reader: PairReader) -> _Found:
    """How likely the passages state the claim, and where. What they rather contradict counts as hardly stated."""
    compared = await compare(_with_question(claim, facts_of(claim), question), passages, reader=reader)
    verdict = compared.verdict
    denied = verdict.clashes or verdict.contradicted >= 0.5
    score = verdict.stated * (_CONTRADICTED if denied else 1.0)
    places = [
        _Place(passage=passage, sentence=sentence, score=score) for passage, sentence in compared.places
    ]
    return _Found(score=score, places=places, clashes=denied)


def _with_question(claim: str, facts: Facts, question: str) -> str:
    return f"{question} {claim}" if len(claim.split()) < _FEW_WORDS and facts else claim


def _most_alike(claim: str, facts: Facts, passages: Sequence[Passage]) -> list[tuple[Passage, Sentence]]:
    """The source sentences worth reading: those with facts of the claim, then those with most words in common."""
    words = content_words(claim)
    candidates = [(passage, sentence) for passage in passages for sentence in split_sentences(passage.text)]

    def likeness(candidate: tuple[Passage, Sentence]) -> tuple[int, float]:
        text = candidate[1].text
        stated = len(facts) - len(facts.missing_from(text))
        return stated, len(words & content_words(text)) / (1 + len(text.split())) ** 0.5

    return sorted(candidates, key=likeness, reverse=True)[:_MOST_COMPARED]


def _until_stated(facts: Facts, ranked: Sequence[_Place]) -> tuple[list[_Place], Facts]:
    """The best place and those that add facts it lacks, and the facts that no place states."""
    places = [ranked[0]]
    missing = _unstated(facts, ranked[0])
    for place in ranked[1:]:
        if not missing or len(places) == _MOST_QUOTES:
            break
        left = _unstated(missing, place)
        if len(left) < len(missing):
            places.append(place)
            missing = left
    return places, missing


def _unstated(facts: Facts, place: _Place) -> Facts:
    """The facts that neither the sentence nor, for names, the title and headings above it hold."""
    return facts.missing_from(place.sentence.text).unless_named_in(
        " ".join((place.passage.title, *place.passage.headings))
    )


def _citations(places: Sequence[_Place]) -> list[Citation]:
    return [Citation.of(place.passage, place.sentence.start, place.sentence.end) for place in places]
