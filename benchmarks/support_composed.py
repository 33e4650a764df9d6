"""Claims composed of two sentences of one passage, as weak language models compose them, and their honest counterparts.

Composed: the subject of one sentence with what another says of something else, or a true sentence with such a clause
more. Honest: what the next sentence says of "it", "he" or "they" with the name put in its place. Both are made of the
source's own words, so that words alone tell nothing.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from generation.facts import facts_of

Kind = Literal["composed", "clause added", "resolved"]

_VERB = re.compile(
    r" (?=(?:is|are|was|were|has|have|had|became|become|becomes|remains|remained|includes|included|contains|contained|"
    r"provides|provided|began|won|led|lost|uses|used|produces|produced|can|may|will|would|consists|serves|served|took|"
    r"made|held|built|founded|received|allows|requires|causes|occurs|lies|rises|flows|makes)\b)"
)
_COPULA = re.compile(r"(?:is|are|was|were|has|have|had|became|began|won|led|contains|produces|provides)\b")
_PRONOUN = re.compile(r"(?:It|He|She|They) ")
_PLURAL = re.compile(r"(?:are|were|have)\b")
_SINGULAR = re.compile(r"(?:is|was|has|[a-z]+s)\b")
_OPENER = re.compile(
    r"(?:Although|Though|Since|While|If|When|Where|Why|How|As|Because|Also|But|And|After|Before)\b"
)
_SUBJECT_WORDS, _LONGEST = 8, 170


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """A claim, and the two sentences that it is made of, in the order of the text."""

    claim: str
    sources: tuple[str, str]
    kind: Kind


def compositions(sentences: Sequence[str], rng: random.Random) -> Iterator[Composition]:
    """What can be composed of the sentences of a passage, in no particular order."""
    parts = [(sentence, _parts(sentence)) for sentence in sentences]
    for at, (sentence, split) in enumerate(parts):
        if split is None:
            continue
        subject = split[0]
        if at + 1 < len(parts) and (match := _PRONOUN.match(parts[at + 1][0])) and facts_of(sentence).names:
            following = parts[at + 1][0]
            yield Composition(
                claim=f"{subject} {following[match.end() :]}", sources=(sentence, following), kind="resolved"
            )
        others = [
            (other, theirs)
            for other, theirs in parts
            if theirs is not None
            and _speak_of_others(subject, sentence, theirs[0], other)
            and _agree(split[1], theirs[1])
        ]
        if not others:
            continue
        other, (_, predicate) = rng.choice(others)
        both = (sentence, other) if sentences.index(sentence) < sentences.index(other) else (other, sentence)
        yield Composition(claim=f"{subject} {predicate}", sources=both, kind="composed")
        if _COPULA.match(predicate) and len(sentence) < _LONGEST and "," not in sentence[-40:]:
            yield Composition(
                claim=f"{sentence.rstrip('.')}, which {predicate}", sources=both, kind="clause added"
            )


def _parts(sentence: str) -> tuple[str, str] | None:
    """Subject and predicate of a plain sentence that begins with its subject."""
    match = _VERB.search(sentence)
    if match is None or not sentence.endswith(".") or _PRONOUN.match(sentence) or _OPENER.match(sentence):
        return None
    subject, predicate = sentence[: match.start()], sentence[match.end() :]
    plain = (
        len(subject.split()) <= _SUBJECT_WORDS
        and not set(",:;") & set(subject)
        and len(predicate.split()) > 3
    )
    return (subject, predicate) if plain else None


def _speak_of_others(subject: str, sentence: str, their_subject: str, other: str) -> bool:
    """Whether each of two sentences has in its subject a name that the other sentence lacks."""
    if sentence == other:
        return False
    ours, theirs = facts_of(subject).names, facts_of(their_subject).names
    return bool(ours - facts_of(other).names) and bool(theirs - facts_of(sentence).names)


def _agree(one: str, other: str) -> bool:
    """Whether two predicates go with the same subject, so that grammar gives nothing away."""
    return all(bool(form.match(one)) == bool(form.match(other)) for form in (_PLURAL, _SINGULAR))
