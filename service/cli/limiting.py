"""`footnote keys limits` and `footnote usage`, and the options by which a key gets limits of its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any
from uuid import UUID

import typer

from retrieval.database import Database
from retrieval.errors import InvalidRequestError
from service.cli.display import note, print_json, show_table
from service.cli.options import JsonOption, with_database
from service.keys import list_keys
from service.limits import LIMIT_NAMES, OwnLimits
from service.moments import read_begin
from service.quotas import list_limits, set_limits
from service.usage import UsageRow, list_usage

NONE, DEFAULT = "none", "default"
_MOST = 2**53
_MOST_ROWS = 100_000


def _option(name: str, what: str, metavar: str = "N") -> Any:
    return typer.Option(
        name, metavar=metavar, help=f"{what}, or `{NONE}` or `{DEFAULT}` (as the settings say)."
    )


PerMinute = Annotated[str | None, _option("--per-minute", "Requests that it may send in a minute")]
PerDay = Annotated[str | None, _option("--per-day", "Requests that it may send on a day (UTC)")]
TokensPerDay = Annotated[
    str | None, _option("--tokens-per-day", "Tokens of the language model that it may use on a day (UTC)")
]
MoneyPerMonth = Annotated[
    str | None,
    _option(
        "--money-per-month", "What it may cost in a month (UTC), by the prices in the settings", "AMOUNT"
    ),
]
Concurrent = Annotated[str | None, _option("--concurrent", "Answers that may be made for it at once")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module, but for those that belong to `keys`."""
    app.command("usage")(usage)


def keys_limits(
    key_id: Annotated[UUID, typer.Argument(metavar="ID", help="The key's id, as `keys list` shows it.")],
    per_minute: PerMinute = None,
    per_day: PerDay = None,
    tokens_per_day: TokensPerDay = None,
    money_per_month: MoneyPerMonth = None,
    concurrent: Concurrent = None,
    as_json: JsonOption = False,
) -> int:
    """Say what a key may take, or see what was said. What is not named stays; it holds from the next request on."""
    given = dict(
        zip(LIMIT_NAMES, (per_minute, per_day, tokens_per_day, money_per_month, concurrent), strict=True)
    )

    async def run(database: Database) -> OwnLimits:
        own = (await list_limits(database)).get(key_id, OwnLimits())
        own = replace(own, **{name: _read(name, text) for name, text in given.items() if text is not None})
        if any(text is not None for text in given.values()):
            await set_limits(database, key_id, own)
        return own

    own = with_database(run)
    if as_json:
        print_json({"id": key_id, "limits": own.as_json()})
    else:
        note(f"Limits of its own: {show_limits(own) or 'none; those of the settings hold'}.")
    return 0


def usage(
    since: Annotated[
        str | None, typer.Option("--since", metavar="DATE", help="From this day (UTC) on, as in 2026-01-31.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="KEY", help="Of one key: its id, or how it begins.")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """What answers cost, by day (UTC), key and model, newest day first."""
    first = None if since is None else read_begin(since).astimezone(UTC).date()

    async def run(database: Database) -> list[UsageRow]:
        caller_id = None if key is None else await _which(database, key)
        return await list_usage(database, caller_id=caller_id, first=first, limit=_MOST_ROWS)

    rows = with_database(run)
    if as_json:
        print_json({"usage": [row.as_json() for row in rows], "total": _total(rows)})
        return 0
    show_table(
        ("day", "key", "model", "answers", "prompt tokens", "completion tokens", "money"),
        (
            (
                row.day,
                row.caller or row.caller_id,
                row.model,
                f"{row.requests:,}",
                f"{row.prompt_tokens:,}",
                f"{row.completion_tokens:,}",
                f"{row.money:,.4f}",
            )
            for row in rows
        ),
    )
    return 0


async def _which(database: Database, key: str) -> UUID:
    """The key that was meant. Raises `InvalidRequestError`."""
    try:
        return UUID(key)
    except ValueError:
        found = [known.id for known in await list_keys(database) if known.prefix == key]
    if len(found) != 1:
        raise InvalidRequestError(
            f"no key begins with {key[:20]!r}. `footnote keys list` shows their ids and how they begin."
        )
    return found[0]


def _total(rows: list[UsageRow]) -> dict[str, Any]:
    return {
        "requests": sum(row.requests for row in rows),
        "prompt_tokens": sum(row.prompt_tokens for row in rows),
        "completion_tokens": sum(row.completion_tokens for row in rows),
        "money": float(sum((row.money for row in rows), Decimal(0))),
    }


def said_limits(
    per_minute: str | None,
    per_day: str | None,
    tokens_per_day: str | None,
    money_per_month: str | None,
    concurrent: str | None,
) -> OwnLimits:
    """What the options say. Raises `InvalidRequestError`."""
    given = (per_minute, per_day, tokens_per_day, money_per_month, concurrent)
    said = {
        name: _read(name, text) for name, text in zip(LIMIT_NAMES, given, strict=True) if text is not None
    }
    return OwnLimits(**said)


def show_limits(own: OwnLimits) -> str:
    """ "requests per minute: 60, tokens per day: none": what was said; "" where nothing was."""
    return ", ".join(
        f"{name.replace('_', ' ')}: {value if value else NONE}"
        for name, value in own.as_parameters().items()
        if value is not None
    )


def _read(name: str, text: str) -> Any:
    """A limit as it is written: a number above 0, `none`, which is 0, or `default`, which is None."""
    if text == DEFAULT:
        return None
    if text == NONE:
        return Decimal(0) if name == "money_per_month" else 0
    most = 2**31 - 1 if name in {"requests_per_minute", "answers_at_once"} else _MOST
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(-1)
    is_money = name == "money_per_month"
    if (
        not value.is_finite()
        or not 0 < value <= most
        or (value != value.to_integral_value() and not is_money)
    ):
        raise InvalidRequestError(
            f"{text[:20]!r} is not a limit of {name.replace('_', ' ')}. Write a number above 0, `{NONE}` for no "
            f"limit, or `{DEFAULT}` for that of the settings."
        )
    return value if is_money else int(value)
