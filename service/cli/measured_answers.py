"""What measuring answers came to, for a person to read."""

from __future__ import annotations

from evaluation.answers import Share
from service.cli.display import count, stdout
from service.cli.measured_retrieval import interval
from service.evaluating_answers import AnswersEvaluation, AnswersMeasurement

_WIDTH = 22


def show_answers(evaluation: AnswersEvaluation) -> None:
    """Every set's figures."""
    for measurement in evaluation.measurements:
        _show_set(measurement)
    stdout().print(
        "[low, high]: 95 % intervals, of means bootstrapped over questions, of shares by Wilson.",
        markup=False,
    )


def _show_set(measurement: AnswersMeasurement) -> None:
    figures = measurement.figures
    _line(measurement.name, bold=True)
    _line(
        f"  {count(measurement.documents, 'document')} in {count(measurement.chunks, 'chunk')}; "
        f"{count(measurement.questions, 'question')}"
    )
    for name, value in figures.estimates.items():
        asked = count(figures.questions[name], "question")
        _line(f"  {name.replace('_', ' '):<{_WIDTH}}{interval(value.as_json())}  ({asked})")
    for name, share in (
        ("answered, of answerable", figures.answered),
        ("refusal precision", figures.refusal_precision),
        ("refusal recall", figures.refusal_recall),
        ("  of those left out", figures.left_out_refused),
        ("  of unanswerable ones", figures.unanswerable_refused),
    ):
        if share.trials:
            _line(f"  {name:<{_WIDTH + 2}}{_share(share)}")
    _line(
        f"  {figures.sentences:.2f} sentences and {figures.citations:.2f} citations an answer; "
        + ", ".join(f"{name} {value:.0f}" for name, value in measurement.latency.items())
        + " ms"
    )


def _line(text: str, *, bold: bool = False) -> None:
    stdout().print(text, markup=False, style="bold" if bold else None)


def _share(share: Share) -> str:
    low, high = share.interval
    return f"{share.value:.3f}  [{low:.3f}, {high:.3f}]  ({share.successes:,} of {share.trials:,})"
