"""The evidence check: how well each passage answers the question, read by the cross-encoder. Always done.

A long passage that answers in one sentence scores low as a whole, and a passage under a fitting title scores high
whether it answers or not. So passages are read twice: whole, below their title and headings, and by the sentence. What
both come to, and what the question says that they do not, is their evidence (`generation.answering`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from generation.answering import answering_logit
from generation.answers import AnswerPolicy, LookedAt
from generation.facts import content_words
from generation.sentences import Sentence, split_sentences
from retrieval.records import Hit, Passage, contextual_text
from retrieval.reranking import PairScorer

_MOST_SENTENCES = 16
"""Sentences read of the best passages; of longer lists and tables those most like the question."""

_GLANCED_AT = 3
"""Sentences read of the other passages, where they share a word with the question."""

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
    logit: of the passage as a whole.
    sentences: those that were read, in the order of the text; none for a passage that was only read as a whole.
    """

    passage: Passage
    score: float
    answering: float
    logit: float
    sentences: tuple[ReadSentence, ...]


async def weigh(
    question: str, hits: Sequence[Hit], *, scorer: PairScorer, policy: AnswerPolicy
) -> list[Evidence]:
    """The evidence of the first `policy.passages` hits, best first; those not read by the sentence come last.

    To a question without a letter or a digit nothing is evidence, though the model would score it all the same.
    """
    if not any(character.isalnum() for character in question):
        return []
    whole = await _read_whole(question, hits[: policy.passages], scorer)
    evidence = await _read_sentences(question, whole, scorer, policy)
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


async def _read_whole(question: str, hits: Sequence[Hit], scorer: PairScorer) -> list[tuple[Passage, float]]:
    """Passages with their logits, best first. One that search has reranked was read already, in the same words."""
    unread = [hit.passage for hit in hits if hit.rerank is None]
    pairs = [(question, contextual_text(p.title, p.headings, p.text)) for p in unread]
    logits = iter(await scorer.score(pairs)) if pairs else iter(())
    read = [(hit.passage, float(next(logits)) if hit.rerank is None else hit.rerank) for hit in hits]
    return sorted(read, key=lambda pair: -pair[1])


async def _read_sentences(
    question: str, whole: Sequence[tuple[Passage, float]], scorer: PairScorer, policy: AnswerPolicy
) -> list[Evidence]:
    """The evidence of passages, the best of them read closely, the others only where they share a word."""
    chosen = [
        (passage, logit, _worth_reading(passage, question, closely=rank < policy.read_closely))
        for rank, (passage, logit) in enumerate(whole)
    ]
    pairs = [(question, line.read_as) for _, _, lines in chosen for line in lines]
    logits = iter(await scorer.score(pairs)) if pairs else iter(())
    evidence = []
    for passage, logit, lines in chosen:
        read = tuple(ReadSentence(sentence=line.sentence, logit=float(next(logits))) for line in lines)
        answering = answering_logit(
            question,
            contextual_text(passage.title, passage.headings, passage.text),
            whole=logit,
            sentences=[(each.sentence.text, each.logit) for each in read],
        )
        evidence.append(
            Evidence(
                passage=passage,
                score=policy.evidence.score(answering),
                answering=answering,
                logit=logit,
                sentences=read,
            )
        )
    return evidence


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


def _worth_reading(passage: Passage, question: str, *, closely: bool) -> list[_Line]:
    """The sentences to read, in order: all, or those most like the question."""
    lines = list(_lines(passage))
    if closely and len(lines) <= _MOST_SENTENCES:
        return lines
    asked = content_words(question)
    shared = [(len(asked & line.own_words), line) for line in lines]
    alike = sorted((pair for pair in shared if closely or pair[0]), key=lambda pair: -pair[0])
    kept = [line for _, line in alike[: _MOST_SENTENCES if closely else _GLANCED_AT]]
    return sorted(kept, key=lambda line: line.sentence.start)


def _lines(passage: Passage) -> Iterator[_Line]:
    """Sentences that can answer, each with the lines without which it says little.

    A table's row is read below the table's first row, an item below the line that ends with a colon, an answer below
    its question. Headings and questions themselves answer nothing.
    """
    titles = (passage.title, *passage.headings)
    lead: Sentence | None = None
    previous_end = 0
    for sentence in split_sentences(passage.text):
        gap = passage.text[previous_end : sentence.start]
        if lead is not None and not _leads(lead, sentence, gap, direct=lead.end == previous_end):
            lead = None
        previous_end = sentence.end
        if sentence.text.endswith(("?", "？")):
            lead = sentence
            continue
        if sentence.text.strip("#* ") not in titles:
            yield _Line(sentence=sentence, lead=lead.text if lead else "", heading=titles[-1] or titles[0])
        if lead is None and (sentence.text.endswith((":", "：")) or _ROW.search(sentence.text)):
            lead = sentence


def _leads(lead: Sentence, sentence: Sentence, gap: str, *, direct: bool) -> bool:
    """Whether `lead` still speaks for `sentence`, which follows after `gap`."""
    if _ROW.search(lead.text):
        return bool(_ROW.search(sentence.text)) and "\n\n" not in gap
    return direct or (lead.text.endswith((":", "：")) and bool(_OWN_LINE.search(gap)) and "\n\n" not in gap)
