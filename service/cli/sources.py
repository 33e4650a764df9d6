"""`footnote sources`, `footnote refresh`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from ingest.catalog import SourceRecord, SourceState, find_source, list_sources, set_schedule
from ingest.errors import SourceUnavailableError
from ingest.reports import RefreshReport, add_up
from retrieval.collections import find_collection
from retrieval.database import Database
from retrieval.errors import DatabaseUnavailableError, FootnoteError, InvalidRequestError
from service.cli.display import IngestProgress, count, note, one_line, print_json, show_report, show_table
from service.cli.options import (
    CollectionOption,
    JsonOption,
    MetadataOption,
    NoMetadataOption,
    metadata_said,
    parse_principals,
    with_database,
    with_intake,
)
from service.ingestion import failed_path, forget_source, refresh_registered
from service.intake import Intake
from service.places import read_place
from service.schedule import next_due, refresh_due
from service.targets import SourceRules, register_source
from service.webhooks.addresses import check_url
from service.webhooks.delivering import subscribe
from service.webhooks.signing import subscriber_secret
from service.work_policies import webhook_secret

IdArgument = Annotated[
    UUID, typer.Argument(metavar="ID", help="The source's id, as `sources list` shows it.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    commands = typer.Typer(help="Folders, buckets and lists that are kept fresh.", no_args_is_help=True)
    commands.command("add")(add)
    commands.command("list")(list_all)
    commands.command("remove")(remove)
    app.add_typer(commands, name="sources")
    app.command("refresh")(refresh)


def add(
    path: Annotated[
        str,
        typer.Argument(metavar="PATH", help="A folder, a file, s3://BUCKET/PREFIX, or a list at https://…"),
    ],
    schedule: Annotated[
        str | None, typer.Option(help="When to refresh it, as cron in UTC: '*/15 * * * *'.")
    ] = None,
    collection: CollectionOption = "default",
    include: Annotated[list[str] | None, typer.Option(help="Take in only files that match.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Leave out what matches.")] = None,
    readers: Annotated[str | None, typer.Option(help="Who may read: user:ann,group:hr or public.")] = None,
    meta: MetadataOption = None,
    no_meta: NoMetadataOption = False,
    notify: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Have every run told there by a signed POST; '' for nowhere any more."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Register a folder, a bucket or a list. It is read for the first time when due: at once, if a worker runs."""
    place = read_place(path)
    if schedule is not None:
        next_due(schedule, after=datetime.now(UTC))
    rules = SourceRules(
        include=include or None,
        exclude=exclude or None,
        readers=parse_principals(readers),
        metadata=metadata_said(meta, forget=no_meta),
    )

    if notify:
        check_url(notify)

    async def run(intake: Intake) -> tuple[SourceRecord, str | None]:
        source = await register_source(intake, place, collection=collection, rules=rules)
        due = None if schedule is None else datetime.now(UTC)
        await set_schedule(intake.database, source.id, schedule=schedule, next_due=due)
        if notify is None:
            return source, None
        await subscribe(intake.database, source.id, notify or None)
        secret = await subscriber_secret(intake.database, webhook_secret(intake.settings), source.id)
        return source, secret if notify else None

    source, secret = with_intake(run)
    if as_json:
        shown = {"id": source.id, "location": source.location, "schedule": schedule}
        print_json(shown if secret is None else {**shown, "notify": notify, "secret": secret})
    else:
        if secret is not None:
            note(f"Every run is told to {one_line(notify or '')}, signed with {secret}")
        note(f"Source {source.id}: {one_line(source.location)}")
        how = (
            "`footnote refresh --due` or `footnote worker` reads it"
            if schedule
            else "`footnote refresh ID` reads it"
        )
        note(f"Nothing has been read yet: {how}.")
    return 0


def list_all(
    collection: Annotated[str | None, typer.Option("--collection", help="Only this collection.")] = None,
    as_json: JsonOption = False,
) -> int:
    """All sources with their last and next run."""

    async def run(database: Database) -> list[SourceState]:
        if collection is not None:
            await find_collection(database, collection)
        return await list_sources(database, collection=collection)

    states = with_database(run)
    if as_json:
        print_json({"sources": [_as_json(state) for state in states]})
        return 0
    show_table(
        ("id", "collection", "location", "documents", "schedule", "last run", "next run"),
        (
            (
                state.source.id,
                state.collection,
                one_line(state.source.location),
                state.documents,
                state.source.schedule,
                "running" if state.running else (state.last_error or _moment(state.last_finished)),
                _moment(state.next_due),
            )
            for state in states
        ),
    )
    return 0


def _as_json(state: SourceState) -> dict[str, Any]:
    source = asdict(state.source)
    del source["collection_id"]
    run = asdict(state)
    del run["source"]
    return source | run


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def remove(source_id: IdArgument) -> int:
    """Take a source's documents out of the index, with their texts, and forget it."""

    async def run(intake: Intake) -> int:
        return await forget_source(intake, await find_source(intake.database, source_id))

    note(f"Removed the source and {count(with_intake(run), 'document')}.")
    return 0


def refresh(
    source_id: Annotated[UUID | None, typer.Argument(metavar="[SOURCE]", help="A source's id.")] = None,
    due: Annotated[bool, typer.Option("--due", help="Refresh the sources that are due.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Refresh one source, those that are due, or all."""
    if due and source_id is not None:
        raise InvalidRequestError(
            "--due refreshes the sources that are due, SOURCE that one: give one of them."
        )

    async def run(intake: Intake) -> list[RefreshReport]:
        async with intake.parser_pool() as pool:
            if due:
                return [
                    refreshed.report or _refused(refreshed.source, refreshed.error or "")
                    async for refreshed in refresh_due(intake, pool, progress=_progress)
                ]
            states = (
                await list_sources(intake.database)
                if source_id is None
                else [await find_source(intake.database, source_id)]
            )
            reports = []
            for state in states:
                with _progress(state.source) as progress:
                    try:
                        report = await refresh_registered(
                            intake, pool, state.source, collection=state.collection, progress=progress
                        )
                    except DatabaseUnavailableError:
                        raise
                    except FootnoteError as exc:
                        report = _refused(state.source, str(exc))
                reports.append(report)
            return reports

    total = add_up(with_intake(run))
    if as_json:
        print_json(total.as_json())
    else:
        show_report(total, dry_run=False)
    return 1 if total.failed else 0


def _progress(source: SourceRecord) -> IngestProgress:
    return IngestProgress(source.location)


def _refused(source: SourceRecord, error: str) -> RefreshReport:
    return failed_path(source.location, SourceUnavailableError(error))
