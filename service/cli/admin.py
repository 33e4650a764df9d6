"""`footnote migrate`, `status`, `keys` and `collections`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from ingest.failures import Failure, count_failures, list_failures
from retrieval.collections import allow_outside, list_collections
from retrieval.database import Database
from service.cli.display import count, note, one_line, print_json, show_table, stdout
from service.cli.limiting import (
    Concurrent,
    MoneyPerMonth,
    PerDay,
    PerMinute,
    TokensPerDay,
    keys_limits,
    said_limits,
    show_limits,
)
from service.cli.options import JsonOption, parse_principals, with_database
from service.identity import Role
from service.keys import METRICS, ApiKey, create_key, list_keys, revoke_key
from service.limits import OwnLimits
from service.migrations import migrate as apply_migrations
from service.moments import read_deadline
from service.quotas import list_limits, set_limits
from service.settings import load_settings

_FAILURES_SHOWN = 100
_ALL = 2**31


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("migrate")(migrate)
    app.command("status")(status)
    keys = typer.Typer(help="Keys for the HTTP service.", no_args_is_help=True)
    keys.command("create")(keys_create)
    keys.command("list")(keys_list)
    keys.command("limits")(keys_limits)
    keys.command("revoke")(keys_revoke)
    app.add_typer(keys, name="keys")
    collections = typer.Typer(help="Collections of documents.", no_args_is_help=True)
    collections.command("list")(collections_list)
    collections.command("allow-outside")(collections_allow_outside)
    app.add_typer(collections, name="collections")


def migrate() -> int:
    """Bring the database's schema to this release. Make a backup first."""
    dsn = load_settings().database.dsn
    if dsn is None:
        with_database(_nothing)
        note("The embedded database migrates itself; it is up to date.")
        return 0
    applied = apply_migrations(dsn.get_secret_value())
    note(f"Applied: {', '.join(applied)}." if applied else "The schema is up to date.")
    return 0


async def _nothing(database: Database) -> None:
    """Opening the database was all there was to do."""


def status(as_json: JsonOption = False) -> int:
    """What is in the index, and which files could not be taken in."""

    async def run(database: Database) -> tuple[list[dict[str, Any]], list[Failure], int]:
        # A person sees the newest; a program all.
        limit = _ALL if as_json else _FAILURES_SHOWN
        return (
            await list_collections(database),
            await list_failures(database, limit=limit),
            await count_failures(database),
        )

    collections, failures, failed = with_database(run)
    if as_json:
        print_json(
            {
                "collections": collections,
                "failed": failed,
                "failures": [asdict(failure) for failure in failures],
            }
        )
        return 0
    show_table(
        ("collection", "documents", "chunks", "passages may go outside"),
        (
            (c["name"], c["documents"], c["chunks"], "yes" if c["allow_outside"] else "no")
            for c in collections
        ),
    )
    if failures:
        stdout().print(f"{count(failed, 'file')} could not be taken in:", style="bold")
        show_table(
            ("collection", "file", "reason", "tries", "tried again", "when"),
            (
                (
                    failure.collection,
                    one_line(f"{failure.location}/{failure.path}"),
                    failure.error,
                    failure.attempts,
                    "by the next run" if failure.retryable else "once it changes",
                    f"{failure.failed_at:%Y-%m-%d %H:%M}",
                )
                for failure in failures
            ),
        )
        if failed > len(failures):
            note(f"… and {failed - len(failures):,} more; --json lists them all.")
        note("To try them all again now: footnote ingest --retry-failed")
    return 0


def keys_create(
    name: Annotated[str, typer.Argument(help="Whose key it is, or what for.")],
    as_principals: Annotated[
        str | None, typer.Option("--as", help="Whom its holder counts as: user:ann,group:hr.")
    ] = None,
    role: Annotated[
        Role,
        typer.Option(
            "--role",
            help="What its holder may do: read and ask (reader), also change what is in the index (editor), also see "
            "to the service (admin).",
        ),
    ] = "reader",
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="WHEN", help="When it ends: 90d, 12h, 2w, or a date; else never."),
    ] = None,
    collections: Annotated[
        str | None,
        typer.Option(
            "--collections", metavar="A,B", help="The only collections that exist for it; else all."
        ),
    ] = None,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Let it see at /metrics what is in the index: for Prometheus.")
    ] = False,
    per_minute: PerMinute = None,
    per_day: PerDay = None,
    tokens_per_day: TokensPerDay = None,
    money_per_month: MoneyPerMonth = None,
    concurrent: Concurrent = None,
    as_json: JsonOption = False,
) -> int:
    """Make a key. It is shown once: only its hash is kept."""
    own = said_limits(per_minute, per_day, tokens_per_day, money_per_month, concurrent)
    principals = [*(parse_principals(as_principals) or []), *([METRICS] if metrics else [])]

    named = None if collections is None else [part.strip() for part in collections.split(",") if part.strip()]
    end = None if expires is None else read_deadline(expires, now=datetime.now(UTC))

    async def run(database: Database) -> Any:
        made = await create_key(
            database, name=name, principals=principals, role=role, collections=named, expires_at=end
        )
        if own.as_json():
            await set_limits(database, made.id, own)  # nobody has the key before it is shown below
        return made

    created = with_database(run)
    if as_json:
        print_json(
            {
                "id": created.id,
                "name": name,
                "key": created.key,
                "role": role,
                "collections": named,
                "expires_at": end,
                "limits": own.as_json(),
            }
        )
    else:
        stdout().print(created.key, markup=False)
        note("Keep it safe: it cannot be shown again. Send it as: Authorization: Bearer KEY")
    return 0


def keys_list(as_json: JsonOption = False) -> int:
    """All keys, without their secrets."""

    async def run(database: Database) -> tuple[list[ApiKey], dict[UUID, OwnLimits]]:
        return await list_keys(database), await list_limits(database)

    keys, limits = with_database(run)
    own = {key.id: limits.get(key.id, OwnLimits()) for key in keys}
    if as_json:
        print_json({"keys": [{**asdict(key), "limits": own[key.id].as_json()} for key in keys]})
    else:
        show_table(
            (
                "id",
                "name",
                "begins with",
                "role",
                "counts as",
                "collections",
                "limits",
                "last used",
                "in force",
            ),
            (
                (
                    k.id,
                    k.name,
                    k.prefix,
                    k.role,
                    ", ".join(k.principals),
                    "all" if k.collections is None else ", ".join(k.collections),
                    show_limits(own[k.id]),
                    k.last_used,
                    _in_force(k, datetime.now(UTC)),
                )
                for k in keys
            ),
        )
    return 0


def _in_force(key: ApiKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d %H:%M}"
    if key.expires_at is None:
        return "yes"
    return f"{'until' if key.expires_at > now else 'ended'} {key.expires_at:%Y-%m-%d %H:%M}"


def keys_revoke(
    key_id: Annotated[UUID, typer.Argument(metavar="ID", help="The key's id, as `keys list` shows it.")],
) -> int:
    """Revoke a key: requests with it are refused from now on."""

    async def run(database: Database) -> None:
        await revoke_key(database, key_id)

    with_database(run)
    note("The key is revoked.")
    return 0


def collections_list(as_json: JsonOption = False) -> int:
    """All collections with their size."""
    collections = with_database(list_collections)
    if as_json:
        print_json({"collections": collections})
    else:
        show_table(
            ("collection", "language", "documents", "chunks"),
            ((c["name"], c["language"], c["documents"], c["chunks"]) for c in collections),
        )
    return 0


def collections_allow_outside(
    name: Annotated[str, typer.Argument(help="The collection.")],
    allow: Annotated[bool, typer.Option("--allow/--forbid", help="Allow it, or forbid it again.")] = True,
) -> int:
    """Allow a collection's passages to be sent to models that are declared outside."""

    async def run(database: Database) -> None:
        await allow_outside(database, name, allow=allow)

    with_database(run)
    note(f"Passages of '{name}' may {'now' if allow else 'no longer'} go to models outside.")
    return 0
