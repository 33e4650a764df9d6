"""Whether a passage answers a question, not only speaks of the same.

A cross-encoder scores how alike question and passage are. Where a question speaks of what a passage speaks of, but asks
what it does not say (another year, the opposite, a name that is not there), it scores high all the same. A logistic
regression over its logits and over such differences tells the two apart better. It was fitted by
`benchmarks/answering.py` to the articles of squad2-dev that `benchmarks/refusal.py` calibrates on, with the dataset's
own unanswerable questions and with questions on absent articles; docs/refusal.md has its figures on the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from generation.alignment import divergence, is_negated
from generation.facts import facts_of

FEATURES = (
    "logit of the best sentence",
    "numbers lacking",
    "names lacking",
    "opposites",
    "negations apart",
    "question negated",
    "sentence negated",
)
_WEIGHTS = np.array([0.328, -1.140, -0.856, -1.592, -1.079, -1.195, 0.699])
_BIAS = -1.430

UNREAD = -11.0
"""Stands for the sentences of a passage that share no word with the question: the logit of a pair without relation."""


def answering_logit(question: str, passage: str, sentences: Sequence[tuple[str, float]]) -> float:
    """The log-odds that a passage answers a question. `sentences`: those that were read, with their raw logits."""
    return float(features(question, passage, sentences) @ _WEIGHTS) + _BIAS


def features(question: str, passage: str, sentences: Sequence[tuple[str, float]]) -> NDArray[np.float64]:
    """The features, in the order of `FEATURES`: float64 of shape (7,). `passage`: with its title and headings."""
    best, logit = max(sentences, key=lambda read: read[1], default=("", UNREAD))
    lacking = facts_of(question).missing_from(passage)
    apart = divergence(question, best)
    return np.array(
        [
            logit,
            min(len(lacking.numbers), 2),
            min(len(lacking.names), 2),
            min(apart.opposites, 2),
            min(apart.negations, 2),
            is_negated(question),
            is_negated(best),
        ],
        dtype=np.float64,
    )
