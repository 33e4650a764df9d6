"""From what was read and compared to a verdict on a claim: how likely a source states it, or contradicts it.

Two logistic regressions over the same features; their parameters lie in `weights/verdicts.json`, which
`benchmarks/support_fitting.py` writes and a test compares with the names of the features here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from generation.alignment import divergence, is_negated
from generation.binding import links
from generation.entailment import Readings
from generation.facts import Facts, facts_of
from generation.likeness import share, stems, weights

PARAMETERS_FILE = Path(__file__).parent / "weights" / "verdicts.json"
FEATURES = (
    "relevance", "relevance of the second", "relevance together", "stated", "stated by the most relevant",
    "contradicted", "contradicted by the most relevant", "contradicted by the most stating",
    "stated together", "contradicted together",
    "words held by the most relevant", "words held together", "words held anywhere",
    "numbers lacking in the most relevant", "numbers lacking together", "numbers lacking anywhere",
    "names lacking in the most relevant", "names lacking together", "names lacking anywhere",
    "negations apart", "opposites", "turned", "negated", "length", "length of the source", "speaks of itself", "asks",
    "words added", "links held", "links broken", "clause added",
    "near, numbers lacking", "near, names lacking", "near, negations apart", "near, opposites", "near, turned",
    "near, contradicted", "near, contradicted together", "near, stated together", "near, stated",
    "near the most relevant, numbers lacking", "near the most relevant, names lacking", "near", "near, squared",
    "rather contradicted together", "rather contradicted by the most relevant", "rather contradicted and negated",
    "negated and negations apart", "near, links broken", "near, links held",
)  # fmt: skip
_NEAR, _NEAR_ONE = 0.6, 0.5
"""Shares of a claim's words from which on a source is near: what is different then tells of contradiction."""

_NEARLY_IN_ONE, _NEARLY_IN_ALL, _ALL_BUT_ONE = 0.7, 0.75, 0.8
"""Shares of a claim's words from which on a difference in names, in negations, in opposites is a clash."""

_LOOSE = 0.5
"""Share of what a claim binds together below which, with two links broken, more claims than not are wrong that would
otherwise pass (45 of 85 in three grounding sets)."""

_OPENING = 4
"""The words in which a sentence says what it speaks of."""

_SELF = re.compile(
    r"\b(?:I|I'm|I've|we|you|my|me|your|our|i|im|ive|lol|yeah|yes|yep|oh|wow|sure|hi|hello|thanks)\b"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A claim, the source sentences that were read, and the readings.

    singles: sentences read alone, of which there is at least one.
    together: the same in the order of the text, read as one.
    readings: of each of `singles`, then of `together`: of shape (len(singles) + 1, 4), see `generation.entailment`.
    around: of each of `singles`, the title and headings of its passage.
    everything: all sentences of the passages.
    """

    claim: str
    singles: Sequence[str]
    together: str
    readings: Readings
    around: Sequence[str]
    everything: Sequence[str]

    def lacking_in(self, single: int) -> Facts:
        """The facts of the claim that a sentence lacks; what its title names it may call "it" or "the city".

        A sentence that begins with a name of its own speaks of that, whatever it is titled.
        """
        text, around = self.singles[single], self.around[single]
        lacking = facts_of(self.claim).missing_from(text)
        subject = facts_of(" ".join(text.split()[:_OPENING])).missing_from(f"{self.claim} {around}")
        return lacking if subject.names else lacking.unless_named_in(around)

    @property
    def lacking(self) -> Facts:
        """The facts of the claim that every one of the sentences lacks."""
        every = [self.lacking_in(single) for single in range(len(self.singles))]
        return Facts(
            numbers=frozenset.intersection(*(each.numbers for each in every)),
            names=frozenset.intersection(*(each.names for each in every)),
        )

    @property
    def lacking_anywhere(self) -> Facts:
        """The facts of the claim that no sentence of the passages holds."""
        lacking = facts_of(self.claim).missing_from(" ".join(self.everything))
        return lacking.unless_named_in(" ".join(self.around))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How likely a source states the claim, and how likely it contradicts it (0..1); and whether both clash.

    `clashes`: the source says nearly the same, but with another number or name, the opposite, with a negation more or
    less, without a clause of the claim, or in sentences apart what the claim binds together.
    """

    stated: float
    contradicted: float
    clashes: bool


def judge(read: Read) -> Verdict:
    """The verdict on a claim."""
    parameters = _parameters()
    row = features(read)
    return Verdict(
        stated=parameters["stated"].of(row),
        contradicted=parameters["contradicted"].of(row),
        clashes=clashes(row),
    )


def clashes(row: NDArray[np.float64]) -> bool:
    """Whether a claim departs from a source that otherwise says nearly the same, or adds to it, from its features.

    Real claims hardly ever come so close to a source that they do not follow, so regressions fitted on them alone let
    such edits pass (`benchmarks/support.py`, "swapped").
    """
    value: dict[str, float] = dict(zip(FEATURES, map(float, row), strict=True))
    return (
        value["numbers lacking anywhere"] > 0
        or value["clause added"] > 0
        or (value["links broken"] > 1 and value["links held"] < _LOOSE)
        or (
            value["names lacking in the most relevant"] > 0
            and value["words held by the most relevant"] > _NEARLY_IN_ONE
        )
        or (value["negations apart"] > 0 and value["words held together"] > _NEARLY_IN_ALL)
        or (value["opposites"] > 0 and value["words held together"] > _ALL_BUT_ONE)
    )


def features(read: Read) -> NDArray[np.float64]:
    """The features, in the order of `FEATURES`."""
    relevance = read.readings[:, 0].astype(float)
    stated, contradicted, _ = _log_shares(read.readings[:, 1:].astype(float)).T
    singles = range(len(read.singles))
    best = max(singles, key=lambda i: relevance[i])
    stating = max(singles, key=lambda i: stated[i])
    second = sorted(relevance[:-1])[-2] if len(read.singles) > 1 else -11.0
    near = [i for i in singles if relevance[i] > relevance[best] - 3.0]
    said = stems(read.claim)
    weight = weights([stems(sentence) for sentence in read.everything])
    most = read.singles[best]
    everything = " ".join(read.everything)
    shares = [share(said, stems(text), weight) for text in (most, read.together, everything)]
    lacking = [read.lacking_in(best), read.lacking, read.lacking_anywhere]
    bound = links(read.claim, read.singles)
    apart = divergence(read.claim, read.singles[stating])
    return _with_products(np.array([
        relevance[best], second, relevance[-1], stated[stating], stated[best],
        max(contradicted[i] for i in near), contradicted[best], contradicted[stating], stated[-1], contradicted[-1],
        *shares,
        *(min(len(each.numbers), 3) for each in lacking),
        *(min(len(each.names), 3) for each in lacking),
        min(apart.negations, 2), min(apart.opposites, 2), min(apart.turned, 4) / 4, is_negated(read.claim),
        math.log(1 + len(said)), math.log(1 + len(most)), bool(_SELF.search(read.claim)), "?" in read.claim,
        len(said) * (1 - shares[1]) / 5, bound.held, min(bound.broken, 3), bound.added,
    ], dtype=float))  # fmt: skip


def _with_products(row: NDArray[np.float64]) -> NDArray[np.float64]:
    """The features with those that tell how the others work together: a regression alone only adds them up."""
    value: dict[str, float] = dict(zip(FEATURES, map(float, row), strict=False))
    near = _above(value["words held together"], _NEAR)
    near_one = _above(value["words held by the most relevant"], _NEAR_ONE)
    rather = value["contradicted together"] - value["stated together"]
    return np.append(row, [
        *(near * value[name] for name in (
            "numbers lacking together", "names lacking together", "negations apart", "opposites", "turned",
            "contradicted", "contradicted together", "stated together", "stated",
        )),
        *(near_one * value[f"{kind} lacking in the most relevant"] for kind in ("numbers", "names")),
        near, near**2,
        rather, value["contradicted by the most relevant"] - value["stated by the most relevant"],
        rather * value["negated"], value["negated"] * value["negations apart"],
        near * value["links broken"], near * value["links held"],
    ])  # fmt: skip


def _above(share_held: float, least: float) -> float:
    return max(0.0, (share_held - least) / (1 - least))


def _log_shares(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-softmax by row, with a floor: what is certain beyond e^-6 is no more certain than that."""
    logits = logits - logits.max(axis=1, keepdims=True)
    shares: NDArray[np.float64] = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return np.maximum(shares, -6.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """A logistic regression over standardised features."""

    means: NDArray[np.float64]
    scales: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: float

    def of(self, row: NDArray[np.float64]) -> float:
        logit = float(((row - self.means) / self.scales) @ self.weights) + self.bias
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))


@cache
def _parameters() -> dict[str, Regression]:
    shape: dict[str, Any] = json.loads(PARAMETERS_FILE.read_text("utf-8"))
    return {
        name: Regression(
            means=np.array(shape[name]["means"]),
            scales=np.array(shape[name]["scales"]),
            weights=np.array(shape[name]["weights"]),
            bias=float(shape[name]["bias"]),
        )
        for name in ("stated", "contradicted")
    }
