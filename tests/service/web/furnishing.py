"""A service as it looks after some weeks of use: folders, uploads, answers, and what went wrong."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from retrieval.database import Database
from service.footnote import Footnote
from service.ingestion import ingest_path
from service.sections import SourcesSettings
from service.targets import SourceRules
from tests.service.test_ingestion import Silent

_PAGES = {
    "people/parental-leave.md": "# Parental leave\n\nParents may take up to 24 weeks of paid parental leave. It begins "
    "at the earliest four weeks before the birth, and ends at the latest two years after it.\n\n## For the other "
    "parent\n\nThe other parent may take eight weeks, at once or in two parts. Both may be away at the same time for "
    "at most six weeks.\n\n## How to ask for it\n\nAsk your lead at least two months before, in writing.",
    "people/sick-leave.md": "# Sick leave\n\nWhoever is ill tells their lead before ten in the morning. From the third "
    "day on a doctor's note is needed.",
    "people/travel.html": "<html><head><title>Travel and expenses</title></head><body><h1>Travel and expenses</h1>"
    "<p>Trains are booked in second class. A hotel may cost up to 140 euros a night.</p></body></html>",
    "it/passwords.md": "# Passwords and keys\n\nPasswords have at least sixteen characters. Nobody shares theirs.",
    "it/backups.txt": "Backups run every night at two. They are kept for ninety days.",
    "kitchen/coffee.txt": "The machine is cleaned on Fridays by whoever drank the last cup.",
}


def furnish_folder(folder: Path) -> None:
    """A handbook, with two files that cannot be taken in."""
    for path, text in _PAGES.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (folder / "people" / "old-scan.pdf").write_bytes(b"%PDF-1.7\nnothing that a PDF has")
    (folder / "people" / "empty.txt").write_text("")


def allowing(footnote: Footnote, root: Path) -> Footnote:
    """The same service, in which folders below `root` may be added over HTTP."""
    settings = footnote.settings.model_copy(update={"sources": SourcesSettings(allowed_roots=(root,))})
    return replace(footnote, settings=settings)


async def take_in_folder(
    footnote: Footnote, folder: Path, *readers: str, collection: str = "default"
) -> None:
    async with footnote.parser_pool() as pool:
        await ingest_path(
            footnote,
            pool,
            folder,
            collection=collection,
            rules=SourceRules(readers=readers or ("public",)),
            progress=Silent(),
        )


async def furnish_answers(database: Database, *, now: datetime | None = None) -> None:
    """Answers, ratings and costs of the last 30 days, the same every time."""
    dice = random.Random(7)
    now = now or datetime.now(UTC)
    caller = UUID(int=7)
    answers = []
    for hours in range(30 * 24):
        at = now - timedelta(hours=hours)
        busy = 9 if 7 <= at.hour <= 18 and at.weekday() < 5 else 1
        for _ in range(dice.randint(0, busy)):
            status = dice.choices(("answered", "partial", "refused"), (80, 7, 13))[0]
            sentences = dice.randint(1, 5) if status != "refused" else 0
            answers.append(
                (
                    uuid4(),
                    caller,
                    "llama-3.3",
                    status,
                    at - timedelta(minutes=dice.randint(0, 59)),
                    "default",
                    int(dice.lognormvariate(6.4, 0.5)),
                    sentences,
                    1 if sentences and dice.random() < 0.06 else 0,
                )
            )
    async with database.transaction() as connection, connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO given_answers (id, caller_id, model, status, given_at, collection, milliseconds, sentences,"
            " unsupported) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            answers,
        )
        await cursor.executemany(
            "INSERT INTO feedback (answer_id, caller_id, model, status, rating, created_at)"
            " VALUES (%s, %s, 'llama-3.3', %s, %s, %s)",
            [
                (row[0], caller, row[3], dice.choices(("up", "down"), (8, 2))[0], row[4])
                for row in answers[::9]
            ],
        )
        await cursor.executemany(
            "INSERT INTO usage (day, caller_id, model, requests, prompt_tokens, completion_tokens, money)"
            " VALUES (%s, %s, 'llama-3.3', %s, %s, %s, %s)",
            [
                (
                    (now - timedelta(days=days)).date(),
                    caller,
                    count := sum(row[4].date() == (now - timedelta(days=days)).date() for row in answers),
                    count * 2_600,
                    count * 150,
                    round(count * 0.0061, 4),
                )
                for days in range(30)
            ],
        )


async def furnish_sources(database: Database) -> None:
    """Sources as they are in the middle of a day: one is on schedule, one is being refreshed."""
    await database.execute(
        "UPDATE sources SET location = '/srv/handbook', schedule = '*/15 * * * *',"
        " last_finished = now() - interval '4 min', next_due = now() + interval '11 min'"
        " WHERE location LIKE '%%/handbook'"
    )
    await database.execute(
        "UPDATE sources SET location = '/srv/engineering', schedule = '0 3 * * *',"
        " last_finished = now() - interval '22 h', next_due = now(), lease_owner = 'worker',"
        """ lease_until = now() + interval '1 h', progress = '{"files": 1280, "done": 412, "failed": 3}'"""
        " WHERE location LIKE '%%/it'"
    )
