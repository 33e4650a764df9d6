"""AUC, F1 and calibration error: as their definitions say, with intervals over groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.support import JudgedClaim
from evaluation.support_figures import auc, calibration_error, f1, sum_up_support
from evaluation.support_sets import Claim, Label

SCORES = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.95, 1.0]), st.booleans(), st.integers(0, 3)),
    min_size=1,
    max_size=12,
)


def judged(
    support: float,
    label: Label,
    group: str,
    *,
    contradicted: float | None = 0.0,
    likeness: float | None = 0.5,
) -> JudgedClaim:
    claim = Claim(claim="a", source=("b",), label=label, set_name="s", group=group, reading="")
    return JudgedClaim(
        claim=claim,
        support=support,
        contradicted=contradicted,
        likeness=likeness,
        quotes=(),
        seconds=0.1,
    )


@given(SCORES)
def test_weights_count_as_repetitions_do_and_auc_counts_pairs(rows: list[tuple[float, bool, int]]) -> None:
    score, flags = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    weights = np.array([[row[2] for row in rows]], dtype=float)
    repeated = [(s, flag) for s, flag, times in rows for _ in range(times)]
    above, below = [s for s, flag in repeated if flag], [s for s, flag in repeated if not flag]
    (found,) = auc(score, flags, weights)
    if above and below:
        won = sum((a > b) + (a == b) / 2 for a in above for b in below)
        assert found == pytest.approx(won / (len(above) * len(below)))
    else:
        assert np.isnan(found)
    (error,) = calibration_error(score, flags.astype(bool), weights)
    if repeated:
        tenths: dict[int, list[float]] = {}
        for s, flag in repeated:
            tenths.setdefault(min(int(s * 10), 9), []).append(s - flag)
        assert error == pytest.approx(sum(abs(sum(each)) for each in tenths.values()) / len(repeated))
    else:
        assert np.isnan(error)


def test_f1_is_that_of_what_passes() -> None:
    passes, stated = np.array([True, True, False, False]), np.array([True, False, True, False])
    assert f1(passes, stated, np.array([[1, 1, 1, 1], [0, 1, 0, 1], [2, 1, 1, 0]])) == pytest.approx(
        [0.5, np.nan, 2 / 3], nan_ok=True
    )


def test_figures_say_what_passes_and_what_is_rejected() -> None:
    figures = sum_up_support(
        [
            judged(0.9, "stated", "a", contradicted=0.1),
            judged(0.4, "stated", "b", contradicted=0.2),
            judged(0.6, "not stated", "a", likeness=0.9),
            judged(0.1, "not stated", "c"),
            judged(0.2, "contradicted", "c", contradicted=0.15),
        ],
        threshold=0.5,
        seed=0,
    )
    assert (figures.stated, figures.contradicted, figures.not_stated, figures.groups) == (2, 1, 2, 3)
    check = figures.check
    assert check.auc.value == pytest.approx(5 / 6)
    assert check.contradicted_auc.value == pytest.approx(0.5)
    assert (check.precision.value, check.recall.value, check.f1.value) == (0.5, 0.5, 0.5)
    assert (check.rejected_not_stated.value, check.rejected_contradicted.value) == (0.5, 1.0)
    low, high = check.auc.low, check.auc.high
    assert low is not None
    assert high is not None
    assert low <= 5 / 6 <= high
    assert [each.claims for each in check.reliability] == [1, 1, 1, 1, 1]
    assert figures.baseline is not None
    assert figures.baseline.auc.value == pytest.approx(1 / 3)
    assert figures.baseline.contradicted_auc.value == 0.5
    assert figures.auc_gain is not None
    assert figures.auc_gain.value == pytest.approx(0.5)


def test_what_cannot_be_told_is_none() -> None:
    alone = sum_up_support([judged(0.2, "not stated", "a", likeness=None)], threshold=0.5, seed=0)
    assert (alone.check.auc.value, alone.check.f1.value, alone.baseline, alone.auc_gain) == (None,) * 4
    assert alone.check.calibration_error.as_json() == {"value": 0.2, "low": None, "high": None}


def test_a_check_that_cannot_tell_contradiction_is_measured_by_its_support() -> None:
    figures = sum_up_support(
        [judged(0.9, "stated", "a", contradicted=None), judged(0.1, "contradicted", "b", contradicted=None)],
        threshold=0.5,
        seed=0,
    )
    assert figures.check.contradicted_auc.value == 1.0
