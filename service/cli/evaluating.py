"""`footnote eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evaluation.measures import DEPTH
from retrieval.database import Database
from retrieval.stores import load_store
from service.cli.display import count, note, print_json
from service.cli.evaluation_progress import EvaluationProgress
from service.cli.measured_answers import show_answers
from service.cli.measured_retrieval import show_retrieval
from service.cli.measured_support import note_passed_over, show_support
from service.cli.options import JsonOption, run_until_done, with_database
from service.evaluating import drop_all, measure, prepare
from service.evaluating_answers import AnswersRequest, measure_answers, prepare_answers
from service.evaluating_support import SupportRequest, measure_support, prepare_support
from service.measurements import Request
from service.settings import load_settings
from service.specs import store_spec

QuestionLimitOption = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="Ask at most so many questions of a set, drawn by --seed."),
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Decides what is drawn, and the intervals.")]
KeepOption = Annotated[
    bool,
    typer.Option(
        "--keep/--drop",
        help="Keep the collections made of the documents for the next run, or remove them.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    commands = typer.Typer(help="Measure Footnote on your own data.", no_args_is_help=True)
    commands.command("retrieval")(retrieval)
    commands.command("answers")(answers)
    commands.command("support")(support)
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
    limit: QuestionLimitOption = None,
    seed: SeedOption = 0,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Save the run, to compare later ones with.")
    ] = None,
    compare: Annotated[Path | None, typer.Option(metavar="FILE", help="Compare with a saved run.")] = None,
    keep: KeepOption = True,
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
        show_retrieval(evaluation)
    for line in evaluation.notes:
        note(line)
    return 0


def answers(
    data: Annotated[
        list[Path],
        typer.Option(
            "--data",
            metavar="DIR",
            help="A folder with a qa set (docs.jsonl, questions.jsonl), or with some in it; repeatable.",
        ),
    ],
    k: Annotated[
        int, typer.Option("--k", "-k", min=1, max=DEPTH, help="Answer from the first k passages.")
    ] = 10,
    limit: QuestionLimitOption = None,
    seed: SeedOption = 0,
    leave_out: Annotated[
        float,
        typer.Option(
            "--leave-out",
            metavar="SHARE",
            min=0,
            max=0.95,
            help="Take this share of the documents out first: questions about them should be refused.",
        ),
    ] = 0.0,
    answerable_only: Annotated[
        bool,
        typer.Option("--answerable-only", help="Do not ask what the set itself says has no answer."),
    ] = False,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write every question with its answer to a file, a JSON line each."
        ),
    ] = None,
    keep: KeepOption = True,
    as_json: JsonOption = False,
) -> int:
    """Measure answers: right or not, quoted from the right place or not, refused where they should be or not.

    The documents go into collections of their own in the configured database, once.
    """
    request = AnswersRequest(
        folders=tuple(data),
        k=k,
        limit=limit,
        seed=seed,
        leave_out=leave_out,
        answerable_only=answerable_only,
        save=save,
        keep=keep,
    )
    sets = prepare_answers(request)
    with EvaluationProgress() as progress:
        evaluation = run_until_done(
            measure_answers(load_settings(), request, sets, report=note, progress=progress)
        )
    if as_json:
        print_json(evaluation.as_json())
    else:
        show_answers(evaluation)
    if save is not None:
        note(f"Saved as '{save}'.")
    return 0


def support(
    data: Annotated[
        list[Path],
        typer.Option(
            "--data",
            metavar="PATH",
            help="A file of claims beside their sources (JSON Lines), or a folder with some in it; repeatable.",
        ),
    ],
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help="Check at most so many claims of a set, drawn by --seed."),
    ] = None,
    seed: SeedOption = 0,
    baseline: Annotated[
        bool,
        typer.Option(
            "--baseline/--no-baseline",
            help="Measure the cross-encoder alone beside the check, which takes most of the time.",
        ),
    ] = True,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write every claim with its scores to a file, a JSON line each."),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Measure the check of sentences against sources, as it is configured: AUC, F1 and calibration error.

    Known are the fields of SciFact, WiCE, BEGIN and MTRAG (docs/evaluation.md). No database is needed.
    """
    request = SupportRequest(places=tuple(data), limit=limit, seed=seed, baseline=baseline, save=save)
    prepared = prepare_support(request)
    note_passed_over(prepared.passed_over)
    with EvaluationProgress() as progress:
        evaluation = run_until_done(
            measure_support(load_settings(), request, prepared, report=note, progress=progress)
        )
    if as_json:
        print_json(evaluation.as_json())
    else:
        show_support(evaluation)
    if save is not None:
        note(f"Saved as '{save}'.")
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
