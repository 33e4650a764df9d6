"""`footnote ingest`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from ingest.errors import SourceUnavailableError
from ingest.reports import RefreshReport, add_up
from retrieval.collections import find_collection
from retrieval.database import Database
from retrieval.errors import InvalidRequestError
from retrieval.throughput import Done
from service.cli.display import IngestProgress, count, note, print_json, show_report
from service.cli.options import (
    JsonOption,
    MetadataOption,
    NoMetadataOption,
    metadata_said,
    parse_principals,
    with_database,
    with_intake,
)
from service.engines import EngineChoice, EngineKind, open_engines
from service.ingestion import failed_path, ingest_path, plan_path, retry_failed
from service.intake import Intake
from service.places import Place, read_place
from service.settings import load_settings
from service.targets import SourceRules

_DEFAULT_COLLECTION = "default"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("ingest")(ingest)


def ingest(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH...",
            help="Folders, files, s3://BUCKET/PREFIX, or lists of files at https://… (sitemaps, texts, pages).",
        ),
    ] = None,
    collection: Annotated[
        str | None, typer.Option("--collection", help="The collection.", show_default=_DEFAULT_COLLECTION)
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, path by path, and do nothing.")
    ] = False,
    retry: Annotated[
        bool,
        typer.Option(
            "--retry-failed",
            help="Try again what failed before for a reason that lasts; without PATH wherever something failed.",
        ),
    ] = False,
    include: Annotated[
        list[str] | None, typer.Option(help="Take in only files that match, as in .gitignore; repeatable.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Leave out what matches, as in .gitignore; repeatable.")
    ] = None,
    no_rules: Annotated[
        bool, typer.Option("--no-rules", help="Forget what was said with --include and --exclude before.")
    ] = False,
    readers: Annotated[
        str | None, typer.Option(help="Who may read: user:ann,group:hr or public (the default).")
    ] = None,
    meta: MetadataOption = None,
    no_meta: NoMetadataOption = False,
    engine: Annotated[
        EngineKind,
        typer.Option(help="Where files are worked on: in this process, or on a Ray cluster (extra: ray)."),
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="The Ray cluster to work on, or auto for that of this machine; else one is started for the run.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Make the index equal to folders, buckets or lists: new files in, changed ones replaced, vanished ones out."""
    rules = _rules(include, exclude, readers, meta, no_rules=no_rules, no_meta=no_meta)
    places = [read_place(path) for path in paths or ()]
    _check(places, rules, dry_run=dry_run, retry=retry)
    choice = EngineChoice(kind=engine, address=address)
    if not places:
        reports = _retry_all(collection, choice)
    elif dry_run:
        reports = _plan_all(places, collection or _DEFAULT_COLLECTION, rules)
    else:
        reports = _ingest_all(places, collection or _DEFAULT_COLLECTION, rules, choice, retry=retry)
    total = add_up(reports)
    if as_json:
        print_json(total.as_json())
    else:
        show_report(total, dry_run=dry_run)
        if not places and not reports:
            note("No file has failed: there is nothing to try again.")
        elif not (
            total.added or total.updated or total.renamed or total.unchanged or total.failed or total.removed
        ):
            note("There is nothing here that Footnote could take in.")
    return 1 if total.failed else 0


def _rules(
    include: list[str] | None,
    exclude: list[str] | None,
    readers: str | None,
    meta: list[str] | None,
    *,
    no_rules: bool,
    no_meta: bool,
) -> SourceRules:
    """An option that was not given keeps what the source already has."""
    forgotten: list[str] | None = [] if no_rules else None
    return SourceRules(
        include=include or forgotten,
        exclude=exclude or forgotten,
        readers=parse_principals(readers),
        metadata=metadata_said(meta, forget=no_meta),
    )


def _check(places: Sequence[Place], rules: SourceRules, *, dry_run: bool, retry: bool) -> None:
    if not places and not retry:
        raise InvalidRequestError("name the folders or files to take in: footnote ingest PATH...")
    if not places and rules.given:
        raise InvalidRequestError(
            "--include, --exclude, --no-rules, --readers, --meta and --no-meta say something about a PATH: name it."
        )
    if dry_run and retry:
        raise InvalidRequestError("--dry-run does nothing and --retry-failed does: give one of them.")


def _retry_all(collection: str | None, choice: EngineChoice) -> list[RefreshReport]:
    async def run(intake: Intake) -> list[RefreshReport]:
        if collection is not None:
            await find_collection(intake.database, collection)
        async with intake.parser_pool() as pool, open_engines(intake, choice) as engines:
            return await retry_failed(
                intake,
                pool,
                collection=collection,
                progress=lambda source: IngestProgress(source.location),
                engines=engines,
            )

    return with_intake(run)


def _plan_all(places: Sequence[Place], collection: str, rules: SourceRules) -> list[RefreshReport]:
    settings = load_settings()

    async def plan(database: Database) -> list[RefreshReport]:
        reports = []
        for place in places:
            try:
                report = await plan_path(database, settings, place, collection=collection, rules=rules)
            except SourceUnavailableError as exc:
                report = failed_path(str(place), exc)
            reports.append(report)
        return reports

    return with_database(plan)


def _ingest_all(
    places: Sequence[Place], collection: str, rules: SourceRules, choice: EngineChoice, *, retry: bool
) -> list[RefreshReport]:
    async def run(intake: Intake) -> list[RefreshReport]:
        reports = []
        async with intake.parser_pool() as pool, open_engines(intake, choice) as engines:
            for place in places:
                with IngestProgress(str(place)) as progress:
                    try:
                        report = await ingest_path(
                            intake,
                            pool,
                            place,
                            collection=collection,
                            rules=rules,
                            progress=progress,
                            retry_failed=retry,
                            engines=engines,
                        )
                    except SourceUnavailableError as exc:
                        report = failed_path(str(place), exc)
                reports.append(report)
        _tell_speed(intake.embedding.documents_done())
        return reports

    return with_intake(run)


def _tell_speed(done: Done) -> None:
    """What the embedder of this process did, while it had anything to do."""
    if done.items:
        note(f"Embedded {count(done.items, 'passage')}, {done.per_second:.1f} a second.")
