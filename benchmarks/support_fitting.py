"""The two regressions of `generation.verdicts`, fitted and cross-validated with numpy alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.support_reading import FOLDS, Item
from generation.verdicts import FEATURES, PARAMETERS_FILE, Regression

Rows = NDArray[np.float64]
Flags = NDArray[np.bool_]
_PENALTY = 0.01
_STEPS = 50
_MADE = 0.3
"""What a made claim counts beside a real one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Claims with their features. `fitted_on`: those that parameters may be fitted on."""

    items: Sequence[Item]
    rows: Rows
    fitted_on: Flags

    def flags(self, *labels: str) -> Flags:
        return np.array([item.claim.label in labels for item in self.items])

    @property
    def sets(self) -> NDArray[np.str_]:
        return np.array([item.claim.set_name for item in self.items])

    @property
    def kinds(self) -> NDArray[np.str_]:
        return np.array([item.claim.kind for item in self.items])

    @property
    def folds(self) -> NDArray[np.int_]:
        return np.array([item.fold for item in self.items])

    def set_weights(self) -> Rows:
        """Sets count by the root of their size: neither all alike nor the largest alone; made claims count less."""
        sets = self.sets
        counts = {name: (sets[self.fitted_on] == name).sum() or 1 for name in set(sets)}
        return np.array([(_MADE if name == "swapped" else 1.0) / np.sqrt(counts[name]) for name in sets])


def cross_validated(
    table: Table, target: Flags, among: Flags, *, columns: Sequence[int] | None = None
) -> Rows:
    """Probabilities of every claim by a regression that was fitted on other groups, `among` some claims."""
    found = np.zeros(len(table.items))
    for fold in range(FOLDS):
        held_out = table.folds == fold
        fitted = fit(table, target, among & table.fitted_on & ~held_out, columns=columns)
        for i in np.flatnonzero(held_out):
            found[i] = fitted.of(table.rows[i])
    return found


def fit(table: Table, target: Flags, chosen: Flags, *, columns: Sequence[int] | None = None) -> Regression:
    """A logistic regression with a small penalty, by Newton's method; weights outside of `columns` are 0."""
    rows, wanted, weights = table.rows[chosen], target[chosen].astype(float), table.set_weights()[chosen]
    weights = weights / weights.mean()
    means, scales = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    x = np.hstack([(rows - means) / scales, np.ones((len(rows), 1))])
    if columns is not None:
        x[:, [i for i in range(rows.shape[1]) if i not in set(columns)]] = 0.0
    beta = np.zeros(x.shape[1])
    penalty = np.full(x.shape[1], _PENALTY * len(x))
    penalty[-1] = 1e-6
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        gradient = x.T @ (weights * (p - wanted)) + penalty * beta
        curvature = (x * (weights * p * (1 - p))[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        beta -= step
        if np.abs(step).max() < 1e-6:
            break
    return Regression(means=means, scales=scales, weights=beta[:-1], bias=float(beta[-1]))


def write_parameters(table: Table) -> None:
    """Fit both regressions on all that may be fitted on, and write what ships."""
    stated, contradicted = table.flags("stated"), table.flags("contradicted")
    everything = np.ones(len(table.items), dtype=bool)
    both = {
        "stated": fit(table, stated, everything & table.fitted_on),
        "contradicted": fit(table, contradicted, (stated | contradicted) & table.fitted_on),
    }
    PARAMETERS_FILE.parent.mkdir(parents=True, exist_ok=True)
    shape = {"features": FEATURES} | {
        name: {
            "means": _rounded(each.means),
            "scales": _rounded(each.scales),
            "weights": _rounded(each.weights),
            "bias": round(each.bias, 6),
        }
        for name, each in both.items()
    }
    PARAMETERS_FILE.write_text(json.dumps(shape, indent=1) + "\n", "utf-8")


def _rounded(row: Rows) -> list[float]:
    return [round(float(value), 6) for value in row]
