"""`footnote audit`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer

from retrieval.database import Database
from retrieval.records import Scope
from service.auditing import AuditEntry, list_audit
from service.cli.display import note, one_line, print_json, show_table
from service.cli.options import JsonOption, with_database
from service.moments import read_past


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    audit = typer.Typer(help="Who asked what of which documents.", no_args_is_help=True)
    audit.callback()(_group)
    audit.command("list")(audit_list)
    app.add_typer(audit, name="audit")


def _group() -> None:
    """Keeps `list` a command of its own, though it is the only one."""


def audit_list(
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="WHEN", help="From then on: a date or time, or how long ago, as in 7d."
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="KEY", help="Of one key: its id, or how it begins (fn_x8Kq2LmZ)."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", help="How many rows at most.", min=1, max=100_000)] = 100,
    as_json: JsonOption = False,
) -> int:
    """Who asked what, newest first."""
    begin = None if since is None else read_past(since, now=datetime.now(UTC))
    caller_id, prefix = _which(key)

    async def run(database: Database) -> list[AuditEntry]:
        return await list_audit(
            database,
            scope=Scope.everything(),
            limit=limit + 1,
            since=begin,
            caller_id=caller_id,
            prefix=prefix,
        )

    found = with_database(run)
    entries, rest = found[:limit], found[limit:]
    if as_json:
        print_json({"entries": [entry.as_json() for entry in entries], "more": bool(rest)})
        return 0
    show_table(
        ("when", "who", "key", "kind", "collection", "question", "documents", "status"),
        (
            (
                f"{entry.at:%Y-%m-%d %H:%M:%S}",
                entry.caller,
                entry.prefix,
                entry.kind,
                entry.collection,
                _question(entry),
                len(entry.documents),
                entry.status,
            )
            for entry in entries
        ),
    )
    if not entries:
        note(
            "Nothing was asked that fits. What is asked over HTTP is noted; what the command line asks is not."
        )
    if rest:
        note(f"There are more than {limit:,}: --limit shows more of them, --since and --key fewer.")
    return 0


def _which(key: str | None) -> tuple[UUID | None, str | None]:
    """The id or the beginning that was meant."""
    if key is None:
        return None, None
    try:
        return UUID(key), None
    except ValueError:
        return None, key


def _question(entry: AuditEntry) -> str | None:
    if entry.question is not None:
        return one_line(entry.question)
    return None if entry.question_hash is None else f"sha256 {entry.question_hash[:12]}…"
