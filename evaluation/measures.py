"""Measures of retrieval: how good each question's ranking of documents is, and how sure their mean is.

The measures are computed by ir-measures, which comes with the `eval` extra.

    ndcg@k      graded: a document's gain is its grade, discounted by log2(rank + 1), beside the best order's
                (Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002)
    recall@k    share of the relevant documents that are among the first k; recall@100 says what a reranker could find
    mrr@k       1 / rank of the first relevant document, 0 where none is among the first k
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.sets import Qrels
from retrieval.errors import ExtraMissingError

DEPTH = 100
"""How many documents of a ranking are looked at."""

RESAMPLES = 2_000
_LEVEL = 0.95
_PERCENTILES = (50, 95, 99)

Values = Mapping[str, Mapping[str, float]]
"""By question id: the value of every measure, by its name."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean, and the interval that holds 95 % of the means of resampled questions."""

    mean: float
    low: float
    high: float

    def as_json(self) -> dict[str, float]:
        return {"mean": round(self.mean, 4), "low": round(self.low, 4), "high": round(self.high, 4)}


def measure_names(k: int) -> tuple[str, ...]:
    """The measures at k, the one that rankings are compared by first, and recall@100."""
    return tuple(dict.fromkeys((f"ndcg@{k}", f"recall@{k}", f"recall@{DEPTH}", f"mrr@{k}")))


def check_measurable() -> None:
    """Raise `ExtraMissingError` where the measures cannot be computed."""
    _library()


def measure_rankings(rankings: Mapping[str, Sequence[str]], qrels: Qrels, *, k: int) -> Values:
    """The value of every measure for every question of `qrels`. Rankings are document ids, best first, each once."""
    library = _library()
    made = {
        f"ndcg@{k}": library.nDCG @ k,
        f"recall@{k}": library.R @ k,
        f"recall@{DEPTH}": library.R @ DEPTH,
        f"mrr@{k}": library.RR @ k,
    }
    names = {str(measure): name for name, measure in made.items()}
    # Ranks instead of scores: where two scores are equal, the library would order documents by id.
    run = {
        question: {document: float(-rank) for rank, document in enumerate(ranking)}
        for question, ranking in rankings.items()
    }
    values = {question: dict.fromkeys(measure_names(k), 0.0) for question in qrels}
    judged = {question: dict(grades) for question, grades in qrels.items()}
    for value in library.iter_calc(list(made.values()), judged, run):
        values[value.query_id][names[str(value.measure)]] = float(value.value)
    return values


def estimate(values: Values, measure: str, *, seed: int) -> Estimate:
    """The mean over questions with its bootstrap interval."""
    column = column_of(values, measure)
    return _interval(float(column.mean()), resampled_means(column, seed=seed))


def estimate_mean(columns: Sequence[Array], *, seed: int) -> Estimate:
    """The mean of several sets' means, each set counting alike; questions are resampled within each set."""
    drawn = np.mean(
        [resampled_means(column, seed=seed + number) for number, column in enumerate(columns)], axis=0
    )
    return _interval(float(np.mean([column.mean() for column in columns])), drawn)


def column_of(values: Values, measure: str) -> Array:
    """One measure's values, in the order of the questions' ids."""
    return np.array([values[question][measure] for question in sorted(values)], dtype=np.float64)


def resampled_means(column: Array, *, seed: int) -> Array:
    """Means of as many questions drawn with replacement, float64 of shape (RESAMPLES,).

    The percentile bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13). Of the
    differences between two runs over the same questions it is the paired bootstrap.
    """
    draw = np.random.default_rng(seed)
    return np.array([column[draw.integers(0, len(column), len(column))].mean() for _ in range(RESAMPLES)])


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99 of durations, in milliseconds."""
    found = np.percentile(np.asarray(seconds, dtype=np.float64) * 1_000, _PERCENTILES)
    return {f"p{which}": round(float(value), 2) for which, value in zip(_PERCENTILES, found, strict=True)}


def _interval(mean: float, drawn: Array) -> Estimate:
    tail = (1 - _LEVEL) / 2
    low, high = np.quantile(drawn, (tail, 1 - tail))
    assert math.isfinite(mean), "there is at least one question"
    return Estimate(mean=mean, low=float(low), high=float(high))


def _library() -> Any:
    try:
        import ir_measures  # noqa: PLC0415  # only those who measure need it
    except ModuleNotFoundError as exc:
        raise ExtraMissingError("eval", "measuring retrieval") from exc
    return ir_measures
