"""`footnote ingest`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ingest.errors import SourceUnavailableError
from ingest.refresh import RefreshReport, count_outcomes
from retrieval.database import Database
from service.cli.display import IngestProgress, note, print_json, show_report
from service.cli.options import CollectionOption, JsonOption, parse_principals, with_database, with_footnote
from service.ingestion import SourceRules, failed_path, ingest_path, plan_path
from service.settings import load_settings
from service.wiring import Footnote


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("ingest")(ingest)


def ingest(
    # readable=False: a path that may not be read is a failure to report beside the others, not wrong usage.
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Folders or files.", readable=False)],
    collection: CollectionOption = "default",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    include: Annotated[
        list[str] | None, typer.Option(help="Take in only files that match, as in .gitignore; repeatable.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Leave out what matches, as in .gitignore; repeatable.")
    ] = None,
    readers: Annotated[
        str | None, typer.Option(help="Who may read: user:ann,group:hr or public (the default).")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Make the index equal to folders or files: new ones in, changed ones replaced, vanished ones out."""
    # An option that was not given keeps what the source already has.
    rules = SourceRules(include=include or None, exclude=exclude or None, readers=parse_principals(readers))
    reports = _plan_all(paths, collection, rules) if dry_run else _ingest_all(paths, collection, rules)
    total = count_outcomes(reports)
    if as_json:
        print_json(total.as_json())
    else:
        show_report(total, dry_run=dry_run)
        if not (total.added or total.updated or total.unchanged or total.failed or total.removed):
            note("There is nothing here that Footnote could take in.")
    return 1 if total.failed else 0


def _plan_all(paths: list[Path], collection: str, rules: SourceRules) -> list[RefreshReport]:
    settings = load_settings()

    async def plan(database: Database) -> list[RefreshReport]:
        reports = []
        for path in paths:
            try:
                report = await plan_path(database, settings, path, collection=collection, rules=rules)
            except SourceUnavailableError as exc:
                report = failed_path(str(path), exc)
            reports.append(report)
        return reports

    return with_database(plan)


def _ingest_all(paths: list[Path], collection: str, rules: SourceRules) -> list[RefreshReport]:
    async def run(footnote: Footnote) -> list[RefreshReport]:
        reports = []
        async with footnote.parser_pool() as pool:
            for path in paths:
                with IngestProgress(str(path)) as progress:
                    try:
                        report = await ingest_path(
                            footnote, pool, path, collection=collection, rules=rules, progress=progress
                        )
                    except SourceUnavailableError as exc:
                        report = failed_path(str(path), exc)
                reports.append(report)
        return reports

    return with_footnote(run)
