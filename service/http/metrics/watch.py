"""The look at the index that a scrape starts and never waits for."""

from __future__ import annotations

import asyncio
import logging
import time
from types import TracebackType
from typing import Self

from ingest.failures import count_failures
from retrieval.collections import find_collection, list_collections
from retrieval.database import Database
from retrieval.errors import FootnoteError
from retrieval.reconciling import IndexCounts, check_collection, check_strays
from retrieval.stores import VectorStore
from service.http.metrics.counters import Inspection

logger = logging.getLogger("footnote.telemetry")

_INSPECTION_EVERY_S = 300.0
# An inspection that took a second is followed by at least so many without one.
_INSPECTION_PAUSE = 50


class IndexWatch:
    """Looks at the index in the background, as `footnote doctor` does but with SQL alone: it reads no text, no vector.

    To be entered with `async with`. It looks when somebody scrapes, at most every five minutes, and spends at most a
    fiftieth of the time on it; a scrape never waits for it.
    """

    def __init__(self, database: Database, store: VectorStore) -> None:
        self._database = database
        self._store = store
        self._last: Inspection | None = None
        self._due = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def latest(self) -> Inspection | None:
        """What the last look found; None before the first has ended. Begins the next one when it is due."""
        is_running = self._task is not None and not self._task.done()
        if not is_running and time.monotonic() >= self._due:
            self._task = asyncio.create_task(self._look())
        return self._last

    async def _look(self) -> None:
        started = time.monotonic()
        try:
            self._last = await self._inspect(started)
        except FootnoteError as exc:
            logger.warning("the index could not be looked at: %s", exc)
        finally:
            ended = time.monotonic()
            self._due = ended + max(_INSPECTION_EVERY_S, _INSPECTION_PAUSE * (ended - started))

    async def _inspect(self, started: float) -> Inspection:
        counts: dict[str, IndexCounts] = {}
        findings = [*await check_strays(self._database)]
        for row in await list_collections(self._database):
            collection = await find_collection(self._database, row["name"])
            state = await check_collection(self._database, self._store, collection, depth="quick")
            counts[collection.name] = state.counts
            findings += state.findings
        return Inspection(
            counts=counts,
            findings=findings,
            failed_files=await count_failures(self._database),
            seconds=time.monotonic() - started,
            ended_at=time.time(),
        )
