"""What measuring retrieval came to, for a person to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from service.cli.display import count, stdout
from service.measurements import Evaluation, Measurement


def show_retrieval(evaluation: Evaluation) -> None:
    """Every set's figures, then what all of them come to."""
    for measurement in evaluation.measurements:
        _show_set(measurement)
    console = stdout()
    if len(evaluation.measurements) > 1:
        console.print(f"Mean of {len(evaluation.measurements)} sets", style="bold")
        for name, value in evaluation.means.items():
            console.print(f"  {name:<12}{interval(value.as_json())}")
        for name, value in evaluation.mean_differences.items():
            console.print(f"  {name:<12}{_difference(value.as_json())} against the saved run")
    if evaluation.measurements:
        console.print("[low, high]: 95 % intervals, bootstrapped over questions.", markup=False)


def _show_set(measurement: Measurement) -> None:
    console = stdout()
    console.print(measurement.name, style="bold", markup=False)
    console.print(f"  {_described(measurement)}", markup=False)
    compared = measurement.comparison
    for name, value in measurement.measured.estimates.items():
        change = "" if compared is None else _difference(compared.differences[name].as_json())
        console.print(f"  {name:<12}{interval(value.as_json())}  {change}".rstrip(), markup=False)
    for part, words in (("whole", "search"), ("embedding", "  embedding"), ("search", "  the rest")):
        figures = measurement.measured.latency.as_json()[part]
        told = ", ".join(f"{name} {value:.1f}" for name, value in figures.items())
        console.print(f"  {words:<12}{told} ms", markup=False)
    if compared is not None:
        _show_comparison(measurement, compared.as_json())


def _described(measurement: Measurement) -> str:
    parts = [count(measurement.documents, "document")]
    if measurement.blank:
        parts[0] += f" (and {measurement.blank:,} with no text)"
    parts[0] += f" in {count(measurement.chunks, 'chunk')}"
    asked = count(measurement.questions, "question")
    parts.append(
        asked if measurement.questions == measurement.judged else f"{asked} drawn from {measurement.judged:,}"
    )
    if measurement.left_out:
        parts.append(f"{measurement.left_out:,} left out for want of a relevant document")
    if measurement.missing:
        parts.append(f"{measurement.missing:,} judged documents not there")
    return "; ".join(parts)


def interval(value: dict[str, float]) -> str:
    return f"{value['mean']:.3f}  [{value['low']:.3f}, {value['high']:.3f}]"


def _difference(value: dict[str, float]) -> str:
    verdict = "better" if value["low"] > 0 else "worse" if value["high"] < 0 else "no clear difference"
    return f"{value['mean']:+.3f}  [{value['low']:+.3f}, {value['high']:+.3f}]  {verdict}"


def _show_comparison(measurement: Measurement, compared: dict[str, Any]) -> None:
    console = stdout()
    told = f"compared over {count(compared['questions'], 'question')}"
    if compared["not_compared"]:
        told += f"; {compared['not_compared']:,} more are in one of the runs alone, or changed"
    console.print(f"  {told}", markup=False)
    for name, change in compared["settings"].items():
        console.print(f"  {name}: {change['before']} → {change['after']}", markup=False)
    rows: Sequence[dict[str, Any]] = compared["most_changed"]
    if rows:
        first = next(iter(measurement.measured.estimates))
        console.print(f"  changed most ({first}):", markup=False)
    for row in rows:
        console.print(f"    {row['question']}: {row['before']:.3f} → {row['after']:.3f}", markup=False)
