"""What measuring the support check came to, for a person to read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evaluation.answers import Share
from evaluation.support import MOST_SCORED
from evaluation.support_figures import Figure, ScoreFigures
from evaluation.support_files import PassedOver
from service.cli.display import count, note, stdout
from service.evaluating_support import SupportEvaluation, SupportMeasurement

_SHOWN = 5
_NAMES, _CELL = 30, 24


def note_passed_over(passed_over: Sequence[PassedOver]) -> None:
    """Say which files hold no set, the first few of many with the reason."""
    for each in passed_over[:_SHOWN]:
        note(f"'{each.path}' is passed over: {each.why}")
    if len(passed_over) > _SHOWN:
        note(f"{len(passed_over) - _SHOWN:,} more files are passed over; --json lists them all.")


def show_support(evaluation: SupportEvaluation) -> None:
    """Every set's figures."""
    for measurement in evaluation.measurements:
        _show_set(measurement, evaluation.threshold)
    _line("[low, high]: 95 % intervals, bootstrapped over groups of claims on one text, of shares by Wilson.")
    if evaluation.request.baseline:
        _line(
            f"cross-encoder: its score of the best of the source's sentences ({MOST_SCORED} at most, those with most "
            "words in common), alone."
        )


def _show_set(measurement: SupportMeasurement, threshold: float) -> None:
    figures, support_set = measurement.figures, measurement.support_set
    _line(support_set.name, bold=True)
    _line(f"  {_described(measurement)}")
    ways = [way for way in (figures.check, figures.baseline) if way is not None]
    _row("", ["the check", "cross-encoder"][: len(ways)])
    for name, figure in _ROWS:
        told = [figure(way) for way in ways]
        if any(each is not None for each in told):
            _row(name.format(threshold=threshold), ["-" if each is None else each for each in told])
    if figures.auc_gain is not None and figures.auc_gain.value is not None:
        _line(f"  {'AUC, gained by the check':<{_NAMES}}{_gain(figures.auc_gain)}")
    if missing := _missing(measurement):
        _line(f"  {missing}")
    told_ms = ", ".join(f"{name} {value:.0f}" for name, value in measurement.latency.items())
    _line(f"  {'the check takes':<{_NAMES}}{told_ms} ms a claim")


def _described(measurement: SupportMeasurement) -> str:
    figures, support_set = measurement.figures, measurement.support_set
    checked = count(len(support_set.claims), "claim")
    if len(support_set.claims) != measurement.whole:
        checked += f" drawn from {measurement.whole:,}"
    parts = [
        f"{checked} in {count(figures.groups, 'group')}",
        f"{figures.stated:,} stated, {figures.contradicted:,} contradicted, {figures.not_stated:,} not stated",
    ]
    if support_set.without_source:
        parts.append(f"{support_set.without_source:,} left out for want of a source")
    return "; ".join(parts)


def _missing(measurement: SupportMeasurement) -> str:
    """Why there are no figures, where there are none."""
    figures = measurement.figures
    if not figures.stated:
        return "None of these claims is stated, so there is no AUC and no F1."
    if not figures.contradicted + figures.not_stated:
        return "All of these claims are stated, so there is no AUC."
    return ""


def _figure(figure: Figure) -> str | None:
    if figure.value is None:
        return None
    if figure.low is None or figure.high is None:
        return f"{figure.value:.3f}"
    return f"{figure.value:.3f}  [{figure.low:.3f}, {figure.high:.3f}]"


def _share(share: Share) -> str | None:
    low, high = share.interval
    return f"{share.value:.3f}  [{low:.3f}, {high:.3f}]" if share.trials else None


_ROWS: Sequence[tuple[str, Callable[[ScoreFigures], str | None]]] = (
    ("AUC, stated or not", lambda way: _figure(way.auc)),
    ("AUC, contradicted or stated", lambda way: _figure(way.contradicted_auc)),
    ("F1 at {threshold:g}", lambda way: _figure(way.f1)),
    ("  precision", lambda way: _share(way.precision) if way.recall.trials else None),
    ("  recall", lambda way: _share(way.recall)),
    ("rejected, of not stated", lambda way: _share(way.rejected_not_stated)),
    ("rejected, of contradicted", lambda way: _share(way.rejected_contradicted)),
    ("calibration error", lambda way: _figure(way.calibration_error)),
)


def _gain(figure: Figure) -> str:
    assert figure.value is not None, "the caller has looked"
    if figure.low is None or figure.high is None:
        return f"{figure.value:+.3f}"
    verdict = "better" if figure.low > 0 else "worse" if figure.high < 0 else "no clear difference"
    return f"{figure.value:+.3f}  [{figure.low:+.3f}, {figure.high:+.3f}]  {verdict}"


def _row(name: str, cells: Sequence[str]) -> None:
    _line(f"  {name:<{_NAMES}}{''.join(f'{cell:<{_CELL}}' for cell in cells)}".rstrip())


def _line(text: str, *, bold: bool = False) -> None:
    stdout().print(text, markup=False, style="bold" if bold else None)
