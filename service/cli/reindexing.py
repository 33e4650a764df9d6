"""`footnote reindex`: another embedder or store, without a moment in which nothing answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from retrieval.comparing import Comparison
from retrieval.errors import InvalidRequestError
from retrieval.search import check_question
from service.cli.display import count, note, print_json, stdout
from service.cli.options import CollectionOption, EmbedderOption, JsonOption, ModelOption, with_intake
from service.cli.switching import tell_of_former, tell_progress, tell_to_set
from service.indexes import Reindexed, Terms, changed_settings, reindex
from service.intake import Intake
from service.settings import load_settings, with_embedder


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("reindex")(reindex_command)


def reindex_command(
    collection: CollectionOption = "default",
    embedder: EmbedderOption = None,
    model: ModelOption = None,
    sample: Annotated[
        int, typer.Option("--sample", min=1, max=100_000, help="How many chunks to compare on.")
    ] = 200,
    questions: Annotated[
        Path | None, typer.Option("--questions", help="A file of questions to compare on, one a line.")
    ] = None,
    min_overlap: Annotated[
        float | None,
        typer.Option(
            "--min-overlap", min=0, max=1, help="Switch only if so much of the neighbours is the same."
        ),
    ] = None,
    min_found: Annotated[
        float | None,
        typer.Option(
            "--min-found", min=0, max=1, help="Switch only if so many sentences find their document."
        ),
    ] = None,
    keep: Annotated[int, typer.Option("--keep", min=0, help="How many former indexes to keep.")] = 1,
    switch: Annotated[
        bool, typer.Option("--switch/--no-switch", help="Switch to it, or build and compare only.")
    ] = True,
    as_json: JsonOption = False,
) -> int:
    """Build a collection's index anew beside the one that answers, compare the two, and switch.

    From the stored chunks: no file is read again. Searches go on throughout. What was interrupted goes on where it was.
    """
    configured = load_settings()
    used = with_embedder(configured, kind=embedder, model=model)
    terms = Terms(
        sample=sample,
        questions=() if questions is None else _read_questions(questions),
        min_neighbours=min_overlap,
        min_found=min_found,
        switch=switch,
        keep=keep,
    )

    async def run(intake: Intake) -> Reindexed:
        return await reindex(
            intake,
            collection,
            configured=configured,
            terms=terms,
            tell=note,
            progress=tell_progress(collection),
        )

    done = with_intake(run, settings=used)
    changed = changed_settings(configured, used)
    if as_json:
        print_json(_reindexed_as_json(done, changed))
    else:
        _show_comparison(done)
        _show_outcome(collection, done, changed)
    if done.refusal is None:
        return 0
    note(
        f"error: '{collection}' was not switched: {done.refusal}. Index {done.rebuilt.index.id} is kept, unused: run "
        "the command with other terms to switch to it, or give it up: "
        f"footnote indexes drop {done.rebuilt.index.id}"
    )
    return 1


def _read_questions(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidRequestError(
            f"the questions in '{path}' cannot be read ({exc}). Give a file of text in UTF-8, one question a line."
        ) from exc
    questions = tuple(check_question(line) for line in lines if line.strip())
    if not questions:
        raise InvalidRequestError(
            f"there is no question in '{path}'. Write one a line, or leave --questions out."
        )
    return questions


def _reindexed_as_json(done: Reindexed, changed: Mapping[str, str]) -> dict[str, Any]:
    rebuilt = done.rebuilt
    return {
        "index": rebuilt.index.id,
        "embedder": rebuilt.index.embedder,
        "store": rebuilt.index.store,
        "switched": rebuilt.switched,
        "refusal": done.refusal,
        "embedded": rebuilt.filled,
        "former": None if rebuilt.former is None else rebuilt.former.id,
        "dropped": [index.id for index in rebuilt.dropped.dropped],
        "not_dropped": [index.id for index in rebuilt.dropped.left],
        "comparison": asdict(done.comparison),
        "settings": dict(changed),
    }


def _show_comparison(done: Reindexed) -> None:
    console, comparison = stdout(), done.comparison
    if done.compared_with is None:
        console.print(f"Index {done.rebuilt.index.id} has no former index to be compared with.", markup=False)
    else:
        former = done.compared_with
        console.print(
            f"Index {done.rebuilt.index.id}, compared with index {former.id} ({former.embedder}):",
            markup=False,
        )
    for line in _findings(comparison):
        console.print(f"  {line}", markup=False)


def _findings(comparison: Comparison) -> list[str]:
    lines = []
    if comparison.missing is not None:
        lines.append(f"The former index cannot be looked at: {comparison.missing}")
    if comparison.neighbours is not None:
        lines.append(
            f"{count(comparison.chunks, 'chunk')}: of their ten nearest neighbours {comparison.neighbours:.0%} are the "
            "same in both"
        )
    if comparison.found is not None:
        before = comparison.found_before
        lines.append(
            f"{count(comparison.sentences, 'sentence')} of them as questions: {comparison.found:.0%} have their "
            f"document among the ten first{'' if before is None else f', in the former index {before:.0%}'}"
        )
    if comparison.in_common is not None:
        lines.append(
            f"{count(comparison.questions, 'question')}: of the ten first chunks {comparison.in_common:.0%} are the "
            "same in both"
        )
    return lines


def _show_outcome(collection: str, done: Reindexed, changed: Mapping[str, str]) -> None:
    rebuilt = done.rebuilt
    for index in rebuilt.dropped.dropped:
        note(f"Index {index.id}, built with {index.embedder}, was dropped: it was older than what is kept.")
    for index in rebuilt.dropped.left:
        note(
            f"Index {index.id} is not needed and could not be dropped now. Later: footnote indexes drop {index.id}"
        )
    if not rebuilt.switched:
        if done.refusal is None:
            note(
                f"Index {rebuilt.index.id} is finished and not used. The same command with --switch lets it answer."
            )
        return
    note(
        f"'{collection}' now answers from index {rebuilt.index.id}, built with {rebuilt.index.embedder}, kept in "
        f"{rebuilt.index.store}."
    )
    if rebuilt.former is not None:
        tell_of_former(rebuilt.former)
    tell_to_set(changed)
