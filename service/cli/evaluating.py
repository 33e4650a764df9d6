"""`footnote eval`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from evaluation.measures import DEPTH
from retrieval.database import Database
from retrieval.stores import load_store
from service.cli.display import count, note, print_json, stderr, stdout
from service.cli.options import JsonOption, run_until_done, with_database
from service.evaluating import drop_all, measure, prepare
from service.measurements import Evaluation, Measurement, Request
from service.settings import load_settings
from service.specs import store_spec

_SECONDS_BETWEEN_LINES = 5.0


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    commands = typer.Typer(help="Measure Footnote on your own data.", no_args_is_help=True)
    commands.command("retrieval")(retrieval)
    commands.command("clear")(clear)
    app.add_typer(commands, name="eval")


def retrieval(
    data: Annotated[
        list[Path],
        typer.Option(
            "--data",
            metavar="DIR",
            help="A folder with an evaluation set (BEIR or qa), or with some in it; repeatable.",
        ),
    ],
    k: Annotated[int, typer.Option("--k", "-k", min=1, max=DEPTH, help="Measure the first k results.")] = 10,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Ask at most so many questions of a set, drawn by --seed.")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Decides which questions are drawn, and the intervals.")
    ] = 0,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Save the run, to compare later ones with.")
    ] = None,
    compare: Annotated[Path | None, typer.Option(metavar="FILE", help="Compare with a saved run.")] = None,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep/--drop",
            help="Keep the collections made of the documents for the next run, or remove them.",
        ),
    ] = True,
    allow_missing: Annotated[
        bool,
        typer.Option("--allow-missing", help="Count judged documents that are not there as not found."),
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Measure how well search, as it is configured, finds what is relevant: nDCG, recall, MRR and latency.

    The documents go into collections of their own in the configured database, once.
    """
    request = Request(
        folders=tuple(data),
        k=k,
        limit=limit,
        seed=seed,
        save=save,
        compare=compare,
        keep=keep,
        allow_missing=allow_missing,
    )
    prepared = prepare(request)
    for folder in prepared.skipped:
        note(f"'{folder}' is passed over: it holds no evaluation set.")
    with EvaluationProgress() as progress:
        evaluation = run_until_done(measure(load_settings(), prepared, report=note, progress=progress))
    if as_json:
        print_json(evaluation.as_json())
    else:
        show(evaluation)
    for line in evaluation.notes:
        note(line)
    return 0


def clear(as_json: JsonOption = False) -> int:
    """Remove all collections that measuring has made. Collections of yours are left alone."""
    settings = load_settings()

    async def run(database: Database) -> list[str]:
        store = load_store(store_spec(settings))
        try:
            return await drop_all(database, store)
        finally:
            await store.close()

    dropped = with_database(run)
    if as_json:
        print_json({"dropped": dropped})
    else:
        note(f"Removed {count(len(dropped), 'collection')}." if dropped else "There is none to remove.")
    return 0


class EvaluationProgress:
    """A bar on a terminal, a plain line every few seconds in a pipe."""

    def __init__(self) -> None:
        self._console = stderr()
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._set = ""
        self._stage = ""
        self._task = self._bar.add_task("", total=None, visible=False)
        self._done = self._total = 0
        self._told = time.monotonic()

    def __enter__(self) -> EvaluationProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def name(self, evaluation_set: str) -> None:
        """Say which set comes next."""
        self._set = evaluation_set

    def begin(self, stage: str, total: int) -> None:
        """Say what is done next, and how often."""
        self._stage, self._done, self._total, self._told = stage, 0, total, time.monotonic()
        self._bar.reset(self._task, total=total, description=f"{self._set}: {stage}", visible=True)
        if not self._console.is_terminal:
            note(f"{self._set}: {stage} {_things(stage, total)}")

    def advance(self) -> None:
        """Say that it was done once more."""
        self._done += 1
        self._bar.advance(self._task)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._told >= _SECONDS_BETWEEN_LINES:
            self._told = now
            note(f"{self._set}: {self._done:,} of {_things(self._stage, self._total)}")


def _things(stage: str, number: int) -> str:
    return count(number, "question" if stage == "asking" else "document")


def show(evaluation: Evaluation) -> None:
    """Every set's figures, then what all of them come to."""
    for measurement in evaluation.measurements:
        _show_set(measurement)
    console = stdout()
    if len(evaluation.measurements) > 1:
        console.print(f"Mean of {len(evaluation.measurements)} sets", style="bold")
        for name, value in evaluation.means.items():
            console.print(f"  {name:<12}{_interval(value.as_json())}")
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
        console.print(f"  {name:<12}{_interval(value.as_json())}  {change}".rstrip(), markup=False)
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


def _interval(value: dict[str, float]) -> str:
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
