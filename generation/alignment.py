"""Where two sentences that share their words part ways: negations, opposites, and who does what to whom.

Rough on purpose: each finding is one feature of the support check (`generation.verdicts`), never a verdict.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

# fmt: off
_NEGATORS = frozenset({
    "not", "n't", "never", "no", "none", "neither", "nor", "without", "cannot", "lack", "lacks", "lacked",
    "lacking", "fail", "fails", "failed", "unable", "absence", "absent", "hardly", "rarely", "seldom", "nobody",
    "nothing", "nowhere", "unlikely", "denied", "denies",
})
_OPPOSITES = (
    ("increas", "decreas"), ("increas", "reduc"), ("increas", "declin"), ("high", "low"), ("highest", "lowest"),
    ("higher", "lower"), ("more", "less"), ("more", "fewer"), ("most", "least"), ("larg", "small"),
    ("greater", "smaller"), ("greater", "lower"), ("before", "after"), ("above", "below"), ("early", "late"),
    ("earlier", "later"), ("first", "last"), ("improv", "worsen"), ("improv", "impair"), ("promot", "inhibit"),
    ("promot", "suppress"), ("promot", "prevent"), ("activat", "inhibit"), ("activat", "suppress"),
    ("activat", "inactivat"), ("stimulat", "inhibit"), ("stimulat", "suppress"), ("induc", "prevent"),
    ("induc", "inhibit"), ("induc", "suppress"), ("enhanc", "impair"), ("enhanc", "inhibit"),
    ("enhanc", "reduc"), ("enhanc", "suppress"), ("upregulat", "downregulat"), ("elevat", "reduc"),
    ("elevat", "decreas"), ("raise", "lower"), ("raise", "reduc"), ("positiv", "negativ"),
    ("presence", "absence"), ("present", "absent"), ("always", "never"), ("all", "none"), ("better", "worse"),
    ("best", "worst"), ("long", "short"), ("longer", "shorter"), ("fast", "slow"), ("faster", "slower"),
    ("strong", "weak"), ("north", "south"), ("northern", "southern"), ("east", "west"), ("eastern", "western"),
    ("male", "female"), ("men", "women"), ("man", "woman"), ("father", "mother"), ("son", "daughter"),
    ("won", "lost"), ("win", "lose"), ("accept", "reject"), ("allow", "forbid"), ("includ", "exclud"),
    ("rise", "fall"), ("rose", "fell"), ("gain", "loss"), ("start", "end"), ("began", "end"),
    ("open", "closed"), ("opens", "closes"), ("opened", "closed"), ("public", "privat"), ("common", "rare"),
    ("major", "minor"), ("maxim", "minim"), ("success", "fail"), ("possible", "impossible"), ("able", "unable"),
    ("likely", "unlikely"), ("effectiv", "ineffectiv"), ("necessary", "unnecessary"), ("support", "oppos"),
    ("safe", "unsafe"), ("protect", "harm"), ("young", "old"), ("younger", "older"), ("oldest", "youngest"),
    ("inside", "outside"), ("internal", "external"), ("hot", "cold"), ("warm", "cool"), ("wet", "dry"),
    ("heavy", "light"), ("rich", "poor"), ("expensiv", "cheap"), ("easy", "difficult"), ("good", "bad"),
    ("left", "right"), ("upper", "lower"), ("with", "without"), ("same", "different"), ("similar", "different"),
    ("majority", "minority"), ("many", "few"), ("often", "rarely"), ("usually", "rarely"), ("both", "neither"),
    ("agree", "disagree"), ("acute", "chronic"), ("benign", "malignant"), ("sensitiv", "resistan"),
    ("dependent", "independent"), ("gain", "lose"), ("accelerat", "slow"),
)
_FUNCTION_WORDS = frozenset({
    "a", "an", "the", "of", "in", "on", "at", "to", "for", "by", "and", "or", "as", "is", "are", "was", "were",
    "be", "been", "it", "its", "that", "this", "with", "from", "has", "have", "had", "do", "does", "did",
    "they", "their", "he", "his", "she", "her", "which", "who", "also", "can", "will", "would",
})
# fmt: on
_OPPOSITE_STEMS: dict[str, tuple[str, ...]] = {}
for _a, _b in _OPPOSITES:
    _OPPOSITE_STEMS[_a] = (*_OPPOSITE_STEMS.get(_a, ()), _b)
    _OPPOSITE_STEMS[_b] = (*_OPPOSITE_STEMS.get(_b, ()), _a)
_WHOLE_WORDS = 5
"""Stems shorter than this stand for themselves alone: "old" is not the beginning of "older"."""

_WORD = re.compile(r"n['’]t\b|[^\W\d_]+(?=n['’]t\b)|[^\W_]+")
_WINDOW = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """Counts of what speaks against a sentence that says the same.

    negations: words that one of both negates and the other states.
    opposites: words of the claim in whose place the source has the opposite.
    turned: pairs of words that follow one another the other way round.
    """

    negations: int
    opposites: int
    turned: int


def divergence(claim: str, source: str) -> Divergence:
    """How a claim departs from a source sentence that has words in common with it."""
    said, stated = _words(claim), _words(source)
    return Divergence(
        negations=_negated_apart(said, stated) + _negated_apart(stated, said),
        opposites=_opposites(said, stated),
        turned=_turned(said, stated),
    )


def is_negated(text: str) -> bool:
    """Whether a word of the text negates."""
    return not _NEGATORS.isdisjoint(_words(text))


def _words(text: str) -> list[str]:
    return [word.lower().replace("’", "'") for word in _WORD.findall(text)]


def _stem(word: str) -> str:
    return word[:6] if len(word) > 6 else word.removesuffix("s") if len(word) > 3 else word


def _negated_apart(one: Sequence[str], other: Sequence[str]) -> int:
    """Negators of `one` whose scope `other` has too, with no negator near it."""
    scope_of_other = {_stem(word) for word in _negated(other)}
    words_of_other = {_stem(word) for word in other}
    apart = 0
    for place, word in enumerate(one):
        if word in _NEGATORS:
            scope = {_stem(w) for w in _scope(one, place)}
            apart += bool(scope & words_of_other) and not scope & scope_of_other
    return apart


def _negated(words: Sequence[str]) -> list[str]:
    return [word for place, each in enumerate(words) if each in _NEGATORS for word in _scope(words, place)]


def _scope(words: Sequence[str], place: int) -> list[str]:
    """The words after a negator that it most likely negates."""
    return [word for word in words[place + 1 : place + 1 + _WINDOW + 2] if word not in _FUNCTION_WORDS][
        :_WINDOW
    ]


def _opposites(said: Sequence[str], stated: Sequence[str]) -> int:
    there = set(stated)
    found = 0
    for word in set(said) - there:
        for stem, opposites in _OPPOSITE_STEMS.items():
            if _is_of(word, stem):
                found += any(_is_of(other, opposite) for other in there - set(said) for opposite in opposites)
                break
    return found


def _is_of(word: str, stem: str) -> bool:
    return word == stem or (len(stem) >= _WHOLE_WORDS and word.startswith(stem))


def _turned(said: Sequence[str], stated: Sequence[str]) -> int:
    """Neighbours among the shared content words of the claim that stand in the other order in the source."""
    first = {word: place for place, word in reversed(list(enumerate(stated)))}
    shared = [word for word in dict.fromkeys(said) if word in first and word not in _FUNCTION_WORDS]
    return sum(first[a] > first[b] for a, b in pairwise(shared))
