"""Measures of a support check: does its score tell what is stated, and mean something, and is its decision right?

    auc                  the chance that a claim that is stated scores above one that is not; ties count half
    contradicted_auc     the same of contradicted claims against stated ones
    precision, recall    of those that pass, the share that is stated; of those stated, the share that passes
    f1                   their harmonic mean
    rejected             which share of those not stated, and of those contradicted, does not pass
    calibration_error    expected calibration error (Naeini et al., "Obtaining Well Calibrated Probabilities Using
                         Bayesian Binning", 2015): the mean distance of score and share stated, over tenths of the score

Intervals are percentile bootstraps over groups: claims on one text stand or fall together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.answers import Share
from evaluation.measures import RESAMPLES, Array
from evaluation.support import JudgedClaim

_BINS = 10
_TAILS = (0.025, 0.975)

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A value with its 95 % interval. None: it cannot be told, for want of claims of both kinds, or of groups."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def as_json(self) -> dict[str, float | None]:
        return {name: _rounded(getattr(self, name)) for name in ("value", "low", "high")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenth:
    """Claims whose scores lie in one tenth: their mean score and the share of them that is stated."""

    score: float
    stated: float
    claims: int

    def as_json(self) -> dict[str, Any]:
        return {"score": round(self.score, 4), "stated": round(self.stated, 4), "claims": self.claims}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreFigures:
    """What one way of scoring came to."""

    auc: Figure
    contradicted_auc: Figure
    f1: Figure
    calibration_error: Figure
    precision: Share
    recall: Share
    rejected_not_stated: Share
    rejected_contradicted: Share
    reliability: tuple[Tenth, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "auc": self.auc.as_json(),
            "contradicted_auc": self.contradicted_auc.as_json(),
            "f1": self.f1.as_json(),
            "calibration_error": self.calibration_error.as_json(),
            "precision": self.precision.as_json(),
            "recall": self.recall.as_json(),
            "rejected_not_stated": self.rejected_not_stated.as_json(),
            "rejected_contradicted": self.rejected_contradicted.as_json(),
            "reliability": [each.as_json() for each in self.reliability],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportFigures:
    """What a set's claims came to. `baseline` and `auc_gain` are None where the cross-encoder was not asked.

    auc_gain: the check's AUC less the cross-encoder's, over the same resampled groups.
    """

    stated: int
    contradicted: int
    not_stated: int
    groups: int
    check: ScoreFigures
    baseline: ScoreFigures | None
    auc_gain: Figure | None

    def as_json(self) -> dict[str, Any]:
        return {
            "stated": self.stated,
            "contradicted": self.contradicted,
            "not_stated": self.not_stated,
            "groups": self.groups,
            "check": self.check.as_json(),
            "cross_encoder": None if self.baseline is None else self.baseline.as_json(),
            "auc_gain": None if self.auc_gain is None else self.auc_gain.as_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Labelled:
    """The labels of a set's claims, and how often each counts: weights[0] is 1, the others are resampled groups'."""

    stated: Flags
    contradicted: Flags
    weights: Array
    groups: int

    def figure(self, drawn: Array) -> Figure:
        """From the values under all weights."""
        if not math.isfinite(drawn[0]):
            return Figure(value=None)
        told = drawn[1:][np.isfinite(drawn[1:])]
        if self.groups < 2 or not len(told):
            return Figure(value=float(drawn[0]))
        low, high = np.quantile(told, _TAILS)
        return Figure(value=float(drawn[0]), low=float(low), high=float(high))


def sum_up_support(judged: Sequence[JudgedClaim], *, threshold: float, seed: int) -> SupportFigures:
    """The figures of a set, of which there is at least one claim. A claim passes from `threshold` on."""
    labels = [each.claim.label for each in judged]
    labelled = _Labelled(
        stated=np.array([label == "stated" for label in labels]),
        contradicted=np.array([label == "contradicted" for label in labels]),
        weights=_resampled([each.claim.group for each in judged], seed=seed),
        groups=len({each.claim.group for each in judged}),
    )
    support = np.array([each.support for each in judged])
    denied = np.array([-each.support if each.contradicted is None else each.contradicted for each in judged])
    likeness = [each.likeness for each in judged if each.likeness is not None]
    gain = None
    if likeness:
        ours, theirs = (
            auc(score, labelled.stated, labelled.weights) for score in (support, np.array(likeness))
        )
        gain = labelled.figure(ours - theirs)
    return SupportFigures(
        stated=labels.count("stated"),
        contradicted=labels.count("contradicted"),
        not_stated=labels.count("not stated"),
        groups=labelled.groups,
        check=_figures(support, denied, labelled, threshold),
        baseline=_figures(np.array(likeness), -np.array(likeness), labelled, threshold) if likeness else None,
        auc_gain=gain,
    )


def _figures(score: Array, denied: Array, labelled: _Labelled, threshold: float) -> ScoreFigures:
    stated, contradicted, weights = labelled.stated, labelled.contradicted, labelled.weights
    passes = score >= threshold
    either = stated | contradicted
    neither = ~either
    right = int((passes & stated).sum())
    return ScoreFigures(
        auc=labelled.figure(auc(score, stated, weights)),
        contradicted_auc=labelled.figure(auc(denied[either], contradicted[either], weights[:, either])),
        f1=labelled.figure(f1(passes, stated, weights)),
        calibration_error=labelled.figure(calibration_error(score, stated, weights)),
        precision=Share(successes=right, trials=int(passes.sum())),
        recall=Share(successes=right, trials=int(stated.sum())),
        rejected_not_stated=_rejected(passes, neither),
        rejected_contradicted=_rejected(passes, contradicted),
        reliability=tuple(
            Tenth(
                score=float(score[inside].mean()),
                stated=float(stated[inside].mean()),
                claims=int(inside.sum()),
            )
            for inside in (_tenth(score) == number for number in range(_BINS))
            if inside.any()
        ),
    )


def _rejected(passes: Flags, among: Flags) -> Share:
    return Share(successes=int((~passes & among).sum()), trials=int(among.sum()))


def _resampled(groups: Sequence[str], *, seed: int) -> Array:
    """How often each claim counts: once, then under resampled groups; shape (1 + RESAMPLES, claims)."""
    names, place = np.unique(np.array(groups), return_inverse=True)
    drawn = np.random.default_rng(seed).multinomial(
        len(names), np.full(len(names), 1 / len(names)), RESAMPLES
    )
    return np.vstack([np.ones(len(groups)), drawn[:, place]]).astype(np.float64)


def auc(score: Array, positive: Flags, weights: Array) -> Array:
    """The area under the ROC curve under each row of `weights`; NaN where claims of one kind are missing."""
    if not len(score):
        return np.full(len(weights), np.nan)
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.diff(score[order], prepend=-np.inf))
    above = np.add.reduceat(weights[:, order] * positive[order], starts, axis=1)
    below = np.add.reduceat(weights[:, order] * ~positive[order], starts, axis=1)
    won = (above * (below.cumsum(axis=1) - below / 2)).sum(axis=1)
    return _divided(won, above.sum(axis=1) * below.sum(axis=1))


def f1(passes: Flags, stated: Flags, weights: Array) -> Array:
    """F1 under each row of `weights`; NaN where nothing is stated."""
    right = weights @ (passes & stated)
    found = 2 * right / np.maximum(weights @ passes + weights @ stated, 1.0)
    return np.where(weights @ stated > 0, found, np.nan)


def calibration_error(score: Array, stated: Flags, weights: Array) -> Array:
    """Expected calibration error over tenths, under each row of `weights`."""
    tenth = _tenth(score)
    apart = sum(
        (
            np.abs(weights[:, inside] @ (score - stated)[inside])
            for inside in (tenth == n for n in range(_BINS))
        ),
        start=np.zeros(len(weights)),
    )
    return _divided(apart, weights.sum(axis=1))


def _tenth(score: Array) -> NDArray[np.int_]:
    tenth: NDArray[np.int_] = np.minimum((score * _BINS).astype(np.int_), _BINS - 1)
    return tenth


def _divided(above: Array, below: Array) -> Array:
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
