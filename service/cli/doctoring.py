"""`footnote doctor`: does the index hold what the folders hold, and is it whole?"""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from ingest.parsers import ParserPolicy
from ingest.parsing import ParserPool
from retrieval.reconciling import Depth, Finding
from retrieval.stores import load_store
from service.ailments import AILMENTS
from service.cli.display import IngestProgress, note, one_line, print_json, show_table, stdout
from service.cli.options import JsonOption, run_until_done, with_intake
from service.doctor import Diagnosis, examine, repair
from service.intake import Intake
from service.parsing import parser_policy
from service.settings import load_settings
from service.specs import store_spec
from service.wiring import open_database


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("doctor")(doctor)


def doctor(
    mend: Annotated[bool, typer.Option("--repair", help="Mend what is found, and look again.")] = False,
    collection: Annotated[
        str | None, typer.Option("--collection", help="One collection; else all of them.")
    ] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also read every file, and count the words of every chunk.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Check that files, documents, revisions, chunks, vectors and words agree; with --repair, make them agree.

    Changes nothing without --repair. Others may ingest and ask meanwhile.
    """
    depth: Depth = "deep" if deep else "usual"
    diagnosis, parsers = _repair(collection, depth) if mend else _examine(collection, depth)
    if as_json:
        print_json(diagnosis.as_json() | {"parsers": parsers})
    else:
        show(diagnosis, mending=mend)
        stdout().print(f"Files are parsed with {parsers}.", markup=False)
    return 0 if diagnosis.is_healthy else 1


def _examine(collection: str | None, depth: Depth) -> tuple[Diagnosis, str]:
    async def run() -> tuple[Diagnosis, str]:
        settings = load_settings()
        async with open_database(settings, report=note) as database:
            policy = await asyncio.to_thread(parser_policy, settings.parsing)
            store = load_store(store_spec(settings))
            try:
                diagnosis = await examine(
                    database, store, settings, policy, collection=collection, depth=depth
                )
            finally:
                await store.close()
            async with ParserPool(policy, workers=1) as pool:
                return diagnosis, await _parsers(policy, pool)

    return run_until_done(run())


def _repair(collection: str | None, depth: Depth) -> tuple[Diagnosis, str]:
    async def run(intake: Intake) -> tuple[Diagnosis, str]:
        async with intake.parser_pool() as pool:
            diagnosis = await repair(
                intake,
                pool,
                collection=collection,
                depth=depth,
                progress=lambda source: IngestProgress(source.location),
            )
            return diagnosis, await _parsers(intake.parser_policy, pool)

    return with_intake(run)


async def _parsers(policy: ParserPolicy, pool: ParserPool) -> str:
    """What holds where files are parsed, in words for a person."""
    ocr = (
        "no OCR" if policy.ocr is None else f"OCR by {policy.ocr.version} ({', '.join(policy.ocr.languages)})"
    )
    return f"{await pool.guards()}; {ocr}"


def show(diagnosis: Diagnosis, *, mending: bool) -> None:
    """The figures of each collection, then what was found, what it means and what became of it."""
    console = stdout()
    figures = {name: counts.as_json() for name, counts in diagnosis.counts.items()}
    if console.is_terminal and figures:
        kinds = list(next(iter(figures.values())))
        # A collection to a column: there are few, and more figures than fit a line.
        show_table(
            ("", *figures), [(kind, *(_number(of[kind]) for of in figures.values())) for kind in kinds]
        )
    else:
        for name, of in figures.items():
            told = ", ".join(f"{kind} {_number(number)}" for kind, number in of.items())
            console.print(f"{name}: {told}", markup=False)
    if diagnosis.is_healthy and not diagnosis.mended:
        console.print("Everything agrees.")
    for finding in diagnosis.mended:
        _show_finding(finding, "mended")
    for finding in diagnosis.findings:
        _show_finding(finding, "not mended" if mending and not finding.is_notice else None)
    if diagnosis.mended and diagnosis.is_healthy:
        console.print("Everything agrees now.")


def _number(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"


def _show_finding(finding: Finding, fate: str | None) -> None:
    console = stdout()
    where = "" if finding.collection is None else f"{finding.collection}: "
    ailment = AILMENTS[finding.kind]
    number = f"{finding.count:,}" if fate is None else f"{finding.count:,}, {fate}"
    console.print(f"{where}{finding.kind} ({number})", markup=False, style="bold")
    console.print(f"  {ailment.meaning}. Repair: {ailment.remedy}.", markup=False)
    for example in finding.examples:
        console.print(f"  {one_line(example)}", markup=False)
    if finding.count > len(finding.examples):
        console.print(f"  … and {finding.count - len(finding.examples):,} more")
