"""Progress of refreshes, noted where everybody can look it up: with the source, by whoever holds it.

Files are counted as they are done, and what has been counted is written down now and then, by a task of its own, so
that a run does not wait for it. Nothing is noted for a run that ends within the first pause.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from psycopg.types.json import Jsonb

from ingest.reports import Fate, Progress
from retrieval.database import Database, query
from retrieval.errors import DatabaseUnavailableError
from service.ending import end_task

NOTE_EVERY_S = 1.0


class CountedProgress:
    """Counts, and passes on what it is told."""

    def __init__(self, watched: Progress) -> None:
        self._watched = watched
        self._files: int | None = None
        self._done: dict[Fate, int] = {}

    def planned(self, *, files: int) -> None:
        self._files = files
        self._done = {}
        self._watched.planned(files=files)

    def finished(self, path: str, fate: Fate, chunks: int) -> None:
        self._done[fate] = self._done.get(fate, 0) + 1
        self._watched.finished(path, fate, chunks)

    def as_json(self) -> dict[str, Any] | None:
        """`files` to go through, of which `done`, of which `failed`; None before it is known how many there are."""
        if self._files is None:
            return None
        return {
            "files": self._files,
            "done": sum(self._done.values()),
            "failed": self._done.get("failed", 0),
        }


@asynccontextmanager
async def noted_progress(
    database: Database, held: dict[str, Any], watched: Progress, *, every_s: float = NOTE_EVERY_S
) -> AsyncIterator[Progress]:
    """Progress that is noted for as long as it is entered. held: `source_id` and `owner`, of who holds the source."""
    counted = CountedProgress(watched)

    async def note(shape: dict[str, Any]) -> None:
        await database.execute(query("catalog.note_progress"), {**held, "progress": Jsonb(shape)})

    task = asyncio.create_task(_note_changes(counted, note, every_s))
    try:
        yield counted
    finally:
        await end_task(task)


async def _note_changes(
    counted: CountedProgress, note: Callable[[dict[str, Any]], Awaitable[None]], every_s: float
) -> None:
    noted: dict[str, Any] | None = None
    while True:
        await asyncio.sleep(every_s)
        shape = counted.as_json()
        if shape is None or shape == noted:
            continue
        try:
            await note(shape)
        except DatabaseUnavailableError:
            continue  # the run itself waits out the outage, and the next note tells more
        noted = shape
