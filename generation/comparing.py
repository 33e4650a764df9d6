"""A claim compared with passages: the sentences most like it are read, a verdict is made, and places are chosen.

Few pairs are read, whatever the passages' length: the sentences that share most of what the claim says, each alone and
all of them together. The order in which passages come does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from generation.entailment import PairReader
from generation.likeness import most_alike, share, stems, weights
from generation.sentences import Sentence, split_sentences
from generation.verdicts import Read, Verdict, judge
from retrieval.records import Passage

MOST_READ = 3
"""Sentences read of the passages, alone and together: so a claim costs four pairs at most."""

_ADDS = 0.15
"""A further place is quoted if it holds this much of the claim's words that those before lack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The verdict, and the places that speak for the claim, best first; none where nothing is like it."""

    verdict: Verdict
    places: tuple[tuple[Passage, Sentence], ...]


NOTHING = Compared(verdict=Verdict(stated=0.0, contradicted=0.0, clashes=False), places=())


async def compare(claim: str, passages: Sequence[Passage], *, reader: PairReader) -> Compared:
    """What the passages say of the claim. Raises `ModelError`."""
    ordered = sorted(passages, key=lambda p: (str(p.document_id), p.char_start, p.text))
    places = [(passage, sentence) for passage in ordered for sentence in split_sentences(passage.text)]
    if not places or not stems(claim):
        return NOTHING
    texts = [sentence.text for _, sentence in places]
    chosen = most_alike(claim, texts, MOST_READ)
    singles = [texts[i] for i in chosen]
    together = " ".join(texts[i] for i in sorted(chosen))
    pairs = [(claim, text) for text in (*singles, *([together] if len(singles) > 1 else []))]
    readings = await reader.read(pairs)
    if len(singles) == 1:
        readings = readings.repeat(2, axis=0)
    read = Read(
        claim=claim,
        singles=singles,
        together=together,
        readings=readings,
        around=[_around(places[i][0]) for i in chosen],
        everything=texts,
    )
    kept = _supporting(read)
    return Compared(verdict=judge(read), places=tuple(places[chosen[i]] for i in kept))


def _around(passage: Passage) -> str:
    return " ".join((passage.title, *passage.headings))


def _supporting(read: Read) -> list[int]:
    """The single that states most, and those that add facts or words of the claim that it lacks."""
    said = stems(read.claim)
    weight = weights([stems(sentence) for sentence in read.everything])
    held = [share(said, stems(text), weight) for text in read.singles]
    balance = read.readings[:-1, 1] - read.readings[:-1, 2:].max(axis=1)
    ranked = sorted(range(len(read.singles)), key=lambda i: -(float(balance[i]) + 4 * held[i]))
    kept, words = [ranked[0]], said & stems(read.singles[ranked[0]])
    lacking = read.lacking_in(ranked[0])
    for i in ranked[1:]:
        still = lacking.missing_from(read.singles[i])
        added = share(said, (stems(read.singles[i]) & said) - words, weight)
        if len(still) < len(lacking) or added >= _ADDS:
            kept.append(i)
            lacking, words = still, words | (said & stems(read.singles[i]))
    return kept
