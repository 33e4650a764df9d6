"""The evidence check: how well each passage answers the question, read by the cross-encoder. Always done.

A passage that answers in one sentence scores low as a whole, and one under a fitting title scores high whether it
answers or not. So passages are read by the sentence: of each the sentences most like the question, then all of those
passages where the best was found. What these come to, and what the question says that the passage does not, is its
evidence (`generation.answering`). Whole passages beside them cost twice the time and told nothing more
(docs/refusal.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from generation.answering import UNREAD, answering_logit
from generation.answers import AnswerPolicy, LookedAt
from generation.facts import content_words
from generation.sentences import Sentence, split_passage
from retrieval.records import Hit, Passage, contextual_text
from retrieval.reranking import PairScorer

_MOST_SENTENCES = 16
"""Sentences read of the best passages; of longer lists and tables those most like the question."""

_GLANCED_AT = 2
"""Sentences read of every passage: those that share most words with the question."""

_ROW = re.compile(r"\t|\s\|\s")
_OWN_LINE = re.compile(r"\n\s*(?:[^\w\s]+|\(?\w{1,3}[.)])?\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSentence:
    """A sentence of a passage and its logit as an answer to the question."""

    sentence: Sentence
    logit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A passage with its evidence score (0..1), and what that comes from.

    answering: what the score comes from, the log-odds that the passage answers.
    sentences: those that were read, in the order of the text; none where a passage has none that can answer.
    """

    passage: Passage
    score: float
    answering: float
    sentences: tuple[ReadSentence, ...]

    @property
    def best_logit(self) -> float:
        """Of the best of its sentences."""
        return max((read.logit for read in self.sentences), default=UNREAD)


async def weigh(
    question: str, hits: Sequence[Hit], *, scorer: PairScorer, policy: AnswerPolicy
) -> list[Evidence]:
    """The evidence of the first `policy.passages` hits, best first; those without a sentence to read come last.

    To a question without a letter or a digit nothing is evidence, though the model would score it all the same.
    """
    if not any(character.isalnum() for character in question):
        return []
    readings = [_Reading.of(hit.passage, question) for hit in hits[: policy.passages]]
    await _read(question, readings, _GLANCED_AT, scorer)
    readings.sort(key=lambda reading: -reading.best_logit)
    await _read(question, readings[: policy.read_closely], _MOST_SENTENCES, scorer)
    evidence = [reading.weighed(question, policy) for reading in readings]
    read = sorted((piece for piece in evidence if piece.sentences), key=lambda piece: -piece.score)
    return [*read, *(piece for piece in evidence if not piece.sentences)]


def looked_at(evidence: Sequence[Evidence]) -> tuple[LookedAt, ...]:
    """The places read, best first, one entry a document and page."""
    places: dict[tuple[object, int | None], LookedAt] = {}
    for piece in evidence:
        passage = piece.passage
        place = LookedAt(
            document_id=passage.document_id, path=passage.path, page=passage.page, score=piece.score
        )
        places.setdefault((passage.document_id, passage.page), place)
    return tuple(places.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A sentence that can answer, the line that leads to it, and the heading above both."""

    sentence: Sentence
    lead: str
    heading: str

    @property
    def read_as(self) -> str:
        return "\n".join(part for part in (self.heading, self.lead, self.sentence.text) if part)

    @property
    def own_words(self) -> frozenset[str]:
        return content_words(f"{self.lead} {self.sentence.text}")


@dataclass(slots=True, kw_only=True)
class _Reading:
    """A passage while it is read. `lines`: those most like the question first; `logits`: of the first of these."""

    passage: Passage
    lines: Sequence[_Line]
    logits: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, passage: Passage, question: str) -> _Reading:
        asked = content_words(question)
        lines = sorted(_lines(passage), key=lambda line: -len(asked & line.own_words))
        return cls(passage=passage, lines=lines)

    @property
    def best_logit(self) -> float:
        return max(self.logits, default=UNREAD)

    def weighed(self, question: str, policy: AnswerPolicy) -> Evidence:
        passage = self.passage
        read = sorted(
            (
                ReadSentence(sentence=line.sentence, logit=logit)
                for line, logit in zip(self.lines, self.logits, strict=False)
            ),
            key=lambda each: each.sentence.start,
        )
        answering = answering_logit(
            question,
            contextual_text(passage.title, passage.headings, passage.text),
            [(each.sentence.text, each.logit) for each in read],
        )
        return Evidence(
            passage=passage,
            score=policy.evidence.score(answering),
            answering=answering,
            sentences=tuple(read),
        )


async def _read(question: str, readings: Sequence[_Reading], most: int, scorer: PairScorer) -> None:
    """Read on in passages until so many of their lines are read, all in one go."""
    unread = [(reading, line) for reading in readings for line in reading.lines[len(reading.logits) : most]]
    if unread:
        logits = await scorer.score([(question, line.read_as) for _, line in unread])
        for (reading, _), logit in zip(unread, logits, strict=True):
            reading.logits.append(float(logit))


def _lines(passage: Passage) -> Iterator[_Line]:
    """Sentences that can answer, each with the lines without which it says little.

    A table's row is read below the table's first row, an item below the line that ends with a colon, an answer below
    its question. Headings and questions themselves answer nothing.
    """
    titles = (passage.title, *passage.headings)
    lead: Sentence | None = None
    previous_end = 0
    for sentence in split_passage(passage.text):
        gap = passage.text[previous_end : sentence.start]
        if lead is not None and not _leads(lead, sentence, gap, direct=lead.end == previous_end):
            lead = None
        previous_end = sentence.end
        if sentence.text.endswith(("?", "？")):
            lead = sentence
            continue
        if sentence.text.strip("#* ") not in titles:
            yield _Line(sentence=sentence, lead=lead.text if lead else "", heading=titles[-1] or titles[0])
        if (
            lead is None
            and not sentence.is_code
            and (sentence.text.endswith((":", "：")) or _ROW.search(sentence.text))
        ):
            lead = sentence


def _leads(lead: Sentence, sentence: Sentence, gap: str, *, direct: bool) -> bool:
    """Whether `lead` still speaks for `sentence`, which follows after `gap`."""
    if _ROW.search(lead.text):
        return bool(_ROW.search(sentence.text)) and "\n\n" not in gap
    return direct or (lead.text.endswith((":", "：")) and bool(_OWN_LINE.search(gap)) and "\n\n" not in gap)
