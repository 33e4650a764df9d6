"""Claims with the sentences that the product reads of their sources, and what the trained layers make of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.support_hidden import HiddenStates, Pair
from benchmarks.support_sets import Claim, grouped_claims
from benchmarks.support_swaps import rows_for_fitting, rows_for_testing
from generation.comparing import MOST_READ
from generation.likeness import most_alike
from generation.sentences import split_sentences
from generation.verdicts import Read, features

FOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A claim as it is read."""

    claim: Claim
    sentences: tuple[str, ...]
    singles: tuple[str, ...]
    together: str

    @property
    def pairs(self) -> list[Pair]:
        """Each single, then all together."""
        return [(self.claim.claim, text) for text in (*self.singles, self.together)]

    @property
    def fold(self) -> int:
        """Which part of the groups the claim is in, for the regressions."""
        return int(hashlib.sha256(self.claim.group.encode()).hexdigest()[:8], 16) % FOLDS

    def features(self, readings: NDArray[np.float32]) -> NDArray[np.float64]:
        """What the regressions get; `readings` of `pairs`."""
        return features(
            Read(
                claim=self.claim.claim,
                singles=self.singles,
                together=self.together,
                readings=readings,
                around=[""] * len(self.singles),
                everything=self.sentences,
            )
        )


def item_of(claim: Claim) -> Item:
    """Choose the sentences as `generation.comparing` does."""
    sentences = [s.text for part in claim.source for s in split_sentences(part)] or [*claim.source]
    chosen = most_alike(claim.claim, sentences, MOST_READ)
    return Item(
        claim=claim,
        sentences=tuple(sentences),
        singles=tuple(sentences[i] for i in chosen),
        together=" ".join(sentences[i] for i in sorted(chosen)),
    )


def items() -> dict[str, list[Item]]:
    """The claims as they are read: of the grounding sets, and made ones for fitting and for testing."""
    return {
        "grounding": [item_of(claim) for claim in grouped_claims()],
        "fitting": [item_of(claim) for claim in rows_for_fitting()],
        "testing": [item_of(claim) for claim in rows_for_testing()],
    }


def readings(
    item: Item, states: HiddenStates, logits: dict[Pair, NDArray[np.float32]]
) -> NDArray[np.float32]:
    """As `EntailmentModel.read` would return them."""
    return np.array([[states.logit(pair), *logits[pair]] for pair in item.pairs], dtype=np.float32)
